"""The signed query: header, per-target parts, translation ticket, and what a target and the gateway verify.

The header is all that the gateway may know of a question. The trustee sees only the ticket, which names the header by
hash. Each target sees the header and its own part; the header binds every part by hash, so one signature covers all and
a target needs no other target's part. Nothing here performs I/O: times and keys are passed in.

A part's blinded point is for the two holders alone. It enters the part's hash as a commitment (`blinded_commitment`)
whose salt the target never sees: with the point and the blind that is sealed to it, the target would have the
requester's own pseudonym, and without the salt it cannot even test a guess at it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from federation import limits
from federation.canonical import to_canonical
from federation.centre_seen import CentreSeen
from federation.document import AgencyName, Base64, Code, Document, Hex32, Instant, IsoDate, Uuid
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.vocabulary import FamilyInformed, IdentifierState, Tier, Urgency
from federation.wire_version import WireDocument
from keys import domains
from keys.digest import SALT_BYTES, commitment_of, sha256, sha512
from keys.envelope import check_public
from keys.errors import EncodingRejected, SignatureRejected
from keys.group import ELEMENT_BYTES
from keys.signing import VerifyKey


class CategoryAsked(Document):
    """A kind of record and the highest tier asked for."""

    name: Code
    tier: Tier


class Approval(Document):
    """A second person's approval, already verified at the requester's node."""

    role: Code
    kind: Code
    user_ref: Code


class Period(Document):
    """Calendar dates, both included."""

    start: IsoDate
    end: IsoDate


class QueryHeader(WireDocument):
    """What the gateway, and every target, may know of a question.

    `targets` maps each responder to the hash of its part (`TargetPart.digest`). `reply_key` is the one-time HPKE public
    key to which every answer is sealed. `case_grant` names the case grant under which a member of a team asks: by that
    the requester chooses to make its queries of one case linkable. Free text never stands here: `justified` says that
    the requester gave one, which is sealed to the audit key (`AuditNote`); `federation.audit_note` compares the two.
    """

    MAX_BYTES: ClassVar[int] = limits.MAX_HEADER_BYTES

    query_id: Uuid
    requester: AgencyName
    requester_key_version: Annotated[int, Field(ge=1)]
    user_ref: Code
    role: Code
    purpose: Code
    urgency: Urgency
    area: Code
    categories: Annotated[list[CategoryAsked], Field(min_length=1, max_length=limits.MAX_CATEGORIES)]
    period: Period
    attestations: Annotated[list[Code], Field(max_length=limits.MAX_ATTESTATIONS)]
    approvals: Annotated[list[Approval], Field(max_length=limits.MAX_APPROVALS)]
    family_informed: FamilyInformed
    break_glass: Annotated[str, Field(max_length=limits.MAX_CODE_CHARS, pattern=r"^[A-Za-z0-9_.-]*$")]
    justified: bool = False
    identifier_state: IdentifierState
    issued_at: Instant
    deadline_at: Instant
    expires_at: Instant
    reply_key: Base64
    directory_version: Annotated[int, Field(ge=1)]
    decision_id: Uuid
    case_grant: Uuid | Literal[""] = ""
    audit_sha256: Hex32
    targets: Annotated[dict[AgencyName, Hex32], Field(min_length=1, max_length=limits.MAX_TARGETS)]


class TicketPoint(Document):
    """One target's blinded pseudonym of the requester's scope."""

    responder: AgencyName
    epoch: Annotated[int, Field(ge=1)]
    element: Hex32


class Ticket(WireDocument):
    """What the trustee acts on: points a node signed, and the hash of a query it never sees."""

    query_sha256: Hex32
    requester: AgencyName
    epoch: Annotated[int, Field(ge=1)]
    issued_at: Instant
    expires_at: Instant
    points: Annotated[list[TicketPoint], Field(min_length=1, max_length=limits.MAX_TARGETS)]


class Question(WireDocument):
    """Sealed to one responder: the blind that uncovers its pseudonym, and what only it may read."""

    query_id: Uuid
    requester: AgencyName
    responder: AgencyName
    blind: Hex32
    context_note: Annotated[str, Field(max_length=limits.MAX_JUSTIFICATION_CHARS)]
    seen: CentreSeen = Field(default_factory=CentreSeen)


class AuditNote(Document):
    """Sealed to the audit key: who asked, why, and the requester's pseudonym, to account for disclosures per child."""

    v: Literal[1] = 1
    query_id: Uuid
    requester: AgencyName
    user: Annotated[str, Field(max_length=200)]
    user_name: Annotated[str, Field(max_length=200)]
    justification: Annotated[str, Field(max_length=limits.MAX_JUSTIFICATION_CHARS)]
    pseudonym: Hex32
    epoch: Annotated[int, Field(ge=1)]


