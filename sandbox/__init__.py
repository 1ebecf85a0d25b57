"""A whole synthetic region on one machine."""
