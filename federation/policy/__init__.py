"""Decisions: signed bundles, engines behind one Protocol, and one place where everything unexpected becomes deny."""