COMMITMENT_BYTES: Final = 32


def blinded_commitment(salt: bytes, blinded: bytes) -> bytes:
    """What commits to a blinded point and, without the salt, tells nothing of it: 32 bytes.

    Args:
        salt: 32 random bytes (`keys.digest.random_salt`), fresh for each part of each query.
        blinded: The point, 32 bytes.
    """
    return commitment_of(salt, b"wardgate/blinded-point/v1\0" + blinded)


@dataclass(frozen=True, slots=True)
class TargetPart:
    """One target's part of a query as the target receives it.

    Attributes:
        commitment: To the blinded point, which it does not receive.
        sealed: The envelope with the question.
    """

    responder: str
    commitment: bytes
    sealed: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 that binds responder, commitment and sealed question into the header."""
        name = self.responder.encode()
        return sha256(b"wardgate/part/v2\0" + name + b"\0" + self.commitment + sha512(self.sealed))


@dataclass(frozen=True, slots=True)
class Part:
    """One target's part of a query as requester and gateway have it."""

    responder: str
    blinded: bytes
    salt: bytes
    sealed: bytes

    @property
    def for_target(self) -> TargetPart:
        """What its responder receives of it."""
        return TargetPart(self.responder, blinded_commitment(self.salt, self.blinded), self.sealed)


def question_context(header_core: "QuestionContext") -> bytes:
    """HPKE context of a question: everything that must not change between sealing and opening."""
    return to_canonical(
        {
            "v": 1,
            "query_id": header_core.query_id,
            "requester": header_core.requester,
            "responder": header_core.responder,
            "sealing_epoch": header_core.sealing_epoch,
            "purpose": header_core.purpose,
            "issued_at": header_core.issued_at,
            "expires_at": header_core.expires_at,
        }
    )


@dataclass(frozen=True, slots=True)
class QuestionContext:
    """The parts of a header that exist before its hashes do, with the responder and its sealing key's epoch."""

    query_id: str
    requester: str
    responder: str
    sealing_epoch: int
    purpose: str
    issued_at: int
    expires_at: int


def audit_context(query_id: str, requester: str) -> bytes:
    """HPKE context of the envelope to the audit key."""
    return to_canonical({"v": 1, "query_id": query_id, "requester": requester})


def verify_signed(key: VerifyKey, signature: bytes, domain: str, *parts: bytes) -> None:
    """Verify an Ed25519 signature under one of `keys.domains`.

    Raises:
        WardgateError: `SIGNATURE_REJECTED`.
    """
    try:
        key.verify(signature, domain, *parts)
    except SignatureRejected as error:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, domain) from error


def verify_fresh(issued_at: int, expires_at: int, now: float) -> None:
    """Refuse a document that is not yet, or no longer, valid, or valid for too long.

    Raises:
        WardgateError: `QUERY_EXPIRED`.
    """
    if issued_at > now + limits.MAX_CLOCK_SKEW_S:
        raise WardgateError(ErrorCode.QUERY_EXPIRED, "issued in the future")
    if not issued_at < expires_at <= issued_at + limits.MAX_QUERY_LIFE_S:
        raise WardgateError(ErrorCode.QUERY_EXPIRED, "validity out of range")
    if now >= expires_at:
        raise WardgateError(ErrorCode.QUERY_EXPIRED, "expired")


def verify_begun(period: Period, now: float) -> None:
    """Refuse a period that begins in the future: "nothing held" would be true of it and say nothing.

    A clock that is ahead of ours by no more than `limits.MAX_CLOCK_SKEW_S` may have begun the next day already.

    Raises:
        WardgateError: `PERIOD_INVALID`.
    """
    if period.start > (today := date_in_england(now + limits.MAX_CLOCK_SKEW_S).isoformat()):
        raise WardgateError(ErrorCode.PERIOD_INVALID, f"begins on {period.start}, after {today}")


def verify_reply_key(header: QueryHeader) -> None:
    """Refuse a reply key that nothing can be sealed to: whoever is asked would work for an answer that cannot be given.

    Asked once for each query and party, and not whenever a header is read: a query that was stored is read as it is.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`.
    """
    try:
        check_public(header.reply_key)
    except EncodingRejected as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "QueryHeader.reply_key: not a key") from error


