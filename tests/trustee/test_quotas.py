"""The pure arithmetic of quotas: which counters an act charges, and where each limit bites."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustee.quotas import (
    EPOCHS_AT_MOST,
    CounterKind,
    Quotas,
    Window,
    caseload_limit,
    day_of,
    epoch_window,
    evaluation_charges,
    exceeded,
    hour_of,
    translation_charges,
)

NOON = 1_800_000_000 // 86_400 * 86_400 + 12 * 3_600
QUOTAS = Quotas()


@pytest.mark.parametrize(("caseload", "limit"), [(0, 0), (9, 9), (10, 11), (100_000, 110_000)])
def test_a_caseload_may_be_indexed_at_most_one_and_a_tenth_times_per_epoch(caseload: int, limit: int) -> None:
    assert caseload_limit(caseload, QUOTAS) == limit


@given(caseload=st.integers(0, 5_000_000), percent=st.integers(100, 200))
def test_the_caseload_limit_never_exceeds_its_percentage(caseload: int, percent: int) -> None:
    limit = caseload_limit(caseload, Quotas(caseload_percent=percent))
    assert limit * 100 <= caseload * percent < (limit + 1) * 100


def test_a_caseload_evaluation_is_limited_by_epoch_and_counted_by_hour() -> None:
    by_epoch, by_hour = evaluation_charges("caseload", count=7, epoch=3, caseload=10, now=NOON + 59.9, quotas=QUOTAS)
    assert by_epoch.counter == (CounterKind.CASELOAD_EVALUATION, Window.EPOCH, 3)
    assert (by_epoch.count, by_epoch.limit) == (7, 11)
    assert by_hour.counter == (CounterKind.CASELOAD_EVALUATION, Window.HOUR, NOON)
    assert (by_hour.count, by_hour.limit) == (7, None)


@given(
    one=st.tuples(st.integers(1, EPOCHS_AT_MOST), st.integers(0, 64)),
    other=st.tuples(st.integers(1, EPOCHS_AT_MOST), st.integers(0, 64)),
)
def test_no_epoch_shares_a_window_with_another_or_with_itself_after_a_reset(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    assert (epoch_window(*one) == epoch_window(*other)) is (one == other)
    assert epoch_window(one[0], 0) == one[0], "counters of before go on"


def test_a_query_evaluation_is_limited_by_day_and_hour_whatever_the_caseload() -> None:
    by_day, by_hour = evaluation_charges("query", count=1, epoch=3, caseload=0, now=NOON, quotas=QUOTAS)
    assert by_day.counter == (CounterKind.QUERY_EVALUATION, Window.DAY, NOON - 12 * 3_600)
    assert by_day.limit == QUOTAS.query_evaluations_per_day
    assert by_hour.counter == (CounterKind.QUERY_EVALUATION, Window.HOUR, NOON)
    assert by_hour.limit == QUOTAS.query_evaluations_per_hour


def test_a_ticket_counts_once_and_each_of_its_points_once() -> None:
    first = translation_charges(points=20, first=True, now=NOON, quotas=QUOTAS)
    later = translation_charges(points=3, first=False, now=NOON, quotas=QUOTAS)
    assert [(charge.kind, charge.count) for charge in first] == [(CounterKind.TICKET, 1), (CounterKind.TRANSLATION, 20)]
    assert [(charge.kind, charge.count) for charge in later] == [(CounterKind.TRANSLATION, 3)]


def test_the_last_permitted_point_is_allowed_and_the_next_is_not() -> None:
    quotas = Quotas(translations_per_hour=100)
    charges = translation_charges(points=5, first=False, now=NOON, quotas=quotas)
    assert exceeded(charges, {charges[0].counter: 100}) is None
    assert exceeded(charges, {charges[0].counter: 101}) is charges[0]


def test_what_is_only_counted_is_never_exceeded() -> None:
    charges = evaluation_charges("caseload", count=1, epoch=1, caseload=10, now=NOON, quotas=QUOTAS)
    assert exceeded(charges, {charges[0].counter: 11, charges[1].counter: 10**9}) is None


def test_the_first_limit_passed_is_named() -> None:
    charges = evaluation_charges("query", count=1, epoch=1, caseload=10, now=NOON, quotas=QUOTAS)
    assert exceeded(charges, {charge.counter: 10**9 for charge in charges}) is charges[0]


@given(st.integers(0, 2**40))
def test_windows_start_at_or_before_now_and_cover_it(now: int) -> None:
    assert 0 <= now - hour_of(now) < 3_600
    assert 0 <= now - day_of(now) < 86_400
    assert hour_of(now) % 3_600 == day_of(now) % 86_400 == 0


def test_the_caseload_quota_cannot_be_set_below_the_declared_caseload() -> None:
    with pytest.raises(ValueError, match="caseload_percent"):
        Quotas(caseload_percent=99)
