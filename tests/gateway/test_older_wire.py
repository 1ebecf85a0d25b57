"""A gateway that is upgraded while queries are open, and parties that still speak the older version of the wire."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.store import migrate, open_engine, writing
from federation.transport.identity import Party, PartyKind, Peer, bind_peer
from federation.wire.v1 import link_pb2
from federation.wire_version import WIRE_VERSION
from gateway.servicers.link import LinkServicer
from tests.support.gateway_world import CSC, POLICE, SCHOOL, Secrets, World, a_world, messages_in, tasks_in
from tests.support.two_agencies import NOW, Clock
from tests.support.waiting import until

PACKAGE = "gateway.store"


async def as_of_the_older_wire(engine: AsyncEngine) -> None:
    """What is stored is as the older program stored it."""
    async with writing(engine).begin() as connection:
        for row in (await connection.execute(text("SELECT query_id, header FROM query"))).all():
            older = to_canonical(json.loads(bytes(row.header)) | {"v": 1})
            await connection.execute(
                text("UPDATE query SET header = :header WHERE query_id = :id"), {"header": older, "id": row.query_id}
            )


async def through_the_older_schema(url: str) -> None:
    engine = open_engine(url)
    try:
        await as_of_the_older_wire(engine)
    finally:
        await engine.dispose()
    await migrate(url, PACKAGE, "0003")
    await migrate(url, PACKAGE)


async def test_what_was_open_before_an_upgrade_is_cancelled_and_what_was_answered_is_kept(
    store_url: str, policy: PolicyPoint
) -> None:
    secrets, clock = Secrets(), Clock()
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        composed = before.composed(expiry_s=3_600)
        await before.put(composed)
        task = await before.task_of(composed)
        await before.answers.answered(SCHOOL, before.sealed(composed, task.task_id))
    await through_the_older_schema(store_url)

    async with a_world(store_url, policy, secrets=secrets, clock=clock) as after:
        session = after.attach(POLICE)
        assert tasks_in(session) == []
        assert sorted(await after.column("task", "state")) == ["answered", "cancelled"]
        (entry,) = await after.entries(EntryKind.QUERY_CANCELLED)
        assert (entry.query_id, entry.body["wire_version"]) == (composed.header.query_id, 1)
        stream = after.resumed(composed)
        await stream.opening()
        stream.read += await stream.rest()
        assert stream.states() == {SCHOOL: "ANSWERED", POLICE: "CANCELLED"}
        assert len(stream.answers()) == 1
        assert stream.read[-1].settled.final
        assert after.counters.view(CSC, composed.header.user_ref).user_queries_day == 1

    async with a_world(store_url, policy, secrets=secrets, clock=clock) as again:
        assert len(await again.entries(EntryKind.QUERY_CANCELLED)) == 1, "a second start finds nothing to cancel"


async def test_the_responder_of_a_cancelled_task_is_told(store_url: str, policy: PolicyPoint) -> None:
    secrets, clock = Secrets(), Clock()
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        composed = before.composed(targets=[POLICE])
        await before.put(composed)
        task_id = (await before.task_of(composed, POLICE)).task_id
    await through_the_older_schema(store_url)
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as after:
        session = after.attach(POLICE)
        _, cancelled = await after.links.claim(session, [], wait_s=0)
        assert cancelled == [task_id]
        assert not any(message and message.HasField("task") for message in messages_in(session))


async def test_going_back_forgets_what_the_older_program_cannot_read(store_url: str, policy: PolicyPoint) -> None:
    secrets, clock = Secrets(), Clock()
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        older = before.composed()
        await before.put(older)
        await as_of_the_older_wire(before.engine)
        newer = before.composed()
        await before.put(newer)
        task = await before.task_of(newer)
        await before.answers.answered(SCHOOL, before.sealed(newer, task.task_id))
    await migrate(store_url, PACKAGE, "0003")
    engine = open_engine(store_url)
    try:
        async with engine.connect() as connection:
            found = (await connection.execute(text("SELECT query_id FROM query"))).scalars().all()
            tasks = (await connection.execute(text("SELECT DISTINCT query_id FROM task"))).scalars().all()
            answers = (await connection.execute(text("SELECT count(*) FROM answer"))).scalar_one()
            kept = (await connection.execute(text("SELECT ticket, ticket_signature FROM query"))).all()
    finally:
        await engine.dispose()
    assert found == tasks == [older.header.query_id]
    assert answers == 0
    assert [bytes(value) for value in kept[0]] == [b"", b""]


# -- the link -----------------------------------------------------------------------------------------------------


def servicer_of(world: World) -> LinkServicer:
    """The link's servicer, called by a school: to be called within a test, so that the caller is bound there alone."""
    bind_peer(Peer(Party(PartyKind.NODE, SCHOOL), "01", "", NOW + 3600))
    return LinkServicer(links=world.links, answers=world.answers, clocks=world.clocks, caseloads=world.caseloads)


async def hello(version: int) -> AsyncIterator[link_pb2.AttachRequest]:
    yield link_pb2.AttachRequest(hello=link_pb2.Hello(max_in_flight=4, wire_version=version))


async def test_a_link_says_in_which_epoch_the_caseload_is_with_its_first_message_and_again(world: World) -> None:
    servicer, said = servicer_of(world), asyncio.Queue[link_pb2.AttachRequest]()

    async def requests() -> AsyncIterator[link_pb2.AttachRequest]:
        while True:
            yield await said.get()

    def say(epoch: int) -> None:
        hello = link_pb2.Hello(max_in_flight=4, wire_version=WIRE_VERSION, caseload_epoch=epoch)
        said.put_nowait(link_pb2.AttachRequest(hello=hello))

    say(1)
    stream = servicer.Attach(requests(), cast("Any", None))
    await anext(stream)
    assert world.caseloads.oldest(SCHOOL) == 1
    say(2)
    await until(lambda: world.caseloads.oldest(SCHOOL) == 2)
    await cast("Any", stream).aclose()
    claim = link_pb2.ClaimRequest(max_tasks=4, wire_version=WIRE_VERSION, caseload_epoch=3)
    await servicer.Claim(claim, cast("Any", None))
    assert world.caseloads.oldest(SCHOOL) == 3


@pytest.mark.parametrize("version", [0, 1, WIRE_VERSION + 1])
async def test_a_node_of_another_wire_is_told_so_and_handed_nothing(world: World, version: int) -> None:
    servicer = servicer_of(world)
    await world.put(world.composed(targets=[SCHOOL]))
    calls = (
        lambda: anext(servicer.Attach(hello(version), cast("Any", None))),
        lambda: servicer.Claim(link_pb2.ClaimRequest(max_tasks=4, wire_version=version), cast("Any", None)),
    )
    for call in calls:
        with pytest.raises(WardgateError) as caught:
            await call()
        assert caught.value.code is ErrorCode.WIRE_VERSION_REFUSED
        assert f"this side speaks version {WIRE_VERSION}" in caught.value.told
    assert not world.links.is_connected(SCHOOL), "whoever asks reads that it cannot be reached"
    found = await servicer.Claim(link_pb2.ClaimRequest(max_tasks=4, wire_version=WIRE_VERSION), cast("Any", None))
    assert len(found.tasks) == 1
