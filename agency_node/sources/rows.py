"""One row of a dataset, whatever it was: a database row, a line of CSV, a JSON object, a FHIR resource. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from agency_node.sources.paths import parse_path, values_at


class Row(Protocol):
    """A row and where it stood."""

    @property
    def line(self) -> int:
        """Line of a text file, or number of the row, from 1."""

    @property
    def file(self) -> str:
        """The file's name, or empty."""

    def values(self, column: str) -> Iterator[object]:
        """What stands at a column or path: for a flat row at most one value."""

    def content(self) -> str:
        """Everything in it, as text: the same for the same row. Personal data."""


@dataclass(frozen=True, slots=True, repr=False)
class FlatRow:
    """Named columns."""

    line: int
    cells: Mapping[str, object]
    file: str = ""

    def values(self, column: str) -> Iterator[object]:
        """The column's value, unless it is null."""
        found = self.cells.get(column)
        if found is not None:
            yield found

    def content(self) -> str:
        """Its cells as JSON."""
        return as_content(self.cells)


@dataclass(frozen=True, slots=True, repr=False)
class TreeRow:
    """A JSON object."""

    line: int
    tree: Mapping[str, object]
    file: str = ""

    def values(self, column: str) -> Iterator[object]:
        """Every value at the path."""
        return values_at(self.tree, parse_path(column))

    def content(self) -> str:
        """The object as JSON."""
        return as_content(self.tree)


def as_content(found: object) -> str:
    """What stands in a row, or in what should be one, as ASCII text: the same for the same content. Personal data."""
    # A driver's own types (dates, decimals) as they print; bytes that are no text survive as escapes.
    return json.dumps(found, sort_keys=True, default=str, ensure_ascii=True)
