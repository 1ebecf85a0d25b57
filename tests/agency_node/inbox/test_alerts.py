import pytest

from agency_node.answering.overlay import Overlay
from agency_node.inbox.alerts import Alerts, is_to
from agency_node.store.tables import TaskState
from agency_node.users import Users
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.vocabulary import Urgency
from tests.support.node_house import NodeHouse, a_user, log_entry, number

CHILD, OTHER = number(1), number(2)


@pytest.fixture
async def alerts(node: NodeHouse) -> Alerts:
    """A protected child was asked about: one silent alert waits."""
    node.sources[0].hold(CHILD, log_entry(CHILD), flags=frozenset({"WITNESS_PROT"}))
    await node.caseload.update()
    put = node.federation.ask(CHILD)
    await node.accept(put.task)
    await node.answering.answer(put.task.task_id)
    node.users += [a_user("officer", grants=("designated_officer",)), a_user("dpo", role="dpo")]
    return Alerts(node.responder, users=lambda: Users({user.id: user for user in node.users}))


async def test_an_alert_is_shown_to_its_recipient_alone(alerts: Alerts) -> None:
    assert [alert["obligation"] for alert in await alerts.unseen("officer")] == ["silent_alert"]
    assert await alerts.unseen("dpo") == []
    assert await alerts.unseen("dsl") == []


async def test_somebody_with_an_interest_neither_sees_an_alert_nor_takes_it_from_others(
    node: NodeHouse, alerts: Alerts
) -> None:
    alert = (await alerts.unseen("officer"))[0]
    node.users.append(a_user("cousin", grants=("designated_officer",), conflicted=True))
    for call in (alerts.unseen("cousin"), alerts.see("cousin", alert["alert_id"])):
        with pytest.raises(WardgateError) as caught:
            await call
        assert caught.value.code is ErrorCode.NOT_AUTHORISED
    assert await alerts.unseen("officer") == [alert]


async def test_an_alert_that_was_seen_is_met_in_the_ledger_and_gone(node: NodeHouse, alerts: Alerts) -> None:
    alert = (await alerts.unseen("officer"))[0]

    await alerts.see("officer", alert["alert_id"])

    assert await alerts.unseen("officer") == []
    assert (await node.entries(EntryKind.OBLIGATION_MET))[0]["alert_id"] == alert["alert_id"]
    with pytest.raises(WardgateError) as caught:
        await alerts.see("officer", alert["alert_id"])
    assert caught.value.code is ErrorCode.REFERRAL_DECIDED
    assert len(await node.entries(EntryKind.OBLIGATION_MET)) == 1


async def test_an_alert_to_others_does_not_exist(node: NodeHouse, alerts: Alerts) -> None:
    alert = (await alerts.unseen("officer"))[0]

    with pytest.raises(WardgateError) as caught:
        await alerts.see("dpo", alert["alert_id"])

    assert caught.value.code is ErrorCode.REFERRAL_UNKNOWN
    assert await node.entries(EntryKind.OBLIGATION_MET) == []


async def test_an_obligation_is_alerted_to_once_for_a_query_however_often_it_is_decided(
    node: NodeHouse, alerts: Alerts
) -> None:
    node.sources[0].rows[:] = []
    node.sources[0].hold(OTHER, log_entry(OTHER))
    await node.caseload.update()
    node.users.append(a_user("guardian", role="caldicott_guardian"))
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(
        OTHER,
        purpose="S47_EMERG",
        urgency=Urgency.EMERGENCY,
        break_glass="immediate_danger",
        role="edt_social_worker",
        attestations=("immediate_risk_only", "immediate_danger"),
    )

    await node.accept(put.task)
    assert (await node.answering.answer(put.task.task_id)).state is TaskState.REFERRED
    view = (await node.decisions.waiting("dsl"))[0]
    await node.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="Immediate danger.")
    assert (await node.answering.answer(put.task.task_id)).state is TaskState.ANSWERED

    assert [alert["obligation"] for alert in await alerts.unseen("guardian")] == ["alert_break_glass"]


def test_recipients_are_roles_or_grants_whole() -> None:
    assert is_to(a_user(role="dpo"), "auditor dpo")
    assert not is_to(a_user(role="dpo"), "dpo_assistant")
