"""All cryptography and nothing else: pure functions and types, no I/O but the keyring's own files."""
