"""Evidence that cannot be quietly changed: entries, Merkle tree, checkpoints, witnesses, offline verification."""
