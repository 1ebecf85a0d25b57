"""A youth justice service: the CSV exports that `agency_node/mappings/youth-justice-exports.toml` reads."""

from collections import Counter
from typing import Final

from agency_node.sources.source import RejectionReason
from sandbox.generator.drafts import Holding, Target, Written
from sandbox.generator.identifiers import wrong_number
from sandbox.generator.people import Person
from sandbox.generator.shapes import table as of
from sandbox.generator.shapes.csv_files import CsvFiles, add_records, declare_tables, expected, placed
from sandbox.generator.shapes.table import Column, Table

MAPPING: Final = "youth-justice-exports"
DATES: Final = "%d-%b-%Y"

PROGRAMMES: Final = {
    "referral_order": ("RO", "Referral order"),
    "youth_rehabilitation_order": ("YRO", "Youth rehabilitation order"),
    "out_of_court_resolution": ("OOCR", "Out of court resolution"),
    "prevention": ("PREV", "Prevention"),
}
TABLES: Final = (
    Table(
        dataset="interventions",
        file="interventions.csv",
        holds=tuple(("youth_justice", kind) for kind in PROGRAMMES),
        needs=frozenset({"order_type"}),
        columns=(
            Column("Intervention Id", of.REF),
            Column("YJS Ref", of.KEY),
            Column("Start", of.DATE, "date"),
            Column("End", "order_end_date", "date"),
            Column("Programme", "order_type", codes={title: code for code, title in PROGRAMMES.values()}),
            Column("Risk", "risk_level", codes={"Low": "L", "Medium": "M", "High": "H", "Very high": "VH"}),
            Column("Case Manager", "worker_name"),
            Column("Telephone", "worker_contact"),
            Column("AssetPlus Summary", "assetplus_summary"),
            Column("Handling Flags", of.FLAGS),
        ),
    ),
    Table(
        dataset="offences",
        file="offences.csv",
        holds=(("offending", "offence"),),
        columns=(
            Column("Offence Id", of.REF),
            Column("YJS Ref", of.KEY),
            Column("Offence Date", of.DATE, "date"),
            Column("Offence", "offence_type"),
            Column("Summary", "offence_line"),
            Column("Outcome", "outcome"),
            Column("Outcome Date", "outcome_date", "date"),
            Column("Handling Flags", of.FLAGS),
        ),
    ),
)


def write(holding: Holding, target: Target) -> Written:
    """Write the exports."""
    files = CsvFiles(target.folder)
    files.declare("children.csv", ("YJS Ref", "NHS Number", "Surname", "Forename", "DOB", "Handling Flags"))
    declare_tables(files, TABLES)
    for held in holding.held.values():
        files.add("children.csv", {**_person(held.person), "Handling Flags": ";".join(sorted(held.flags))})
    items = placed(holding, TABLES, "Y")
    add_records(files, items, {held.person.serial: _ref(held.person) for held in holding.held.values()}, DATES)
    rejected = Counter[RejectionReason]()
    if target.faults:
        person = next(iter(holding.held.values())).person
        mistyped = {**_person(person), "YJS Ref": "Y1", "NHS Number": wrong_number(person.nhs_number)}
        files.add("children.csv", mistyped)
        rejected[RejectionReason.NHS_NUMBER_INVALID] += 1
    files.write()
    children, records = expected(items, holding, target)
    return Written(str(target.folder), MAPPING, children, records, rejected)


def _ref(person: Person) -> str:
    return f"Y{30_000 + 3 * person.serial}"


def _person(person: Person) -> dict[str, str]:
    return {
        "YJS Ref": _ref(person),
        "NHS Number": person.nhs_number.spaced().replace(" ", "-"),
        "Surname": person.surname,
        "Forename": person.forename,
        "DOB": person.born.strftime(DATES),
    }
