"""A node's own policy is asked again while its engine gives no result and there is time; then whoever asks is told."""

from typing import Any

import pytest

from agency_node.asking.deciding import decide_in_time
from federation.errors import ErrorCode, WardgateError
from federation.policy.engine import EntryPoint, Failure
from federation.policy.evaluator import PolicyPoint
from tests.policies.inputs import entry_of, golden_input, permitted_golden
from tests.support.failing_engine import failing_engine

PASSING = [failure for failure in Failure if failure.is_passing]
LASTING = [failure for failure in Failure if not failure.is_passing]


class Sleep:
    """Notes every pause and takes no time."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def document() -> Any:
    return golden_input(next(name for name in permitted_golden() if entry_of(name) is EntryPoint.REQUESTER))


@pytest.mark.parametrize("failure", PASSING)
async def test_an_engine_that_comes_back_in_time_decides(policy: PolicyPoint, document: Any, failure: Failure) -> None:
    sleep = Sleep()
    with failing_engine(policy, failure, times=3) as failing:
        evaluated = await decide_in_time(policy, document, deadline_s=60, sleep=sleep)
    assert not evaluated.is_undecided
    assert (len(failing.asked), len(sleep.slept)) == (4, 3)


@pytest.mark.parametrize("failure", PASSING)
async def test_an_engine_that_stays_away_is_told_when_the_time_is_up(
    policy: PolicyPoint, document: Any, failure: Failure
) -> None:
    with failing_engine(policy, failure) as failing, pytest.raises(WardgateError) as caught:
        await decide_in_time(policy, document, deadline_s=0.5)
    assert caught.value.code is ErrorCode.POLICY_UNAVAILABLE
    assert caught.value.detail == f"{failure} test"
    assert all(0 < wait <= 0.5 for _, wait in failing.asked)


@pytest.mark.parametrize("failure", LASTING)
async def test_a_result_that_cannot_be_used_is_a_denial_at_once(
    policy: PolicyPoint, document: Any, failure: Failure
) -> None:
    sleep = Sleep()
    with failing_engine(policy, failure) as failing:
        evaluated = await decide_in_time(policy, document, deadline_s=60, sleep=sleep)
    assert (evaluated.decision.permitted, evaluated.decision.failure) == (False, failure)
    assert (len(failing.asked), sleep.slept) == (1, [])
