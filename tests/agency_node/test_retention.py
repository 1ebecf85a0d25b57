"""What has served its time is erased, and that it was is recorded. What has not, stays. On both kinds of store."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select

from agency_node.answering.overlay import Overlay
from agency_node.settings import Retention as Periods
from agency_node.store.deletions import DELETIONS
from agency_node.store.tables import metadata
from federation.errors import WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.retention import DAY_S, Retention
from keys.nhs_number import check_digit
from tests.support.asking import MANAGER, QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.node_house import NodeHouse, a_node, a_user, log_entry, number
from tests.support.two_agencies import NOW
from tests.support.waiting import until

CHILD = number(1)
PERIODS = Periods(decisions_days=100, tasks_days=30, questions_days=40, alerts_days=50, accounts_days=120)
EXPIRED = NOW + 24 * 3600
CURIOUS = QUESTION.model_copy(update={"purpose": "STAFF_CURIOSITY", "attestations": []})


def retention_of(node: NodeHouse) -> Retention:
    return Retention(engine=node.engine, journal=node.journal, deletions=DELETIONS, periods=PERIODS, clock=node.clock)


@pytest.fixture
async def node(store_url: str, policy: PolicyPoint) -> AsyncIterator[NodeHouse]:
    async with a_node(store_url, policy) as house:
        yield house


@pytest.fixture
async def retention(node: NodeHouse) -> Retention:
    """A node that has decided one referral and answered it."""
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)
    await node.accept(put.task)
    await node.answering.answer(put.task.task_id)
    view = (await node.decisions.waiting("dsl"))[0]
    await node.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="Needed.")
    await node.answering.answer(put.task.task_id)
    return retention_of(node)


async def row(node: NodeHouse, table: str) -> Any:
    async with node.engine.connect() as connection:
        return (await connection.execute(select(metadata.tables[table]))).first()


async def count(node: NodeHouse, table: str) -> int:
    async with node.engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(metadata.tables[table]))).scalar_one())


async def test_what_is_within_its_time_stays(node: NodeHouse, retention: Retention) -> None:
    node.clock.now = EXPIRED + 30 * DAY_S

    assert await retention.apply() == {"reviews": 1}
    assert (await row(node, "task")).answer
    assert (await row(node, "referral")).content


async def test_messages_and_contents_go_a_month_after_their_query(node: NodeHouse, retention: Retention) -> None:
    node.clock.now = EXPIRED + 30 * DAY_S + 1

    assert await retention.apply() == {"reviews": 1, "referrals": 1, "tasks": 1}
    task, referral = await row(node, "task"), await row(node, "referral")
    assert (task.task, task.answer, task.state) == (b"", None, "answered")
    assert task.child_key == node.vault.child_key(CHILD)
    assert (referral.content, referral.state) == (b"", "released")
    assert referral.reason_salt
    assert await retention.apply() == {}
    with pytest.raises(WardgateError, match="REFERRAL_UNKNOWN"):
        await node.decisions.show("dsl", referral.referral_id)


async def test_reasons_go_with_their_salts_and_the_ledger_keeps_its_commitment(
    node: NodeHouse, retention: Retention
) -> None:
    node.clock.now = NOW + 100 * DAY_S + 1

    erased = await retention.apply()

    assert (erased["decisions"], erased["reasons"]) == (2, 1)
    referral = await row(node, "referral")
    assert (referral.reason, referral.reason_salt) == (None, None)
    assert await row(node, "decision_input") is None
    assert (await node.entries(EntryKind.REFERRAL_DECIDED))[0]["reason_commitment"]
    (entry,) = await node.entries(EntryKind.RETENTION_APPLIED)
    assert entry["rows"] == erased
    assert entry["before"]["decisions_at"] == NOW + 1
    assert entry["before"]["tasks_at"] == NOW + 70 * DAY_S + 1


@pytest.mark.parametrize(("later_s", "rows"), [(0, 1), (1, 0)])
async def test_who_asked_about_whom_is_kept_as_long_as_an_account_may_be_asked_for(
    node: NodeHouse, retention: Retention, later_s: int, rows: int
) -> None:
    node.clock.now = EXPIRED + 120 * DAY_S + later_s

    await retention.apply()

    assert await count(node, "task") == await count(node, "referral") == rows


async def asked(node: NodeHouse) -> list[str]:
    """A question that was answered and one that was refused, with its alert; their ids."""
    node.users.append(MANAGER)
    asking = asking_of(node, pursuits_of(node, AskedGateway(node.federation)))
    return [(await asking.put(question))["query_id"] for question in (QUESTION, CURIOUS)]


async def test_own_questions_and_their_answers_go_and_who_asked_stays(node: NodeHouse) -> None:
    granted, refused = await asked(node)
    asking = asking_of(node, pursuits_of(node, AskedGateway(node.federation)))
    retention = retention_of(node)
    node.clock.now = NOW + 40 * DAY_S
    assert "questions" not in await retention.apply()
    await asking.picture(granted, "manager")

    node.clock.now = EXPIRED + 40 * DAY_S + 1
    erased = await retention.apply()

    assert (erased["questions"], erased["answers"]) == (2, 1)
    query, target = await row(node, "asked_query"), await row(node, "asked_target")
    assert (query.question, query.header, query.admission, query.receipt) == (b"", None, None, None)
    assert query.child_key == node.vault.child_key(CHILD)
    assert (target.answer, target.decision, target.state) == (None, None, "answered")
    for query_id in (granted, refused):
        with pytest.raises(WardgateError, match="QUERY_UNKNOWN"):
            await asking.picture(query_id, "manager")

    node.clock.now = EXPIRED + 120 * DAY_S + 1
    assert (await retention.apply())["question_rows"] == 2
    assert await count(node, "asked_query") == await count(node, "asked_target") == 0


async def test_an_open_question_is_never_erased(node: NodeHouse) -> None:
    node.users.append(MANAGER)
    gateway = AskedGateway(node.federation, silent=True)
    pursuits = pursuits_of(node, gateway)
    asking = asking_of(node, pursuits)
    document = QUESTION.model_copy(update={"urgency": None})
    putting = asyncio.create_task(asking.put(document))
    await until(lambda: bool(gateway.asked))
    putting.cancel()
    node.clock.now = EXPIRED + 200 * DAY_S

    await retention_of(node).apply()

    assert (await row(node, "asked_query")).question
    await pursuits.aclose()


@pytest.mark.parametrize(("days", "is_seen", "left"), [(50, True, 1), (51, True, 0), (100, False, 1), (101, False, 0)])
async def test_an_alert_goes_some_time_after_it_was_seen_and_much_later_where_nobody_saw_it(
    node: NodeHouse, days: int, left: int, *, is_seen: bool
) -> None:
    await asked(node)
    alert = metadata.tables["alert"]
    async with node.engine.connect() as connection:
        found = (await connection.execute(select(alert.c.alert_id))).scalars().all()

    async def prepare(connection: Any) -> None:
        await connection.execute(alert.delete().where(alert.c.alert_id != found[0]))
        if is_seen:
            await connection.execute(alert.update().values(seen_at=NOW, seen_by="u" * 32))

    await node.journal.record([], prepare)
    node.clock.now = NOW + days * DAY_S

    await retention_of(node).apply()

    assert await count(node, "alert") == left


async def test_what_one_of_two_said_goes_with_the_reasons_although_nobody_decided(node: NodeHouse) -> None:
    roles = tuple(node.policy.catalogue.flags["STAFF_SUBJECT"]["decided_by"]["roles"])
    node.users[:] = [a_user("dsl", grants=roles)]
    node.sources[0].hold(CHILD, log_entry(CHILD), flags=frozenset({"STAFF_SUBJECT"}))
    await node.caseload.update()
    put = node.federation.ask(CHILD)
    await node.accept(put.task)
    await node.answering.answer(put.task.task_id)
    view = (await node.decisions.waiting("dsl"))[0]
    await node.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="Needed.")
    node.clock.now = put.composed.header.expires_at - 30
    await node.answering.answer(put.task.task_id)
    retention = retention_of(node)

    node.clock.now += 100 * DAY_S
    assert "reasons" not in await retention.apply()
    assert (await row(node, "referral")).given
    node.clock.now += 1
    assert (await retention.apply())["reasons"] == 1
    assert (await row(node, "referral")).given is None


async def test_a_moment_that_has_the_digits_of_an_nhs_number_is_recorded_all_the_same(
    node: NodeHouse, retention: Retention
) -> None:
    moment = next(at for at in range(NOW, NOW + 100) if check_digit(str(at)[:9]) == at % 10)
    node.clock.now = moment + 100 * DAY_S

    await retention.apply()

    assert (await node.entries(EntryKind.RETENTION_APPLIED))[0]["before"]["tasks_at"] == moment + 70 * DAY_S


async def test_an_answer_that_was_erased_is_not_sent_again(node: NodeHouse, retention: Retention) -> None:
    node.clock.now = EXPIRED + 30 * DAY_S + 1
    await retention.apply()

    task = await row(node, "task")
    assert (await node.answering.answer(task.task_id)).answer is None


async def test_without_a_ledger_nothing_is_erased(node: NodeHouse, retention: Retention) -> None:
    node.clock.now = NOW + 100 * DAY_S + 1
    await node.journal.aclose()

    with pytest.raises(WardgateError, match="LEDGER_UNAVAILABLE"):
        await retention.apply()

    assert (await row(node, "task")).answer
