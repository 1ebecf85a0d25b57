"""The rule by which a responder's places are given out, alone: shares, urgency, turns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.vocabulary import Urgency
from gateway.shares import Claim, Waiting, held_by, may_take

ROUTINE, URGENT, EMERGENCY = 0, 1, 2
NAMES = st.sampled_from(["ada", "bea", "cyd", "dot"])
CLAIMS = st.builds(Claim, NAMES, st.integers(ROUTINE, EMERGENCY))


def queue(*claims: Claim) -> Waiting[Claim]:
    waiting = Waiting[Claim]()
    for claim in claims:
        waiting.add(claim, claim)
    return waiting


def fill(waiting: Waiting[Claim], capacity: int, held: list[Claim] | None = None) -> list[Claim]:
    """Give out places until the rule gives none; returns who holds them then."""
    held = list(held or [])
    while (taken := waiting.take(held, capacity - len(held))) is not None:
        held.append(taken)
    return held


@pytest.mark.parametrize(
    ("urgency", "broke_glass", "rank"),
    [
        (Urgency.ROUTINE, False, ROUTINE),
        (Urgency.URGENT, False, URGENT),
        (Urgency.EMERGENCY, False, EMERGENCY),
        (Urgency.ROUTINE, True, EMERGENCY),
    ],
)
def test_breaking_glass_is_an_emergency(urgency: Urgency, broke_glass: bool, rank: int) -> None:  # noqa: FBT001 - a row
    assert Claim.of("ada", urgency, broke_glass=broke_glass) == Claim("ada", rank)


def test_a_requester_takes_as_many_places_as_are_left_and_not_one_more() -> None:
    ada = Claim("ada", ROUTINE)
    assert may_take(ada, [ada] * 7, 9)
    assert may_take(ada, [ada] * 7, 8)
    assert not may_take(ada, [ada] * 8, 8)


@pytest.mark.parametrize(("requesters", "share"), [(1, 8), (3, 4), (7, 2)])
def test_requesters_of_one_urgency_share_alike_and_leave_a_share_free(requesters: int, share: int) -> None:
    names = [f"r{number}" for number in range(requesters)]
    held = fill(queue(*(Claim(name, ROUTINE) for name in names for _ in range(1_000))), 16)
    assert {name: held_by(Claim(name, ROUTINE), held) for name in names} == dict.fromkeys(names, share)
    assert 16 - len(held) >= 1


def test_what_is_urgent_goes_first_and_routine_does_not_count_against_it() -> None:
    waiting = queue(*[Claim("ada", ROUTINE)] * 20)
    held = fill(waiting, 16)
    waiting.add(Claim("ada", URGENT), Claim("ada", URGENT))
    waiting.add(Claim("ada", EMERGENCY), Claim("ada", EMERGENCY))
    assert fill(waiting, 16, held)[len(held) :] == [Claim("ada", EMERGENCY), Claim("ada", URGENT)]


def test_an_emergency_counts_against_what_is_less_urgent() -> None:
    held = fill(queue(*[Claim("ada", EMERGENCY)] * 20), 16)
    assert fill(queue(*[Claim("ada", ROUTINE)] * 20), 16, held) == held


def test_whoever_holds_fewer_goes_first_and_equals_take_turns() -> None:
    ada, bea = Claim("ada", ROUTINE), Claim("bea", ROUTINE)
    assert fill(queue(ada, ada, bea, bea), 16) == [ada, bea, ada, bea]
    assert fill(queue(ada, ada, bea, bea), 16, [ada, ada])[2:4] == [bea, bea]


def test_within_one_line_nobody_overtakes() -> None:
    waiting = Waiting[int]()
    for number in range(5):
        waiting.add(number, Claim("ada", ROUTINE))
    assert [waiting.take([], 16) for _ in range(6)] == [0, 1, 2, 3, 4, None]


@given(st.lists(CLAIMS, max_size=60), st.integers(1, 64))
def test_a_newcomer_finds_a_place_whatever_one_other_sends(sent: list[Claim], capacity: int) -> None:
    """Unless there is but one, which somebody has to hold."""
    held = fill(queue(*(Claim("ada", claim.rank) for claim in sent)), capacity)
    assert len(held) < max(capacity, 2)
    assert capacity == 1 or may_take(Claim("new", ROUTINE), held, capacity - len(held))


@given(st.lists(CLAIMS, max_size=60), st.integers(1, 64))
def test_no_place_is_given_twice_nothing_is_lost_and_the_rule_holds_at_every_step(
    sent: list[Claim], capacity: int
) -> None:
    waiting, held = queue(*sent), list[Claim]()
    while (taken := waiting.take(held, capacity - len(held))) is not None:
        assert may_take(taken, held, capacity - len(held))
        more_urgent = [claim for claim in waiting.items() if claim.rank > taken.rank]
        assert not any(may_take(claim, held, capacity - len(held)) for claim in more_urgent)
        held.append(taken)
    assert len(held) <= capacity
    assert sorted([*held, *waiting.items()], key=repr) == sorted(sent, key=repr)
    assert not any(may_take(claim, held, capacity - len(held)) for claim in waiting.items())


@given(st.lists(CLAIMS, min_size=1, max_size=40), st.integers(1, 16))
def test_whatever_waits_is_served_as_places_come_free(sent: list[Claim], capacity: int) -> None:
    waiting, held, served = queue(*sent), list[Claim](), list[Claim]()
    while len(waiting):
        held = fill(waiting, capacity, held)
        served.append(held.pop(0))
    assert sorted([*served, *held], key=repr) == sorted(sent, key=repr)
