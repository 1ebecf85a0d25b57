"""The shapes of real systems, written from drafts: what the shipped mappings read."""
