"""Who holds a task when: leases, takeovers, capacity, the unary fallback, deaf links, revocation."""

import asyncio
from collections.abc import Sequence

import pytest

from agency_node.asking.composing import Composed
from federation.translation import HalfTranslation, Refused, Translation
from federation.vocabulary import TargetState
from gateway.dispatch import LEASE_S, MAX_IN_FLIGHT, UNARY_PRESENCE_S, Session
from tests.support.gateway_world import CSC, SCHOOL, World, messages_in, tasks_in


async def put_many(world: World, count: int) -> list[Composed]:
    found = [world.composed(targets=[SCHOOL]) for _ in range(count)]
    for composed in found:
        await world.put(composed)
    return found


def headers(tasks: list[object]) -> list[bytes]:
    return [task.header for task in tasks]  # type: ignore[attr-defined]  # they are tasks


def holder(capacity: int = 16) -> Session:
    """One call of the unary fallback."""
    return Session(agency=SCHOOL, capacity=capacity)


async def claimed(world: World, capacity: int = 16) -> list[object]:
    tasks, _ = await world.links.claim(holder(capacity), world.answers.tasks_for(SCHOOL), wait_s=0)
    return list(tasks)


async def test_a_task_waits_for_a_link_and_goes_out_with_a_lease(world: World) -> None:
    (composed,) = await put_many(world, 1)
    session = world.attach(SCHOOL)
    (task,) = tasks_in(session)
    assert task.header == composed.request.header
    assert (task.lease_id, task.lease_expires_at) == (session.session_id, int(world.clock()) + LEASE_S)


async def test_an_attached_link_is_given_a_task_at_once(world: World) -> None:
    session = world.attach(SCHOOL)
    (composed,) = await put_many(world, 1)
    assert headers(list(tasks_in(session))) == [composed.request.header]


async def test_a_newer_link_takes_over_what_the_older_one_held(world: World) -> None:
    await put_many(world, 2)
    old = world.attach(SCHOOL)
    held = {task.task_id for task in tasks_in(old)}
    await world.answers.accepted(SCHOOL, next(iter(held)))
    new = world.attach(SCHOOL)
    assert {task.task_id for task in tasks_in(new)} == held
    assert messages_in(old) == [None]
    world.links.detach(old)  # the older stream ends late: nothing changes
    assert world.links.session(SCHOOL) is new
    assert await claimed(world) == []


async def test_capacity_is_respected_and_a_freed_place_is_filled(world: World) -> None:
    await put_many(world, 3)
    session = world.attach(SCHOOL, capacity=4)  # one requester alone is given half of them
    first, second = tasks_in(session)
    await world.answers.accepted(SCHOOL, first.task_id)
    assert tasks_in(session) == []
    await world.answers.referred(SCHOOL, first.task_id)
    (third,) = tasks_in(session)
    assert third.task_id not in {first.task_id, second.task_id}
    await put_many(world, 1)
    assert tasks_in(session) == []
    await world.exchange.cancel(CSC, str(_query_of(world, second.task_id)))
    assert len(tasks_in(session)) == 1


def _query_of(world: World, task_id: str) -> str:
    task = world.queries.task(task_id)
    assert task is not None
    return task.query.query_id


async def test_what_is_not_accepted_in_time_is_delivered_again(world: World) -> None:
    await put_many(world, 2)
    session = world.attach(SCHOOL)
    accepted, lost = tasks_in(session)
    await world.answers.accepted(SCHOOL, accepted.task_id)
    world.clock.now += LEASE_S - 1
    world.links.redeliver_overdue()
    assert tasks_in(session) == []
    world.clock.now += 1
    world.links.redeliver_overdue()
    assert [task.task_id for task in tasks_in(session)] == [lost.task_id]


async def test_a_referred_or_answered_task_is_not_delivered_again(world: World) -> None:
    one, _ = await put_many(world, 2)
    first, second = tasks_in(world.attach(SCHOOL))
    await world.answers.referred(SCHOOL, second.task_id)
    answered = first if first.header == one.request.header else second
    if answered is first:
        await world.answers.answered(SCHOOL, world.sealed(one, first.task_id))
        assert tasks_in(world.attach(SCHOOL)) == []
    await world.answers.accepted(SCHOOL, second.task_id)
    found = world.queries.task(second.task_id)
    assert found is not None
    assert found.state is TargetState.REFERRED


async def test_a_claim_hands_out_what_waits_and_not_what_another_holder_has(world: World) -> None:
    await put_many(world, 3)
    first = await claimed(world, capacity=4)
    second = await claimed(world)
    assert (len(first), len(second)) == (2, 1)
    assert not set(headers(first)) & set(headers(second))
    assert await claimed(world) == []
    world.clock.now += LEASE_S
    assert sorted(headers(await claimed(world))) == sorted(headers(first + second))


