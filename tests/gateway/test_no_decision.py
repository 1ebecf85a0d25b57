"""A gateway whose policy engine is late or away refuses nothing: the same bytes are admitted once it is back."""

import pytest

from federation.errors import ErrorCode
from federation.ledger.entry import EntryKind
from federation.policy.engine import WAIT_S, Failure
from federation.policy.evaluator import PolicyPoint
from gateway.admitting import LEAST_WAIT_S
from tests.support.failing_engine import failing_engine
from tests.support.gateway_world import CSC, POLICE, SCHOOL, World, tasks_in

PASSING = [failure for failure in Failure if failure.is_passing]
LASTING = [failure for failure in Failure if not failure.is_passing]


@pytest.mark.parametrize("failure", PASSING)
async def test_nothing_is_recorded_and_the_same_query_is_admitted_afterwards(
    world: World, policy: PolicyPoint, failure: Failure
) -> None:
    composed, session = world.composed(), world.attach(SCHOOL)
    tasks_in(session)
    with failing_engine(policy, failure):
        for _ in range(3):
            assert await world.refusal(composed.request) is ErrorCode.POLICY_UNAVAILABLE
    assert await world.entries(EntryKind.QUERY_ADMITTED, EntryKind.QUERY_REFUSED) == []
    assert world.trustee.asked == []
    assert world.counters.view(CSC, "a" * 32).user_queries_day == 0

    admission = await world.put(composed)

    assert admission.effect == "permit"
    assert world.trustee.asked == [[POLICE, SCHOOL]]
    assert len(tasks_in(session)) == 1


@pytest.mark.parametrize("failure", LASTING)
async def test_a_result_that_cannot_be_used_refuses_for_good(
    world: World, policy: PolicyPoint, failure: Failure
) -> None:
    composed = world.composed()
    with failing_engine(policy, failure):
        admission = await world.put(composed)
    assert (admission.effect, [reason.code for reason in admission.reasons]) == ("deny", [failure])
    assert (await world.put(composed)).effect == "deny"
    assert len(await world.entries(EntryKind.QUERY_REFUSED)) == 1


@pytest.mark.parametrize(("late_s", "wait_s"), [(0, 10), (4, 6), (8, LEAST_WAIT_S), (20, LEAST_WAIT_S)])
async def test_a_decision_is_waited_for_until_the_querys_own_deadline(
    world: World, policy: PolicyPoint, late_s: int, wait_s: float
) -> None:
    composed = world.composed()
    world.clock.now += late_s
    with failing_engine(policy) as failing:
        await world.refusal(composed.request)
    ((_, waited),) = failing.asked
    assert waited == pytest.approx(min(wait_s, WAIT_S))
