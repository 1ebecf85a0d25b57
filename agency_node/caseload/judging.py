"""Whether a reading of a dataset can be believed, and in which bands its faults are told. Pure.

Three states. `sound`: read completely, nothing unreadable, and accepted by a person. `partial`: believed, but something
could not be read, or nobody has accepted yet that this is what the dataset looks like. `failing`: not believed; the
last sound reading stays in force as stale, and absence cannot be claimed from it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from agency_node.sources.source import DatasetPlan, DatasetRead
from federation.vocabulary import ReadingState, Share

UNREADABLE_PERCENT: Final = 2
"""Share of rows that could not be read above which a dataset is not believed; a source's setting may change it."""

SHRUNK_BELOW_PERCENT: Final = 50
"""What loses more than half of what was accepted is taken for broken, until a person accepts it."""

JUMP_ROWS: Final = 2
JUMP_PERCENT: Final = 2
JUMP_FACTOR_PERCENT: Final = 150
"""Rows that name no child, or that no section takes, jump when they grow by half and by more than 2 % of the rows.

Two rows may always come: newborns without a number."""

MAY_BE_EMPTY_BELOW: Final = 5
"""A dataset that may be empty fluctuates while it has a few rows; more of them do not all end between two readings."""


class DatasetFault(StrEnum):
    """Why a dataset is not believed."""

    UNREADABLE = "unreadable"
    """It could not be read completely."""
    EMPTY = "empty"
    """It has no row, and the mapping does not say that it may be empty; or it had rows and is not there any more."""
    SHRUNK = "shrunk"
    """Rows, children or records fell by more than half against what was accepted."""
    TOO_MANY_UNREADABLE = "too_many_unreadable"
    """More rows could not be read than may be."""
    UNIDENTIFIED_JUMP = "unidentified_jump"
    """Far more rows than before name no child."""
    UNCLAIMED_JUMP = "unclaimed_jump"
    """Far more rows than before are taken by no section."""
    NO_CHILD_IDENTIFIED = "no_child_identified"
    """Not one child of the source could be identified."""
    SOURCE_UNREADABLE = "source_unreadable"
    """The source as a whole could not be read."""
    NOT_MAPPED = "not_mapped"
    """The mapping names it no more: what it held stays until a person accepts that it goes."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a reading of a dataset found.

    Attributes:
        children: Children that its rows name; for a dataset that says who there is, all children of the source.
    """

    rows: int = 0
    children: int = 0
    records: int = 0
    unreadable: int = 0
    unidentified: int = 0
    unclaimed: int = 0

    @classmethod
    def of(cls, read: DatasetRead, *, children: int, records: int) -> "Counts":
        """From what the source and the spool counted."""
        return cls(read.rows, children, records, read.unreadable, read.unidentified, read.unclaimed)

    def raised_to(self, other: "Counts") -> "Counts":
        """The higher of both in what must not shrink: losing a little at a time is losing all the same."""
        return replace(
            self,
            rows=max(self.rows, other.rows),
            children=max(self.children, other.children),
            records=max(self.records, other.records),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be thought of a reading."""

    state: ReadingState
    fault: DatasetFault | None = None


def judge(
    plan: DatasetPlan,
    read: DatasetRead,
    counts: Counts,
    baseline: Counts | None,
    *,
    is_accepted: bool,
    unreadable_percent: int = UNREADABLE_PERCENT,
) -> Verdict:
    """Judge one reading of one dataset.

    Args:
        plan: What the mapping says of it.
        read: How it was read.
        counts: What was found.
        baseline: What it is held against; None when it was never read before.
        is_accepted: Whether a person has accepted a baseline.
        unreadable_percent: Highest share of unreadable rows, percent.
    """
    if read.is_absent and not (baseline and baseline.rows):
        return Verdict(ReadingState.ABSENT)
    if fault := _fault(plan, read, counts, baseline, unreadable_percent):
        return Verdict(ReadingState.FAILING, fault)
    is_whole = is_accepted and not counts.unreadable
    return Verdict(ReadingState.SOUND if is_whole else ReadingState.PARTIAL)


def _fault(
    plan: DatasetPlan, read: DatasetRead, counts: Counts, baseline: Counts | None, unreadable_percent: int
) -> DatasetFault | None:
    if read.fault:
        return DatasetFault.UNREADABLE
    if counts.unreadable * 100 > counts.rows * unreadable_percent:
        return DatasetFault.TOO_MANY_UNREADABLE
    if read.is_absent or (not counts.rows and not plan.may_be_empty and (baseline is None or baseline.rows)):
        return DatasetFault.EMPTY
    return _compared(plan, counts, baseline) if baseline else None


def _compared(plan: DatasetPlan, counts: Counts, baseline: Counts) -> DatasetFault | None:
    if _has_shrunk(plan, counts, baseline):
        return DatasetFault.SHRUNK
    if _has_jumped(counts.unidentified, baseline.unidentified, counts.rows):
        return DatasetFault.UNIDENTIFIED_JUMP
    if _has_jumped(counts.unclaimed, baseline.unclaimed, counts.rows):
        return DatasetFault.UNCLAIMED_JUMP
    return None


def _has_shrunk(plan: DatasetPlan, counts: Counts, baseline: Counts) -> bool:
    if plan.may_be_empty and baseline.rows < MAY_BE_EMPTY_BELOW:
        return False
    pairs = (
        (counts.rows, baseline.rows),
        (counts.children, baseline.children),
        (counts.records, baseline.records),
    )
    return any(now * 100 < before * SHRUNK_BELOW_PERCENT for now, before in pairs)


def _has_jumped(now: int, before: int, rows: int) -> bool:
    allowed = max(JUMP_ROWS, rows * JUMP_PERCENT // 100)
    return now > before + allowed and now * 100 > before * JUMP_FACTOR_PERCENT


def share_of(part: int, whole: int) -> Share:
    """A share of rows as a band: what it says is the same for every child, and no count of rows."""
    if not part:
        return Share.NONE
    percent = part * 100 / whole if whole else 100
    for band, at_most in ((Share.UP_TO_2, 2), (Share.UP_TO_10, 10), (Share.UP_TO_50, 50)):
        if percent <= at_most:
            return band
    return Share.OVER_50
