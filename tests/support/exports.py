"""Sound exports of every shipped source, of some 60 to 120 children, and their rows as something that can be damaged.

An `Export` is a folder with a source's files or database. Its tables are lists of rows whatever the form: lines of a
CSV file or of JSON, objects of an array, entries of a Bundle, rows of a database. What a cell of a row *is* (a key, a
number, a date, ...) stands in the source's `columns`.
"""

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from agency_node.sources.mapping import load_mapping
from agency_node.sources.opening import mapping_path
from sandbox.generator.drafts import Draft, Holding, Target
from sandbox.generator.kinds import SHAPES
from sandbox.generator.people import population
from tests.support.field import TODAY, VALUES
from tests.support.node_house import number

Row = dict[str, Any]
Path_ = tuple[str | int, ...]
Columns = Mapping[str, Mapping[str, str]]
"""By table and role, the column: steps to it in a tree are parted by `.`."""

PROTECTED: Final = "WITNESS_PROT"
ACCENTED: Final = "Si\u00e2n"


@dataclass(frozen=True)
class Shipped:
    """One shipped source.

    Attributes:
        kind: The kind of agency that has it.
        categories: What is asked about.
        build: Writes a sound export into a folder; what the source's location is below it.
        columns: What its cells are. Of a role with `?` an empty cell is an honest one.
        children: The tables that say which children there are.
    """

    name: str
    kind: str
    mapping: str
    categories: tuple[str, ...]
    build: Callable[[Path], str]
    columns: Columns
    children: tuple[str, ...]


@dataclass(frozen=True)
class Export:
    """One export in a folder."""

    source: Shipped
    folder: Path
    location: str

    @property
    def url(self) -> str:
        """What a source's settings name."""
        if self.location.endswith(".db"):
            return f"sqlite:///{self.folder / self.location}"
        return str(self.folder / self.location)

    @property
    def form(self) -> str:
        """`database`, `bundle` or `files`."""
        return {".db": "database", ".json": "bundle"}.get(Path(self.location).suffix, "files")

    def path(self, table: str) -> Path:
        """The file in which a table stands."""
        whole = self.folder / self.location
        return whole / table if self.form == "files" else whole

    def encoding(self, table: str) -> str:
        """As the mapping says."""
        mapping = load_mapping(mapping_path(self.source.mapping))
        specs: Any = mapping.datasets.values()
        return next((spec.encoding for spec in specs if getattr(spec, "file", "") == table), "utf-8")

    def may_be_empty(self, table: str) -> bool:
        """Whether an agency may honestly have no row of it."""
        mapping = load_mapping(mapping_path(self.source.mapping))
        specs: Any = mapping.datasets.values()
        names = {table, table.removesuffix(".ndjson")}
        return any(
            spec.may_be_empty for spec in specs if {getattr(spec, "file", ""), getattr(spec, "resource", "")} & names
        )

    def tables(self) -> list[str]:
        """The tables that are there and have rows."""
        return [name for name in self.source.columns if self._is_there(name) and self.rows(name)]

    def _is_there(self, table: str) -> bool:
        return self.path(table).exists()

    def rows(self, table: str) -> list[Row]:
        """A table's rows."""
        path = self.path(table)
        if self.form == "database":
            with _database(path) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")]
        text = path.read_text(encoding=self.encoding(table), errors="strict")
        if self.form == "bundle":
            return [item for item in json.loads(text)["entry"] if item["resource"]["resourceType"] == table]
        if path.suffix == ".csv":
            return list(csv.DictReader(io.StringIO(text, newline="")))
        if path.suffix == ".json":
            return list(json.loads(text)["incidents"])
        return [json.loads(line) for line in text.splitlines()]

    def put(self, table: str, rows: list[Row]) -> None:
        """Put other rows in the place of a table's."""
        path = self.path(table)
        if self.form == "database":
            with _database(path) as connection:
                connection.execute(f"DELETE FROM {table}")
                if not rows:
                    return
                names = list(rows[0])
                marks = ", ".join("?" for _ in names)
                cells = [[row[name] for name in names] for row in rows]
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", cells)
            return
        if self.form == "bundle":
            bundle = json.loads(path.read_text())
            others = [item for item in bundle["entry"] if item["resource"].get("resourceType") != table]
            path.write_text(json.dumps({**bundle, "entry": [*others, *rows]}, ensure_ascii=False))
        elif path.suffix == ".csv":
            self._put_csv(table, rows)
        elif path.suffix == ".json":
            path.write_text(json.dumps({"incidents": rows}, ensure_ascii=False))
        else:
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def owners(self) -> dict[str, str]:
        """The NHS number of every child, by the keys under which rows name it."""
        found: dict[str, str] = {}
        for table in self.source.children:
            columns = self.source.columns[table]
            for row in self.rows(table):
                number = str(cell(row, steps(columns["number"])) or "").replace(" ", "")
                key = str(cell(row, steps(columns.get("key") or columns["number"])))
                if len(number) == 10:
                    found |= {key: number, f"Patient/{key}": number}
        return found

    def owner(self, table: str, row: Row) -> str:
        """The NHS number of the child that a row is about."""
        columns = self.source.columns[table]
        return self.owners()[str(cell(row, steps(columns.get("key") or columns["number"])))]

    def drop_child(self, key: str) -> None:
        """Take out every row that names a child, in whatever table."""
        if self.form == "database":
            with _database(self.path("")) as connection:
                tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                for table in tables:
                    for _, column, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
                        if column.endswith("_person_id"):
                            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))
            return
        names = {json.dumps(key), json.dumps(f"Patient/{key}")}
        for table in self._everything():
            if rows := self.rows(table):
                self.put(table, [row for row in rows if not any(name in json.dumps(row) for name in names)])

    def _everything(self) -> list[str]:
        if self.form == "files":
            return sorted(path.name for path in (self.folder / self.location).iterdir())
        bundle = json.loads(self.path("").read_text())
        return sorted({item["resource"]["resourceType"] for item in bundle["entry"]})

    def header(self, table: str) -> list[str]:
        """The names of a CSV file's columns."""
        with self.path(table).open(encoding=self.encoding(table), newline="") as opened:
            return next(csv.reader(opened))

    def _put_csv(self, table: str, rows: list[Row]) -> None:
        header = self.header(table)
        with self.path(table).open("w", encoding=self.encoding(table), newline="") as opened:
            writer = csv.writer(opened, lineterminator="\r\n")
            writer.writerow(header)
            writer.writerows([row.get(name, "") for name in header] for row in rows)


