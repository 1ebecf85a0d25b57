"""Whom this agency knows and what it holds of them, brought up to date from its own systems."""