@dataclass(frozen=True, slots=True)
class VerifiedQuery:
    """A query whose signature, hashes and times hold. Made only by `verify_query`."""

    header: QueryHeader
    header_bytes: bytes
    digest: bytes
    parts: dict[str, Part]


def parse_query(header_bytes: bytes) -> QueryHeader:
    """Read the header alone, to learn whose key must verify it.

    Raises:
        WardgateError: `WIRE_VERSION_REFUSED`, `MESSAGE_*`.
    """
    return QueryHeader.parse(header_bytes)


def verify_query(
    header_bytes: bytes,
    signature: bytes,
    *,
    parts: Sequence[Part],
    ticket: bytes,
    audit_envelope: bytes,
    key: VerifyKey,
    now: float,
) -> VerifiedQuery:
    """What the gateway checks before it decides anything.

    Raises:
        WardgateError: `WIRE_VERSION_REFUSED`, `MESSAGE_*`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`, `PERIOD_INVALID`.
    """
    header = parse_query(header_bytes)
    verify_signed(key, signature, domains.QUERY, header_bytes)
    verify_fresh(header.issued_at, header.expires_at, now)
    verify_begun(header.period, now)
    verify_reply_key(header)
    if not header.issued_at < header.deadline_at <= header.expires_at:
        raise WardgateError(ErrorCode.QUERY_EXPIRED, "deadline outside validity")
    _check_parts(header, parts)
    if sha256(audit_envelope) != header.audit_sha256:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "the audit envelope is not the one signed")
    _check_ticket(header, header_bytes, Ticket.parse(ticket), parts)
    return VerifiedQuery(header, header_bytes, sha256(header_bytes), {part.responder: part for part in parts})


def _check_parts(header: QueryHeader, parts: Sequence[Part]) -> None:
    if len(parts) != len(header.targets):
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "parts and targets differ in number")
    if len({part.responder for part in parts}) != len(parts):
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a responder has two parts")
    for part in parts:
        if len(part.sealed) > limits.MAX_SEALED_PART_BYTES:
            raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, "sealed part")
        if len(part.salt) != SALT_BYTES or len(part.blinded) != ELEMENT_BYTES:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "point or salt of a part")
        if header.targets.get(part.responder) != part.for_target.digest:
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "a part is not the one signed")


def _check_ticket(header: QueryHeader, header_bytes: bytes, ticket: Ticket, parts: Sequence[Part]) -> None:
    """The ticket must be this query's, point by point; its signature is the trustee's to verify."""
    same = (
        ticket.query_sha256 == sha256(header_bytes)
        and ticket.requester == header.requester
        and (ticket.issued_at, ticket.expires_at) == (header.issued_at, header.expires_at)
        and {point.responder: point.element for point in ticket.points}
        == {part.responder: part.blinded for part in parts}
        and len(ticket.points) == len(parts)
    )
    if not same:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "the ticket is not this query's")


def verify_part(
    header_bytes: bytes, signature: bytes, *, part: TargetPart, key: VerifyKey, now: float
) -> tuple[QueryHeader, bytes]:
    """What a responder checks of the question it was handed; returns the header and its SHA-256.

    Raises:
        WardgateError: `WIRE_VERSION_REFUSED`, `MESSAGE_*` (a reply key that nothing can be sealed to, too),
            `SIGNATURE_REJECTED`, `QUERY_EXPIRED`.
    """
    header = parse_query(header_bytes)
    verify_signed(key, signature, domains.QUERY, header_bytes)
    verify_fresh(header.issued_at, header.expires_at, now)
    verify_reply_key(header)
    if len(part.commitment) != COMMITMENT_BYTES:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "commitment of a part")
    if header.targets.get(part.responder) != part.digest:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "the part is not the one signed")
    return header, sha256(header_bytes)


def verify_ticket(ticket: bytes, signature: bytes, *, key: VerifyKey, now: float) -> Ticket:
    """What the trustee checks before it multiplies.

    Raises:
        WardgateError: `WIRE_VERSION_REFUSED`, `MESSAGE_*`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`.
    """
    found = Ticket.parse(ticket)
    verify_signed(key, signature, domains.TICKET, ticket)
    verify_fresh(found.issued_at, found.expires_at, now)
    return found
