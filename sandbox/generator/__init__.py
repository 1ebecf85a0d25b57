"""A synthetic population, and what each agency would hold of it in its own system."""
