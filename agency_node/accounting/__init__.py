"""What this node did about one child, who of its people looked, and the telling of it."""
