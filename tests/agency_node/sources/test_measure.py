"""Counts of one dataset: a row counts once for each kind of fault, and a fault that loses nothing counts not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.sources import measure as module
from agency_node.sources.measure import Measure
from agency_node.sources.source import DatasetRead, Rejected, RejectionKind, RejectionReason, kind_of

REASON, KIND = RejectionReason, RejectionKind


def fault(line: int, reason: RejectionReason, file: str = "a.csv", kind: RejectionKind | None = None) -> Rejected:
    return Rejected("people", line, reason, file=file, kind=kind)


def counted(*faults: Rejected) -> tuple[int, int, int]:
    measure = Measure("people")
    for each in faults:
        measure.count(each)
    read = measure.read()
    return read.unreadable, read.unidentified, read.unclaimed


def test_a_dataset_of_which_nothing_is_known_is_told_as_such() -> None:
    assert Measure("people").read() == DatasetRead("people")


def test_what_is_known_of_a_dataset_is_told() -> None:
    found = Measure("people", rows=3, fault="gone", is_absent=True, as_at=7).read()
    assert (found.rows, found.fault, found.is_absent, found.as_at) == (3, "gone", True, 7)


def test_a_row_with_two_faults_of_one_kind_counts_once_and_of_two_kinds_once_for_each() -> None:
    assert counted(fault(2, REASON.DATE_INVALID), fault(2, REASON.VALUE_UNMAPPED)) == (1, 0, 0)
    assert counted(fault(2, REASON.DATE_INVALID), fault(3, REASON.DATE_INVALID)) == (2, 0, 0)
    assert counted(fault(2, REASON.DATE_INVALID), fault(2, REASON.CHILD_UNKNOWN)) == (1, 1, 0)


def test_one_line_of_two_files_is_two_rows() -> None:
    assert counted(fault(2, REASON.DATE_INVALID), fault(2, REASON.DATE_INVALID, "b.csv")) == (2, 0, 0)


@pytest.mark.parametrize("reason", RejectionReason)
def test_every_reason_counts_as_its_kind(reason: RejectionReason) -> None:
    kind = kind_of(reason)
    assert counted(fault(2, reason)) == (
        int(kind is KIND.UNREADABLE),
        int(kind is KIND.UNIDENTIFIED),
        int(kind is KIND.UNCLAIMED),
    )


def test_a_row_that_names_no_child_is_no_unreadable_one() -> None:
    unidentified = {reason for reason in RejectionReason if kind_of(reason) is KIND.UNIDENTIFIED}
    assert unidentified == {
        REASON.NHS_NUMBER_MISSING,
        REASON.NHS_NUMBER_INVALID,
        REASON.NHS_NUMBER_NEVER_ISSUED,
        REASON.NHS_NUMBER_UNTRACED,
        REASON.CHILD_KEY_MISSING,
        REASON.ROW_EMPTY,
        REASON.CHILD_UNKNOWN,
        REASON.ROW_EMPTY,
    }
    lossless = {reason for reason in RejectionReason if kind_of(reason) in {KIND.FIELD, KIND.REPEATED}}
    assert lossless == {REASON.MARK_UNMATCHED, REASON.REF_REPEATED}


def test_what_the_reader_says_of_a_fault_goes_before_its_reason() -> None:
    assert counted(fault(2, REASON.DATE_INVALID, kind=KIND.FIELD)) == (0, 0, 0)
    assert counted(fault(2, REASON.REF_REPEATED, kind=KIND.UNREADABLE)) == (1, 0, 0)


def test_beyond_the_lines_that_are_remembered_faults_are_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 2)
    two = [fault(2, REASON.DATE_INVALID), fault(3, REASON.DATE_INVALID)]
    assert counted(*two, *two) == (2, 0, 0)
    assert counted(*two, fault(4, REASON.DATE_INVALID), *two) == (3, 0, 0)
    assert counted(*two, fault(4, REASON.DATE_INVALID), fault(4, REASON.DATE_INVALID)) == (4, 0, 0)


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from(list(RejectionReason)))))
def test_each_row_counts_at_most_once_for_a_kind_in_any_order(faults: list[tuple[int, RejectionReason]]) -> None:
    rows = [fault(line, reason) for line, reason in faults]
    expected = tuple(
        len({row.line for row in rows if row.counted_as is kind})
        for kind in (KIND.UNREADABLE, KIND.UNIDENTIFIED, KIND.UNCLAIMED)
    )
    assert counted(*rows) == counted(*reversed(rows)) == expected
