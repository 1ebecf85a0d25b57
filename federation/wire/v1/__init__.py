"""Generated from proto/federation/wire/v1 by `make proto`; never edited."""
