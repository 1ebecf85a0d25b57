"""What an agency holds, before it has the shape of any system."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agency_node.sources.record import Assertion, ContactLevel, FieldValue, Relation, SourceChild, SourceRecord
from agency_node.sources.source import RejectionReason
from keys.nhs_number import NhsNumber
from sandbox.generator.people import Person

END_FIELDS: Final[Mapping[str, str]] = {
    "address": "addr_address_end_date",
    "assessment": "cina_assessment_auth_date",
    "camhs": "camhs_closed_date",
    "cin": "cine_close_date",
    "court_orders": "order_ended_date",
    "cp_plan": "cppl_cp_plan_end_date",
    "early_help": "earl_episode_end_date",
    "elective_home_education": "ehe_end_date",
    "enrolment": "leave_date",
    "gp_registration": "registration_end_date",
    "health_visiting": "caseload_end_date",
    "immigration": "immi_immigration_status_end_date",
    "involvement": "invo_involvement_end_date",
    "kinship": "arrangement_end_date",
    "looked_after": "clae_cla_episode_ceased_date",
    "missing": "miss_missing_episode_end_date",
    "not_in_school": "registration_end_date",
    "private_fostering": "arrangement_end_date",
    "s47": "s47e_s47_end_date",
    "send": "ehcn_named_plan_ceased_date",
    "youth_justice": "order_end_date",
}
"""By category of what lasts, the field in which its system writes the last day."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One record of one child, as it should be read back, but for what the system itself adds.

    Attributes:
        ended_on: Its last day where no field says it.
    """

    category: str
    type: str
    date: dt.date
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    assertion: Assertion = Assertion.FACT
    relation: Relation = Relation.SUBJECT
    contact_level: ContactLevel = ContactLevel.UNKNOWN
    handling_code: str = ""
    started_on: dt.date | None = None
    ended_on: dt.date | None = None

    @property
    def last_day(self) -> dt.date | None:
        """The last day on which it goes on; None while no end is known."""
        written = self.fields.get(END_FIELDS.get(self.category, ""), "")
        return self.ended_on or (dt.date.fromisoformat(str(written)) if written else None)


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
