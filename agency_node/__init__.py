"""The edge: an agency's node beside its own systems."""