class _database:  # noqa: N801 - used as a function
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.commit()
        self._connection.close()


def steps(column: str) -> Path_:
    """A column as steps into a tree."""
    return tuple(int(step) if step.isdigit() else step for step in column.split("."))


def cell(row: Row, path: Path_) -> Any:
    """What stands at a path; None where nothing does."""
    found: Any = row
    for step in path:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def set_cell(row: Row, path: Path_, value: object) -> None:
    """Put a value at a path, if there is such a place."""
    *before, last = path
    holder = cell(row, tuple(before))
    if cell(row, path) is not None or isinstance(holder, dict):
        holder[last] = value


# -- the exports ------------------------------------------------------------------------------------------------------


def _generated(kind: str, children: int, most: int) -> Callable[[Path], str]:
    shape = SHAPES[kind]

    def build(folder: Path) -> str:
        whole = shape.history(7, TODAY, population(7, TODAY, children))
        holding = Holding(dict(list(whole.held.items())[:most]))
        for place, held in enumerate(holding.held.values()):
            held.flags = frozenset({PROTECTED}) if place % 10 == 3 else frozenset()
            held.drafts = [_accented(draft) for draft in held.drafts]
        (folder / "export").mkdir()
        written = shape.write(holding, Target(folder / "export", VALUES, faults=False, today=TODAY))
        location = Path(written.location.removeprefix("sqlite:///"))
        return str(location.relative_to(folder))

    return build


def _accented(draft: Draft) -> Draft:
    """With a name in its free text that ASCII has not."""
    fields = {
        name: f"{value} {ACCENTED}" if name.endswith(("_line", "_text", "_complaint", "circumstances")) else value
        for name, value in draft.fields.items()
    }
    return replace(draft, fields=fields)


