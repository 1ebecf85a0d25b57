"""Counts, for each dataset of one reading, the rows that were read and those that were not. Pure."""

from dataclasses import dataclass, field
from typing import Final

from agency_node.sources.source import DatasetRead, Rejected, RejectionKind

MOST_LINES: Final = 100_000
"""Faulty lines remembered, so that a row with several faults counts once. A dataset with more is failing anyway."""


@dataclass(slots=True)
class _Lines:
    """Rows of one kind of fault."""

    count: int = 0
    seen: set[tuple[str, int]] = field(default_factory=set)

    def add(self, file: str, line: int) -> None:
        place = (file, line)
        if place in self.seen:
            return
        if len(self.seen) < MOST_LINES:
            self.seen.add(place)
        self.count += 1


@dataclass(slots=True)
class Measure:
    """Counts of one dataset.

    Attributes:
        rows: Rows it had, in the longest of its passes.
        fault: Why it could not be read completely.
        is_absent: Optional, and not there.
        as_at: When its content was made, seconds since the epoch.
    """

    dataset: str
    rows: int = 0
    fault: str = ""
    is_absent: bool = False
    as_at: int | None = None
    _faults: dict[RejectionKind, _Lines] = field(default_factory=dict)

    def count(self, rejected: Rejected) -> None:
        """Count a fault; a row counts once for each kind."""
        kind = rejected.counted_as
        self._faults.setdefault(kind, _Lines()).add(rejected.file, rejected.line)

    def read(self) -> DatasetRead:
        """How it fared."""
        return DatasetRead(
            dataset=self.dataset,
            rows=self.rows,
            unreadable=self._of(RejectionKind.UNREADABLE),
            unidentified=self._of(RejectionKind.UNIDENTIFIED),
            unclaimed=self._of(RejectionKind.UNCLAIMED),
            fault=self.fault,
            is_absent=self.is_absent,
            as_at=self.as_at,
        )

    def _of(self, kind: RejectionKind) -> int:
        found = self._faults.get(kind)
        return found.count if found else 0
