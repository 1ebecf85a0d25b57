"""The gateway's tables and their migrations."""
