"""Sliding counts: just inside a window counts, just outside does not."""

from federation.counters import DAY_S, HOUR_S, Counters, CounterView
from tests.support.two_agencies import NOW, Clock


def test_windows_end_exactly() -> None:
    clock = Clock()
    counters = Counters(clock=clock)
    counters.add("csc", "u", broke_glass=True)
    assert counters.view("csc", "u") == CounterView(1, 1, 1)
    clock.now = NOW + HOUR_S - 1
    assert counters.view("csc", "u") == CounterView(1, 1, 1)
    clock.now = NOW + HOUR_S
    assert counters.view("csc", "u") == CounterView(1, 0, 1)
    clock.now = NOW + DAY_S - 1
    assert counters.view("csc", "u") == CounterView(1, 0, 1)
    clock.now = NOW + DAY_S
    assert counters.view("csc", "u") == CounterView(0, 0, 0)


def test_users_and_agencies_are_counted_apart() -> None:
    counters = Counters(clock=Clock())
    counters.add("csc", "u", broke_glass=False)
    counters.add("csc", "w", broke_glass=False)
    counters.add("police", "u", broke_glass=True)
    assert counters.view("csc", "u") == CounterView(1, 2, 0)
    assert counters.view("police", "u") == CounterView(1, 1, 1)
    assert counters.view("csc", "x") == CounterView(0, 2, 0)


def test_a_seed_counts_as_if_it_had_been_added_then_in_whatever_order_it_comes() -> None:
    rows = [("csc", "u", False, NOW - 10), ("csc", "u", True, NOW - DAY_S), ("csc", "u", False, NOW - HOUR_S)]
    counters = Counters(clock=Clock(), seed=rows)
    assert counters.view("csc", "u") == CounterView(2, 1, 0)
    assert counters.view("csc", "u").as_input() == {
        "user_queries_day": 2,
        "agency_queries_hour": 1,
        "break_glass_day": 0,
    }


def test_what_nobody_decided_is_uncounted_and_what_was_counted_before_stays() -> None:
    counters = Counters(clock=lambda: 1_000.0)
    for broke_glass in (True, False, True):
        counters.add("csc", "a", broke_glass=broke_glass)
    counters.take_back("csc", "a", broke_glass=True)
    assert counters.view("csc", "a") == CounterView(user_queries_day=2, agency_queries_hour=2, break_glass_day=1)
    counters.take_back("csc", "a", broke_glass=False)
    assert counters.view("csc", "a") == CounterView(user_queries_day=1, agency_queries_hour=1, break_glass_day=1)


def test_nothing_is_uncounted_of_somebody_who_was_not_counted() -> None:
    counters = Counters(clock=lambda: 1_000.0)
    counters.add("csc", "a", broke_glass=False)
    counters.take_back("police", "b", broke_glass=True)
    assert counters.view("csc", "a") == CounterView(user_queries_day=1, agency_queries_hour=1, break_glass_day=0)
    assert counters.view("police", "b") == CounterView(user_queries_day=0, agency_queries_hour=0, break_glass_day=0)
