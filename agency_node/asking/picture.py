"""All answers joined, with what is missing said plainly. Pure.

Silence, refusal, error and absence are different things, and "nothing known" is never shown unless every asked agency
answered: `completeness` is `complete` only if every permitted target is answered, none is `error`, nothing that was
referred to a person stayed undecided, none reads from a dataset that is not believed, and none says "no" to what a
statute asks without anything to read it from.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agency_node.asking.reference import spoken_reference
from agency_node.wording import obligations_shown, reasons_shown
from federation.admission import ObligationGiven, ReasonGiven
from federation.answer import Answer, DisclosedRecord
from federation.canonical import JsonObject
from federation.policy.catalogue import Catalogue
from federation.policy.engine import Failure
from federation.query import QueryHeader
from federation.vocabulary import Completeness, Outcome, ReadingState, TargetState

_FAILURES: Final = frozenset(Failure)

_NO_ANSWER: Final = frozenset({Outcome.ERROR, Outcome.UNDECIDED})

FALSE_REASSURANCE: Final = "No answer is not the same as no record: read the list of those who have not answered."

NOTHING_HELD: Final = '"Nothing held" means nothing that may be told to you for this reason. If you are worried, ring.'
"""Stands in every picture, whatever is held: what is kept back must not be readable from it."""


@dataclass(frozen=True, slots=True)
class TargetView:
    """One responder as this node knows it."""

    agency: str
    name: str
    kind: str
    state: TargetState
    settled: bool
    late: bool = False
    absent_until: int = 0
    reasons: tuple[ReasonGiven, ...] = ()
    obligations: tuple[ObligationGiven, ...] = ()
    answer: Answer | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class QueryView:
    """The query behind a picture. `header` is missing when this node's own policy refused it: it was never made."""

    query_id: str
    purpose: str
    effect: str
    asked_at: int
    deadline_at: int
    expires_at: int
    closed: bool
    reasons: Sequence[ReasonGiven]
    obligations: Sequence[ObligationGiven]
    header: QueryHeader | None
    warnings: Sequence[str] = ()
    receipt: Mapping[str, Any] | None = None
    error: str = ""


def completeness_of(targets: Sequence[TargetView], unread: Mapping[str, Collection[str]]) -> Completeness:
    """Whether the picture is whole. No permitted target at all is a result of its own, never an empty success.

    Args:
        targets: Every responder addressed.
        unread: As `unread_by` finds it.
    """
    permitted = [target for target in targets if target.state is not TargetState.NOT_PERMITTED]
    if not permitted:
        return Completeness.NOTHING_PERMITTED
    whole = not any(_is_missing(target, unread) for target in permitted)
    return Completeness.COMPLETE if whole else Completeness.INCOMPLETE


def build_picture(query: QueryView, targets: Sequence[TargetView], catalogue: Catalogue) -> JsonObject:
    """The picture as JSON: what `wardgate node ask --json` prints.

    Args:
        query: The query.
        targets: Every responder addressed, by agency id.
        catalogue: The bundle's texts.
    """
    unread = unread_by(targets, query.purpose, catalogue)
    completeness = completeness_of(targets, unread)
    ordered = sorted(targets, key=lambda target: target.agency)
    return {
        "query_id": query.query_id,
        "reference": spoken_reference(query.query_id),
        "purpose": query.purpose,
        "effect": query.effect,
        "completeness": completeness.value,
        "missing": [target.agency for target in ordered if _is_missing(target, unread)],
        "asked_at": query.asked_at,
        "deadline_at": query.deadline_at,
        "expires_at": query.expires_at,
        "closed": query.closed,
        "error": query.error,
        "categories": _asked(query.header),
        "period": _period(query.header),
        "targets": [_target(target, catalogue) for target in ordered],
        "chronology": chronology(ordered),
        "reasons": reasons_shown(query.reasons, catalogue),
        "obligations": obligations_shown(query.obligations, catalogue),
        "cautions": cautions(query.purpose, catalogue),
        "warnings": [
            *query.warnings,
            *(_said_rejected(target) for target in ordered if target.state is TargetState.REJECTED),
            *(_said_unread(target, unread[target.agency], catalogue) for target in ordered if target.agency in unread),
            *([FALSE_REASSURANCE] if completeness is Completeness.INCOMPLETE else []),
        ],
        "receipt": dict(query.receipt) if query.receipt else None,
    }


def cautions(purpose: str, catalogue: Catalogue) -> list[str]:
    """What a picture for this purpose does not mean: of the purpose alone, the same whatever is held."""
    of_purpose = str(catalogue.purposes.get(purpose, {}).get("caution", ""))
    return [NOTHING_HELD, *([of_purpose] if of_purpose else [])]


