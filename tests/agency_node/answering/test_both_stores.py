"""The whole life of a task on either kind of store: accepted, referred, decided, answered, delivered again, erased."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agency_node.answering.overlay import Overlay
from agency_node.inbox.alerts import Alerts
from agency_node.settings import Retention as Periods
from agency_node.store.deletions import DELETIONS
from agency_node.store.tables import TaskState
from agency_node.users import Users
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.retention import DAY_S, Retention
from federation.vocabulary import Outcome
from tests.support.node_house import NodeHouse, a_node, a_user, log_entry, number

KNOWN, PROTECTED, STRANGER = number(1), number(2), number(3)


@pytest.fixture
async def house(store_url: str, policy: PolicyPoint) -> AsyncIterator[NodeHouse]:
    async with a_node(store_url, policy) as house:
        house.sources[0].hold(KNOWN, log_entry(KNOWN))
        house.sources[0].hold(PROTECTED, log_entry(PROTECTED, "log:2"), flags=frozenset({"WITNESS_PROT"}))
        await house.caseload.update()
        yield house


async def test_a_referred_task_to_its_end(house: NodeHouse) -> None:
    house.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = house.federation.ask(KNOWN)
    task_id = put.task.task_id

    assert await house.accept(put.task) is TaskState.ACCEPTED
    assert (await house.answering.answer(task_id)).state is TaskState.REFERRED
    view = (await house.decisions.waiting("dsl"))[0]
    await house.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="Needed.")
    reply = await house.answering.answer(task_id)

    assert reply.answer is not None
    assert put.opened(reply.answer).outcome is Outcome.RECORDS
    assert await house.accept(put.task) is TaskState.ANSWERED
    assert (await house.answering.answer(task_id)).answer == reply.answer
    await house.answering.stored(task_id)
    assert await house.answering.unfinished() == []
    for kind in (EntryKind.REFERRAL_OPENED, EntryKind.REFERRAL_DECIDED, EntryKind.ANSWERED):
        assert len(await house.entries(kind)) == 1

    house.clock.now += 40 * DAY_S
    retention = Retention(
        engine=house.engine,
        journal=house.journal,
        deletions=DELETIONS,
        periods=Periods(decisions_days=30, tasks_days=30),
        clock=house.clock,
    )
    assert await retention.apply() == {"decisions": 2, "reasons": 1, "referrals": 1, "tasks": 1, "reviews": 1}


async def test_many_at_once_with_an_alert_among_them(house: NodeHouse) -> None:
    house.users.append(a_user("officer", grants=("designated_officer",)))
    puts = [house.federation.ask(child) for child in (KNOWN, PROTECTED, STRANGER) for _ in range(3)]

    async def work(index: int) -> Outcome:
        put = puts[index]
        await house.accept(put.task)
        reply = await house.answering.answer(put.task.task_id)
        assert reply.answer is not None
        return put.opened(reply.answer).outcome

    outcomes = await asyncio.gather(*(work(index) for index in range(len(puts))))

    assert outcomes == [Outcome.RECORDS] * 3 + [Outcome.NOTHING_HELD] * 6
    alerts = Alerts(house.responder, users=lambda: Users({user.id: user for user in house.users}))
    unseen = await alerts.unseen("officer")
    assert len(unseen) == 3
    await alerts.see("officer", unseen[0]["alert_id"])
    assert len(await alerts.unseen("officer")) == 2


async def test_an_undecided_referral_ends_at_the_last_moment_and_a_refused_task_is_kept(house: NodeHouse) -> None:
    house.overlay = Overlay(categories_refer=("safeguarding_log",))
    put, forged = house.federation.ask(KNOWN, expiry_s=3600), house.federation.ask(KNOWN)
    forged.task.signature = bytes(64)
    await house.accept(put.task)
    assert await house.accept(forged.task) is TaskState.REFUSED
    await house.answering.answer(put.task.task_id)
    assert await house.answering.due() == []

    house.clock.now += 3600 - 60

    assert await house.answering.due() == [put.task.task_id]
    reply = await house.answering.answer(put.task.task_id)
    assert reply.answer is not None
    assert put.opened(reply.answer).outcome is Outcome.UNDECIDED
    assert await house.answering.due() == []