def _bulk(folder: Path) -> str:
    """The bundle's resources as the NDJSON files of a bulk export."""
    location = _generated("icb", 90, 70)(folder)
    bundle = json.loads((folder / location).read_text())
    (folder / "bulk").mkdir()
    for item in bundle["entry"]:
        resource = item["resource"]
        with (folder / "bulk" / f"{resource['resourceType']}.ndjson").open("a") as opened:
            opened.write(json.dumps(resource, ensure_ascii=False) + "\n")
    return "bulk"


def _youth_justice(folder: Path) -> str:
    found = folder / "export"
    found.mkdir()
    children, orders, offences = [], [], []
    for place in range(60):
        flag = PROTECTED if place % 10 == 3 else ""
        children.append([f"Y{place}", number(700 + place).canonical(), flag])
        orders.append(
            [
                f"I{place}",
                f"Y{place}",
                f"{1 + place % 28:02d}-Sep-2026",
                "",
                "RO",
                "L",
                "Lee",
                "1",
                f"Of {ACCENTED}",
                "",
            ]
        )
        if place % 2:
            offences.append(
                [f"O{place}", f"Y{place}", f"{1 + place % 28:02d}-Oct-2026", "Theft", f"Shop, {ACCENTED}", "", "", ""]
            )
    _csv(found / "children.csv", "YJS Ref,NHS Number,Handling Flags", children)
    _csv(
        found / "interventions.csv",
        "Intervention Id,YJS Ref,Start,End,Programme,Risk,Case Manager,Telephone,AssetPlus Summary,Handling Flags",
        orders,
    )
    _csv(
        found / "offences.csv",
        "Offence Id,YJS Ref,Offence Date,Offence,Summary,Outcome,Outcome Date,Handling Flags",
        offences,
    )
    return "export"


