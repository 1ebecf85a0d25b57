"""A school: the exports that `agency_node/mappings/school-mis.toml` reads."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from agency_node.sources.source import RejectionReason
from sandbox.generator.drafts import Draft, Holding, Target, Written
from sandbox.generator.identifiers import upn
from sandbox.generator.people import Person
from sandbox.generator.shapes import table as of
from sandbox.generator.shapes.csv_files import CsvFiles, Placed, add_records, declare_tables, expected, placed
from sandbox.generator.shapes.table import Column, Table

MAPPING: Final = "school-mis"
DATES: Final = "%d/%m/%Y"
LOG: Final = "safeguarding-log.json"

_REASONS: Final = {
    "Physical assault against a pupil": "PP",
    "Physical assault against an adult": "PA",
    "Verbal abuse against a pupil": "VP",
    "Verbal abuse against an adult": "VA",
    "Use or threat of an offensive weapon": "OW",
    "Drug and alcohol related": "DA",
    "Persistent disruptive behaviour": "DB",
    "Theft": "TH",
    "Damage": "DM",
    "Bullying": "BU",
}
SUSPENSION_REASONS: Final = tuple(_REASONS)
_BASIS: Final = {"fact": "Fact", "professional_opinion": "Opinion", "third_party_allegation": "Allegation"}
_ROLES: Final = {"subject": "pupil", "parent": "parent", "household": "household", "other": "other"}
_CONTACT: Final = {"none": "none", "supervised": "supervised", "regular": "regular", "lives_with": "livesWith"}

ROLL: Final = Table(
    dataset="pupils",
    holds=(("enrolment", "on_roll"), ("enrolment", "left")),
    date_field="on_roll_date",
    settings={"school_name": "school_name", "dsl_name": "dsl_name", "dsl_contact": "dsl_contact"},
    columns=(
        Column("Enrolment Status", of.TYPE, codes={"on_roll": "C", "left": "L"}),
        Column("Date of Admission", of.DATE, "date"),
        Column("Date of Leaving", "leave_date", "date"),
        Column("Reason for Leaving", "off_roll_reason_code"),
        Column("Destination", "destination"),
    ),
)
_PUPIL_HEADER: Final = (
    "UPN", "Admission Number", "NHS Number", "Surname", "Forename", "DOB", "Year Group", "Enrolment Status",
    "Date of Admission", "Date of Leaving", "Reason for Leaving", "Destination", "Handling Flags",
)  # fmt: skip
ENTRIES: Final = Table(
    dataset="log",
    holds=(("safeguarding_log", "log_entry"),),
    date_field="last_entry_date",
    constants={"on_log": True},
    settings={"dsl_contact": "dsl_contact"},
    columns=(
        Column("id", of.REF),
        Column("dateOfEntry", of.DATE, "date"),
        Column("category", "entry_category"),
        Column("basis", of.ASSERTION, codes=_BASIS),
        Column("role", of.RELATION, codes=_ROLES),
        Column("contact", of.CONTACT, codes={**_CONTACT, "unknown": ""}),
        Column("text", "entry_text"),
        Column("markers", of.FLAGS),
    ),
)
TABLES: Final = (
    ROLL,
    Table(
        dataset="attendance",
        file="attendance.csv",
        holds=(("attendance", "term"),),
        columns=(
            Column("Summary Id", of.REF),
            Column("UPN", of.KEY),
            Column("Term Start", of.DATE, "date"),
            Column("Attendance %", "attendance_percent", "integer"),
            Column("Unauthorised %", "unauthorised_percent", "integer"),
            Column("Pattern", "code_pattern"),
            Column("Session Codes", "session_codes"),
        ),
    ),
    Table(
        dataset="suspensions",
        file="suspensions.csv",
        holds=(("exclusion", "suspension"), ("exclusion", "permanent_exclusion")),
        needs=frozenset({"permanently_excluded"}),
        date_field="last_suspension_date",
        columns=(
            Column("Exclusion Id", of.REF),
            Column("UPN", of.KEY),
            Column("Category", "permanently_excluded", "boolean", codes={"N": "SUSP", "Y": "PERM"}),
            Column("Start Date", of.DATE, "date"),
            Column("Suspensions To Date", "suspension_count", "integer"),
            Column("Reason", "suspension_reason", codes=_REASONS),
            Column("Handling Flags", of.FLAGS),
        ),
    ),
    Table(
        dataset="home_education",
        file="home-education.csv",
        holds=(("elective_home_education", "withdrawal_notice"),),
        date_field="notified_date",
        columns=(
            Column("Notice Id", of.REF),
            Column("UPN", of.KEY),
            Column("Date Notified", of.DATE, "date"),
            Column("Home Educated From", "ehe_start_date", "date"),
            Column("Last Visit", "ehe_visit_date", "date"),
            Column("Home Educated Until", "ehe_end_date", "date"),
            Column("Attendance Order", "sao_status"),
            Column("Correspondence", "correspondence"),
            Column("Handling Flags", of.FLAGS),
        ),
    ),
    ENTRIES,
)


def write(holding: Holding, target: Target) -> Written:
    """Write the exports."""
    files = CsvFiles(target.folder)
    files.declare("pupils.csv", _PUPIL_HEADER)
    declare_tables(files, TABLES)
    items = [_named_by_admission(item) for item in placed(holding, TABLES, "S")]
    roll = {item.held.person.serial: item.draft for item in items if item.table is ROLL}
    for held in holding.held.values():
        draft = roll.get(held.person.serial)
        cells = ROLL.cells(draft, ref="", key="", date_format=DATES) if draft else {}
        files.add(
            "pupils.csv", {**_person(held.person, target), **cells, "Handling Flags": ";".join(sorted(held.flags))}
        )
    keys = {held.person.serial: upn(held.person.serial) for held in holding.held.values()}
    add_records(files, [item for item in items if item.table.file], keys, DATES)
    entries = [_entry(item) for item in items if item.table is ENTRIES]
    rejected = _faults(files, entries, holding, target) if target.faults else Counter[RejectionReason]()
    files.write()
    _write_log(entries, target)
    children, records = expected(items, holding, target)
    return Written(str(target.folder), MAPPING, children, records, rejected)


def _admission(person: Person) -> str:
    return f"{10_000 + person.serial}"


def _named_by_admission(item: Placed) -> Placed:
    return Placed(item.held, item.draft, item.table, _admission(item.held.person)) if item.table is ROLL else item


def _person(person: Person, target: Target) -> dict[str, str]:
    return {
        "UPN": upn(person.serial),
        "Admission Number": _admission(person),
        "NHS Number": person.nhs_number.canonical(),
        "Surname": person.surname,
        "Forename": person.forename,
        "DOB": person.born.strftime(DATES),
        "Year Group": str(max(person.age(target.today) - 5, 0)),
    }


def _entry(item: Placed) -> dict[str, Any]:
    cells = ENTRIES.cells(item.draft, ref=item.ref, key="", date_format="%Y-%m-%dT09:30:00+00:00", split=" ")
    return {
        "id": cells["id"],
        "pupil": {"upn": upn(item.held.person.serial)},
        "dateOfEntry": cells["dateOfEntry"],
        "category": cells["category"] or None,
        "basis": cells["basis"],
        "about": {"role": cells["role"], "contact": cells["contact"] or None},
        "text": cells["text"] or None,
        "markers": cells["markers"].split(),
    }


def _write_log(entries: Sequence[object], target: Target) -> None:
    lines = ",\n  ".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    text = f'{{"exportedOn": "{target.today.isoformat()}", "incidents": [\n  {lines}\n]}}\n'
    (target.folder / LOG).write_text(text, encoding="utf-8")


def _faults(
    files: CsvFiles, entries: list[dict[str, Any]], holding: Holding, target: Target
) -> Counter[RejectionReason]:
    """What a school's export always has: a pupil whose NHS number is not known yet, with what hangs on it."""
    person = next(iter(holding.held.values())).person
    nobody = {**_person(person, target), "UPN": "T999999920000", "Admission Number": "9", "NHS Number": ""}
    files.add("pupils.csv", {**nobody, "Enrolment Status": "C", "Date of Admission": "01/09/2024"})
    draft = Draft("safeguarding_log", "log_entry", target.today, {"entry_text": "Seen with the school nurse."})
    cells = ENTRIES.cells(draft, ref="S0-1", key="", date_format="%Y-%m-%d")
    entries.append({"id": "S0-1", "pupil": {"upn": nobody["UPN"]}, "dateOfEntry": cells["dateOfEntry"], "text": "."})
    entries.append({"id": "S0-2", "pupil": {"upn": upn(person.serial)}, "dateOfEntry": None, "text": "."})
    return Counter(
        {
            RejectionReason.NHS_NUMBER_MISSING: 1,
            RejectionReason.CHILD_UNKNOWN: 2,
            RejectionReason.DATE_MISSING: 1,
        }
    )
