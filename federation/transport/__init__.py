"""How parties reach each other: mutual TLS, who may call what, renewal, revocation, errors across the wire."""
