"""How many calls one caller may have open, alone and beside others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ErrorCode, WardgateError
from federation.transport.occupancy import CallLimits, Occupancy, Place, network_of

LIMITS = CallLimits(
    calls=10, per_caller=4, streams_per_caller=2, connections_per_caller=2, reading_per_caller=1, request_s=1.0
)


def place(caller: str = "ada", connection: int = 1, *, is_stream: bool = False) -> Place:
    return Place(caller, f"{caller}:{connection}", is_stream)


def entered(occupancy: Occupancy, *places: Place) -> int:
    """How many of these are let in."""
    count = 0
    for wanted in places:
        try:
            occupancy.enter(wanted)
        except WardgateError as error:
            assert error.code is ErrorCode.CALLS_EXCEEDED  # noqa: PT017 - the others are counted
        else:
            count += 1
    return count


def test_one_caller_has_so_many_calls_and_a_place_again_when_one_ends() -> None:
    occupancy = Occupancy(LIMITS)
    assert entered(occupancy, *[place()] * 9) == 4
    occupancy.leave(place())
    assert entered(occupancy, *[place()] * 9) == 1


def test_so_many_of_them_are_streams() -> None:
    assert entered(Occupancy(LIMITS), *[place(is_stream=True)] * 3, place()) == 3


def test_they_come_over_so_many_connections() -> None:
    occupancy = Occupancy(LIMITS)
    assert entered(occupancy, place(connection=1), place(connection=2), place(connection=3)) == 2
    assert entered(occupancy, place(connection=2)) == 1
    occupancy.leave(place(connection=1))
    assert entered(occupancy, place(connection=3)) == 1


def test_whoever_holds_as_many_as_are_free_waits_and_a_newcomer_does_not() -> None:
    occupancy = Occupancy(LIMITS)
    assert entered(occupancy, *[place("ada")] * 4, *[place("bea")] * 4) == 7
    assert entered(occupancy, place("bea"), place("ada")) == 0
    assert entered(occupancy, place("cyd")) == 1


@given(st.lists(st.tuples(st.sampled_from(["ada", "bea", "cyd"]), st.integers(1, 3), st.booleans()), max_size=60))
def test_nothing_is_left_of_calls_that_have_ended(wanted: list[tuple[str, int, bool]]) -> None:
    occupancy, inside = Occupancy(LIMITS), list[Place]()
    for caller, connection, is_stream in wanted:
        wish = place(caller, connection, is_stream=is_stream)
        inside += [wish] * entered(occupancy, wish)
        assert len(occupancy) == len(inside) <= LIMITS.calls
    for one in inside:
        occupancy.leave(one)
    assert len(occupancy) == 0
    assert occupancy._callers == {}


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("ipv4:192.0.2.1:40000", "192.0.2.1"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:40000", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2::9]:1", "2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:1", "fe80::/64"),
        ("ipv6:nonsense:1", "nonsense"),
    ],
)
def test_a_stranger_is_an_address_or_a_subscribers_network(peer: str, network: str) -> None:
    assert network_of(peer) == network
