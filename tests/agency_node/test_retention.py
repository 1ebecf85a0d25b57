"""What has served its time is erased, and that it was is recorded. What has not, stays."""

from typing import Any

import pytest
from sqlalchemy import select

from agency_node.answering.overlay import Overlay
from agency_node.retention import DAY_S, Erased, Periods, Retention
from agency_node.store.tables import metadata
from federation.errors import WardgateError
from federation.ledger.entry import EntryKind
from keys.nhs_number import check_digit
from tests.support.node_house import NodeHouse, a_user, log_entry, number
from tests.support.two_agencies import NOW

CHILD = number(1)
PERIODS = Periods(decisions=100, tasks=30)


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
    return Retention(node.journal, clock=node.clock, periods=PERIODS)


async def row(node: NodeHouse, table: str) -> Any:
    async with node.engine.connect() as connection:
        return (await connection.execute(select(metadata.tables[table]))).first()


async def test_what_is_within_its_time_stays(node: NodeHouse, retention: Retention) -> None:
    node.clock.now = NOW + 24 * 3600 + 30 * DAY_S

    erased = await retention.apply()

    assert erased == Erased(decisions=0, reasons=0, referrals=0, tasks=0, reviews=1)
    assert (await row(node, "task")).answer
    assert (await row(node, "referral")).content


async def test_messages_and_contents_go_a_month_after_their_query(node: NodeHouse, retention: Retention) -> None:
    node.clock.now = NOW + 24 * 3600 + 30 * DAY_S + 1

    erased = await retention.apply()

    assert (erased.tasks, erased.referrals, erased.decisions, erased.reasons) == (1, 1, 0, 0)
    task, referral = await row(node, "task"), await row(node, "referral")
    assert (task.task, task.answer, task.state) == (b"", None, "answered")
    assert (referral.content, referral.state) == (b"", "released")
    assert referral.reason_salt
    assert (await retention.apply()).is_nothing
    with pytest.raises(WardgateError, match="REFERRAL_UNKNOWN"):
        await node.decisions.show("dsl", referral.referral_id)


async def test_reasons_go_with_their_salts_and_the_ledger_keeps_its_commitment(
    node: NodeHouse, retention: Retention
) -> None:
    node.clock.now = NOW + 100 * DAY_S + 1

    erased = await retention.apply()

    assert (erased.decisions, erased.reasons) == (2, 1)
    referral = await row(node, "referral")
    assert (referral.reason, referral.reason_salt) == (None, None)
    assert await row(node, "decision_input") is None
    assert (await node.entries(EntryKind.REFERRAL_DECIDED))[0]["reason_commitment"]
    assert (await node.entries(EntryKind.RETENTION_APPLIED))[0] == {
        "decided_before_at": NOW + 1,
        "expired_before_at": NOW + 70 * DAY_S + 1,
    }


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
    retention = Retention(node.journal, clock=node.clock, periods=PERIODS)

    node.clock.now += 100 * DAY_S
    assert (await retention.apply()).reasons == 0
    assert (await row(node, "referral")).given
    node.clock.now += 1
    assert (await retention.apply()).reasons == 1
    assert (await row(node, "referral")).given is None


async def test_a_moment_that_has_the_digits_of_an_nhs_number_is_recorded_all_the_same(
    node: NodeHouse, retention: Retention
) -> None:
    moment = next(at for at in range(NOW, NOW + 100) if check_digit(str(at)[:9]) == at % 10)
    node.clock.now = moment + 100 * DAY_S

    await retention.apply()

    assert (await node.entries(EntryKind.RETENTION_APPLIED))[0]["decided_before_at"] == moment


async def test_an_answer_that_was_erased_is_not_sent_again(node: NodeHouse, retention: Retention) -> None:
    node.clock.now = NOW + 24 * 3600 + 30 * DAY_S + 1
    await retention.apply()

    task = await row(node, "task")
    assert (await node.answering.answer(task.task_id)).answer is None


async def test_without_a_ledger_nothing_is_erased(node: NodeHouse, retention: Retention) -> None:
    node.clock.now = NOW + 100 * DAY_S + 1
    await node.journal.aclose()

    with pytest.raises(WardgateError, match="LEDGER_UNAVAILABLE"):
        await retention.apply()

    assert (await row(node, "task")).answer
