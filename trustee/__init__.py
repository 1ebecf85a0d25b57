"""The independent holder of half of every pseudonym key."""
