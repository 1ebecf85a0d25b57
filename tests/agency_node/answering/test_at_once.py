"""A task that is answered as it arrives: what fails here, or happens in the same moment, loses and doubles nothing."""

from typing import Any

import pytest

from agency_node.answering.intake import Arrival
from agency_node.answering.overlay import Overlay
from agency_node.store.tables import TaskState
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.ledger.journal import Journal
from federation.query import parse_query
from federation.vocabulary import Outcome
from tests.support.node_house import NodeHouse, log_entry, number
from tests.support.two_agencies import Put

CHILD = number(1)


@pytest.fixture
async def held(node: NodeHouse) -> NodeHouse:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    return node


async def arrival(node: NodeHouse, put: Put) -> Arrival:
    arrived = await node.intake.examine(put.task)
    assert isinstance(arrived, Arrival)
    return arrived


async def test_a_query_that_comes_under_two_task_ids_is_answered_once(held: NodeHouse) -> None:
    put = held.federation.ask(CHILD)
    other = type(put.task)()
    other.CopyFrom(put.task)
    other.task_id = "9d5f4c3e-6a53-4b57-9b43-3d2f9a1c7e12"
    first = await held.answering.answer_at_once(await arrival(held, put))
    second = await held.intake.examine(other)
    assert isinstance(second, Arrival)

    assert first is not None
    assert first.state is TaskState.ANSWERED
    assert await held.answering.answer_at_once(second) is None
    assert await held.intake.accept(second) is TaskState.REFUSED
    assert len(await held.entries(EntryKind.ANSWERED)) == 1
    assert (await held.entries(EntryKind.ALARM_RAISED))[0]["error"] == "REPLAYED"


async def test_a_fault_of_our_own_while_committing_does_not_refuse_the_task(
    held: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, append = held.federation.ask(CHILD), held.journal._appender.append

    async def once_broken(*_: object) -> int:
        monkeypatch.setattr(held.journal._appender, "append", append)
        raise RuntimeError("a defect, once")

    monkeypatch.setattr(held.journal._appender, "append", once_broken)
    arrived = await arrival(held, put)
    assert await held.answering.answer_at_once(arrived) is None

    assert await held.intake.accept(arrived) is TaskState.ACCEPTED
    reply = await held.answering.answer(put.task.task_id)
    assert reply.state is TaskState.ANSWERED
    assert await held.entries(EntryKind.ALARM_RAISED) == []


async def test_a_query_counts_once_however_often_its_answer_had_to_be_tried(
    held: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, record = held.federation.ask(CHILD), Journal.record
    failures = 3

    async def failing(journal: Journal, *given: Any) -> Any:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise WardgateError(ErrorCode.LEDGER_UNAVAILABLE, "test")
        return await record(journal, *given)

    monkeypatch.setattr(Journal, "record", failing)
    header = parse_query(put.task.header)
    arrived = await arrival(held, put)
    for _ in range(3):
        assert await held.answering.answer_at_once(arrived) is None
    assert held.responder.counters.view(header.requester, header.user_ref).user_queries_day == 0

    assert await held.answering.answer_at_once(arrived) is not None
    assert held.responder.counters.view(header.requester, header.user_ref).user_queries_day == 1


async def test_a_decision_in_the_last_moment_is_answered_with_and_not_over(
    held: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = held.federation.ask(CHILD)
    reply = await held.answering.answer_at_once(await arrival(held, put))
    assert reply is not None
    assert reply.state is TaskState.REFERRED
    (view,) = await held.decisions.waiting("dsl")
    held.clock.now = parse_query(put.task.header).expires_at - 30
    commit = held.answering._commit

    async def decided_first(*given: Any) -> None:
        monkeypatch.setattr(held.answering, "_commit", commit)
        await held.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="Needed.")
        await commit(*given)

    monkeypatch.setattr(held.answering, "_commit", decided_first)
    overtaken = await held.answering.answer(put.task.task_id)
    assert (overtaken.state, overtaken.answer) == (TaskState.REFERRED, None)
    assert held.decided == [put.task.task_id]

    reply = await held.answering.answer(put.task.task_id)
    assert reply.answer is not None
    assert put.opened(reply.answer).outcome is Outcome.RECORDS
    assert await held.entries(EntryKind.REFERRAL_EXPIRED) == []
