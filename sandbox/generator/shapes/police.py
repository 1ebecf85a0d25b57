"""A police force: the CSV exports that `agency_node/mappings/police-exports.toml` reads."""

from collections import Counter
from typing import Final

from agency_node.sources.source import RejectionReason
from sandbox.generator.drafts import Draft, Holding, Target, Written
from sandbox.generator.identifiers import wrong_number
from sandbox.generator.people import Person
from sandbox.generator.shapes import table as of
from sandbox.generator.shapes.csv_files import CsvFiles, Placed, add_records, declare_tables, expected, placed
from sandbox.generator.shapes.table import Column, Table

MAPPING: Final = "police-exports"
DATES: Final = "%d/%m/%Y"
ENCODING: Final = "cp1252"

_BASIS: Final = {"fact": "F", "professional_opinion": "O", "third_party_allegation": "A"}
_SUBJECT: Final = {"subject": "CHILD", "parent": "PARENT", "household": "HOUSEHOLD", "other": "OTHER"}
_CONTACT: Final = {
    "none": "NONE",
    "supervised": "SUPERVISED",
    "regular": "REGULAR",
    "lives_with": "LIVES",
    "unknown": "",
}
_PPN_TYPES: Final = {
    "concern_for_child": "CC",
    "intelligence": "INT",
    "custody": "CUS",
    "mappa": "MAP",
    "prevent": "PRV",
}

NOMINALS: Final = Table(
    dataset="nominals",
    holds=(("police_known", "nominal"),),
    columns=(Column("Known 12m", "known_in_12_months", "boolean"), Column("Last Contact", of.DATE, "date")),
    date_field="last_contact_date",
    settings={"officer_contact": "duty_contact"},
)
_NOMINAL_HEADER: Final = (
    "Nominal URN", "NHS Number", "Surname", "Forename", "DOB", "Known 12m", "Last Contact", "Handling Flags",
)  # fmt: skip

TABLES: Final = (
    NOMINALS,
    Table(
        dataset="notifications",
        file="notifications.csv",
        holds=tuple(("police_incident", kind) for kind in _PPN_TYPES),
        date_field="incident_date",
        columns=(
            Column("PPN Ref", of.REF),
            Column("Nominal URN", of.KEY),
            Column("Incident Date", of.DATE, "date"),
            Column("PPN Type", of.TYPE, codes=_PPN_TYPES),
            Column("Incident Type", "incident_type"),
            Column("Subject", of.RELATION, codes=_SUBJECT),
            Column("Contact With Child", of.CONTACT, codes=_CONTACT),
            Column("Basis", of.ASSERTION, codes=_BASIS),
            Column("Sanitised Line", "incident_line"),
            Column("Handling Code", of.HANDLING),
            Column("Handling Flags", of.FLAGS),
        ),
    ),
    Table(
        dataset="domestic_abuse",
        file="domestic-abuse.csv",
        holds=(("domestic_abuse", "household_incident"),),
        date_field="last_incident_date",
        columns=(
            Column("Incident Ref", of.REF),
            Column("Nominal URN", of.KEY),
            Column("Incident Date", of.DATE, "date"),
            Column("Incidents At Household", "incident_count", "integer"),
            Column("MARAC", "heard_at_marac", "boolean"),
            Column("Op Encompass", "op_encompass_sent", "boolean"),
            Column("Contact With Child", of.CONTACT, codes=_CONTACT),
            Column("Basis", of.ASSERTION, codes=_BASIS),
            Column("Sanitised Line", "incident_line"),
            Column("Handling Code", of.HANDLING),
            Column("Handling Flags", of.FLAGS),
            Column("Subject", of.RELATION, codes=_SUBJECT),
        ),
    ),
    Table(
        dataset="missing",
        file="missing.csv",
        holds=(("missing", "missing_episode"),),
        date_field="miss_missing_episode_start_date",
        columns=(
            Column("Misper Ref", of.REF),
            Column("Nominal URN", of.KEY),
            Column("Missing From", of.DATE, "date"),
            Column("Found", "miss_missing_episode_end_date", "date"),
            Column("Type", "miss_missing_episode_type", codes={"Missing": "M", "Absent": "A"}),
            Column("Handling Flags", of.FLAGS),
        ),
    ),
    Table(
        dataset="protection",
        file="police-protection.csv",
        holds=(("police_protection", "section_46"),),
        date_field="last_power_used_date",
        columns=(
            Column("Log Ref", of.REF),
            Column("Nominal URN", of.KEY),
            Column("Power Used", of.DATE, "date"),
            Column("Sanitised Circumstances", "circumstances"),
            Column("Handling Flags", of.FLAGS),
        ),
    ),
    Table(
        dataset="exploitation",
        file="exploitation.csv",
        holds=(("exploitation", "marker"),),
        date_field="last_review_date",
        columns=(
            Column("Marker Ref", of.REF),
            Column("Nominal URN", of.KEY),
            Column(
                "Marker",
                "exploitation_marker",
                codes={"Child sexual exploitation": "CSE", "Child criminal exploitation": "CCE"},
            ),
            Column("Last Review", of.DATE, "date"),
            Column("Risk", "risk_level"),
            Column("Summary", "risk_summary"),
            Column("NRM Referral", "nrm_referral_date", "date"),
            Column("Handling Flags", of.FLAGS),
        ),
    ),
    Table(
        dataset="offences",
        file="offences.csv",
        holds=(("offending", "offence"),),
        columns=(
            Column("Crime Ref", of.REF),
            Column("Nominal URN", of.KEY),
            Column("Offence Date", of.DATE, "date"),
            Column("Offence", "offence_type"),
            Column("Sanitised Line", "offence_line"),
            Column("Outcome", "outcome"),
            Column("Outcome Date", "outcome_date", "date"),
            Column("Handling Flags", of.FLAGS),
        ),
    ),
)


