"""An engine that is late or away has decided nothing: the task waits, and only time makes an `error` of it."""

import pytest

from agency_node.answering.desk import LAST_MOMENT_S
from agency_node.answering.intake import Arrival
from agency_node.answering.worker import DUE_INTERVAL_S
from agency_node.asking.picture import policy_fault
from agency_node.store.tables import TaskState
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.engine import WAIT_S, Failure
from federation.vocabulary import Outcome
from tests.agency_node.answering.test_worker import CHILD, STRANGER, Bench, bench
from tests.support.failing_engine import failing_engine
from tests.support.node_house import NodeHouse, log_entry
from tests.support.two_agencies import Put

__all__ = ["bench"]

PASSING = [failure for failure in Failure if failure.is_passing]
LASTING = [failure for failure in Failure if not failure.is_passing]
EXPIRY_S = 3600


async def arrived(node: NodeHouse, put: Put) -> Arrival:
    found = await node.intake.examine(put.task)
    assert isinstance(found, Arrival)
    return found


async def held(node: NodeHouse) -> Put:
    """A child with a record, and a question about it."""
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    return node.federation.ask(CHILD, expiry_s=EXPIRY_S)


def test_only_an_engine_that_gave_no_result_passes() -> None:
    assert set(PASSING) == {Failure.UNAVAILABLE, Failure.TIMEOUT}


@pytest.mark.parametrize("failure", PASSING)
async def test_a_task_that_came_while_the_engine_was_away_is_answered_when_it_is_back(
    bench: Bench, failure: Failure
) -> None:
    put = bench.node.federation.ask(CHILD)
    with failing_engine(bench.node.policy, failure, times=4) as failing:
        await bench.work(put)

    assert len(failing.asked) == 5
    assert bench.outlet.kinds == ["accepted", "answer"]
    sealed = bench.outlet.said[-1].answer.SerializeToString()
    assert put.opened(sealed).outcome is Outcome.RECORDS
    (entry,) = await bench.node.entries(EntryKind.ANSWERED)
    assert (entry["decision"]["failure"], entry["further_decisions"]) == ("", [])


@pytest.mark.parametrize("failure", PASSING)
async def test_while_the_engine_is_away_nothing_leaves_and_nothing_is_recorded(
    node: NodeHouse, failure: Failure
) -> None:
    put = await held(node)
    with failing_engine(node.policy, failure):
        assert await node.answering.answer_at_once(await arrived(node, put)) is None
        await node.accept(put.task)
        with pytest.raises(WardgateError) as caught:
            await node.answering.answer(put.task.task_id)
    assert caught.value.code is ErrorCode.POLICY_UNAVAILABLE
    assert await node.entries(EntryKind.ANSWERED) == []
    assert [task.state for task in await node.answering.unfinished()] == [TaskState.ACCEPTED]


@pytest.mark.parametrize("failure", PASSING)
@pytest.mark.parametrize("child", [CHILD, STRANGER])
async def test_at_the_last_moment_it_is_error_and_says_that_policy_was_away(
    node: NodeHouse, failure: Failure, child: object
) -> None:
    await held(node)
    put = node.federation.ask(child, expiry_s=EXPIRY_S)  # type: ignore[arg-type]  # an NHS number
    await node.accept(put.task)
    with failing_engine(node.policy, failure) as failing:
        node.clock.now += EXPIRY_S - LAST_MOMENT_S - 1
        with pytest.raises(WardgateError):
            await node.answering.answer(put.task.task_id)
        assert await node.answering.due() == []
        node.clock.now += 1
        assert await node.answering.due() == [put.task.task_id]
        reply = await node.answering.answer(put.task.task_id)

    assert reply.answer is not None
    answer = put.opened(reply.answer)
    assert (answer.outcome, answer.records) == (Outcome.ERROR, [])
    assert policy_fault(answer) == failure
    # Before the last moment an attempt ends with it; at it, half of what is left is for the answer's way.
    assert [round(wait) for _, wait in failing.asked] == [1, WAIT_S]


async def test_what_the_engine_says_at_the_last_moment_counts(node: NodeHouse) -> None:
    put = await held(node)
    await node.accept(put.task)
    node.clock.now += EXPIRY_S - LAST_MOMENT_S
    reply = await node.answering.answer(put.task.task_id)
    assert reply.answer is not None
    assert put.opened(reply.answer).outcome is Outcome.RECORDS


@pytest.mark.parametrize("failure", LASTING)
async def test_a_result_that_cannot_be_used_is_error_at_once_and_for_good(node: NodeHouse, failure: Failure) -> None:
    put = await held(node)
    with failing_engine(node.policy, failure) as failing:
        reply = await node.answering.answer_at_once(await arrived(node, put))
    assert reply is not None
    assert reply.answer is not None
    answer = put.opened(reply.answer)
    assert (answer.outcome, policy_fault(answer)) == (Outcome.ERROR, failure)
    assert len(failing.asked) == 1
    assert (await node.answering.answer(put.task.task_id)).answer == reply.answer


async def test_a_fault_is_named_of_errors_alone(node: NodeHouse) -> None:
    put = await held(node)
    reply = await node.answering.answer_at_once(await arrived(node, put))
    assert reply is not None
    assert reply.answer is not None
    assert policy_fault(put.opened(reply.answer)) == ""
    assert policy_fault(None) == ""


async def test_a_task_that_waits_is_looked_at_often_enough_for_its_last_moment(bench: Bench) -> None:
    with failing_engine(bench.node.policy, times=12):
        await bench.work(bench.node.federation.ask(CHILD))
    assert len(bench.leaving.slept) > 10
    assert max(bench.leaving.slept) <= DUE_INTERVAL_S
