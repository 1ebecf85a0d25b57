"""The way back after a ledger lost entries that others had seen: proposed by one party, accepted by all others."""
