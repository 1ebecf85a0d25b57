"""Puts a task before policy: which records, in how many evaluations, and what they say together.

Policy sees descriptors, never values. Records of categories that nobody asked for are left out, unless they carry a
handling flag: some flags reach every record of the child. All records of a child stand in one evaluation; where there
are too many for that, each evaluation holds at least one carrier of every flag, so that none decides without a flag.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from agency_node.answering.overlay import Overlay
from agency_node.answering.task import VerifiedTask
from agency_node.caseload.records import HeldRecord
from federation import limits
from federation.canonical import JsonObject
from federation.counters import CounterView
from federation.directory import AgencyDescriptor
from federation.policy.decision import NodeDecision
from federation.policy.engine import WAIT_S, EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.policy.results import ANYBODY, Enquiry, Existence, Person
from federation.policy_input import agency_input, policy_time, query_input, requester_input
from federation.team import case_grant_input
from federation.vocabulary import EnquiryOutcome

HumanDecision = Literal["release", "withhold"]

QUESTION: Final = ""
"""The reference under which a review is about the question as a whole."""


@dataclass(frozen=True, slots=True)
class HumanReview:
    """What a person of this agency decided of one record, or of the question as a whole.

    Attributes:
        decision: Release or withhold.
        ground: Code of the bundle: why.
        reviewer: Who decided.
        expires_at: Seconds since the epoch at which the decision ends.
    """

    decision: HumanDecision
    ground: str
    reviewer: str
    expires_at: int

    def policy_input(self, ref: str) -> JsonObject:
        """The review as `wardgate/node/decision` sees it."""
        return {
            "ref": ref,
            "decision": self.decision,
            "reason": self.ground,
            "reviewer": self.reviewer,
            "expires_at": self.expires_at,
        }


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a decision depends on besides the task and the records.

    Attributes:
        responder: This agency as the directory describes it.
        overlay: What this agency narrows.
        counters: What the requester asked lately.
        reviews: Human decisions by record reference, of each person one; under "" those about the question as a whole.
        now: Seconds since the epoch.
        child_flags: Flags of the child as such, whether or not there are records.
    """

    responder: AgencyDescriptor
    overlay: Overlay
    counters: CounterView
    reviews: Mapping[str, Sequence[HumanReview]]
    now: float
    child_flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Considered:
    """What policy said.

    Attributes:
        records: The records that were before it, in the order of `decision.records`.
        decision: All evaluations joined.
        evaluations: Each by itself, for the ledger.
    """

    records: tuple[HeldRecord, ...]
    decision: NodeDecision
    evaluations: tuple[Evaluated[NodeDecision], ...]

    @property
    def decision_id(self) -> str:
        """The decision behind the answer: the first evaluation's."""
        return self.evaluations[0].record.id


def relevant(records: Sequence[HeldRecord], asked: frozenset[str]) -> tuple[HeldRecord, ...]:
    """The records that a decision is about, in the order given."""
    return tuple(record for record in records if record.category in asked or record.flags)


def portions(
    records: Sequence[HeldRecord], most: int = limits.MAX_RECORDS_PER_DECISION
) -> list[tuple[HeldRecord, ...]]:
    """Cut records into as few evaluations as possible, each with a carrier of every flag; at least one, if empty."""
    if len(records) <= most:
        return [tuple(records)]
    carriers: dict[str, HeldRecord] = {}
    seen: set[str] = set()
    for record in records:
        if not seen.issuperset(record.flags):
            carriers[record.ref] = record
            seen.update(record.flags)
    others = [record for record in records if record.ref not in carriers]
    room = max(most - len(carriers), 1)
    chunks = [others[at : at + room] for at in range(0, len(others), room)]
    return [(*carriers.values(), *chunk) for chunk in chunks]


