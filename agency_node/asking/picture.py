"""All answers joined, with what is missing said plainly. Pure.

Silence, refusal, error and absence are different things, and "nothing known" is never shown unless every asked agency
answered: `completeness` is `complete` only if every permitted target is answered, none is `error`, nothing that was
referred to a person stayed undecided, and none reads from a dataset that is not believed.
"""

from collections.abc import Mapping, Sequence
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


def completeness_of(targets: Sequence[TargetView]) -> Completeness:
    """Whether the picture is whole. No permitted target at all is a result of its own, never an empty success."""
    permitted = [target for target in targets if target.state is not TargetState.NOT_PERMITTED]
    if not permitted:
        return Completeness.NOTHING_PERMITTED
    whole = not any(_is_missing(target) for target in permitted)
    return Completeness.COMPLETE if whole else Completeness.INCOMPLETE


def build_picture(query: QueryView, targets: Sequence[TargetView], catalogue: Catalogue) -> JsonObject:
    """The picture as JSON: what `wardgate node ask --json` prints.

    Args:
        query: The query.
        targets: Every responder addressed, by agency id.
        catalogue: The bundle's texts.
    """
    completeness = completeness_of(targets)
    ordered = sorted(targets, key=lambda target: target.agency)
    return {
        "query_id": query.query_id,
        "reference": spoken_reference(query.query_id),
        "purpose": query.purpose,
        "effect": query.effect,
        "completeness": completeness.value,
        "missing": [target.agency for target in ordered if _is_missing(target)],
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
        "warnings": [*query.warnings, *([FALSE_REASSURANCE] if completeness is Completeness.INCOMPLETE else [])],
        "receipt": dict(query.receipt) if query.receipt else None,
    }


def cautions(purpose: str, catalogue: Catalogue) -> list[str]:
    """What a picture for this purpose does not mean: of the purpose alone, the same whatever is held."""
    of_purpose = str(catalogue.purposes.get(purpose, {}).get("caution", ""))
    return [NOTHING_HELD, *([of_purpose] if of_purpose else [])]


def _is_missing(target: TargetView) -> bool:
    if target.state is TargetState.NOT_PERMITTED:
        return False
    answer = target.answer
    if answer is None or answer.undecided or answer.outcome in _NO_ANSWER:
        return True
    return any(item.state is ReadingState.FAILING for item in answer.reading)


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
    found = answer.model_dump(mode="json", exclude={"v", "query_id", "reasons", "records", "obligations"})
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
