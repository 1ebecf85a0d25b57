"""From records and a policy decision to the answer that leaves. Pure: the one place where data is minimised.

Rules, in order:

1. a decision that no policy made (engine, bundle or input failed) becomes `error`, whatever is held: absence is never
   claimed on the word of a failure;
2. a source that was not read to its end becomes `error`, whatever is held; what other sources hold is still given;
3. hidden existence is decided before anything else is looked at: from there on the records do not exist, so that "held
   but hidden" and "not held" run the same lines and differ in nothing;
4. of a released record only the fields that policy names survive; at T0 a category becomes one pointer without fields,
   date or type, however many records stand behind it;
5. reasons for auditors stay in the ledger; a refusal is told only where the requester may know that there is something.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from agency_node.records import Held, HeldRecord
from federation.admission import ObligationGiven, ReasonGiven
from federation.answer import Answer, Contact, DisclosedRecord
from federation.policy.decision import NodeDecision
from federation.policy.results import Audience, Existence, Obligation, Reason, RecordDecision, Severity
from federation.query import QueryHeader
from federation.vocabulary import Effect, Outcome, Tier

TRAVELLING_FLAGS: Final = frozenset({"DISPUTED", "RETRACTED", "STALE"})
"""Accuracy marks (UK GDPR articles 16 and 18) go wherever the assertion goes; every other flag stays at the holder."""

_SEVERITY: Final[Mapping[Severity, Literal["info", "warning", "denial"]]] = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.DENIAL: "denial",
}


@dataclass(frozen=True, slots=True)
class Released:
    """A record with the decision that lets some of it out."""

    record: HeldRecord
    decision: RecordDecision


class _Reasoned(Protocol):
    @property
    def reasons(self) -> tuple[Reason, ...]: ...


def disclose(
    held: Held, decision: NodeDecision, *, header: QueryHeader, contact: Contact | None, answered_at: int
) -> Answer:
    """Build the answer.

    Args:
        held: What the node holds of the child; empty when the child is not known here.
        decision: What policy decided; `decision.records` in the order of `held.records`. A record still referred to a
            human is not released.
        header: The query's header.
        contact: How to reach a person here; given only with records or a refusal.
        answered_at: Seconds since the epoch.

    Raises:
        ValueError: The decision is not about these records.
    """
    visible = _visible(held, decision)
    released = [item for item in visible if decision.permitted and item.decision.effect is Effect.PERMIT]
    outcome = _outcome(held, decision, visible, released)
    told = outcome is Outcome.REFUSED or bool(released)
    reasons: list[_Reasoned] = [decision] if told else []
    if outcome is Outcome.REFUSED:
        reasons += [item.decision for item in visible]
    obligations = [decision.obligations, *(item.decision.obligations for item in released)] if released else []
    return Answer(
        query_id=header.query_id,
        outcome=outcome,
        records=list(_disclosed(released)),
        reasons=_reasons(reasons),
        obligations=_obligations(obligations),
        contact=contact if told else None,
        period_covered=header.period,
        context_note="",
        identifier_state=header.identifier_state,
        answered_at=answered_at,
    )


def _visible(held: Held, decision: NodeDecision) -> list[Released]:
    if [record.ref for record in held.records] != [item.ref for item in decision.records]:
        raise ValueError("the decision is about other records")
    if decision.existence is Existence.HIDDEN or decision.failure is not None:
        return []
    return [Released(*pair) for pair in zip(held.records, decision.records, strict=True)]


def _outcome(held: Held, decision: NodeDecision, visible: Sequence[Released], released: Sequence[Released]) -> Outcome:
    if decision.failure is not None or held.failing:
        return Outcome.ERROR
    if released:
        return Outcome.RECORDS
    if visible or (not decision.permitted and decision.existence is Existence.VISIBLE):
        return Outcome.REFUSED
    return Outcome.NOTHING_HELD


def _disclosed(released: Sequence[Released]) -> Iterator[DisclosedRecord]:
    pointers: dict[str, list[Released]] = {}
    for item in released:
        if item.decision.tier is Tier.T0:
            pointers.setdefault(item.record.category, []).append(item)
        else:
            yield _record(item)
    for category in sorted(pointers):
        yield _pointer(category, pointers[category])


def _record(item: Released) -> DisclosedRecord:
    record, decision = item.record, item.decision
    surviving = set(decision.fields).difference(decision.redactions)
    return DisclosedRecord(
        category=record.category,
        type=record.type,
        tier=decision.tier,
        date=record.date.isoformat(),
        fields={name: value for name, value in sorted(record.fields.items()) if name in surviving},
        assertion=record.assertion,
        relation=record.relation,
        contact_level=record.contact_level,
        handling_code=record.handling_code,
        flags=[flag for flag in record.flags if flag in TRAVELLING_FLAGS],
        redactions=sorted(set(decision.redactions)),
        reasons=_reasons([decision]),
    )


def _pointer(category: str, items: Sequence[Released]) -> DisclosedRecord:
    """Somebody here holds such a record: no count, date, type or redaction tells the records apart."""
    relations = {item.record.relation for item in items}
    return DisclosedRecord(
        category=category,
        type="",
        tier=Tier.T0,
        date="",
        fields={},
        assertion="fact",
        relation=relations.pop() if len(relations) == 1 else "other",
        contact_level="unknown",
        # The originator's conditions bind the receiver even of a pointer.
        handling_code=",".join(sorted({item.record.handling_code for item in items} - {""})),
        flags=[],
        redactions=[],
        reasons=_reasons(item.decision for item in items),
    )


def _reasons(parts: Iterable[_Reasoned]) -> list[ReasonGiven]:
    """Reasons that the requester may read, each once, in the order of their codes."""
    found = {
        reason.code: ReasonGiven(
            code=reason.code,
            audience="both" if reason.audience is Audience.BOTH else "user",
            severity=_SEVERITY[reason.severity],
        )
        for part in parts
        for reason in part.reasons
        if reason.audience is not Audience.AUDITOR
    }
    return [found[code] for code in sorted(found)]


def _obligations(parts: Iterable[Sequence[Obligation]]) -> list[ObligationGiven]:
    """Obligations, each once, in the order of their ids."""
    found = {
        item.id: ObligationGiven(id=item.id, type=item.type, mandatory=item.mandatory, params=dict(item.params))
        for part in parts
        for item in part
    }
    return [found[key] for key in sorted(found)]
