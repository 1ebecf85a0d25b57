"""The node's door: durable before it is accepted; alarms for what does not verify."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from agency_node.store.tables import TaskState, metadata
from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.store import writing
from federation.wire.v1 import link_pb2 as wire
from tests.support.node_house import NodeHouse, a_node, number, url_of

CHILD = number(1)
TASK = metadata.tables["task"]


async def states(node: NodeHouse) -> list[tuple[str, str]]:
    async with node.engine.connect() as connection:
        rows = (await connection.execute(select(TASK.c.task_id, TASK.c.state))).all()
    return [(row.task_id, row.state) for row in rows]


async def test_a_task_is_durable_before_it_is_accepted(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD)

    assert await node.accept(put.task) is TaskState.ACCEPTED

    assert await states(node) == [(put.task.task_id, "accepted")]


async def test_a_task_delivered_twice_is_stored_once(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD)
    await node.accept(put.task)
    put.task.lease_id = str(uuid4())

    assert await node.accept(put.task) is TaskState.ACCEPTED
    assert len(await states(node)) == 1
    assert await node.entries(EntryKind.ALARM_RAISED) == []


async def test_a_task_that_does_not_verify_is_refused_with_an_alarm(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD)
    put.task.signature = bytes(64)

    assert await node.accept(put.task) is TaskState.REFUSED

    assert await states(node) == [(put.task.task_id, "refused")]
    alarm = (await node.entries(EntryKind.ALARM_RAISED))[0]
    assert (alarm["error"], alarm["task_id"]) == ("SIGNATURE_REJECTED", put.task.task_id)
    assert (await node.answering.answer(put.task.task_id)).answer is None


async def test_a_swapped_point_is_an_alarm_and_is_never_answered(node: NodeHouse) -> None:
    """The trustee's own signature, but of another question about the same child."""
    put, other = node.federation.ask(CHILD), node.federation.ask(CHILD)
    put.task.translated, put.task.trustee_signature = other.task.translated, other.task.trustee_signature

    assert await node.accept(put.task) is TaskState.REFUSED

    alarm = (await node.entries(EntryKind.ALARM_RAISED))[0]
    assert (alarm["error"], alarm["task_id"]) == ("SIGNATURE_REJECTED", put.task.task_id)
    assert (await node.answering.answer(put.task.task_id)).answer is None


async def test_a_task_stored_before_an_upgrade_of_the_wire_ends_without_an_alarm(node: NodeHouse) -> None:
    """It was verified when it came. In this form nobody could take an answer to it."""
    put = node.federation.ask(CHILD)
    await node.accept(put.task)
    older = wire.Task.FromString(put.task.SerializeToString())
    older.header = to_canonical(json.loads(older.header) | {"v": 1})
    async with writing(node.engine).begin() as connection:
        await connection.execute(update(TASK).values(task=older.SerializeToString()))

    reply = await node.answering.answer(put.task.task_id)

    assert (reply.state, reply.answer) == (TaskState.EXPIRED, None)
    assert await node.entries(EntryKind.ALARM_RAISED) == []


async def test_a_refused_task_that_comes_again_raises_one_alarm(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD)
    put.task.signature = bytes(64)

    for _ in range(3):
        assert await node.accept(put.task) is TaskState.REFUSED

    assert len(await node.entries(EntryKind.ALARM_RAISED)) == 1


async def test_an_altered_second_delivery_raises_an_alarm_and_leaves_the_task_alone(node: NodeHouse) -> None:
    put, other = node.federation.ask(CHILD), node.federation.ask(CHILD)
    await node.accept(put.task)
    other.task.task_id = put.task.task_id

    assert await node.accept(other.task) is TaskState.REFUSED

    assert await states(node) == [(put.task.task_id, "accepted")]
    assert (await node.entries(EntryKind.ALARM_RAISED))[0]["error"] == "REPLAYED"


async def test_one_query_under_two_task_ids_is_answered_once(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD)
    await node.accept(put.task)
    put.task.task_id = str(uuid4())

    assert await node.accept(put.task) is TaskState.REFUSED

    assert [state for _, state in sorted(await states(node), key=lambda row: row[1])] == ["accepted", "refused"]
    assert (await node.entries(EntryKind.ALARM_RAISED))[0]["error"] == "REPLAYED"


async def test_the_text_of_a_task_that_does_not_verify_is_repeated_nowhere(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD)
    put.task.task_id = CHILD.canonical()

    assert await node.accept(put.task) is TaskState.REFUSED

    assert await states(node) == []
    assert (await node.entries(EntryKind.ALARM_RAISED))[0]["task_id"] == "no-id"
    assert CHILD.canonical() not in await node.ledger_text()


async def test_an_expired_task_is_no_alarm(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD, expiry_s=3600)
    node.clock.now += 3600

    assert await node.accept(put.task) is TaskState.EXPIRED
    assert (await states(node), await node.entries(EntryKind.ALARM_RAISED)) == ([], [])


async def test_a_query_of_a_newer_directory_waits_until_this_node_has_it(node: NodeHouse) -> None:
    old = node.federation.directory
    node.federation.publish()
    put = node.federation.ask(CHILD)
    newer, node.federation.directory = node.federation.directory, old

    with pytest.raises(WardgateError) as caught:
        await node.accept(put.task)
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED
    assert (node.refreshes, await states(node)) == (1, [])
    assert await node.entries(EntryKind.ALARM_RAISED) == []

    async def refresh() -> None:
        node.federation.directory = newer

    object.__setattr__(node.responder, "refresh_directory", refresh)
    assert await node.accept(put.task) is TaskState.ACCEPTED


async def test_without_a_ledger_nothing_is_accepted(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD)
    await node.journal.aclose()

    with pytest.raises(WardgateError) as caught:
        await node.accept(put.task)
    assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
    assert await states(node) == []


async def test_an_accepted_task_survives_a_restart(tmp_path: Path, policy: PolicyPoint) -> None:
    url = url_of(tmp_path)
    async with a_node(url, policy) as first:
        put = first.federation.ask(CHILD)
        await first.accept(put.task)
        federation, data_key = first.federation, first.data_key

    async with a_node(url, policy, federation=federation, data_key=data_key) as second:
        unfinished = await second.answering.unfinished()
        assert [(task.task_id, task.state) for task in unfinished] == [(put.task.task_id, TaskState.ACCEPTED)]
        reply = await second.answering.answer(put.task.task_id)
        assert reply.state is TaskState.ANSWERED
