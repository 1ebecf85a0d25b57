"""One member sends what nobody can use, as much as it likes; another one's emergency gets its place all the same."""

import pytest

from agency_node.asking.composing import Composed
from federation.actor import Actor
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.vocabulary import TargetState, Urgency
from gateway.dispatch import LEASE_S, Session
from tests.support.gateway_world import CSC, OTHER_CSC, POLICE, SCHOOL, World, tasks_in
from tests.support.poison import JUNK, NO_KEY, poisoned


def junk(world: World, **wanted: object) -> Composed:
    """A query that verifies, with sealed parts that nobody can open."""
    composed = world.composed(targets=[SCHOOL], **wanted)  # type: ignore[arg-type]  # what a query may be of
    return poisoned(composed, world.secrets.parties[CSC].signing, sealed=JUNK)


async def honest_emergency(world: World) -> Composed:
    composed = world.composed(requester=OTHER_CSC, targets=[SCHOOL], urgency=Urgency.EMERGENCY)
    stream = world.stream(composed, requester=OTHER_CSC)
    assert (await stream.opening()).effect == "permit"
    await stream.aclose()
    return composed


@pytest.mark.parametrize(
    "reply_key", [NO_KEY, bytes(1216), b"\xff" * 1216, b""], ids=["short", "zeros", "ones", "none"]
)
async def test_a_reply_key_that_nothing_can_be_sealed_to_is_refused_before_anything_is_kept(
    world: World, reply_key: bytes
) -> None:
    key = world.secrets.parties[CSC].signing
    composed = world.composed(targets=[SCHOOL])
    changed = poisoned(composed, key, reply_key=reply_key or b"\0")
    assert await world.refusal(changed.request) is ErrorCode.MESSAGE_MALFORMED
    assert await world.count("query") == 0
    assert await world.entries(EntryKind.QUERY_ADMITTED, EntryKind.QUERY_REFUSED) == []
    assert world.trustee.asked == []


@pytest.mark.parametrize("count", [16, pytest.param(1_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("says", ["nothing", "accepted"])
async def test_an_emergency_gets_a_place_however_many_anothers_hold(world: World, count: int, says: str) -> None:
    await world.enrol(OTHER_CSC)
    session = world.attach(SCHOOL)
    for number in range(count):
        await world.put(junk(world, urgency=list(Urgency)[number % 3]))
    held = tasks_in(session)
    assert len(held) < 16
    if says == "accepted":  # a responder that stores them and comes to nothing
        for task in held:
            await world.answers.accepted(SCHOOL, task.task_id)

    composed = await honest_emergency(world)

    assert [task.header for task in tasks_in(session)] == [composed.request.header]


async def test_it_gets_one_on_the_unary_fallback_too(world: World) -> None:
    await world.enrol(OTHER_CSC)
    for _ in range(16):
        await world.put(junk(world))
    taken, _ = await world.links.claim(Session(SCHOOL, 16), world.answers.tasks_for(SCHOOL), wait_s=0)
    assert len(taken) < 16
    composed = await honest_emergency(world)
    taken, _ = await world.links.claim(Session(SCHOOL, 16 - len(taken)), world.answers.tasks_for(SCHOOL), wait_s=0)
    assert [task.header for task in taken] == [composed.request.header]


async def test_what_was_accepted_and_comes_to_nothing_holds_no_place_when_its_lease_is_over(world: World) -> None:
    session = world.attach(SCHOOL)
    for _ in range(20):
        await world.put(junk(world))
    first = tasks_in(session)
    for task in first:
        await world.answers.accepted(SCHOOL, task.task_id)
    world.clock.now += LEASE_S - 1
    world.links.redeliver_overdue()
    assert tasks_in(session) == []
    world.clock.now += 1
    world.links.redeliver_overdue()
    second = tasks_in(session)
    assert len(second) == len(first)
    assert not {task.task_id for task in first} & {task.task_id for task in second}
    assert world.links.in_flight(SCHOOL) == len(second)


async def test_a_rejected_task_frees_its_place_and_its_requester_hears_it(stored_world: World) -> None:
    world = stored_world
    session = world.attach(SCHOOL)
    composed = world.composed(targets=[SCHOOL, POLICE])
    stream = world.stream(composed)
    await stream.opening()
    (task,) = tasks_in(session)
    assert world.links.in_flight(SCHOOL) == 1

    await world.answers.rejected(SCHOOL, task.task_id)
    await world.answers.rejected(SCHOOL, task.task_id)  # said again: nothing more happens

    assert world.links.in_flight(SCHOOL) == 0
    await stream.take()
    await stream.aclose()
    assert stream.states()[SCHOOL] == "REJECTED"
    (entry,) = await world.entries(EntryKind.TARGET_REJECTED)
    assert (entry.actor, entry.query_id) == (Actor.agency(SCHOOL), composed.header.query_id)
    assert tasks_in(world.attach(SCHOOL)) == []
    again = world.resumed(composed)
    await again.opening()
    for _ in (SCHOOL, POLICE):
        await again.take()
    await again.aclose()
    assert again.states()[SCHOOL] == "REJECTED"


async def test_a_query_that_everybody_rejected_is_settled(world: World) -> None:
    composed = world.composed(targets=[SCHOOL])
    stream = world.stream(composed)
    await stream.opening()
    task = await world.task_of(composed)
    await world.answers.rejected(SCHOOL, task.task_id)
    assert (await stream.rest())[-1].settled.final
    await world.exchange.acknowledge(CSC, composed.header.query_id, [], close=True, known_size=0)
    (entry,) = await world.entries(EntryKind.QUERY_CLOSED)
    assert entry.body["states"] == {SCHOOL: TargetState.REJECTED.value}


async def test_nobody_else_rejects_a_task_and_no_answer_is_taken_back_or_follows(world: World) -> None:
    one, other = world.composed(targets=[SCHOOL]), world.composed(targets=[SCHOOL])
    for composed in (one, other):
        await world.put(composed)
    first, second = (await world.task_of(one)).task_id, (await world.task_of(other)).task_id
    assert await refused(world, POLICE, first) is ErrorCode.TASK_UNKNOWN
    await world.answers.answered(SCHOOL, world.sealed(one, first))
    assert await refused(world, SCHOOL, first) is ErrorCode.QUERY_CONFLICT
    await world.answers.rejected(SCHOOL, second)
    assert await world.answer_refusal(SCHOOL, world.sealed(other, second)) is ErrorCode.TASK_UNKNOWN
    assert len(await world.entries(EntryKind.TARGET_REJECTED)) == 1


async def refused(world: World, agency: str, task_id: str) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        await world.answers.rejected(agency, task_id)
    return caught.value.code
