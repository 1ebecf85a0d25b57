"""Small source systems for tests of `agency_node.sources`: a mapping's text and the files it is about."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from agency_node.sources.opening import SourceSettings, open_source
from agency_node.sources.record import SourceChild, SourceRecord
from agency_node.sources.source import DEFAULT_LIMITS, DatasetRead, Memory, Rejected, SourceLimits, SourceRow
from keys.nhs_number import NhsNumber

TODAY = dt.date(2026, 11, 22)

ADA = "9990000018"
BEN = "9990000026"
CAY = "9990000034"
"""Valid numbers of the documented test range (999 000 0000 to 999 999 9999), never issued to anyone."""


def read_source(
    folder: Path,
    mapping: str,
    location: str = "",
    *,
    values: Mapping[str, str] | None = None,
    limits: SourceLimits = DEFAULT_LIMITS,
    test_numbers: bool = True,
    memory: Memory | None = None,
) -> list[SourceRow]:
    """Everything a source yields; `location` is below `folder`, or a URL."""
    path = folder / "mapping.toml"
    path.write_text(mapping, encoding="utf-8")
    where = location if "://" in location else str(folder / location)
    settings = SourceSettings("a-source", str(path), where, values or {})
    return list(open_source(settings, today=lambda: TODAY, limits=limits, test_numbers=test_numbers).read(memory))


def children(rows: list[SourceRow]) -> list[SourceChild]:
    """The children of a reading."""
    return [row for row in rows if isinstance(row, SourceChild)]


def records(rows: list[SourceRow]) -> list[SourceRecord]:
    """The records of a reading."""
    return [row for row in rows if isinstance(row, SourceRecord)]


def known(rows: list[SourceRow]) -> dict[NhsNumber, frozenset[str]]:
    """Every child that a reading lists, with its flags united."""
    found: defaultdict[NhsNumber, frozenset[str]] = defaultdict(frozenset)
    for child in children(rows):
        found[child.child] |= child.flags
    return dict(found)


def protected(rows: list[SourceRow]) -> list[SourceRecord]:
    """The records of a reading, each with the flags of its child united, as the node looks them up."""
    flags = known(rows)
    return [replace(record, flags=record.flags.union(flags.get(record.child, ()))) for record in records(rows)]


def rejected(rows: list[SourceRow]) -> list[Rejected]:
    """The rejected rows of a reading."""
    return [row for row in rows if isinstance(row, Rejected)]


def datasets(rows: list[SourceRow]) -> dict[str, DatasetRead]:
    """How each dataset of a reading fared; every one is told of once."""
    told = [row for row in rows if isinstance(row, DatasetRead)]
    found = {row.dataset: row for row in told}
    if len(found) != len(told):
        raise AssertionError("a dataset is told of twice")
    return found


class Remembered:
    """A memory of who stood under which key of a source."""

    def __init__(self, **keys: str | Collection[str]) -> None:
        self._keys = {
            key: [NhsNumber(number) for number in ([numbers] if isinstance(numbers, str) else numbers)]
            for key, numbers in keys.items()
        }

    def children_of(self, keys: Collection[str]) -> Mapping[str, Collection[NhsNumber]]:
        """Who stood under each of these keys."""
        return {key: self._keys[key] for key in keys if key in self._keys}
