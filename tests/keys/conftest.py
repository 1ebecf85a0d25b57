"""Cryptography is slow on a busy machine: examples have no deadline."""

from hypothesis import settings

settings.register_profile("keys", deadline=None)
settings.load_profile("keys")
