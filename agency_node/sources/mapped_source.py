"""A source read through its mapping: children first, then the handling marks, then the records."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from agency_node.sources.assembly import possible_categories
from agency_node.sources.mapping import MappingFile
from agency_node.sources.reading import Reading
from agency_node.sources.rows import Row
from agency_node.sources.source import (
    DEFAULT_LIMITS,
    DatasetPlan,
    Memory,
    NoMemory,
    Rejected,
    SourceLimits,
    SourceRow,
)
from agency_node.sources.values import Values
from federation.errors import ErrorCode, WardgateError


class Feed(Protocol):
    """An opened source system."""

    def rows(self, dataset: str) -> Iterator[Row | Rejected]:
        """The rows of a dataset in a stable order.

        Raises:
            WardgateError: `SOURCE_UNREADABLE`, or `MAPPING_INVALID` when a column the mapping names is not there.
        """

    def leftovers(self) -> Iterator[Rejected]:
        """What the system holds that belongs to no dataset, once everything else was read."""

    def check(self, dataset: str) -> None:
        """See that a dataset is there with its columns, reading as little as possible; raises as `rows` does."""

    def is_absent(self, dataset: str) -> bool:
        """Whether an optional dataset is not there. Its `rows` are none then, which is not the same as no rows."""

    def as_at(self, dataset: str) -> int | None:
        """As of when the rows of a dataset are, seconds since the epoch; None where that cannot be told.

        When the oldest of its files was last written, or when the database was read.
        """


class Reader(Protocol):
    """Opens a source system for one reading."""

    def open(self) -> AbstractContextManager[Feed]:
        """Open it.

        Raises:
            WardgateError: `SOURCE_UNREADABLE`.
        """


class MappedSource:
    """A source system with its mapping.

    Args:
        name: The operator's name for the source.
        mapping: What its rows are.
        reader: How to read them.
        today: The calendar date in England.
        settings: Values of the agency that the mapping asks for by name.
        limits: Limits of one reading.
        test_numbers: Take NHS numbers of the range for tests.

    Raises:
        WardgateError: `MAPPING_INVALID`, naming every setting that the mapping asks for and that is not given.
    """

    def __init__(
        self,
        name: str,
        mapping: MappingFile,
        reader: Reader,
        *,
        today: Callable[[], dt.date],
        settings: Mapping[str, str] | None = None,
        limits: SourceLimits = DEFAULT_LIMITS,
        test_numbers: bool = False,
    ) -> None:
        given = dict(settings or {})
        if missing := mapping.settings_needed() - given.keys():
            raise WardgateError(ErrorCode.MAPPING_INVALID, f"{name}: settings not given: {', '.join(sorted(missing))}")
        self._name = name
        self._mapping = mapping
        self._reader = reader
        self._today = today
        self._values = Values(given, limits, test_numbers)

    @property
    def name(self) -> str:
        """The operator's name for it."""
        return self._name

    @property
    def mapping(self) -> MappingFile:
        """What its rows are."""
        return self._mapping

    @property
    def datasets(self) -> tuple[DatasetPlan, ...]:
        """Its datasets, in the mapping's order."""
        return tuple(self._plan(name) for name in self._mapping.datasets)

    def _plan(self, name: str) -> DatasetPlan:
        found = [possible_categories(section) for section in self._mapping.records if section.dataset == name]
        known = [categories for categories in found if categories is not None]
        identifying = (*self._mapping.children, *self._mapping.marks)
        return DatasetPlan(
            name=name,
            categories=frozenset().union(*known) if len(known) == len(found) else None,
            identifies=any(section.dataset == name for section in identifying),
            may_be_empty=self._mapping.datasets[name].may_be_empty,
        )

    def read(self, memory: Memory | None = None) -> Iterator[SourceRow]:
        """Read everything; see `Source.read`."""
        with self._reader.open() as feed:
            reading = Reading(
                self._name, self._mapping, feed, self._values, memory=memory or NoMemory(), today=self._today()
            )
            yield from reading.rows()

    def check(self) -> None:
        """See that everything the mapping names is there; see `Source.check`."""
        with self._reader.open() as feed:
            for dataset in self._mapping.datasets:
                feed.check(dataset)