def urn(person: Person) -> str:
    """The force's own number of a child."""
    return f"N{200_000 + 7 * person.serial}"


def write(holding: Holding, target: Target) -> Written:
    """Write the exports."""
    files = CsvFiles(target.folder, ENCODING)
    files.declare("nominals.csv", _NOMINAL_HEADER)
    declare_tables(files, TABLES)
    items = [_named_by_urn(item) for item in placed(holding, TABLES, "P")]
    nominal = {item.held.person.serial: item.draft for item in items if item.table is NOMINALS}
    keys = {held.person.serial: urn(held.person) for held in holding.held.values()}
    for held in holding.held.values():
        draft = nominal.get(held.person.serial)
        cells = NOMINALS.cells(draft, ref="", key="", date_format=DATES) if draft else {}
        files.add("nominals.csv", {**_person(held.person), **cells, "Handling Flags": ";".join(sorted(held.flags))})
    add_records(files, [item for item in items if item.table is not NOMINALS], keys, DATES)
    rejected = _faults(files, holding) if target.faults else Counter[RejectionReason]()
    files.write()
    children, records = expected(items, holding, target)
    return Written(str(target.folder), MAPPING, children, records, rejected)


def _named_by_urn(item: Placed) -> Placed:
    return Placed(item.held, item.draft, item.table, urn(item.held.person)) if item.table is NOMINALS else item


def _person(person: Person) -> dict[str, str]:
    return {
        "Nominal URN": urn(person),
        "NHS Number": person.nhs_number.spaced(),
        "Surname": person.surname.upper(),
        "Forename": person.forename,
        "DOB": person.born.strftime(DATES),
    }


def _faults(files: CsvFiles, holding: Holding) -> Counter[RejectionReason]:
    """What a force's export always has: a mistyped number, a record of nobody, a cut line, a date in words."""
    person = next(iter(holding.held.values())).person
    cut = Draft("police_incident", "concern_for_child", person.born)
    files.add("nominals.csv", {**_person(person), "Nominal URN": "N1", "NHS Number": wrong_number(person.nhs_number)})
    row = TABLES[1].cells(cut, ref="P0-1", key="N1", date_format=DATES)
    files.add("notifications.csv", row)
    files.add("notifications.csv", {**row, "PPN Ref": "P0-2", "Nominal URN": urn(person), "Incident Date": "last week"})
    files.add_raw("notifications.csv", ["P0-3", urn(person), "01/02/2026"])
    return Counter(
        {
            RejectionReason.NHS_NUMBER_INVALID: 1,
            RejectionReason.CHILD_UNKNOWN: 1,
            RejectionReason.DATE_INVALID: 1,
            RejectionReason.ROW_MALFORMED: 1,
        }
    )
