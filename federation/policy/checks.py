"""What an answer of the right shape must also be: about exactly what was asked, never more, in known words. Pure.

A policy is reviewed, tested and signed; these checks hold even if it is wrong all the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from federation.canonical import JsonObject
from federation.policy.bundle import BundleId
from federation.policy.catalogue import FAILURE_CODES, Catalogue
from federation.policy.engine import EntryPoint, Failure
from federation.policy.results import Existence, Granted, Obligation, Person, Reason, RecordDecision, TargetDecision
from federation.vocabulary import Effect, Tier


class Inadmissible(Exception):  # noqa: N818 - it says what the answer is; it never leaves this package
    """The answer cannot be acted on."""

    def __init__(self, failure: Failure, what: str = "") -> None:
        super().__init__(f"{failure}: {what}" if what else str(failure))
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to policy, and what its answer is held against.

    Attributes:
        entry_point: Which rule.
        input: Its input.
        bundle: The bundle that must have decided.
        catalogue: The words it may use.
        understood: Types of obligation that the enforcing service can carry out.
    """

    entry_point: EntryPoint
    input: JsonObject
    bundle: BundleId
    catalogue: Catalogue
    understood: frozenset[str]


class Statement(Protocol):
    """Any part of a decision that gives reasons and lays down obligations."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why."""
        ...

    @property
    def obligations(self) -> tuple[Obligation, ...]:
        """What must also be done."""
        ...


def check_statements(part: Statement, asked: Asked) -> None:
    """Reasons and obligations are of the catalogue, as the catalogue has them, and the obligations can be carried out.

    Raises:
        Inadmissible: With `BAD_RESULT` or `UNKNOWN_OBLIGATION`.
    """
    for reason in part.reasons:
        row = asked.catalogue.reasons.get(reason.code)
        if row is None or (row.audience, row.severity) != (reason.audience, reason.severity):
            raise Inadmissible(Failure.BAD_RESULT, "reason is not the catalogue's")
        if reason.code in FAILURE_CODES:
            raise Inadmissible(Failure.BAD_RESULT, "reason is not a policy's to give")
    for obligation in part.obligations:
        known = asked.catalogue.obligations.get(obligation.id)
        if known is None or known.type != obligation.type or obligation.type not in asked.understood:
            raise Inadmissible(Failure.UNKNOWN_OBLIGATION)


def check_targets(effect: Effect, targets: Sequence[TargetDecision], document: JsonObject) -> None:
    """Each target of the input is decided once, in order, and nothing is granted that was not asked.

    Raises:
        Inadmissible: With `BAD_RESULT`.
    """
    _require([item["id"] for item in document["targets"]] == [target.agency for target in targets], "targets")
    asked = _tiers(document["query"]["categories"])
    for target in targets:
        permitted = target.effect is Effect.PERMIT
        _require(permitted == bool(target.categories), "categories of a target")
        _require(effect is Effect.PERMIT or not permitted, "target permitted in a denial")
        _check_granted(target.categories, asked)


def _check_granted(granted: Sequence[Granted], asked: Mapping[str, str]) -> None:
    _require(len({item.name for item in granted}) == len(granted), "category twice")
    for item in granted:
        # Tiers are ordered by their names; "" is below all of them.
        _require(item.tier.value <= asked.get(item.name, ""), "category or tier not asked")


def check_records(
    effect: Effect, existence: Existence, records: Sequence[RecordDecision], document: JsonObject
) -> None:
    """Each record of the input is decided once, in order, and nothing is released that the gateway had not permitted.

    Raises:
        Inadmissible: With `BAD_RESULT`.
    """
    _require([item["ref"] for item in document["records"]] == [record.ref for record in records], "records")
    allowed = _tiers(document["gateway"]["categories"])
    for record, described in zip(records, document["records"], strict=True):
        _check_fields(record, described["fields"])
        if record.effect is not Effect.WITHHOLD:
            _require(effect is Effect.PERMIT, "record released in a denial")
            _require(record.tier.value <= allowed.get(described["category"], ""), "tier above the gateway's")
            _require(record.tier is Tier.T0 or not described.get("unreadable"), "detail of what could not be read")
    effects = {record.effect for record in records}
    _require(existence is Existence.VISIBLE or Effect.PERMIT not in effects, "hidden record released")
    _require(existence is Existence.HIDDEN or bool(effects - {Effect.WITHHOLD}), "nothing to show")


def check_older(effect: Effect, *, older: bool, document: JsonObject) -> None:
    """Something older is told of only in a permission, and only where there is a record it could be.

    Raises:
        Inadmissible: With `BAD_RESULT`.
    """
    _require(not older or (effect is Effect.PERMIT and bool(document["records"])), "older of nothing")


def check_person(effect: Effect, person: Person, records: Sequence[RecordDecision], *, absence_confirmed: bool) -> None:
    """Nothing leaves before a person who is awaited has answered, and absence is confirmed only of what is not there.

    Raises:
        Inadmissible: With `BAD_RESULT`.
    """
    effects = {record.effect for record in records}
    _require(not person.awaited or effect is Effect.PERMIT, "person awaited in a denial")
    _require(not person.awaited or Effect.PERMIT not in effects, "released before a person answered")
    _require(not (person.awaited and absence_confirmed), "absence without a person")
    _require(not absence_confirmed or effect is Effect.PERMIT, "absence in a denial")
    _require(not absence_confirmed or effects <= {Effect.WITHHOLD}, "absence of what is there")


def _check_fields(record: RecordDecision, held: Sequence[str]) -> None:
    named = record.fields + record.redactions
    _require(len(set(named)) == len(named), "field twice")
    _require(set(named) <= set(held), "field the record has not")
    _require(tuple(ground.field for ground in record.grounds) == record.fields, "field without a ground")
    _require(record.effect is not Effect.WITHHOLD or not named, "field of a withheld record")
    _require(not record.shown_as or (record.tier is Tier.T0 and not named), "detail under another name")


def _tiers(categories: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {item["name"]: item["tier"] for item in categories}


def _require(condition: bool, what: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise Inadmissible(Failure.BAD_RESULT, what)