def node_input(task: VerifiedTask, records: Sequence[HeldRecord], by: Circumstances) -> JsonObject:
    """The input of `wardgate/node/decision`, records in the order given."""
    refs = {record.ref for record in records} | {QUESTION}
    header = task.header
    return {
        "time": policy_time(by.now),
        "query": query_input(header),
        "requester": requester_input(task.requester.descriptor, user_ref=header.user_ref, role=header.role),
        "counters": by.counters.as_input(),
        "case_grant": case_grant_input(task.admission.case_grant),
        "responder": agency_input(by.responder),
        "gateway": {
            "categories": [{"name": item.name, "tier": item.tier.value} for item in task.permitted.categories],
            "obligations": [item.model_dump(mode="json") for item in task.permitted.obligations],
        },
        "overlay": by.overlay.policy_input(),
        "records": [record.descriptor() for record in records],
        "child_flags": sorted(by.child_flags),
        "review": [review.policy_input(ref) for ref in sorted(by.reviews) if ref in refs for review in by.reviews[ref]],
    }


def strictest(enquiries: Iterable[Enquiry]) -> Enquiry:
    """Of several, the one under which the fewest learn of the question, and the latest."""
    order = list(EnquiryOutcome)
    return max(enquiries, key=lambda enquiry: (order.index(enquiry.outcome), enquiry.after_s))


def whoever(people: Sequence[Person]) -> Person:
    """Who decides, of several evaluations: the most people of all, and the roles of the first that has any."""
    return Person(
        awaited=any(person.awaited for person in people),
        people=max(person.people for person in people),
        roles=next((person.roles for person in people if person.roles), ()),
    )


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a decision may be waited for.

    Attributes:
        wait_s: Seconds that policy may take.
        is_last: No later attempt would be in time: where there is no decision even now, that is how it ends.
    """

    wait_s: float = WAIT_S
    is_last: bool = False


async def consider(
    policy: PolicyPoint, task: VerifiedTask, held: Sequence[HeldRecord], by: Circumstances, patience: Patience
) -> Considered:
    """Ask policy about everything this agency holds of the child.

    Raises:
        WardgateError: `POLICY_UNAVAILABLE`: the engine gave no result, and there is time to ask again.
    """
    asked = frozenset(item.name for item in task.permitted.categories)
    now = asyncio.get_running_loop().time
    until, evaluations = now() + patience.wait_s, []
    for portion in portions(relevant(held, asked)):
        evaluated = await policy.decide(
            EntryPoint.NODE, node_input(task, portion, by), until - now(), parent_id=task.admission.decision_id
        )
        evaluations.append(evaluated if patience.is_last else evaluated.decided())
    return join(relevant(held, asked), evaluations)


def join(records: tuple[HeldRecord, ...], evaluations: Sequence[Evaluated[NodeDecision]]) -> Considered:
    """What several evaluations of one child say together: the narrowest, and all of it failed if one failed."""
    first = next((item for item in evaluations if not item.decision.permitted), evaluations[0]).decision
    decided = {item.ref: item for evaluation in evaluations for item in evaluation.decision.records}
    visible = any(evaluation.decision.existence is Existence.VISIBLE for evaluation in evaluations)
    failed = first.failure is not None or decided.keys() != {record.ref for record in records}
    stands = first.permitted and not failed
    joined = NodeDecision(
        effect=first.effect,
        reasons=first.reasons,
        obligations=first.obligations,
        expires_in_s=min(evaluation.decision.expires_in_s for evaluation in evaluations),
        processing=first.processing,
        enquiry=strictest(evaluation.decision.enquiry for evaluation in evaluations),
        records=() if failed else tuple(decided[record.ref] for record in records),
        existence=Existence.VISIBLE if visible and not failed else Existence.HIDDEN,
        older=stands and any(evaluation.decision.older for evaluation in evaluations),
        person=whoever([evaluation.decision.person for evaluation in evaluations]) if stands else ANYBODY,
        absence_confirmed=stands and all(evaluation.decision.absence_confirmed for evaluation in evaluations),
    )
    return Considered(() if failed else records, joined, tuple(evaluations))
