"""The sealed answer: sealed to a one-time reply key, signed by the responder, equal in shape whatever it says.

Every part's plaintext repeats the SHA-512 of its own header and both identities, so that nobody can re-seal another's
answer under a header of their own. The gateway checks signatures (`verify_answer_parts`) without being able to read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal, NamedTuple

from pydantic import Field

from federation import limits
from federation.admission import ObligationGiven, ReasonGiven
from federation.centre_seen import CentreSeen
from federation.document import AgencyName, Code, Document, Hex32, Instant, IsoDate, Uuid
from federation.errors import ErrorCode, WardgateError
from federation.query import Period, verify_signed
from federation.vocabulary import IdentifierState, Outcome, ReadingState, Share, Tier
from keys import domains
from keys.digest import sha256, sha512
from keys.envelope import SealingKey, seal
from keys.errors import EncodingRejected, EnvelopeRejected
from keys.padding import pad, unpad
from keys.signing import SigningKey, VerifyKey

SUITE: Final = "MLKEM768-X25519/HKDF-SHA256/AES-256-GCM"
CHUNK_BYTES: Final = 255 * 1024
"""One part: the largest padding bucket (256 KiB) less the framing."""
SMALLEST_BYTES: Final = 16 * 1024
"""The padding bucket below which no answer stays: how each dataset stands takes up to some 3 KB of every answer."""
MAX_PARTS: Final = -(-limits.MAX_ANSWER_BYTES // CHUNK_BYTES)

Text = Annotated[str, Field(max_length=limits.MAX_JUSTIFICATION_CHARS)]


class Contact(Document):
    """How to reach a person at the responder."""

    name: Text
    role: Text
    phone: Text


class DisclosedRecord(Document):
    """One record as far as policy let it out. At T0 `fields` is empty: somebody here holds such a record.

    Attributes:
        fields_unreadable: Fields that policy let out, and that the holder has a value of which could not be read.
    """

    category: Code
    type: str
    tier: Tier
    date: IsoDate | Literal[""]
    fields: dict[str, str | int | bool]
    fields_unreadable: list[str]
    assertion: Code
    relation: Code
    contact_level: Code
    handling_code: str
    flags: list[Code]
    redactions: list[Code]
    reasons: list[ReasonGiven]


class DatasetReading(Document):
    """How far the responder's knowledge of one of its datasets can be believed; the same for every child.

    Attributes:
        dataset: The responder's own name for it; empty where it has none for these categories.
        categories: Of those asked about, which it stands behind.
        unreadable: Share of its rows that could not be read.
        unidentified: Share of its rows that name no child.
        as_at: Seconds since the epoch at which the content in force was made; 0 for none.
    """

    dataset: Annotated[str, Field(max_length=140)]
    categories: Annotated[list[Code], Field(max_length=limits.MAX_CATEGORIES)]
    state: ReadingState
    unreadable: Share
    unidentified: Share
    as_at: Instant


class Answer(Document):
    """What one responder says to one query; read by the requester alone.

    Attributes:
        reading: What stands behind the answer, dataset by dataset; alike whatever is held.
        processing: Conditions of data protection law on which the responder relies; alike whatever is held.
        older: Something that may be told lies before the period which the purpose covers by itself: ask again with an
            earlier start. True only where the outcome is `records` or `nothing_held`.
        seen: What the responder had seen of the centre when it sealed this.
        undecided: Something that was referred to a person was never decided; with records too. An answer that does not
            say so, of an earlier version, means that nothing was left so.
    """

    MAX_BYTES: ClassVar[int] = limits.MAX_ANSWER_BYTES

    v: Literal[1] = 1
    query_id: Uuid
    outcome: Outcome
    records: list[DisclosedRecord]
    reasons: list[ReasonGiven]
    obligations: list[ObligationGiven]
    processing: list[Code]
    reading: list[DatasetReading]
    contact: Contact | None
    period_covered: Period
    older: bool
    undecided: bool = False
    context_note: Text
    identifier_state: IdentifierState
    answered_at: Instant
    seen: CentreSeen = Field(default_factory=CentreSeen)


class AnswerContext(NamedTuple):
    """To which question of whom an answer belongs, and whose it is."""

    query_id: str
    task_id: str
    requester: str
    responder: str
    purpose: str
    query_sha256: bytes


class AnswerHeader(Document):
    """What the gateway can see of one part of an answer: nothing that tells one outcome from another."""

    v: Literal[1] = 1
    suite: Literal["MLKEM768-X25519/HKDF-SHA256/AES-256-GCM"] = SUITE
    query_id: Uuid
    task_id: Uuid
    requester: AgencyName
    responder: AgencyName
    responder_key_version: Annotated[int, Field(ge=1)]
    purpose: Code
    issued_at: Instant
    expires_at: Instant
    decision_id: Uuid
    bundle_digest: Hex32
    query_sha256: Hex32
    part: Annotated[int, Field(ge=1, le=MAX_PARTS)]
    total: Annotated[int, Field(ge=1, le=MAX_PARTS)]

    @property
    def context(self) -> AnswerContext:
        """Where it belongs."""
        return AnswerContext(
            self.query_id, self.task_id, self.requester, self.responder, self.purpose, self.query_sha256
        )


@dataclass(frozen=True, slots=True)
class SealedPart:
    """One part as it travels."""

    header: bytes
    ciphertext: bytes
    signature: bytes


def seal_answer(answer: Answer, header: AnswerHeader, *, reply_key: bytes, key: SigningKey) -> list[SealedPart]:
    """Seal and sign an answer in as many parts as it needs.

    Args:
        answer: What to say.
        header: Its header; `part` and `total` are set here.
        reply_key: The query's one-time HPKE public key.
        key: The responder's signing key.

    Raises:
        WardgateError: `MESSAGE_TOO_LARGE` when the answer is over `MAX_ANSWER_BYTES`; `MESSAGE_MALFORMED` when nothing
            can be sealed to the reply key.
    """
    content = answer.canonical()
    if len(content) > limits.MAX_ANSWER_BYTES:
        raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, "answer")
    chunks = [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]
    sealed = []
    for number, chunk in enumerate(chunks, start=1):
        head = header.model_copy(update={"part": number, "total": len(chunks)}).canonical()
        plaintext = _framing(head, header.requester, header.responder) + chunk
        padded = pad(plaintext, smallest=SMALLEST_BYTES)
        try:
            ciphertext = seal(reply_key, purpose="answer", context=head, plaintext=padded)
        except EncodingRejected as error:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "reply key") from error
        sealed.append(SealedPart(head, ciphertext, key.sign(domains.ANSWER, head, sha512(ciphertext))))
    return sealed


def _framing(header: bytes, requester: str, responder: str) -> bytes:
    return sha512(header) + requester.encode() + b"\0" + responder.encode() + b"\0"


def verify_answer_parts(parts: Sequence[SealedPart], *, key: VerifyKey, expected: AnswerContext) -> None:
    """Check signatures, order and context of an answer without reading it.

    Args:
        parts: The parts in order.
        key: The responder's verify key from the directory.
        expected: What every part must repeat. Times, decision, bundle and key version are the responder's to say.

    Raises:
        WardgateError: `MESSAGE_*` or `SIGNATURE_REJECTED`.
    """
    if not 1 <= len(parts) <= MAX_PARTS:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "number of answer parts")
    for number, part in enumerate(parts, start=1):
        header = AnswerHeader.parse(part.header)
        verify_signed(key, part.signature, domains.ANSWER, part.header, sha512(part.ciphertext))
        if (header.part, header.total) != (number, len(parts)) or header.context != expected:
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "answer belongs elsewhere")


def answer_digest(parts: Sequence[SealedPart]) -> bytes:
    """What every ledger names an answer by: SHA-256 over its parts' signatures.

    Two deliveries of one stored answer are equal, two answers never are.
    """
    return sha256(b"".join(part.signature for part in parts))


def open_answer(parts: Sequence[SealedPart], *, reply_key: SealingKey) -> Answer:
    """Open a verified answer.

    Raises:
        WardgateError: `ENVELOPE_REJECTED` or `MESSAGE_*`.
    """
    headers = [AnswerHeader.parse(part.header) for part in parts]
    content = b"".join(_open_part(part, header, reply_key) for part, header in zip(parts, headers, strict=True))
    answer = Answer.parse(content)
    if answer.query_id != headers[0].query_id:
        raise WardgateError(ErrorCode.ENVELOPE_REJECTED, "answer to another query")
    return answer


def _open_part(part: SealedPart, header: AnswerHeader, reply_key: SealingKey) -> bytes:
    try:
        plaintext = unpad(reply_key.open(purpose="answer", context=part.header, ciphertext=part.ciphertext))
    except EnvelopeRejected as error:
        raise WardgateError(ErrorCode.ENVELOPE_REJECTED, "answer") from error
    framing = _framing(part.header, header.requester, header.responder)
    if not plaintext.startswith(framing):
        raise WardgateError(ErrorCode.ENVELOPE_REJECTED, "answer was sealed under another header")
    return plaintext[len(framing) :]
