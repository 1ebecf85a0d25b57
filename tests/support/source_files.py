"""Small source systems for tests of `agency_node.sources`: a mapping's text and the files it is about."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from agency_node.sources.opening import SourceSettings, open_source
from agency_node.sources.record import SourceChild, SourceRecord
from agency_node.sources.source import DEFAULT_LIMITS, Rejected, SourceLimits, SourceRow

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
) -> list[SourceRow]:
    """Everything a source yields; `location` is below `folder`, or a URL."""
    path = folder / "mapping.toml"
    path.write_text(mapping, encoding="utf-8")
    where = location if "://" in location else str(folder / location)
    settings = SourceSettings("a-source", str(path), where, values or {})
    return list(open_source(settings, today=lambda: TODAY, limits=limits).read())


def children(rows: list[SourceRow]) -> list[SourceChild]:
    """The children of a reading."""
    return [row for row in rows if isinstance(row, SourceChild)]


def records(rows: list[SourceRow]) -> list[SourceRecord]:
    """The records of a reading."""
    return [row for row in rows if isinstance(row, SourceRecord)]


def rejected(rows: list[SourceRow]) -> list[Rejected]:
    """The rejected rows of a reading."""
    return [row for row in rows if isinstance(row, Rejected)]
