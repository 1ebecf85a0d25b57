"""What an agency holds, before it has the shape of any system."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agency_node.sources.record import Assertion, ContactLevel, FieldValue, Relation, SourceChild, SourceRecord
from agency_node.sources.source import RejectionReason
from keys.nhs_number import NhsNumber
from sandbox.generator.people import Person


@dataclass(frozen=True, slots=True)
class Draft:
    """One record of one child, as it should be read back, but for what the system itself adds."""

    category: str
    type: str
    date: dt.date
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    assertion: Assertion = Assertion.FACT
    relation: Relation = Relation.SUBJECT
    contact_level: ContactLevel = ContactLevel.UNKNOWN
    handling_code: str = ""


@dataclass(slots=True)
class Held:
    """What an agency holds of one child.

    Attributes:
        person: Who it is.
        flags: Handling flags of the child as such.
        drafts: The records; none for a child that is only on the caseload.
    """

    person: Person
    flags: frozenset[str] = frozenset()
    drafts: list[Draft] = field(default_factory=list)


@dataclass(slots=True)
class Holding:
    """What one agency holds of everybody."""

    held: dict[NhsNumber, Held] = field(default_factory=dict)

    def of(self, person: Person) -> Held:
        """What is held of a child, begun if there was nothing."""
        return self.held.setdefault(person.nhs_number, Held(person))

    def add(self, person: Person, *drafts: Draft) -> None:
        """Put a child on the caseload, with records."""
        self.of(person).drafts.extend(drafts)


@dataclass(frozen=True, slots=True)
class Written:
    """A system that was written, and what reading it through its mapping must give.

    Attributes:
        location: What a source's settings name: a URL, a folder or a file.
        mapping: Bare name of the shipped mapping.
        children: The caseload.
        records: The records.
        rejected: Rows that were written with a fault on purpose, by the reason they are rejected for.
    """

    location: str
    mapping: str
    children: tuple[SourceChild, ...]
    records: tuple[SourceRecord, ...]
    rejected: Counter[RejectionReason]


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how a system is written.

    Attributes:
        folder: An empty folder of its own.
        values: Settings of the source that its mapping asks for.
        faults: Whether the usual faults of real data are written too.
        today: The date of the export.
    """

    folder: Path
    values: Mapping[str, str]
    faults: bool
    today: dt.date
