"""Answers come in and go out: what is taken, what is refused, what is forgotten when."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from federation.actor import Actor
from federation.errors import ErrorCode, WardgateError
from federation.following.follower import View
from federation.ledger.entry import EntryKind
from federation.limits import MAX_TARGETS
from federation.policy.evaluator import PolicyPoint
from federation.store import sqlite_url
from federation.vocabulary import Outcome
from keys.signing import SigningKey
from tests.support.following import Following
from tests.support.gateway_world import (
    CSC,
    ORIGIN,
    POLICE,
    SCHOOL,
    Secrets,
    World,
    a_world,
    messages_in,
    tasks_in,
)
from tests.support.two_agencies import Clock


async def unanswered(world: World) -> None:
    assert await world.count("answer") == 0
    assert await world.entries(EntryKind.ANSWER_RECEIVED) == []


async def test_an_answer_is_stored_recorded_and_relayed_as_it_came(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    stream = world.stream(composed)
    await stream.opening()
    task = await world.task_of(composed)
    answer = world.sealed(composed, task.task_id)
    await world.answers.answered(SCHOOL, answer)
    while not stream.answers():
        await stream.take()
    await stream.aclose()

    assert stream.answers() == [answer]
    assert await world.column("answer", "answer") == [answer.SerializeToString()]
    (entry,) = await world.entries(EntryKind.ANSWER_RECEIVED)
    assert (entry.actor, entry.query_id) == (Actor.agency(SCHOOL), composed.header.query_id)


async def test_every_outcome_looks_alike_to_the_gateway(world: World) -> None:
    composed = world.composed()
    await world.put(composed)
    task = await world.task_of(composed)
    sizes = {
        outcome: [len(part.ciphertext) for part in world.sealed(composed, task.task_id, outcome=outcome).parts]
        for outcome in Outcome
    }
    assert len({tuple(size) for size in sizes.values()}) == 1


async def test_the_wrong_responder_cannot_answer(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    task = await world.task_of(composed)
    assert await world.answer_refusal(POLICE, world.sealed(composed, task.task_id, POLICE)) is ErrorCode.TASK_UNKNOWN
    relabelled = world.sealed(composed, task.task_id)
    assert await world.answer_refusal(POLICE, relabelled) is ErrorCode.TASK_UNKNOWN
    in_its_name = world.sealed(composed, task.task_id, key=world.secrets.parties[POLICE].signing)
    assert await world.answer_refusal(SCHOOL, in_its_name) is ErrorCode.SIGNATURE_REJECTED
    relabelled.responder = POLICE
    assert await world.answer_refusal(SCHOOL, relabelled) is ErrorCode.NOT_AUTHORISED
    await unanswered(world)


async def test_an_altered_ciphertext_is_refused(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    answer = world.sealed(composed, (await world.task_of(composed)).task_id)
    content = bytearray(answer.parts[0].ciphertext)
    content[100] ^= 1
    answer.parts[0].ciphertext = bytes(content)
    assert await world.answer_refusal(SCHOOL, answer) is ErrorCode.SIGNATURE_REJECTED
    await unanswered(world)


@pytest.mark.parametrize("field", ["query_id", "task_id", "requester", "purpose", "query_sha256", "total"])
async def test_an_answer_whose_header_names_something_else_is_refused(world: World, field: str) -> None:
    composed = world.composed()
    await world.put(composed)
    task = await world.task_of(composed)
    other = world.composed()
    falsified: dict[str, object] = {
        "query_id": other.header.query_id,
        "task_id": other.header.query_id,
        "requester": POLICE,
        "purpose": "FRONT_DOOR",
        "query_sha256": bytes(32),
    }
    answer = world.sealed(composed, task.task_id, changes={field: falsified[field]} if field in falsified else None)
    if field == "total":
        answer.parts.append(answer.parts[0])
    assert await world.answer_refusal(SCHOOL, answer) is ErrorCode.SIGNATURE_REJECTED
    await unanswered(world)


async def test_an_answer_without_parts_is_malformed(world: World) -> None:
    composed = world.composed()
    await world.put(composed)
    answer = world.sealed(composed, (await world.task_of(composed)).task_id)
    del answer.parts[:]
    assert await world.answer_refusal(SCHOOL, answer) is ErrorCode.MESSAGE_MALFORMED
    await unanswered(world)


async def test_an_answer_to_another_task_is_refused(world: World) -> None:
    one, other = world.composed(), world.composed()
    await world.put(one)
    await world.put(other)
    task = (await world.task_of(one)).task_id
    answer = world.sealed(other, task)
    assert await world.answer_refusal(SCHOOL, answer) is ErrorCode.SIGNATURE_REJECTED
    unknown = world.sealed(one, one.header.query_id)
    assert await world.answer_refusal(SCHOOL, unknown) is ErrorCode.TASK_UNKNOWN
    await unanswered(world)


async def test_the_same_answer_again_is_accepted_and_stored_once(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    answer = world.sealed(composed, (await world.task_of(composed)).task_id)
    await asyncio.gather(*(world.answers.answered(SCHOOL, answer) for _ in range(3)))
    await world.answers.answered(SCHOOL, answer)
    assert await world.count("answer") == 1
    assert len(await world.entries(EntryKind.ANSWER_RECEIVED)) == 1


async def test_a_second_different_answer_is_refused_and_the_first_stays(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    task_id = (await world.task_of(composed)).task_id
    first, second = world.sealed(composed, task_id), world.sealed(composed, task_id, outcome=Outcome.REFUSED)
    await world.answers.answered(SCHOOL, first)
    assert await world.answer_refusal(SCHOOL, second) is ErrorCode.QUERY_CONFLICT
    assert await world.column("answer", "answer") == [first.SerializeToString()]
    assert len(await world.entries(EntryKind.ANSWER_RECEIVED)) == 1


async def test_of_two_different_answers_at_once_one_is_refused(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    task_id = (await world.task_of(composed)).task_id
    answers = [world.sealed(composed, task_id), world.sealed(composed, task_id, outcome=Outcome.REFUSED)]
    results = await asyncio.gather(
        *(world.answers.answered(SCHOOL, answer) for answer in answers), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, WardgateError)]
    assert [error.code for error in refused] == [ErrorCode.QUERY_CONFLICT]
    assert await world.count("answer") == 1
    assert len(await world.entries(EntryKind.ANSWER_RECEIVED)) == 1


async def test_an_answer_after_expiry_is_refused_and_one_just_before_is_taken(world: World) -> None:
    composed = world.composed(expiry_s=3_600)
    await world.put(composed)
    school, police = await world.task_of(composed), await world.task_of(composed, POLICE)
    world.clock.now = composed.header.expires_at - 1
    await world.answers.answered(SCHOOL, world.sealed(composed, school.task_id))
    world.clock.now = composed.header.expires_at
    late = world.sealed(composed, police.task_id, POLICE)
    assert await world.answer_refusal(POLICE, late) is ErrorCode.TASK_UNKNOWN
    assert await world.count("answer") == 1


async def test_an_answer_after_cancellation_is_refused(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    task = await world.task_of(composed)
    await world.exchange.cancel(CSC, composed.header.query_id)
    assert await world.answer_refusal(SCHOOL, world.sealed(composed, task.task_id)) is ErrorCode.TASK_UNKNOWN
    await unanswered(world)


async def test_without_the_ledger_no_answer_is_taken(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    answer = world.sealed(composed, (await world.task_of(composed)).task_id)
    await world.break_ledger()
    assert await world.answer_refusal(SCHOOL, answer) is ErrorCode.LEDGER_UNAVAILABLE
    await world.mend_ledger()
    await unanswered(world)
    await world.answers.answered(SCHOOL, answer)
    assert await world.count("answer") == 1


async def test_a_revoked_agencys_answer_is_refused(world: World) -> None:
    composed = world.composed()
    await world.put(composed)
    answer = world.sealed(composed, (await world.task_of(composed)).task_id)
    await world.desk.revoke(SCHOOL, reason_code="KEY_COMPROMISE", operator="olga")
    assert await world.answer_refusal(SCHOOL, answer) is ErrorCode.CERTIFICATE_REVOKED
    await unanswered(world)


# -- acknowledging and closing ------------------------------------------------------------------------------------


async def test_acknowledged_answers_are_deleted_and_others_stay(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    school, police = await world.task_of(composed), await world.task_of(composed, POLICE)
    await world.answers.answered(SCHOOL, world.sealed(composed, school.task_id))
    await world.answers.answered(POLICE, world.sealed(composed, police.task_id, POLICE))
    query_id = composed.header.query_id

    await world.exchange.acknowledge(CSC, query_id, [school.task_id], close=False, known_size=0)
    assert await world.column("answer", "task_id") == [police.task_id]
    assert await world.entries(EntryKind.QUERY_CLOSED) == []

    again = world.resumed(composed)
    await again.opening()
    await again.rest()
    await world.exchange.acknowledge(CSC, query_id, [police.task_id], close=False, known_size=0)
    assert await world.count("answer") == 0
    assert len(await world.entries(EntryKind.QUERY_CLOSED)) == 1


async def test_an_acknowledgement_is_of_answers_that_are_there_each_once(world: World) -> None:
    composed = world.composed()
    await world.put(composed)
    school, police = await world.task_of(composed), await world.task_of(composed, POLICE)
    query_id = composed.header.query_id
    await world.exchange.acknowledge(CSC, query_id, [school.task_id], close=False, known_size=0)
    await world.answers.answered(SCHOOL, world.sealed(composed, school.task_id))
    await world.answers.answered(POLICE, world.sealed(composed, police.task_id, POLICE))

    await world.exchange.acknowledge(CSC, query_id, [police.task_id] * MAX_TARGETS, close=False, known_size=0)
    assert await world.column("answer", "task_id") == [school.task_id]
    with pytest.raises(WardgateError) as caught:
        await world.exchange.acknowledge(CSC, query_id, [police.task_id] * (MAX_TARGETS + 1), close=True, known_size=0)
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE

    await world.exchange.acknowledge(CSC, query_id, [school.task_id] * 2, close=False, known_size=0)
    assert [entry.body["acknowledged"] for entry in await world.entries(EntryKind.QUERY_CLOSED)] == [1]


# -- what happens in the same moment ------------------------------------------------------------------------------


async def test_an_answer_stored_just_before_a_cancellation_stands(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    answer = world.sealed(composed, (await world.task_of(composed)).task_id)
    await asyncio.gather(world.answers.answered(SCHOOL, answer), world.exchange.cancel(CSC, composed.header.query_id))

    stream = world.resumed(composed)
    await stream.opening()
    stream.read += await stream.rest()
    assert stream.answers() == [answer]
    assert stream.states() == {SCHOOL: "ANSWERED", POLICE: "CANCELLED"}


async def test_a_query_that_is_withdrawn_twice_at_once_is_withdrawn_once(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    await asyncio.gather(*(world.exchange.cancel(CSC, composed.header.query_id) for _ in range(3)))
    assert len(await world.entries(EntryKind.QUERY_CANCELLED)) == 1


async def test_a_query_closes_or_expires_and_never_both(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    world.clock.now = composed.header.expires_at + 1
    closing = world.exchange.acknowledge(CSC, composed.header.query_id, [], close=True, known_size=0)
    await asyncio.gather(closing, world.exchange.expire(), world.exchange.expire())
    assert len(await world.entries(EntryKind.QUERY_CLOSED, EntryKind.TARGET_EXPIRED)) == 1


async def test_a_target_whose_answer_is_being_stored_does_not_expire(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    answer = world.sealed(composed, (await world.task_of(composed)).task_id)
    storing = asyncio.create_task(world.answers.answered(SCHOOL, answer))
    await asyncio.sleep(0)
    world.clock.now = composed.header.expires_at + 1
    assert await world.exchange.expire() == 0
    await storing

    assert await world.exchange.expire() == 1
    (expired,) = await world.entries(EntryKind.TARGET_EXPIRED)
    assert expired.body["targets"].keys() == {POLICE}


async def test_closing_forgets_points_parts_and_answers(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    task = await world.task_of(composed)
    await world.answers.answered(SCHOOL, world.sealed(composed, task.task_id))
    await world.exchange.acknowledge(CSC, composed.header.query_id, [], close=True, known_size=0)

    assert await world.count("answer") == 0
    for column in ("part", "translated", "trustee_signature"):
        assert await world.column("task", column) == [b"", b""]
    assert sorted(await world.column("task", "state")) == ["answered", "cancelled"]
    assert world.queries.live() == []


async def test_acknowledging_twice_closes_once_and_gives_the_receipt_twice(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    await world.put(composed)
    receipts = [
        await world.exchange.acknowledge(CSC, composed.header.query_id, [], close=True, known_size=0) for _ in range(2)
    ]
    assert receipts[0].entry == receipts[1].entry
    for receipt in receipts:
        entry = Following(View.first(world.secrets.anchors, ORIGIN)).accept_inclusion(receipt)
        assert (entry.kind, entry.query_id) == (EntryKind.QUERY_ADMITTED, composed.header.query_id)
    assert len(await world.entries(EntryKind.QUERY_CLOSED)) == 1


async def test_closing_tells_responders_and_whoever_still_follows(world: World) -> None:
    composed = world.composed()
    stream = world.stream(composed)
    await stream.opening()
    session = world.attach(SCHOOL)
    (task,) = tasks_in(session)
    following = asyncio.create_task(stream.rest())
    await asyncio.sleep(0)
    await world.exchange.acknowledge(CSC, composed.header.query_id, [], close=True, known_size=0)
    events = await asyncio.wait_for(following, 20)
    assert events[-1].settled.final
    cancelled = [item.cancelled.task_id for item in messages_in(session) if item and item.HasField("cancelled")]
    assert cancelled == [task.task_id]


async def test_nobody_else_follows_acknowledges_or_cancels(world: World) -> None:
    composed, other = world.composed(), world.composed()
    await world.put(composed)
    await world.put(other)
    query_id = composed.header.query_id
    for call in (
        world.exchange.acknowledge(SCHOOL, query_id, [], close=True, known_size=0),
        world.exchange.cancel(SCHOOL, query_id),
        world.resumed(composed, requester=SCHOOL).take(),
    ):
        with pytest.raises(WardgateError) as caught:
            await call
        assert caught.value.code is ErrorCode.QUERY_UNKNOWN
    foreign = (await world.task_of(other)).task_id
    with pytest.raises(WardgateError) as caught:
        await world.exchange.acknowledge(CSC, query_id, [foreign], close=True, known_size=0)
    assert caught.value.code is ErrorCode.TASK_UNKNOWN


async def test_cancelling_withdraws_once(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed()
    stream = world.stream(composed)
    await stream.opening()
    session = world.attach(SCHOOL)
    (task,) = tasks_in(session)
    for _ in range(2):
        await world.exchange.cancel(CSC, composed.header.query_id)
    await stream.rest()
    assert set(await world.column("task", "state")) == {"cancelled"}
    assert len(await world.entries(EntryKind.QUERY_CANCELLED)) == 1
    cancelled = [item.cancelled.task_id for item in messages_in(session) if item and item.HasField("cancelled")]
    assert cancelled == [task.task_id]
    assert await world.links.claim(world.attach(POLICE), world.answers.tasks_for(POLICE), wait_s=0) == (
        [],
        [item for item in await world.column("task", "task_id") if item != task.task_id],
    )


# -- time ---------------------------------------------------------------------------------------------------------


async def test_at_the_deadline_who_was_never_connected_is_unreachable_and_a_late_answer_still_arrives(
    stored_world: World,
) -> None:
    world, composed = stored_world, stored_world.composed()
    tasks_in(world.attach(SCHOOL))
    stream = world.stream(composed)
    await stream.opening()
    world.clock.now = composed.header.deadline_at
    stream.read += await stream.rest()
    assert stream.states() == {SCHOOL: "WAITING", POLICE: "UNREACHABLE"}
    assert not stream.read[-1].settled.final

    task = await world.task_of(composed, POLICE)
    await world.answers.accepted(POLICE, task.task_id)
    later = world.resumed(composed)
    await later.opening()
    while later.states()[POLICE] != "DELIVERED":
        await later.take()
    answer = world.sealed(composed, task.task_id, POLICE)
    await world.answers.answered(POLICE, answer)
    while not later.answers():
        await later.take()
    await later.aclose()
    assert later.answers() == [answer]


async def test_expiry_settles_every_target_and_deletes(stored_world: World) -> None:
    world, composed = stored_world, stored_world.composed(expiry_s=3_600)
    await world.put(composed)
    task = await world.task_of(composed)
    await world.answers.answered(SCHOOL, world.sealed(composed, task.task_id))
    world.clock.now = composed.header.expires_at - 1
    assert await world.exchange.expire() == 0
    world.clock.now = composed.header.expires_at
    assert await world.exchange.expire() == 1
    assert await world.exchange.expire() == 0

    assert await world.count("answer") == 0
    assert sorted(await world.column("task", "state")) == ["answered", "unreachable"]
    (entry,) = await world.entries(EntryKind.TARGET_EXPIRED)
    assert entry.body["targets"] == {POLICE: "unreachable"}
    stream = world.resumed(composed)
    assert (await stream.rest())[-1].settled.final


async def test_a_referred_task_that_nobody_decided_on_expires_as_undecided(world: World) -> None:
    composed = world.composed(expiry_s=3_600)
    await world.put(composed)
    await world.answers.referred(SCHOOL, (await world.task_of(composed)).task_id)
    world.clock.now = composed.header.expires_at
    await world.exchange.expire()
    (entry,) = await world.entries(EntryKind.TARGET_EXPIRED)
    assert entry.body["targets"][SCHOOL] == "undecided"


# -- restart ------------------------------------------------------------------------------------------------------


async def test_a_restart_replays_what_was_not_acknowledged(store_url: str, policy: PolicyPoint) -> None:
    secrets, clock = Secrets(), Clock()
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        composed = before.composed()
        record = await before.put(composed)
        school = await before.task_of(composed)
        answer = before.sealed(composed, school.task_id)
        await before.answers.answered(SCHOOL, answer)

    async with a_world(store_url, policy, secrets=secrets, clock=clock) as after:
        stream = after.resumed(composed)
        assert await stream.opening() == record
        for _ in (SCHOOL, POLICE, answer):
            await stream.take()
        assert stream.answers() == [answer]
        assert stream.states() == {SCHOOL: "ANSWERED", POLICE: "WAITING"}

        police = await after.task_of(composed, POLICE)
        second = after.sealed(composed, police.task_id, POLICE)
        await after.answers.answered(POLICE, second)
        stream.read += await stream.rest()
        assert stream.answers() == [answer, second]
        assert stream.read[-1].settled.final
        await after.answers.answered(SCHOOL, answer)  # delivered again after the restart: the same stored answer

        again = after.stream(composed)
        assert await again.opening() == record
        await again.aclose()
        assert len(await after.entries(EntryKind.QUERY_ADMITTED)) == 1


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_the_last_answer_that_is_acknowledged_closes_the_query_also_after_a_restart(
    store_url: str, policy: PolicyPoint, *, is_restarted: bool
) -> None:
    secrets, clock = Secrets(), Clock()
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(a_world(store_url, policy, secrets=secrets, clock=clock))
        composed = world.composed()
        await world.put(composed)
        tasks = [(agency, await world.task_of(composed, agency)) for agency in (SCHOOL, POLICE)]
        for agency, task in tasks:
            await world.answers.answered(agency, world.sealed(composed, task.task_id, agency))
        await world.exchange.acknowledge(
            CSC, composed.header.query_id, [tasks[0][1].task_id], close=False, known_size=0
        )
        assert await world.entries(EntryKind.QUERY_CLOSED) == []

        if is_restarted:
            await stack.aclose()
            world = await stack.enter_async_context(a_world(store_url, policy, secrets=secrets, clock=clock))
        await world.exchange.acknowledge(
            CSC, composed.header.query_id, [tasks[1][1].task_id], close=False, known_size=0
        )
        assert len(await world.entries(EntryKind.QUERY_CLOSED)) == 1
        assert await world.count("answer") == 0


async def test_what_expired_while_the_gateway_was_down_is_settled_and_forgotten(
    store_url: str, policy: PolicyPoint
) -> None:
    secrets, clock = Secrets(), Clock()
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        composed = before.composed(expiry_s=3_600)
        await before.put(composed)
        school, police = await before.task_of(composed), await before.task_of(composed, POLICE)
        await before.answers.answered(SCHOOL, before.sealed(composed, school.task_id))
        await before.answers.accepted(POLICE, police.task_id)

    clock.now = composed.header.expires_at + 1
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as after:
        assert tasks_in(after.attach(POLICE)) == []
        assert await after.exchange.expire() == 1
        assert await after.count("answer") == 0
        assert sorted(await after.column("task", "state")) == ["answered", "expired"]


async def test_counters_survive_a_restart(tmp_path: Path, policy: PolicyPoint) -> None:
    secrets, clock, url = Secrets(), Clock(), sqlite_url(tmp_path / "gateway.db")
    async with a_world(url, policy, secrets=secrets, clock=clock) as before:
        composed = before.composed()
        await before.put(composed)
    async with a_world(url, policy, secrets=secrets, clock=clock) as after:
        ref = composed.header.user_ref
        assert after.counters.view(CSC, ref).user_queries_day == 1


async def test_a_forged_answer_does_not_keep_the_true_one_out(world: World) -> None:
    composed = world.composed()
    await world.put(composed)
    task_id = (await world.task_of(composed)).task_id
    forged = world.sealed(composed, task_id, key=SigningKey.generate())
    assert await world.answer_refusal(SCHOOL, forged) is ErrorCode.SIGNATURE_REJECTED
    await world.answers.answered(SCHOOL, world.sealed(composed, task_id))
    assert await world.count("answer") == 1
