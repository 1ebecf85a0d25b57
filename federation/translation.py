"""A point on its way from the requester's scope to a responder's: what each holder proves, what the trustee signs.

The gateway multiplies first and proves; the trustee verifies that, multiplies, proves and signs; the gateway verifies
both, the responder the signature alone. Every proof is against the points that the verifier's own directory shows. So a
holder that multiplies with another key, or another point than the requester signed, is found out by the other before
anything is dispatched, and neither can change the result afterwards. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from federation.directory import Agency
from federation.errors import ErrorCode, WardgateError
from federation.query import verify_signed
from keys import domains
from keys.errors import EncodingRejected, ProofRejected
from keys.holder import HolderKeys, Role, ScopeEpoch, verify_translation
from keys.signing import SigningKey, VerifyKey


@dataclass(frozen=True, slots=True)
class Route:
    """Between which keys a point is translated, as one party's directory shows them.

    Attributes:
        requester: In whose scope the point is.
        epoch: The requester's.
        responder: Into whose scope it goes.
        responder_epoch: The responder's.
    """

    requester: Agency
    epoch: int
    responder: Agency
    responder_epoch: int

    @property
    def source(self) -> ScopeEpoch:
        """Where the point is."""
        return ScopeEpoch(self.requester.descriptor.id, self.epoch)

    @property
    def target(self) -> ScopeEpoch:
        """Where it goes."""
        return ScopeEpoch(self.responder.descriptor.id, self.responder_epoch)

    def points(self, holder: Role) -> tuple[bytes, bytes]:
        """The points that a holder publishes at both ends.

        Raises:
            WardgateError: `EPOCH_UNKNOWN`.
        """
        ends = ((self.requester, self.epoch), (self.responder, self.responder_epoch))
        source, target = (_point(agency, epoch, holder) for agency, epoch in ends)
        return source, target


def _point(agency: Agency, epoch: int, holder: Role) -> bytes:
    found = agency.points(holder).get(epoch)
    if found is None:
        raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"{agency.descriptor.id} epoch {epoch} is not published")
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """What one holder makes of a point, with the proof of 64 bytes that its published keys did."""

    element: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class HalfTranslation:
    """The gateway's step for one responder, as the trustee is asked to go on from it."""

    responder: str
    step: Step


@dataclass(frozen=True, slots=True)
class Statement:
    """What the trustee signs: to whom, at the end of which question, a point belongs.

    The responder's epoch is part of it, so that a responder never looks for a child under keys that this point was not
    made with; the requester is, so that no other agency's ticket for the same hash can stand in.
    """

    query_sha256: bytes
    requester: str
    responder: str
    responder_epoch: int
    element: bytes

    def sign(self, key: SigningKey) -> bytes:
        """The trustee's signature of 64 bytes."""
        return key.sign(domains.TRANSLATION, *self._parts())

    def verify(self, key: VerifyKey, signature: bytes) -> None:
        """Check the trustee's signature.

        Raises:
            WardgateError: `SIGNATURE_REJECTED`.
        """
        verify_signed(key, signature, domains.TRANSLATION, *self._parts())

    def _parts(self) -> Sequence[bytes]:
        epoch = self.responder_epoch.to_bytes(8, "big")
        return self.query_sha256, self.requester.encode(), self.responder.encode(), epoch, self.element


@dataclass(frozen=True, slots=True)
class Translation:
    """The trustee's step for one responder, and its signature over the whole statement."""

    step: Step
    signature: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A holder cannot translate for one responder; the others of the query are none the worse for it.

    Attributes:
        code: `EPOCH_UNKNOWN`, `KEYRING_REJECTED` or `TARGET_UNKNOWN`.
    """

    code: ErrorCode


OF_ONE_TARGET: Final = frozenset({ErrorCode.EPOCH_UNKNOWN, ErrorCode.KEYRING_REJECTED, ErrorCode.TARGET_UNKNOWN})
"""What costs one target alone."""


def take_step(keys: HolderKeys, route: Route, element: bytes) -> Step:
    """Multiply a point and prove it.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`: it is not a valid point.
    """
    ratio = keys.translation(route.source, route.target)
    try:
        result = ratio.apply(element)
        return Step(result, ratio.prove(element, result))
    except EncodingRejected as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "an element is not a valid point") from error


def verify_step(holder: Role, route: Route, element: bytes, step: Step) -> None:
    """Check that a holder multiplied this very point with the keys it published.

    Raises:
        WardgateError: `PROOF_REJECTED`, naming the holder and both scopes; `EPOCH_UNKNOWN`.
    """
    source, target = route.points(holder)
    try:
        verify_translation(source, target, element, step.element, step.proof)
    except ProofRejected as error:
        detail = f"the {holder}'s translation from {route.source.scope} to {route.target.scope}"
        raise WardgateError(ErrorCode.PROOF_REJECTED, detail) from error
