"""What a source yields about one child: a place on the caseload, and records."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from keys.nhs_number import NhsNumber

FieldValue = str | int | bool

UNRECOGNISED_FLAG: Final = "UNRECOGNISED"
"""Stands for a handling mark of the source system that the mapping cannot name: special care of an unknown kind."""

UNREAD_ROW_FLAG: Final = "UNREAD_ROW"
"""Stands for a handling mark in a row that could not be read, and that may be the row of somebody or something missing.

The caseload puts it on what is missing, and takes it away when that is read again; a source never says it. Policy knows
no such flag and withholds, as it does with every flag that it does not know."""


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


class Unreadable(StrEnum):
    """Of what policy reads, what the source has and could not be read. Policy takes it as its most protective value.

    `ROW`: the row as a whole. `CHILD`: whose record it is could not be told for certain. The rest name a member of the
    record's descriptor.
    """

    ROW = "row"
    CHILD = "child"
    TYPE = "type"
    DATE = "date"
    STARTED_ON = "started_on"
    ENDED_ON = "ended_on"
    ASSERTION = "assertion"
    RELATION = "relation"
    CONTACT_LEVEL = "contact_level"
    HANDLING_CODE = "handling_code"


@dataclass(frozen=True, slots=True)
class SourceChild:
    """A child on the agency's caseload, with or without records.

    Attributes:
        child: The child's number.
        flags: Handling flags of the child as such, as far as this row says them. A reading may name a child several
            times: the child has the flags of all of them, and they protect every record of the child.
        keys: Under which keys of its own the source knows the child.
    """

    child: NhsNumber
    flags: frozenset[str] = frozenset()
    keys: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class SourceRecord:
    """One record about a child, as the source has it today.

    Attributes:
        child: The child's number.
        source_ref: `dataset:id`, stable inside the source and unique in one reading; never shown to another agency.
        category: A category of the policy bundle.
        type: What kind of record within the category.
        date: The calendar date in England that the record is about; None when it could not be read.
        fields: Named values; dates are `YYYY-MM-DD`.
        flags: Handling flags of the record itself. Those of the child are united with them when it is looked up.
        assertion: Fact, professional opinion or somebody's allegation.
        relation: Whom it is about.
        contact_level: That person's contact with the child.
        handling_code: The originator's handling code (police 3x5x2: `P` or `C`), or empty.
        started_on: The calendar date in England on which what lasts began: `date` where the mapping names no start;
            None where it could not be read.
        ended_on: The last calendar date in England on which it went on, past or planned; None while no end is known.
        unreadable: What policy reads and could not be read; empty for a sound record. What stands in the member of such
            a name, or in any member when the row is unreadable, is not kept.
        fields_unreadable: Names of fields that have a value in the source which could not be read.

    Raises:
        ValueError: It says neither its date nor that the date could not be read.
    """

    child: NhsNumber
    source_ref: str
    category: str
    type: str
    date: dt.date | None
    fields: Mapping[str, FieldValue]
    flags: frozenset[str] = frozenset()
    assertion: Assertion = Assertion.FACT
    relation: Relation = Relation.SUBJECT
    contact_level: ContactLevel = ContactLevel.UNKNOWN
    handling_code: str = ""
    started_on: dt.date | None = None
    ended_on: dt.date | None = None
    unreadable: frozenset[Unreadable] = frozenset()
    fields_unreadable: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.date is None and not self.unreadable & {Unreadable.DATE, Unreadable.ROW}:
            raise ValueError("a record has a date, or one that could not be read")

    @property
    def dataset(self) -> str:
        """The dataset it was read from."""
        return self.source_ref.partition(":")[0]

    def __repr__(self) -> str:
        # Field values, dates and refs are a child's record: they stay out of logs and tracebacks.
        return f"SourceRecord({self.category}/{self.type}, {len(self.fields)} fields)"
