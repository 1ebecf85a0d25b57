"""Opening a source from an operator's settings."""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agency_node.sources.fhir import FhirReader
from agency_node.sources.files import FilesReader
from agency_node.sources.mapped_source import MappedSource
from agency_node.sources.mapping import FhirMapping, FilesMapping, load_mapping
from agency_node.sources.source import DEFAULT_LIMITS, SourceLimits
from agency_node.sources.sql import SqlReader

SHIPPED_MAPPINGS = Path(__file__).parent.parent / "mappings"
"""Starting points for real agencies; a mapping's bare name means one of these."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One source of an agency.

    Attributes:
        name: The operator's name for it.
        mapping: A mapping file's path, or the bare name of a shipped one (`standard-safeguarding-dataset`).
        location: A SQLAlchemy URL, a folder of files, or a FHIR export: what the mapping's kind asks for.
        values: The settings that the mapping asks for by name.
    """

    name: str
    mapping: str
    location: str = field(repr=False)
    values: Mapping[str, str] = field(default_factory=dict)


def mapping_path(mapping: str) -> Path:
    """Where a mapping is: a shipped one has a bare name."""
    return Path(mapping) if mapping.endswith(".toml") else SHIPPED_MAPPINGS / f"{Path(mapping).name}.toml"


def open_source(
    settings: SourceSettings,
    *,
    today: Callable[[], dt.date],
    clock: Callable[[], float] = time.time,
    limits: SourceLimits = DEFAULT_LIMITS,
    test_numbers: bool = False,
) -> MappedSource:
    """A source, ready to be read.

    Args:
        settings: What and where it is.
        today: The calendar date in England: for queries whose period moves, for dates in names of files, for ages and
            for periods.
        clock: Seconds since the epoch: as of when a database was read.
        limits: Limits of one reading.
        test_numbers: Take NHS numbers of the range for tests, which are nobody's.

    Raises:
        WardgateError: `MAPPING_INVALID`, or `SOURCE_UNREADABLE` when the location is of no known form.
    """
    mapping = load_mapping(mapping_path(settings.mapping))
    reader: SqlReader | FilesReader | FhirReader
    if isinstance(mapping, FilesMapping):
        reader = FilesReader(settings.name, Path(settings.location), mapping, today=today, limits=limits)
    elif isinstance(mapping, FhirMapping):
        reader = FhirReader(settings.name, Path(settings.location), mapping, today=today, limits=limits)
    else:
        reader = SqlReader(settings.name, settings.location, mapping, today=today, clock=clock)
    return MappedSource(
        settings.name,
        mapping,
        reader,
        today=today,
        settings=settings.values,
        limits=limits,
        test_numbers=test_numbers,
    )
