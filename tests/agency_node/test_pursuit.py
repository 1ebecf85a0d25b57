"""A requester's node believes of its own query what the gateway has signed, and no more."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.pursuit import MAX_INSTANT, Pursuits
from agency_node.store import asked as store
from agency_node.store.asked import AskedState
from agency_node.vault import Kind
from federation.canonical import JsonObject
from federation.errors import ErrorCode
from federation.ledger.entry import EntryKind
from federation.query import parse_query
from federation.vocabulary import TargetState
from federation.wire.v1 import query_pb2 as wire
from tests.support.node_house import NodeHouse, number
from tests.support.two_agencies import REQUESTER, RESPONDER, Put


class Gateway:
    """Says what the test has it say, and then nothing more until it is stopped, unless that settles the query."""

    def __init__(self, events: Sequence[wire.QueryEvent]) -> None:
        self.events = events
        self.asked: list[str] = []
        self.acknowledged: list[tuple[str, list[str], bool]] = []

    async def ask(self, request: wire.AskRequest) -> AsyncIterator[wire.QueryEvent]:
        self.asked.append(parse_query(request.header).query_id)
        for event in self.events:
            yield event
        if not self.events[-1].HasField("settled"):
            await asyncio.Event().wait()

    def resume(self, query_id: str) -> AsyncIterator[wire.QueryEvent]:
        raise AssertionError(f"{query_id} is resumed before its deadline")

    async def acknowledge(self, query_id: str, task_ids: list[str], *, close: bool) -> JsonObject:
        self.acknowledged.append((query_id, task_ids, close))
        return {}


def admission_of(put: Put) -> wire.QueryEvent:
    task = put.task
    decision = wire.TargetDecision(responder=RESPONDER, decision=task.decision)
    admitted = wire.Admission(admission=task.admission, signature=task.admission_signature, decisions=[decision])
    return wire.QueryEvent(admission=admitted)


def update_of(state: TargetState, absent_until: int = 0) -> wire.QueryEvent:
    value = wire.TargetState.Value(f"TARGET_STATE_{state.name}")
    return wire.QueryEvent(target=wire.TargetUpdate(responder=RESPONDER, state=value, absent_until=absent_until))


async def stored(node: NodeHouse, put: Put) -> str:
    """Store a query as `Asking` does."""
    header, query_id = put.composed.header, put.composed.header.query_id
    query = {
        "query_id": query_id,
        "user_id": "a.khan",
        "purpose": header.purpose,
        "state": AskedState.OPEN.value,
        "effect": "permit",
        "broke_glass": False,
        "asked_at": header.issued_at,
        "deadline_at": header.deadline_at,
        "expires_at": header.expires_at,
        "request": node.vault.seal(Kind.ASKED_REQUEST, query_id, put.composed.request.SerializeToString()),
        "reply_key": node.vault.seal(Kind.REPLY_KEY, query_id, put.composed.reply_key.secret.reveal()),
        "question": b"",
        "header": put.composed.request.header,
        "error": "",
    }
    target = {
        "query_id": query_id,
        "responder": RESPONDER,
        "state": TargetState.WAITING.value,
        "absent_until": 0,
        "late": False,
        "settled": False,
        "fault": "",
    }
    decision = {"decision_id": header.decision_id, "entry_point": "", "decided_at": header.issued_at, "content": b""}

    async def apply(connection: AsyncConnection) -> None:
        await store.insert_asked(connection, query, [target], decision)

    await node.journal.record([], apply)
    return query_id


def pursuits_of(node: NodeHouse, gateway: Gateway) -> Pursuits:
    return Pursuits(
        agency=REQUESTER,
        engine=node.engine,
        journal=node.journal,
        vault=node.vault,
        gateway=gateway,
        directory=lambda: node.federation.directory,
        clock=node.clock,
    )


@pytest.mark.parametrize(
    ("update", "code"),
    [
        (update_of(TargetState.NOT_PERMITTED), ErrorCode.SIGNATURE_REJECTED),
        (update_of(TargetState.WAITING, MAX_INSTANT + 1), ErrorCode.MESSAGE_MALFORMED),
        (update_of(TargetState.WAITING, 2**64 - 1), ErrorCode.MESSAGE_MALFORMED),
    ],
)
async def test_a_bare_word_of_the_gateway_neither_withdraws_a_target_nor_breaks_the_pursuit(
    node: NodeHouse, update: wire.QueryEvent, code: ErrorCode
) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    pursuits = pursuits_of(node, Gateway([admission_of(put), update]))

    pursuit = await pursuits.start(query_id)
    await asyncio.wait_for(pursuit.ready.wait(), 10)

    assert pursuit.failed is not None
    assert pursuit.failed.code is code
    found = await store.load_asked(node.engine, query_id)
    assert found is not None
    assert (found[0].state, found[1][0].state) == (AskedState.FAILED, TargetState.WAITING)


async def test_the_largest_absence_there_can_be_is_kept(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    settled = wire.QueryEvent(settled=wire.Settled(final=True))
    gateway = Gateway([admission_of(put), update_of(TargetState.WAITING, MAX_INSTANT), settled])

    pursuit = await pursuits_of(node, gateway).start(query_id)
    await asyncio.wait_for(pursuit.ready.wait(), 10)

    found = await store.load_asked(node.engine, query_id)
    assert found is not None
    assert (found[0].state, found[1][0].absent_until) == (AskedState.CLOSED, MAX_INSTANT)
    assert gateway.acknowledged == [(query_id, [], True)]
    assert len(await node.entries(EntryKind.PICTURE_CLOSED)) == 1


async def test_two_that_start_at_once_follow_one_stream(node: NodeHouse) -> None:
    put = node.federation.ask(number(0))
    query_id = await stored(node, put)
    gateway = Gateway([admission_of(put)])
    pursuits = pursuits_of(node, gateway)

    first, second = await asyncio.gather(pursuits.start(query_id), pursuits.start(query_id))
    for _ in range(10):  # streams begin in tasks of their own
        await asyncio.sleep(0)

    assert first is second
    assert gateway.asked == [query_id]
    await pursuits.aclose()
