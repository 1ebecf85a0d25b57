"""Two clocks compared over messages: right within what the way takes, and never sure of what the way may explain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.clock_difference import ClockDifference
from federation.clocks import CLOCK_TOLERANCE_S, Offset, Pairing, measure
from federation.wire.v1 import link_pb2 as wire

NOW_MS = 1_795_341_600_000
times = st.integers(min_value=0, max_value=10**6)


@given(ahead=st.integers(min_value=-(10**9), max_value=10**9), there=times, thinking=times, back=times)
def test_the_true_offset_lies_within_what_is_measured(ahead: int, there: int, thinking: int, back: int) -> None:
    found = measure(
        sent_ms=NOW_MS,
        heard_ms=NOW_MS + there + ahead,
        replied_ms=NOW_MS + there + thinking + ahead,
        received_ms=NOW_MS + there + thinking + back,
    )
    assert found is not None
    assert abs(found.ahead_ms - ahead) <= found.within_ms


def test_a_clock_that_is_set_in_between_is_not_measured() -> None:
    assert measure(sent_ms=NOW_MS, heard_ms=NOW_MS, replied_ms=NOW_MS + 10, received_ms=NOW_MS - 5_000) is None


@pytest.mark.parametrize(
    ("ahead_ms", "within_ms", "differs"),
    [
        (CLOCK_TOLERANCE_S * 1000, 0, False),
        (CLOCK_TOLERANCE_S * 1000 + 1, 0, True),
        (-CLOCK_TOLERANCE_S * 1000 - 1, 0, True),
        (25_000, 15_000, False),  # a node that was stopped for half a minute: the way explains it
        (25_001, 15_000, True),
    ],
)
def test_clocks_differ_when_nothing_else_explains_it(ahead_ms: int, within_ms: int, *, differs: bool) -> None:
    assert Offset(ahead_ms, within_ms).differs is differs


class Time:
    def __init__(self, ahead_s: float = 0.0) -> None:
        self.ahead_s = ahead_s
        self.true = NOW_MS / 1000

    def __call__(self) -> float:
        return self.true + self.ahead_s


def test_each_side_learns_the_others_offset() -> None:
    theirs = Time(7200)
    here, there = Pairing(Time()), Pairing(theirs)
    assert there.hear(here.reading()) is None
    found = here.hear(there.reading())
    assert found is not None
    assert found.ahead_s == 7200
    back = there.hear(here.reading())
    assert back is not None
    assert back.ahead_s == -7200


@pytest.mark.parametrize(
    "reading",
    [
        wire.ClockReading(),  # a party that knows nothing of this
        wire.ClockReading(sent_at_ms=2**63),
        wire.ClockReading(sent_at_ms=NOW_MS, echo_sent_at_ms=12_345, echo_heard_at_ms=NOW_MS),  # never sent by us
    ],
)
def test_nonsense_measures_nothing(reading: wire.ClockReading) -> None:
    pairing = Pairing(Time())
    pairing.reading()
    assert pairing.hear(reading) is None


@given(
    ahead_s=st.integers(min_value=-(10**9), max_value=10**9),
    wrong=st.sampled_from(["", "wardgate://node/a-b", "wardgate://gateway/main"]),
)
def test_a_difference_survives_its_way_over_the_wire(ahead_s: int, wrong: str) -> None:
    told = ClockDifference("wardgate://node/a-b", "wardgate://gateway/main", ahead_s, wrong)
    assert ClockDifference.decoded(told.encoded()) == told


@pytest.mark.parametrize(
    "text", ["", "x", "wardgate://node/a wardgate://gateway/b 5 wardgate://node/c", "wardgate://node/a b 5", "a b c d"]
)
def test_any_other_header_is_no_difference(text: str) -> None:
    assert ClockDifference.decoded(text) is None
