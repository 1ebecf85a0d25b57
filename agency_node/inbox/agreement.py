"""A release to which somebody else has yet to agree, as a referral keeps it. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from agency_node.vault import Kind, Vault
from federation.canonical import from_json, to_canonical
from federation.limits import MAX_JUSTIFICATION_CHARS

_MAX_BYTES: Final = 16 * MAX_JUSTIFICATION_CHARS


@dataclass(frozen=True, slots=True)
class Release:
    """What the first of several people said.

    Attributes:
        reviewer: Their opaque reference.
        user: Their id, as known inside this node.
        role: Their role when they decided.
        ground: Code of the bundle.
        at: Seconds since the epoch.
        reason: In their own words; shown to nobody who has yet to decide.
        salt: Of the commitment to the reason in the ledger, hexadecimal digits.
    """

    reviewer: str
    user: str
    role: str
    ground: str
    at: int
    reason: str = field(repr=False)
    salt: str = field(repr=False)

    def sealed(self, vault: Vault, referral_id: str) -> bytes:
        """As the referral keeps it: encrypted."""
        return vault.seal(Kind.REASON, _row(referral_id), to_canonical(asdict(self)))

    @classmethod
    def opened(cls, vault: Vault, referral_id: str, sealed: bytes | None) -> Self | None:
        """Read it back; None where nobody has released yet."""
        if sealed is None:
            return None
        payload = vault.open(Kind.REASON, _row(referral_id), sealed)
        found: dict[str, Any] = from_json(payload, max_bytes=_MAX_BYTES, what="release")
        return cls(**found)


def _row(referral_id: str) -> str:
    return f"{referral_id}/given"