async def test_a_claim_does_not_hand_out_what_a_stream_holds_until_the_stream_is_gone(world: World) -> None:
    (composed,) = await put_many(world, 1)
    session = world.attach(SCHOOL)
    assert len(tasks_in(session)) == 1
    assert await claimed(world) == []
    world.links.detach(session)
    assert headers(await claimed(world)) == [composed.request.header]


async def test_an_accepted_task_is_not_claimed_again(world: World) -> None:
    await put_many(world, 1)
    ((task),) = await claimed(world)
    await world.answers.accepted(SCHOOL, task.task_id)  # type: ignore[attr-defined]  # it is a task
    world.clock.now += LEASE_S
    assert await claimed(world) == []


async def test_a_waiting_claim_is_woken_by_a_task_and_by_a_cancellation(world: World) -> None:
    waiting = asyncio.create_task(world.links.claim(holder(), [], wait_s=20))
    await asyncio.sleep(0)
    (composed,) = await put_many(world, 1)
    tasks, _ = await asyncio.wait_for(waiting, 20)
    assert headers(list(tasks)) == [composed.request.header]

    waiting = asyncio.create_task(world.links.claim(holder(), [], wait_s=20))
    await asyncio.sleep(0)
    await world.exchange.cancel(CSC, composed.header.query_id)
    assert await asyncio.wait_for(waiting, 20) == ([], [tasks[0].task_id])


async def test_who_claims_counts_as_connected_for_a_while(world: World) -> None:
    assert not world.links.is_connected(SCHOOL)
    await claimed(world)
    world.clock.now += UNARY_PRESENCE_S - 1
    assert world.links.is_connected(SCHOOL)
    world.clock.now += 1
    assert not world.links.is_connected(SCHOOL)


async def test_a_deaf_link_is_closed_after_two_probes_and_what_it_held_is_free(world: World) -> None:
    await put_many(world, 1)
    session = world.attach(SCHOOL)  # sends the first probe
    world.links.probe()
    assert world.links.session(SCHOOL) is session
    world.links.probe()
    assert world.links.session(SCHOOL) is None
    assert messages_in(session)[-1] is None
    assert not world.links.is_connected(SCHOOL)
    assert len(await claimed(world)) == 1


async def test_a_link_that_answers_its_probes_stays(world: World) -> None:
    session = world.attach(SCHOOL)
    for _ in range(10):
        session.probe_answered = session.probe_sent
        world.links.probe()
    assert world.links.session(SCHOOL) is session
    assert None not in messages_in(session)


async def test_a_revoked_agency_gets_nothing(world: World) -> None:
    session = world.attach(SCHOOL)
    composed = world.composed(targets=[SCHOOL])
    await world.put(composed)
    assert len(tasks_in(session)) == 1
    await world.desk.revoke(SCHOOL, reason_code="LEFT", operator="olga")
    world.clock.now += LEASE_S
    world.links.redeliver_overdue()
    assert tasks_in(session) == []
    assert tasks_in(world.attach(SCHOOL)) == []
    assert await claimed(world) == []


async def test_an_agency_revoked_while_its_query_is_translated_gets_nothing(world: World) -> None:
    """Revocation wins the race: it is asked about at the moment of sending."""
    session = world.attach(SCHOOL)
    tasks_in(session)
    original = world.trustee.translate

    async def translate(
        ticket: bytes, signature: bytes, halves: Sequence[HalfTranslation]
    ) -> Sequence[Translation | Refused]:
        found = await original(ticket, signature, halves)
        await world.desk.revoke(SCHOOL, reason_code="LEFT", operator="olga")
        return found

    world.trustee.translate = translate  # type: ignore[method-assign]  # the moment between
    await world.put(world.composed(targets=[SCHOOL]))
    assert tasks_in(session) == []


async def test_planned_absence_is_said_until_it_is_over(world: World) -> None:
    until = int(world.clock()) + 100
    session = Session(agency=SCHOOL, capacity=1, absent_until=until)
    world.links.attach(session, [])
    world.links.detach(session)
    stream = world.stream(world.composed(targets=[SCHOOL]))
    await stream.opening()
    assert (await stream.take()).target.absent_until == until
    await stream.aclose()
    world.clock.now = until
    assert world.links.absent_until(SCHOOL) == 0
    world.links.renew(session, absent_until=until + 50)
    assert world.links.absent_until(SCHOOL) == until + 50


@pytest.mark.parametrize("capacity", [1, MAX_IN_FLIGHT])
async def test_any_number_of_tasks_flows_through_any_capacity(world: World, capacity: int) -> None:
    queries = {composed.request.header: composed for composed in await put_many(world, 5)}
    session = world.attach(SCHOOL, capacity=capacity)
    seen = []
    while tasks := tasks_in(session):
        assert len(tasks) <= capacity
        for task in tasks:
            seen.append(task.header)
            await world.answers.answered(SCHOOL, world.sealed(queries[task.header], task.task_id))
    assert sorted(seen) == sorted(queries)
