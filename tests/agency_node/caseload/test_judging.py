"""Each rule by which a reading of a dataset is believed or not: just inside, and just outside."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.caseload.judging import Counts, DatasetFault, Verdict, judge, share_of
from agency_node.sources.source import DatasetPlan, DatasetRead
from federation.vocabulary import ReadingState, Share

PLAN = DatasetPlan("events", frozenset({"a"}))
FLUCTUATING = replace(PLAN, may_be_empty=True)
SOUND, PARTIAL, ABSENT = (Verdict(state) for state in (ReadingState.SOUND, ReadingState.PARTIAL, ReadingState.ABSENT))
BASELINE = Counts(rows=100, children=50, records=80)


def failing(fault: DatasetFault) -> Verdict:
    return Verdict(ReadingState.FAILING, fault)


def verdict(
    counts: Counts = BASELINE,
    baseline: Counts | None = BASELINE,
    *,
    plan: DatasetPlan = PLAN,
    is_accepted: bool = True,
    fault: str = "",
    is_absent: bool = False,
    unreadable_percent: int = 2,
) -> Verdict:
    read = DatasetRead(plan.name, counts.rows, fault=fault, is_absent=is_absent)
    return judge(plan, read, counts, baseline, is_accepted=is_accepted, unreadable_percent=unreadable_percent)


def test_a_reading_without_fault_is_sound_once_somebody_accepted_what_the_dataset_looks_like() -> None:
    assert verdict() == SOUND
    assert verdict(is_accepted=False) == PARTIAL
    assert verdict(baseline=None, is_accepted=False) == PARTIAL


def test_what_could_not_be_read_to_its_end_is_not_believed() -> None:
    assert verdict(fault="the file is cut off") == failing(DatasetFault.UNREADABLE)


@pytest.mark.parametrize(
    ("rows", "unreadable", "percent", "expected"),
    [
        (100, 0, 2, SOUND),
        (100, 1, 2, PARTIAL),
        (100, 2, 2, PARTIAL),
        (100, 3, 2, failing(DatasetFault.TOO_MANY_UNREADABLE)),
        (149, 3, 2, failing(DatasetFault.TOO_MANY_UNREADABLE)),
        (150, 3, 2, PARTIAL),
        (100, 3, 3, PARTIAL),
        (100, 1, 0, failing(DatasetFault.TOO_MANY_UNREADABLE)),
        (100, 0, 0, SOUND),
        (0, 1, 2, failing(DatasetFault.TOO_MANY_UNREADABLE)),
    ],
)
def test_any_unreadable_row_makes_it_partial_and_more_than_the_share_failing(
    rows: int, unreadable: int, percent: int, expected: Verdict
) -> None:
    counts = replace(BASELINE, rows=rows, unreadable=unreadable)
    assert verdict(counts, unreadable_percent=percent) == expected


def test_a_dataset_without_rows_fails_unless_it_may_be_empty_or_was_accepted_so() -> None:
    empty = Counts()
    assert verdict(empty) == failing(DatasetFault.EMPTY)
    assert verdict(empty, None, is_accepted=False) == failing(DatasetFault.EMPTY)
    assert verdict(empty, empty) == SOUND
    assert verdict(empty, None, plan=FLUCTUATING, is_accepted=False) == PARTIAL
    assert verdict(empty, empty, plan=FLUCTUATING) == SOUND


@pytest.mark.parametrize("what", ["rows", "children", "records"])
def test_what_lost_more_than_half_of_rows_children_or_records_fails(what: str) -> None:
    half = getattr(BASELINE, what) // 2
    assert verdict(replace(BASELINE, **{what: half})) == SOUND
    assert verdict(replace(BASELINE, **{what: half - 1})) == failing(DatasetFault.SHRUNK)
    odd = replace(BASELINE, **{what: 2 * half + 1})
    assert verdict(replace(odd, **{what: half}), odd) == failing(DatasetFault.SHRUNK)
    assert verdict(replace(odd, **{what: half + 1}), odd) == SOUND


def test_without_anything_to_hold_it_against_nothing_has_shrunk() -> None:
    assert verdict(Counts(rows=1), None) == SOUND


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (4, 0, SOUND),
        (4, 1, SOUND),
        (5, 3, SOUND),
        (5, 2, failing(DatasetFault.SHRUNK)),
        (5, 0, failing(DatasetFault.SHRUNK)),
        (19, 0, failing(DatasetFault.SHRUNK)),
    ],
)
def test_a_dataset_that_may_be_empty_fluctuates_while_it_is_small(before: int, now: int, expected: Verdict) -> None:
    assert verdict(Counts(rows=now), Counts(rows=before), plan=FLUCTUATING) == expected
    if now:
        assert verdict(Counts(rows=now), Counts(rows=before)).fault is (
            DatasetFault.SHRUNK if now * 2 < before else None
        )


@pytest.mark.parametrize(
    ("what", "fault"),
    [("unidentified", DatasetFault.UNIDENTIFIED_JUMP), ("unclaimed", DatasetFault.UNCLAIMED_JUMP)],
)
@pytest.mark.parametrize(
    ("rows", "before", "now", "jumps"),
    [
        (100, 0, 2, False),  # two newborns
        (100, 0, 3, True),
        (1000, 0, 20, False),  # 2 % of the rows
        (1000, 0, 21, True),
        (1000, 100, 150, False),  # by half
        (1000, 100, 151, True),
        (1000, 30, 50, False),  # more than by half, but within 2 %
        (1000, 30, 51, True),
        (1000, 900, 100, False),
    ],
)
def test_rows_of_nobody_known_jump_by_half_and_more_than_a_share(
    what: str, fault: DatasetFault, rows: int, before: int, now: int, *, jumps: bool
) -> None:
    counts, baseline = (replace(BASELINE, rows=rows, **{what: number}) for number in (now, before))
    assert verdict(counts, baseline) == (failing(fault) if jumps else SOUND)


def test_many_rows_of_nobody_known_are_ordinary_in_a_first_reading() -> None:
    assert verdict(replace(BASELINE, unidentified=90, unclaimed=9), None) == SOUND


def test_a_dataset_that_the_agency_does_not_have_is_absent_and_one_that_went_away_failing() -> None:
    nothing = Counts()
    assert verdict(nothing, None, is_absent=True) == ABSENT
    assert verdict(nothing, nothing, is_absent=True) == ABSENT
    assert verdict(nothing, Counts(rows=1), is_absent=True) == failing(DatasetFault.EMPTY)
    assert verdict(nothing, BASELINE, is_absent=True, plan=FLUCTUATING) == failing(DatasetFault.EMPTY)


def test_a_dataset_that_may_be_empty_and_went_away_altogether_is_not_taken_for_empty() -> None:
    assert verdict(Counts(), Counts(rows=5), is_absent=True, plan=FLUCTUATING).state is ReadingState.FAILING


def test_what_must_not_shrink_is_held_against_its_highest() -> None:
    low, high = Counts(1, 9, 3, 4, 5, 6), Counts(7, 2, 8, 0, 0, 0)
    assert low.raised_to(high) == Counts(7, 9, 8, 4, 5, 6)
    assert high.raised_to(low) == Counts(7, 9, 8, 0, 0, 0)


def test_a_little_lost_at_every_reading_is_found_out() -> None:
    baseline, rows = BASELINE, 100
    for _ in range(5):
        rows -= 10
        assert verdict(replace(BASELINE, rows=rows), baseline) == SOUND
        baseline = baseline.raised_to(replace(BASELINE, rows=rows))
    assert verdict(replace(BASELINE, rows=rows - 1), baseline) == failing(DatasetFault.SHRUNK)


@pytest.mark.parametrize(
    ("part", "whole", "band"),
    [
        (0, 0, Share.NONE),
        (0, 10, Share.NONE),
        (1, 1_000_000, Share.UP_TO_2),
        (2, 100, Share.UP_TO_2),
        (201, 10_000, Share.UP_TO_10),
        (10, 100, Share.UP_TO_10),
        (1001, 10_000, Share.UP_TO_50),
        (50, 100, Share.UP_TO_50),
        (5001, 10_000, Share.OVER_50),
        (100, 100, Share.OVER_50),
        (1, 0, Share.OVER_50),
    ],
)
def test_a_share_is_told_as_a_band(part: int, whole: int, band: Share) -> None:
    assert share_of(part, whole) is band


_COUNTS = st.builds(Counts, *[st.integers(0, 300)] * 6)


@given(
    counts=_COUNTS,
    baseline=st.none() | _COUNTS,
    may_be_empty=st.booleans(),
    is_accepted=st.booleans(),
    fault=st.text(max_size=2),
    is_absent=st.booleans(),
)
def test_a_reading_is_sound_only_if_nothing_stands_against_it(
    *, counts: Counts, baseline: Counts | None, may_be_empty: bool, is_accepted: bool, fault: str, is_absent: bool
) -> None:
    plan = replace(PLAN, may_be_empty=may_be_empty)
    found = verdict(counts, baseline, plan=plan, is_accepted=is_accepted, fault=fault, is_absent=is_absent)
    assert (found.fault is None) is (found.state is not ReadingState.FAILING)
    if found.state is ReadingState.SOUND:
        assert is_accepted
        assert not fault
        assert not counts.unreadable
    if found.state in {ReadingState.SOUND, ReadingState.PARTIAL}:
        assert counts.unreadable * 50 <= counts.rows
