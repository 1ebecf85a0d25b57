"""What a human is shown of a referral, and what the decision is bound to. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from agency_node.answering.consideration import Considered, HumanReview
from agency_node.answering.duties import is_shielded
from agency_node.answering.task import VerifiedTask
from agency_node.caseload.lookup import Found
from agency_node.caseload.records import HeldRecord
from agency_node.store.referrals import HeldReview
from agency_node.vault import Vault
from federation.canonical import JsonObject, from_json, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.policy.results import Existence
from federation.policy_input import date_parts
from federation.query import Question
from federation.vocabulary import Effect

MAX_REFERRAL_BYTES: Final = 64 * 1024 * 1024
"""Every record of one child at its largest is far below it."""


@dataclass(frozen=True, slots=True)
class Referred:
    """Records that policy refers to a human.

    Attributes:
        records: In the order of the decision.
        silent: Nothing outside may show that somebody decides: the query is answered at once, as if they did not exist.
    """

    records: tuple[HeldRecord, ...]
    silent: bool


def referred_by(considered: Considered) -> Referred:
    """What policy refers, and whether that may be seen."""
    decision = considered.decision
    pairs = [
        (record, decided)
        for record, decided in zip(considered.records, decision.records, strict=True)
        if decision.permitted and decided.effect is Effect.REFER
    ]
    hidden = decision.existence is Existence.HIDDEN
    return Referred(
        records=tuple(record for record, _ in pairs),
        silent=hidden or all(is_shielded(decided.obligations) for _, decided in pairs),
    )


def record_digest(vault: Vault, record: HeldRecord) -> str:
    """Of a record as a human sees it: a decision about other content does not count."""
    return vault.content_digest(to_canonical(record.content()))


@dataclass(frozen=True, slots=True, repr=False)
class ReferralContent:
    """The encrypted content of a referral.

    Attributes:
        query: Who asks what and why, as the responder is shown it.
        number: The child's NHS number: the responder must know whom it is about.
        records: The referred records in full.
        reasons: Codes of why each record is referred.
        digests: Of each record, by reference.
    """

    query: JsonObject
    number: str
    records: Sequence[JsonObject]
    reasons: Mapping[str, Sequence[str]]
    digests: Mapping[str, str]

    def __repr__(self) -> str:
        return f"ReferralContent({len(self.records)} records)"

    def encode(self) -> bytes:
        """As the payload to encrypt."""
        return to_canonical(
            {
                "v": 1,
                "query": self.query,
                "number": self.number,
                "records": list(self.records),
                "reasons": {ref: list(codes) for ref, codes in self.reasons.items()},
                "digests": dict(self.digests),
            }
        )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a decrypted payload back.

        Raises:
            WardgateError: `STORE_UNAVAILABLE` when it is of another version.
        """
        found: dict[str, Any] = from_json(payload, max_bytes=MAX_REFERRAL_BYTES, what="referral")
        if found.pop("v", None) != 1:
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE, "referral of another version")
        return cls(**found)


def content_of(
    task: VerifiedTask, question: Question, considered: Considered, referred: Referred, *, found: Found, vault: Vault
) -> ReferralContent:
    """Compose what a human is shown."""
    decided = {item.ref: item for item in considered.decision.records}
    return ReferralContent(
        query=_query(task, question),
        number=found.number.canonical() if found.number else "",
        records=[record.content() for record in referred.records],
        reasons={record.ref: [item.code for item in decided[record.ref].reasons] for record in referred.records},
        digests={record.ref: record_digest(vault, record) for record in referred.records},
    )


def _query(task: VerifiedTask, question: Question) -> JsonObject:
    header, agency = task.header, task.requester.descriptor
    return {
        "query_id": header.query_id,
        "requester": header.requester,
        "requester_name": agency.name,
        "requester_kind": agency.kind,
        "role": header.role,
        "user_ref": header.user_ref,
        "purpose": header.purpose,
        "urgency": header.urgency.value,
        "area": header.area,
        "categories": [{"name": item.name, "tier": item.tier.value} for item in task.permitted.categories],
        "period": {"from": date_parts(header.period.start), "to": date_parts(header.period.end)},
        "attestations": list(header.attestations),
        "family_informed": header.family_informed.value,
        "break_glass": header.break_glass,
        "issued_at": header.issued_at,
        "deadline_at": header.deadline_at,
        "expires_at": header.expires_at,
        "context_note": question.context_note,
    }


def _weight(review: HumanReview) -> tuple[bool, int]:
    return review.decision == "withhold", review.expires_at


def holding_reviews(
    records: Iterable[HeldRecord], reviews: Iterable[HeldReview], vault: Vault
) -> dict[str, HumanReview]:
    """Human decisions that hold for these records as they are now; of two, withholding counts, then the longer one."""
    by_ref = {record.ref: record for record in records}
    found: dict[str, HumanReview] = {}
    for review in reviews:
        record = by_ref.get(review.ref)
        if record is None or review.digest != record_digest(vault, record):
            continue
        read = HumanReview(
            "withhold" if review.decision == "withhold" else "release", review.reviewer, review.expires_at
        )
        found[review.ref] = max(found.get(review.ref, read), read, key=_weight)
    return found
