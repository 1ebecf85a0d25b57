"""A party's signed wish for a certificate, where it has none that is good: its signing key speaks for it. Pure.

A certificate is renewed over the one before. Whoever was off for longer than a certificate lives has none to renew
over, but still the signing key that the gateway knows it by: an agency's as the directory lists it, the trustee's as it
is pinned. An operator claims one for each command, by the key that stands beside the name in the gateway's settings.
"""

from typing import ClassVar, Final, Literal

from federation.document import Document, Hex32, Instant, PartyUri
from federation.errors import ErrorCode, WardgateError
from federation.query import verify_signed
from federation.transport.identity import Party
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey, VerifyKey

FRESH_S: Final = 300
"""How old, or how far ahead, a claim may be: clocks differ, and what somebody saw on its way is soon worth nothing."""


class CertificateClaim(Document):
    """Which party asks, for which certificate request, when."""

    MAX_BYTES: ClassVar[int] = 1024

    v: Literal[2] = 2
    party: PartyUri
    request_sha256: Hex32
    claimed_at: Instant


def make_claim(party: Party, certificate_request: bytes, *, key: SigningKey, now: float) -> tuple[bytes, bytes]:
    """A claim and its signature.

    Args:
        party: Who asks.
        certificate_request: PEM.
        key: The party's signing key.
        now: Seconds since the epoch.
    """
    claim = CertificateClaim(
        party=party.uri, request_sha256=sha256(certificate_request), claimed_at=int(now)
    ).canonical()
    return claim, key.sign(domains.CERTIFICATE_CLAIM, claim)


def verify_claim(content: bytes, signature: bytes, *, certificate_request: bytes, key: VerifyKey, now: float) -> None:
    """Check a claim against the verify key that its party is known by.

    Raises:
        WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`; `CLAIM_REFUSED`: of another request, or of another time.
    """
    claim = CertificateClaim.parse(content)
    verify_signed(key, signature, domains.CERTIFICATE_CLAIM, content)
    if claim.request_sha256 != sha256(certificate_request):
        raise WardgateError(ErrorCode.CLAIM_REFUSED, "the claim is about another certificate request")
    if abs(claim.claimed_at - now) > FRESH_S:
        raise WardgateError(ErrorCode.CLAIM_REFUSED, "the claim is of another time")
