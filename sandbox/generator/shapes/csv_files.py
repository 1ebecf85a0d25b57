"""A folder of CSV exports."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agency_node.sources.record import SourceChild, SourceRecord
from sandbox.generator.drafts import Draft, Held, Holding, Target
from sandbox.generator.shapes.table import Table, table_of


@dataclass(frozen=True, slots=True)
class Placed:
    """A draft with the place it has in the system."""

    held: Held
    draft: Draft
    table: Table
    ref: str


def placed(holding: Holding, tables: tuple[Table, ...], prefix: str) -> list[Placed]:
    """Every draft with its table and an id, in the order of the children.

    Ids are the children's serial numbers and a count: stable when other children are added.

    Raises:
        ValueError: The system has no place for something.
    """
    found: list[Placed] = []
    for held in holding.held.values():
        counts: dict[str, int] = {}
        for draft in held.drafts:
            table = table_of(tables, draft)
            table.check(draft)
            counts[table.dataset] = counts.get(table.dataset, 0) + 1
            found.append(Placed(held, draft, table, f"{prefix}{held.person.serial}-{counts[table.dataset]}"))
    return found


def expected(
    items: Sequence[Placed], holding: Holding, target: Target
) -> tuple[tuple[SourceChild, ...], tuple[SourceRecord, ...]]:
    """What reading the system must give."""
    children = tuple(SourceChild(held.person.nhs_number, held.flags) for held in holding.held.values())
    return children, tuple(item.table.record(item.held, item.draft, item.ref, target.values) for item in items)


@dataclass(slots=True)
class CsvFiles:
    """Rows by file, written at the end."""

    folder: Path
    encoding: str = "utf-8"
    headers: dict[str, Sequence[str]] = field(default_factory=dict)
    rows: dict[str, list[Sequence[str]]] = field(default_factory=dict)

    def declare(self, file: str, header: Sequence[str]) -> None:
        """A file and its columns, with or without rows."""
        self.headers[file] = header
        self.rows.setdefault(file, [])

    def add(self, file: str, cells: Mapping[str, str]) -> None:
        """A row."""
        self.rows[file].append([cells.get(name, "") for name in self.headers[file]])

    def add_raw(self, file: str, cells: Sequence[str]) -> None:
        """A row as it stands, right or wrong."""
        self.rows[file].append(cells)

    def write(self) -> None:
        """Write every file."""
        for file, header in self.headers.items():
            with (self.folder / file).open("w", encoding=self.encoding, newline="") as opened:
                lines = csv.writer(opened, lineterminator="\r\n")
                lines.writerow(header)
                lines.writerows(self.rows[file])


def declare_tables(files: CsvFiles, tables: tuple[Table, ...]) -> None:
    """Declare the file of every table that is one."""
    for table in tables:
        if table.file and table.file not in files.headers:
            files.declare(table.file, [column.name for column in table.columns])


def add_records(files: CsvFiles, items: Sequence[Placed], keys: Mapping[int, str], date_format: str) -> None:
    """Write every record into its table's file.

    Args:
        files: Where to.
        items: The records.
        keys: The system's own number of each child, by serial number.
        date_format: How the system writes dates.
    """
    for item in items:
        key = keys[item.held.person.serial]
        files.add(item.table.file, item.table.cells(item.draft, ref=item.ref, key=key, date_format=date_format))


def serials(holding: Holding) -> Iterator[int]:
    """The serial number of every child held."""
    return (held.person.serial for held in holding.held.values())
