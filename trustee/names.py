"""Names that go into ledgers."""

from federation.transport.identity import Party


def ledger_origin(party: Party) -> str:
    """Name of a party's ledger, unique in the federation, such as `wardgate/trustee/main`."""
    return f"wardgate/{party}"
