"""The parts of an explanation: reasons with rules and law, tiers with bounds, fields with what keeps them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from federation.policy.authoring.bounds import Bound
from federation.policy.authoring.rules import RuleNote


@dataclass(frozen=True, slots=True)
class ReasonWhy:
    """A reason with its texts and the rules that can have given it.

    Attributes:
        code: Of the catalogue.
        audience: Who may read it.
        severity: What it does.
        legal_basis: Its law.
        user: What the user reads; empty where it is not shown.
        auditor: What the auditor reads.
        rules: The rules whose notes name it; none where the program gave it.
        places: Where rules name it without a note of their own.
    """

    code: str
    audience: str
    severity: str
    legal_basis: str
    user: str
    auditor: str
    rules: tuple[RuleNote, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObligationWhy:
    """An obligation with what people are told of it."""

    id: str
    type: str
    mandatory: bool
    params: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class FieldWhy:
    """A field that is not released, and what keeps it."""

    field: str
    why: str


@dataclass(frozen=True, slots=True)
class TierWhy:
    """What was given of a category or a record, and the bounds it had to keep within."""

    category: str
    tier: str
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class PartWhy:
    """The decision on one target or one record.

    Attributes:
        name: The agency, or the record's reference.
        effect: What was decided.
        tiers: Of a target each category permitted; of a record its own; none of what is withheld.
        released: Fields that survive.
        kept: Fields that do not.
        reasons: Why.
        obligations: What must also be done.
        further: What else the bundle said of it, as it said it.
    """

    name: str
    effect: str
    tiers: tuple[TierWhy, ...]
    released: tuple[str, ...]
    kept: tuple[FieldWhy, ...]
    reasons: tuple[ReasonWhy, ...]
    obligations: tuple[ObligationWhy, ...]
    further: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, explained.

    Attributes:
        entry_point: Which rule decided.
        effect: Permit or deny, as a whole.
        detail: What kept policy from deciding; empty where it decided.
        reasons: Why.
        obligations: What must also be done.
        parts: Of each target or record.
        further: What else the bundle said, as it said it.
    """

    entry_point: str
    effect: str
    detail: str
    reasons: tuple[ReasonWhy, ...]
    obligations: tuple[ObligationWhy, ...]
    parts: tuple[PartWhy, ...]
    further: Mapping[str, Any]
