"""What a source yields about one child: a place on the caseload, and records."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keys.nhs_number import NhsNumber

FieldValue = str | int | bool

UNRECOGNISED_FLAG: Final = "UNRECOGNISED"
"""Stands for a handling mark of the source system that the mapping cannot name: special care of an unknown kind."""


class Assertion(StrEnum):
    """Fact or opinion; always travels with what is asserted."""

    FACT = "fact"
    PROFESSIONAL_OPINION = "professional_opinion"
    THIRD_PARTY_ALLEGATION = "third_party_allegation"


class Relation(StrEnum):
    """Whom a record is about, seen from the child."""

    SUBJECT = "subject"
    HOUSEHOLD = "household"
    PARENT = "parent"
    OTHER = "other"
    ALLEGED_PERPETRATOR = "alleged_perpetrator"


class ContactLevel(StrEnum):
    """How much contact the person a record is about has with the child."""

    NONE = "none"
    SUPERVISED = "supervised"
    REGULAR = "regular"
    LIVES_WITH = "lives_with"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SourceChild:
    """A child on the agency's caseload, with or without records.

    Attributes:
        child: The child's number.
        flags: Handling flags of the child as such; every record of the child carries them too.
    """

    child: NhsNumber
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, repr=False)
class SourceRecord:
    """One record about a child, as the source has it today.

    Attributes:
        child: The child's number.
        source_ref: `dataset:id`, stable inside the source and unique in one reading; never shown to another agency.
        category: A category of the policy bundle.
        type: What kind of record within the category.
        date: The calendar date in England that the record is about.
        fields: Named values; dates are `YYYY-MM-DD`.
        flags: Handling flags, those of the child included.
        assertion: Fact, professional opinion or somebody's allegation.
        relation: Whom it is about.
        contact_level: That person's contact with the child.
        handling_code: The originator's handling code (police 3x5x2: `P` or `C`), or empty.
    """

    child: NhsNumber
    source_ref: str
    category: str
    type: str
    date: dt.date
    fields: Mapping[str, FieldValue]
    flags: frozenset[str] = frozenset()
    assertion: Assertion = Assertion.FACT
    relation: Relation = Relation.SUBJECT
    contact_level: ContactLevel = ContactLevel.UNKNOWN
    handling_code: str = ""

    def __repr__(self) -> str:
        # Field values, dates and refs are a child's record: they stay out of logs and tracebacks.
        return f"SourceRecord({self.category}/{self.type}, {len(self.fields)} fields)"
