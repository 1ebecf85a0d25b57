"""What a reading of a source as a whole is worth, dataset by dataset. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from agency_node.caseload.judging import UNREADABLE_PERCENT, Counts, DatasetFault, Verdict, judge
from agency_node.sources.source import DatasetPlan, DatasetRead
from agency_node.store.reading_rows import ANY_CATEGORY, DatasetRow
from federation.vocabulary import ReadingState

MAX_DETAIL: Final = 400
"""As long as the column: a place in a file, not an account of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one reading of a source found.

    Attributes:
        reads: How each dataset fared; of one that is missing the reading stopped before it was told.
        by_dataset: Records and children of each dataset that has any.
        children: Children of the source.
        error: Why the reading stopped; empty when it was complete.
        at: Seconds since the epoch.
    """

    reads: Mapping[str, DatasetRead]
    by_dataset: Mapping[str, tuple[int, int]]
    children: int
    error: str
    at: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is thought of it.

    Attributes:
        rows: Every dataset as it is to stand from now on.
        is_void: Nothing of the reading comes into force: who is known, or how they are marked, cannot be believed.
    """

    rows: tuple[DatasetRow, ...]
    is_void: bool

    @property
    def failing(self) -> frozenset[str]:
        """Datasets that are not believed."""
        return frozenset(row.dataset for row in self.rows if row.state is ReadingState.FAILING)


def counts_of(text: str) -> Counts | None:
    """Counts as the store keeps them."""
    return Counts(**json.loads(text)) if text else None


def counts_text(counts: Counts) -> str:
    """Counts as the store keeps them."""
    return json.dumps(asdict(counts), sort_keys=True)


def assess(
    plans: Sequence[DatasetPlan],
    found: Found,
    before: Mapping[str, DatasetRow],
    *,
    source_id: str,
    unreadable_percent: int = UNREADABLE_PERCENT,
) -> Assessment:
    """Judge every dataset of one reading.

    Args:
        plans: The source's datasets.
        found: What the reading found.
        before: How each dataset stood before.
        source_id: The source.
        unreadable_percent: Highest share of unreadable rows, percent.
    """
    retired = [_retired(row, found) for row in before.values() if _is_retired(row, plans)]
    judged = [_judged(plan, found, before.get(plan.name), unreadable_percent) for plan in plans]
    is_void = any(
        verdict.state is ReadingState.FAILING
        for plan, (_, verdict) in zip(plans, judged, strict=True)
        if plan.identifies
    ) or bool(found.error or any(row.identifies for row in retired))
    rows = []
    for plan, (counts, verdict) in zip(plans, judged, strict=True):
        told = verdict
        if is_void and verdict.fault is None:
            told = Verdict(ReadingState.FAILING, DatasetFault.SOURCE_UNREADABLE)
        rows.append(_row(plan, found, counts, told, before.get(plan.name) or DatasetRow(source_id, plan.name)))
    return Assessment((*rows, *retired), is_void)


def _is_retired(row: DatasetRow, plans: Sequence[DatasetPlan]) -> bool:
    """Whether a dataset had rows, and is in the mapping no more: renamed perhaps, or its section lost."""
    baseline = counts_of(row.baseline)
    return bool(baseline and baseline.rows) and all(plan.name != row.dataset for plan in plans)


def _retired(row: DatasetRow, found: Found) -> DatasetRow:
    return replace(
        row,
        state=ReadingState.FAILING,
        fault=DatasetFault.NOT_MAPPED.value,
        detail="",
        tried_at=found.at,
        counts=counts_text(Counts()),
    )


def _judged(
    plan: DatasetPlan, found: Found, before: DatasetRow | None, unreadable_percent: int
) -> tuple[Counts, Verdict]:
    read = found.reads.get(plan.name)
    if read is None:
        return Counts(), Verdict(ReadingState.FAILING, DatasetFault.SOURCE_UNREADABLE)
    records, children = found.by_dataset.get(plan.name, (0, 0))
    counts = Counts.of(read, children=found.children if plan.identifies else children, records=records)
    if plan.identifies and counts.rows and not found.children and not read.fault:
        return counts, Verdict(ReadingState.FAILING, DatasetFault.NO_CHILD_IDENTIFIED)
    verdict = judge(
        plan,
        read,
        counts,
        counts_of(before.baseline) if before else None,
        is_accepted=bool(before and before.accepted_at and before.state is not ReadingState.ABSENT),
        unreadable_percent=unreadable_percent,
    )
    return counts, verdict


def _row(plan: DatasetPlan, found: Found, counts: Counts, verdict: Verdict, before: DatasetRow) -> DatasetRow:
    is_failing = verdict.state is ReadingState.FAILING
    read = found.reads.get(plan.name)
    baseline = counts_of(before.baseline)
    if verdict.state is ReadingState.ABSENT:
        baseline = None
    elif not is_failing:
        baseline = baseline.raised_to(counts) if baseline else counts
    detail = (read.fault if read else "") or found.error
    # That a dataset is not there says nothing of what it looks like once it is.
    is_kept = ReadingState.ABSENT not in (before.state, verdict.state)
    return DatasetRow(
        source_id=before.source_id,
        dataset=plan.name,
        categories=ANY_CATEGORY if plan.categories is None else json.dumps(sorted(plan.categories)),
        identifies=plan.identifies,
        state=verdict.state,
        fault=verdict.fault.value if verdict.fault else "",
        detail=detail[:MAX_DETAIL] if is_failing else "",
        tried_at=found.at,
        sound_at=before.sound_at if is_failing else found.at,
        as_at=before.as_at if is_failing else _made_at(read, found.at),
        # What was not read completely was not counted: a person can only accept what was seen.
        counts=counts_text(counts) if read is not None and not read.fault else "",
        baseline=counts_text(baseline) if baseline else "",
        accepted_at=before.accepted_at if is_kept else 0,
        acceptance=before.acceptance if is_kept else b"",
    )


def _made_at(read: DatasetRead | None, at: int) -> int:
    """When what was read was made: not after it was read. A time before 1970 is none (a copy that lost its own)."""
    made = at if read is None or read.as_at is None else read.as_at
    return max(0, min(made, at))