def _csv(path: Path, header: str, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\r\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


def _own_records(folder: Path) -> str:
    found = folder / "export"
    found.mkdir()
    children, records = [], []
    for place in range(70):
        nhs_number = number(700 + place).canonical()
        children.append({"nhs_number": nhs_number, "flags": [PROTECTED] if place % 10 == 3 else []})
        records += [
            {
                "nhs_number": nhs_number,
                "ref": f"r{place}-{count}",
                "category": "police_incident",
                "type": "concern_for_child",
                "date": f"2026-11-0{count + 1}",
                "fields": {"incident_line": f"{ACCENTED} {place}"},
                "flags": [],
            }
            for count in range(1 + (place % 4 == 0))
        ]
    for name, rows in (("children", children), ("records", records)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (found / f"{name}.jsonl").write_text(text)
    return "export"


# -- what their cells are ---------------------------------------------------------------------------------------------

_POLICE: Final[Columns] = {
    "nominals.csv": {
        "key": "Nominal URN",
        "number": "NHS Number",
        "flags": "Handling Flags",
        "date?": "Last Contact",
    },
    "notifications.csv": {
        "key": "Nominal URN",
        "ref": "PPN Ref",
        "date": "Incident Date",
        "code": "PPN Type",
        "flags": "Handling Flags",
        "handling": "Handling Code",
        "text": "Sanitised Line",
    },
    "domestic-abuse.csv": {
        "key": "Nominal URN",
        "ref": "Incident Ref",
        "date": "Incident Date",
        "relation?": "Subject",
        "flags": "Handling Flags",
    },
    "missing.csv": {"key": "Nominal URN", "ref": "Misper Ref", "date": "Missing From", "date?": "Found"},
}
_SCHOOL: Final[Columns] = {
    "pupils.csv": {
        "key": "UPN",
        "number": "NHS Number",
        "flags": "Handling Flags",
        "date": "Date of Admission",
        "code?": "Enrolment Status",
        "ref": "Admission Number",
    },
    "attendance.csv": {"key": "UPN", "ref": "Summary Id", "date": "Term Start", "amount": "Attendance %"},
    "safeguarding-log.json": {
        "key": "pupil.upn",
        "ref": "id",
        "date": "dateOfEntry",
        "code?": "basis",
        "flags": "markers",
        "text": "text",
    },
}
_YOUTH_JUSTICE: Final[Columns] = {
    "children.csv": {"key": "YJS Ref", "number": "NHS Number", "flags": "Handling Flags"},
    "interventions.csv": {
        "key": "YJS Ref",
        "ref": "Intervention Id",
        "date": "Start",
        "code": "Programme",
        "date?": "End",
        "flags": "Handling Flags",
        "text": "AssetPlus Summary",
    },
    "offences.csv": {"key": "YJS Ref", "ref": "Offence Id", "date": "Offence Date", "flags": "Handling Flags"},
}
_OWN: Final[Columns] = {
    "children.jsonl": {"number": "nhs_number", "flags": "flags"},
    "records.jsonl": {
        "number": "nhs_number",
        "ref": "ref",
        "date": "date",
        "code": "type",
        "category": "category",
        "flags": "flags",
        "text": "fields.incident_line",
    },
}
_SSD: Final[Columns] = {
    "ssd_person": {"key": "pers_person_id", "number": "pers_single_unique_id"},
    "ssd_linked_identifiers": {"key": "link_person_id", "number": "link_identifier_value"},
    "local_handling_flags": {"key": "hand_person_id", "flags": "hand_flag"},
    "ssd_contacts": {"key": "cont_person_id", "ref": "cont_contact_id", "date": "cont_contact_date"},
    "ssd_address": {"key": "addr_person_id", "ref": "addr_table_id", "date?": "addr_address_start_date"},
    "ssd_cin_episodes": {"key": "cine_person_id", "ref": "cine_referral_id", "date": "cine_referral_date"},
    "ssd_early_help_episodes": {
        "key": "earl_person_id",
        "ref": "earl_episode_id",
        "date": "earl_episode_start_date",
        "date?": "earl_episode_end_date",
    },
}
_FHIR: Final[Columns] = {
    "Patient": {"key": "id", "number": "identifier.1.value", "date?": "birthDate"},
    "Flag": {"key": "subject.reference", "flags": "code.coding.0.code"},
    "Encounter": {"key": "subject.reference", "ref": "id", "date": "period.start", "code": "class.code"},
    "Appointment": {"key": "participant.1.actor.reference", "ref": "id", "date": "start", "code": "status"},
    "Condition": {"key": "subject.reference", "ref": "id", "date": "onsetDateTime"},
    "EpisodeOfCare": {"key": "patient.reference", "ref": "id", "date": "period.start"},
}


def _below(columns: Columns, name: Callable[[str], str], prefix: str) -> Columns:
    return {name(table): {role: prefix + path for role, path in roles.items()} for table, roles in columns.items()}


_HEALTH: Final = ("gp_registration", "attendance_health", "health_visiting", "appointment", "injury")
SHIPPED: Final = {
    shipped.name: shipped
    for shipped in (
        Shipped(
            "police",
            "police",
            "police-exports",
            ("police_incident", "domestic_abuse", "missing", "police_known"),
            _generated("police", 900, 90),
            _POLICE,
            ("nominals.csv",),
        ),
        Shipped(
            "school",
            "school",
            "school-mis",
            ("attendance", "enrolment", "safeguarding_log", "exclusion"),
            _generated("school", 120, 70),
            _SCHOOL,
            ("pupils.csv",),
        ),
        Shipped(
            "youth justice",
            "youth_justice",
            "youth-justice-exports",
            ("youth_justice", "offending"),
            _youth_justice,
            _YOUTH_JUSTICE,
            ("children.csv",),
        ),
        Shipped(
            "own records",
            "police",
            "wardgate-records",
            ("police_incident", "missing"),
            _own_records,
            _OWN,
            ("children.jsonl",),
        ),
        Shipped(
            "social care",
            "childrens_services",
            "standard-safeguarding-dataset",
            ("contacts", "address", "cin", "early_help", "send", "cp_plan", "s47", "assessment", "involvement"),
            _generated("childrens_services", 400, 100),
            _SSD,
            ("ssd_person", "ssd_linked_identifiers"),
        ),
        Shipped(
            "health bundle",
            "icb",
            "health-fhir-r4",
            _HEALTH,
            _generated("icb", 90, 70),
            _below(_FHIR, str, "resource."),
            ("Patient",),
        ),
        Shipped(
            "health bulk",
            "icb",
            "health-fhir-r4",
            _HEALTH,
            _bulk,
            _below(_FHIR, "{}.ndjson".format, ""),
            ("Patient.ndjson",),
        ),
    )
}
"""Every shipped mapping, the last in both of its forms."""
