"""The commands of a recovery."""