def _is_missing(target: TargetView, unread: Mapping[str, Collection[str]]) -> bool:
    if target.state is TargetState.NOT_PERMITTED:
        return False
    answer = target.answer
    if answer is None or answer.undecided or answer.outcome in _NO_ANSWER:
        return True
    return target.agency in unread or any(item.state is ReadingState.FAILING for item in answer.reading)


def unread_by(targets: Sequence[TargetView], purpose: str, catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    """What a statute asks in limbs and an agency that gives no records has nothing to read from, by agency.

    What agencies of another kind read is left out: theirs is that part of the test, as where one department keeps the
    places at schools and another the plans. Agencies of one kind each answer for their own children.

    Args:
        targets: Every responder addressed.
        purpose: Of the query.
        catalogue: The bundle's purposes.
    """
    rows: Mapping[str, Mapping[str, Any]] = catalogue.purposes.get(purpose, {}).get("categories", {})
    limbed = {name for name, row in rows.items() if row.get("limbs")}
    read = [(target.kind, _categories_read(target.answer)) for target in targets if target.answer is not None]
    found: dict[str, tuple[str, ...]] = {}
    for target in targets:
        if target.answer is None or target.answer.outcome is Outcome.RECORDS:
            continue
        elsewhere = frozenset[str]().union(*(names for kind, names in read if kind != target.kind))
        if names := (limbed & _categories_absent(target.answer)) - elsewhere:
            found[target.agency] = tuple(sorted(names))
    return found


def _categories_read(answer: Answer) -> frozenset[str]:
    """Categories behind which a dataset stands that the agency has."""
    of_each = (item.categories for item in answer.reading if item.state is not ReadingState.ABSENT)
    return frozenset[str]().union(*of_each)


def _categories_absent(answer: Answer) -> frozenset[str]:
    """Categories behind which none stands: a dataset that is absent names what others stand behind as well."""
    of_each = (item.categories for item in answer.reading if item.state is ReadingState.ABSENT)
    return frozenset[str]().union(*of_each) - _categories_read(answer)


def _said_unread(target: TargetView, names: Iterable[str], catalogue: Catalogue) -> str:
    titles = ", ".join(catalogue.title_of(name) or name for name in names)
    return f"{target.name} has nothing to read this from: {titles}. Its answer is no ground for a no: ring."


def _said_rejected(target: TargetView) -> str:
    return f"{target.name} could not use the question, so it has said nothing of what it holds: ring."


def _asked(header: QueryHeader | None) -> list[JsonObject]:
    return [{"name": item.name, "tier": item.tier.value} for item in header.categories] if header else []


def _period(header: QueryHeader | None) -> JsonObject | None:
    return {"from": header.period.start, "to": header.period.end} if header else None


def _target(target: TargetView, catalogue: Catalogue) -> JsonObject:
    answer = target.answer
    return {
        "agency": target.agency,
        "name": target.name,
        "kind": target.kind,
        "state": target.state.value,
        "final": target.settled,
        "late": target.late,
        "absent_until": target.absent_until,
        "outcome": answer.outcome.value if answer else None,
        "fault": target.fault or policy_fault(answer),
        "answer": _answer(answer, catalogue) if answer else None,
        "reasons": reasons_shown(target.reasons, catalogue),
        "obligations": obligations_shown(target.obligations, catalogue),
    }


def policy_fault(answer: Answer | None) -> str:
    """The failure of the responder's policy that made its answer `error`; empty where there was none."""
    if answer is None or answer.outcome is not Outcome.ERROR:
        return ""
    return next((reason.code for reason in answer.reasons if reason.code in _FAILURES), "")


def _answer(answer: Answer, catalogue: Catalogue) -> JsonObject:
    found = answer.model_dump(mode="json", exclude={"v", "query_id", "seen", "reasons", "records", "obligations"})
    found["records"] = [_record(record, catalogue) for record in answer.records]
    found["reasons"] = reasons_shown(answer.reasons, catalogue)
    found["obligations"] = obligations_shown(answer.obligations, catalogue)
    return found


def _record(record: DisclosedRecord, catalogue: Catalogue) -> JsonObject:
    return {
        **record.model_dump(mode="json", exclude={"reasons"}),
        "title": catalogue.title_of(record.category),
        "reasons": reasons_shown(record.reasons, catalogue),
    }


def chronology(targets: Sequence[TargetView]) -> list[JsonObject]:
    """Every dated record of every answer, oldest first, each with who says so and what kind of claim it is."""
    dated = [
        (record.date, target.agency, record)
        for target in targets
        if target.answer is not None
        for record in target.answer.records
        if record.date
    ]
    return [
        {
            "date": day,
            "agency": agency,
            "category": record.category,
            "type": record.type,
            "tier": record.tier.value,
            "assertion": record.assertion,
            "handling_code": record.handling_code,
            "fields": dict(record.fields),
            "fields_unreadable": list(record.fields_unreadable),
        }
        for day, agency, record in sorted(dated, key=lambda item: (item[0], item[1], item[2].category))
    ]
