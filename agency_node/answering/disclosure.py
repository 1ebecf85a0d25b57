"""From records and a policy decision to the answer that leaves. Pure: the one place where data is minimised.

Rules, in order:

1. a decision that no policy made (engine, bundle or input failed) becomes `error` with the failure's code, whatever is
   held: absence is never claimed on the word of a failure;
2. a query that policy refuses as a whole becomes `refused`, whatever is held: that depends on the query alone;
3. hidden existence comes before anything else is looked at: from there on the records do not exist, so that "held but
   hidden" and "not held" run the same lines and differ in nothing; so it is with a question that a person must answer,
   until a person has: it becomes `undecided`, whatever is held;
4. silence is not absence: what was openly referred to a person and never decided makes the answer `undecided`, or marks
   the records that are told without it;
5. where a dataset behind the question is not believed, what may be told of its last sound reading is told, and an
   answer that would tell nothing becomes `error`, whatever is held;
6. after `referred` was announced "nothing held" is said on a person's word alone;
7. of a released record only the fields that policy names survive; at T0, and under another name than its category's,
   all records of one name become one pointer without fields, date or type, however many stand behind it;
8. reasons for auditors, and obligations that are not told of, stay here (`federation.admission`);
9. that there is something older is said as policy says it, where the question is answered at all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from agency_node.answering.duties import Contacts, contact_for, each_once, is_relayed, is_shielded
from agency_node.caseload.grounds import NO_DOUBT, Grounds
from agency_node.caseload.records import HeldRecord
from federation.admission import ReasonGiven, obligations_given, reasons_given
from federation.answer import Answer, DisclosedRecord
from federation.policy.catalogue import Catalogue
from federation.policy.decision import NodeDecision
from federation.policy.results import Existence, Obligation, Reason, RecordDecision
from federation.query import QueryHeader
from federation.vocabulary import Effect, Outcome, Tier

TRAVELLING_FLAGS: Final = frozenset({"DISPUTED", "RETRACTED", "STALE"})
"""Accuracy marks (UK GDPR articles 16 and 18) go wherever the assertion goes; every other flag stays at the holder."""


_ANSWERED: Final = frozenset({Outcome.RECORDS, Outcome.NOTHING_HELD})


@dataclass(frozen=True, slots=True)
class Occasion:
    """What an answer depends on besides records and decision; alike whatever is held.

    Attributes:
        header: The query's header.
        answered_at: Seconds since the epoch.
        grounds: On what a claim of absence would rest.
        was_announced: The requester has been told that a human decides: absence is then a person's to confirm.
        contexts: What a reader should know of each source, by its id.
    """

    header: QueryHeader
    answered_at: int
    grounds: Grounds = NO_DOUBT
    was_announced: bool = False
    contexts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Released:
    """A record with the decision that lets some of it out."""

    record: HeldRecord
    decision: RecordDecision


class _Reasoned(Protocol):
    @property
    def reasons(self) -> tuple[Reason, ...]: ...


def disclose(
    records: Sequence[HeldRecord],
    decision: NodeDecision,
    *,
    occasion: Occasion,
    contacts: Contacts,
    catalogue: Catalogue,
) -> Answer:
    """Build the answer.

    Args:
        records: What was before policy; empty when the child is not known here.
        decision: What policy decided, in the order of `records`. A record still referred to a human is not released,
            and nothing is while a person has yet to answer the question itself.
        occasion: The query and the moment.
        contacts: How to reach a person here; one is given only with records.
        catalogue: The bundle's words: which obligations are told of.

    Raises:
        ValueError: The decision is not about these records.
    """
    visible = _visible(records, decision)
    released = [item for item in visible if decision.permitted and item.decision.effect is Effect.PERMIT]
    undecided = _is_undecided(decision, visible)
    outcome = _outcome(decision, visible, occasion, released=bool(released), undecided=undecided)
    owed = each_once([decision.obligations, *(item.decision.obligations for item in released)]) if released else []
    reasons = [decision] if released or outcome is Outcome.REFUSED or decision.failure is not None else []
    return Answer(
        query_id=occasion.header.query_id,
        outcome=outcome,
        records=list(_disclosed(released)),
        reasons=_reasons(reasons),
        obligations=obligations_given(owed, catalogue),
        processing=list(decision.processing),
        reading=list(occasion.grounds.reading),
        contact=contact_for(contacts, owed) if released else None,
        period_covered=occasion.header.period,
        older=decision.older and outcome in _ANSWERED,
        undecided=undecided,
        context_note=_context_note(released, owed, occasion.contexts),
        identifier_state=occasion.header.identifier_state,
        answered_at=occasion.answered_at,
    )


def _context_note(released: Sequence[Released], owed: Sequence[Obligation], contexts: Mapping[str, str]) -> str:
    """What the sources of released records say of themselves; a pointer says no more than that it points.

    A note may name a place, so that it stays here where the contact does.
    """
    if is_relayed(owed):
        return ""
    sources = {item.record.source_id for item in released if not _is_pointer(item)}
    return "\n".join(dict.fromkeys(contexts[name] for name in sorted(sources & contexts.keys()) if contexts[name]))


def _visible(records: Sequence[HeldRecord], decision: NodeDecision) -> list[Released]:
    if [record.ref for record in records] != [item.ref for item in decision.records]:
        raise ValueError("the decision is about other records")
    if decision.existence is Existence.HIDDEN or decision.failure is not None or decision.person.awaited:
        return []
    return [Released(*pair) for pair in zip(records, decision.records, strict=True)]


def _is_undecided(decision: NodeDecision, visible: Sequence[Released]) -> bool:
    """Whether a person was to decide about something that may be seen, or about the question, and nobody has."""
    if not decision.permitted:
        return False
    return decision.person.awaited or any(
        item.decision.effect is Effect.REFER and not is_shielded(item.decision.obligations) for item in visible
    )


def _outcome(
    decision: NodeDecision, visible: Sequence[Released], occasion: Occasion, *, released: bool, undecided: bool
) -> Outcome:
    if decision.failure is not None:
        return Outcome.ERROR
    if not decision.permitted:
        return Outcome.REFUSED
    if released:
        return Outcome.RECORDS
    return _without_records(decision, visible, occasion, undecided=undecided)


def _without_records(
    decision: NodeDecision, visible: Sequence[Released], occasion: Occasion, *, undecided: bool
) -> Outcome:
    if undecided:
        return Outcome.UNDECIDED
    if occasion.grounds.are_failing:
        return Outcome.ERROR
    if visible:
        return Outcome.REFUSED
    return Outcome.REFUSED if occasion.was_announced and not decision.absence_confirmed else Outcome.NOTHING_HELD


def _disclosed(released: Sequence[Released]) -> Iterator[DisclosedRecord]:
    pointers: dict[str, list[Released]] = {}
    for item in released:
        if _is_pointer(item):
            pointers.setdefault(_name(item), []).append(item)
        else:
            yield _record(item)
    for category in sorted(pointers):
        yield _pointer(category, pointers[category])


def _name(item: Released) -> str:
    """The category under which a record is shown."""
    return item.decision.shown_as or item.record.category


def _is_pointer(item: Released) -> bool:
    """Of what could not be read, or is shown under another name, nothing but existence is told, at whatever tier."""
    return item.decision.tier is Tier.T0 or bool(item.record.unreadable) or _name(item) != item.record.category


def _record(item: Released) -> DisclosedRecord:
    record, decision = item.record, item.decision
    surviving = set(decision.fields).difference(decision.redactions)
    return DisclosedRecord(
        category=record.category,
        type=record.type,
        tier=decision.tier,
        date=record.date.isoformat() if record.date else "",
        fields={name: value for name, value in sorted(record.fields.items()) if name in surviving},
        fields_unreadable=sorted(record.fields_unreadable & surviving),
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
    relations = {item.record.relation or "other" for item in items}
    return DisclosedRecord(
        category=category,
        type="",
        tier=Tier.T0,
        date="",
        fields={},
        fields_unreadable=[],
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
    found = {reason.code: reason for reason in reasons_given(reason for part in parts for reason in part.reasons)}
    return [found[code] for code in sorted(found)]
