"""What a human is shown of a referral, and what the decision is bound to. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from agency_node.answering.consideration import QUESTION, Considered, HumanDecision, HumanReview
from agency_node.answering.duties import is_shielded
from agency_node.answering.task import VerifiedTask
from agency_node.caseload.lookup import Found
from agency_node.caseload.records import HeldRecord
from agency_node.store.referrals import HeldReview
from agency_node.vault import Vault
from federation.canonical import JsonObject, from_json, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.policy.decision import NodeDecision
from federation.policy.results import ANYBODY, MAX_DECIDERS, Existence, Person
from federation.policy_input import date_parts
from federation.query import Question
from federation.vocabulary import Effect

MAX_REFERRAL_BYTES: Final = 64 * 1024 * 1024
"""Every record of one child at its largest is far below it."""

_VERSIONS: Final = frozenset({1, 2})
"""Version 1 knew no questions that a person must answer whatever is held."""


@dataclass(frozen=True, slots=True)
class Referred:
    """What policy refers to a human.

    Attributes:
        records: In the order of the decision.
        silent: Nothing outside may show that somebody decides: the query is answered at once, as if they did not exist.
        person: Who decides, and whether about the question itself: then it is referred openly, whatever is held.
    """

    records: tuple[HeldRecord, ...]
    silent: bool
    person: Person

    @property
    def is_any(self) -> bool:
        """Whether there is anything for a human to decide."""
        return self.person.awaited or bool(self.records)


def referred_by(considered: Considered) -> Referred:
    """What policy refers, and whether that may be seen."""
    decision = considered.decision
    pairs = [
        (record, decided)
        for record, decided in zip(considered.records, decision.records, strict=True)
        if decision.permitted and decided.effect is Effect.REFER
    ]
    hidden = decision.existence is Existence.HIDDEN
    person = decision.person if decision.permitted else ANYBODY
    return Referred(
        records=tuple(record for record, _ in pairs),
        silent=not person.awaited and (hidden or all(is_shielded(decided.obligations) for _, decided in pairs)),
        person=person,
    )


def record_digest(vault: Vault, record: HeldRecord) -> str:
    """Of a record as a human sees it: a decision about other content does not count."""
    return vault.content_digest(to_canonical(record.content()))


@dataclass(frozen=True, slots=True, repr=False)
class ReferralContent:
    """The encrypted content of a referral.

    Attributes:
        query: Who asks what and why, as the responder is shown it.
        number: The child's NHS number: the responder must know whom it is about. Empty where it is not known here.
        records: The referred records in full.
        reasons: Codes of why each record is referred.
        digests: Of each record, by reference.
        awaited: The question itself waits for a person, whatever is held.
        withheld: Of such a question: how many records policy withholds, each number with the codes of why; nobody is to
            say "nothing" for want of knowing that there is something.
    """

    query: JsonObject
    number: str
    records: Sequence[JsonObject]
    reasons: Mapping[str, Sequence[str]]
    digests: Mapping[str, str]
    awaited: bool = False
    withheld: Sequence[JsonObject] = field(default_factory=tuple)

    def __repr__(self) -> str:
        return f"ReferralContent({len(self.records)} records)"

    def encode(self) -> bytes:
        """As the payload to encrypt."""
        return to_canonical(
            {
                "v": 2,
                "query": self.query,
                "number": self.number,
                "records": list(self.records),
                "reasons": {ref: list(codes) for ref, codes in self.reasons.items()},
                "digests": dict(self.digests),
                "awaited": self.awaited,
                "withheld": list(self.withheld),
            }
        )

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a decrypted payload back.

        Raises:
            WardgateError: `STORE_UNAVAILABLE` when it is of another version.
        """
        found: dict[str, Any] = from_json(payload, max_bytes=MAX_REFERRAL_BYTES, what="referral")
        if found.pop("v", None) not in _VERSIONS:
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
        awaited=referred.person.awaited,
        withheld=_withheld(considered.decision) if referred.person.awaited else (),
    )


def _withheld(decision: NodeDecision) -> list[JsonObject]:
    """How many records policy withholds, by why."""
    counted = Counter(
        tuple(sorted(reason.code for reason in item.reasons))
        for item in decision.records
        if item.effect is Effect.WITHHOLD
    )
    return [{"count": counted[codes], "reasons": list(codes)} for codes in sorted(counted)]


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


def holding_reviews(
    records: Iterable[HeldRecord], reviews: Iterable[HeldReview], vault: Vault
) -> dict[str, tuple[HumanReview, ...]]:
    """Human decisions that hold for these records as they are now, or for the question as a whole.

    Of two by one person withholding counts, then the longer one; of more people than ever have to agree, those who
    withhold come first, then those whose decision holds longest.
    """
    digests = {record.ref: record_digest(vault, record) for record in records} | {QUESTION: ""}
    found: dict[str, dict[str, HumanReview]] = {}
    for review in reviews:
        if digests.get(review.ref) != review.digest:
            continue
        of_ref, read = found.setdefault(review.ref, {}), _read(review)
        of_ref[read.reviewer] = max(of_ref.get(read.reviewer, read), read, key=_weight)
    return {ref: tuple(sorted(people.values(), key=_rank)[:MAX_DECIDERS]) for ref, people in found.items()}


def _read(review: HeldReview) -> HumanReview:
    decision: HumanDecision = "withhold" if review.decision == "withhold" else "release"
    return HumanReview(decision, review.ground, review.reviewer, review.expires_at)


def _weight(review: HumanReview) -> tuple[bool, int]:
    return review.decision == "withhold", review.expires_at


def _rank(review: HumanReview) -> tuple[bool, int, str]:
    """The weightiest first."""
    return review.decision != "withhold", -review.expires_at, review.reviewer
