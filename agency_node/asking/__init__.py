"""This agency's own queries: from a question to the joined picture."""
