"""What every party must agree on: the wire, the vocabulary, the ledger, the policy engine, the transport."""
