import json

import pytest
from sqlalchemy import text

from agency_node.answering.overlay import Overlay
from agency_node.inbox.alerts import Alerts, is_to
from agency_node.store.tables import TaskState
from agency_node.users import Users
from federation.england import iso_in_england
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.store import writing
from federation.vocabulary import Outcome, Urgency
from tests.support.asking import QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.node_house import NodeHouse, a_user, log_entry, number
from tests.support.two_agencies import NOW, REQUESTER

CHILD, OTHER = number(1), number(2)
VOLUME_UNUSUAL = 100
"""Questions of one user in a day from which on somebody looks."""


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


async def test_a_flag_of_a_child_without_records_alerts_too_and_nobody_outside_sees_it(node: NodeHouse) -> None:
    node.sources[0].hold(CHILD, flags=frozenset({"WITNESS_PROT"}))
    node.sources[0].hold(OTHER)
    await node.caseload.update()
    node.users.append(a_user("officer", grants=("designated_officer",)))
    answers = []
    for child in (CHILD, OTHER, number(3)):
        put = node.federation.ask(child)
        await node.accept(put.task)
        reply = await node.answering.answer(put.task.task_id)
        assert reply.answer is not None
        answers.append(put.opened(reply.answer).model_copy(update={"query_id": ""}))
    alerts = Alerts(node.responder, users=lambda: Users({user.id: user for user in node.users}))

    (alert,) = await alerts.unseen("officer")

    assert alert["obligation"] == "silent_alert"
    assert answers[0] == answers[1] == answers[2]
    assert answers[0].outcome is Outcome.NOTHING_HELD


def test_a_recipient_is_a_role_or_a_grant_whole() -> None:
    assert is_to(a_user(role="dpo"), "dpo")
    assert is_to(a_user(grants=("dpo",)), "dpo")
    assert not is_to(a_user(role="dpo"), "dpo_assistant")
    assert not is_to(a_user(role="dpo_assistant"), "dpo")


# -- each recipient's own ---------------------------------------------------------------------------------------------


async def broken_glass(node: NodeHouse) -> Alerts:
    """Somebody broke glass: the Caldicott guardian and the auditor have each to see it."""
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    put = node.federation.ask(
        CHILD,
        purpose="S47_EMERG",
        urgency=Urgency.EMERGENCY,
        break_glass="immediate_danger",
        role="edt_social_worker",
        attestations=("immediate_risk_only", "immediate_danger"),
    )
    await node.accept(put.task)
    await node.answering.answer(put.task.task_id)
    node.users += [a_user("guardian", role="caldicott_guardian"), a_user("auditor", role="auditor")]
    return Alerts(node.responder, users=lambda: Users({user.id: user for user in node.users}))


async def test_what_one_recipient_has_seen_is_open_for_the_other(node: NodeHouse) -> None:
    alerts = await broken_glass(node)
    guardians, auditors = await alerts.unseen("guardian"), await alerts.unseen("auditor")
    assert [(alert["obligation"], alert["to"]) for alert in guardians + auditors] == [
        ("alert_break_glass", "caldicott_guardian"),
        ("alert_break_glass", "auditor"),
    ]

    await alerts.see("guardian", guardians[0]["alert_id"])

    assert await alerts.unseen("guardian") == []
    assert await alerts.unseen("auditor") == auditors
    with pytest.raises(WardgateError) as caught:
        await alerts.see("guardian", auditors[0]["alert_id"])
    assert caught.value.code is ErrorCode.REFERRAL_UNKNOWN
    await alerts.see("auditor", auditors[0]["alert_id"])
    met = await node.entries(EntryKind.OBLIGATION_MET)
    assert [entry["recipient"] for entry in met] == ["caldicott_guardian", "auditor"]


async def test_who_holds_two_of_its_recipients_sees_an_alert_as_each(node: NodeHouse) -> None:
    alerts = await broken_glass(node)
    node.users.append(a_user("both", role="caldicott_guardian", grants=("auditor",)))

    assert {alert["to"] for alert in await alerts.unseen("both")} == {"caldicott_guardian", "auditor"}


async def test_an_alert_says_in_words_what_happened_and_when_and_nothing_of_the_child(node: NodeHouse) -> None:
    alerts = await broken_glass(node)

    (alert,) = await alerts.unseen("guardian")

    row = node.policy.catalogue.obligations["alert_break_glass"]
    assert alert["text"] == row.text != ""
    assert (alert["opened"], alert["opened_at"]) == ("2026-11-22T10:00:00+00:00", NOW)
    assert (alert["agency"], alert["user_ref"], alert["role"]) == (REQUESTER, "a" * 32, "edt_social_worker")
    assert (alert["purpose"], alert["code"]) == ("S47_EMERG", "immediate_danger")
    assert alert["purpose_title"] == node.policy.catalogue.purposes["S47_EMERG"]["title"]
    (opened,) = await node.entries(EntryKind.ANSWERED)
    assert alert["decision_id"] in json.dumps(opened)
    shown = json.dumps(alert)
    assert CHILD.canonical() not in shown
    assert node.vault.child_key(CHILD) not in shown


def test_the_time_is_england_s_in_summer_too() -> None:
    assert iso_in_england(1_782_896_400) == "2026-07-01T10:00:00+01:00"


# -- the person concerned ---------------------------------------------------------------------------------------------


async def asked_too_often(node: NodeHouse) -> Alerts:
    """An agency's auditor has put more questions than is usual: the auditor has to see it."""
    busy = a_user("busy", role="team_manager", grants=("S47_ENQ", "auditor"), case_role="lead_practitioner")
    node.users += [busy, a_user("auditor", role="auditor")]
    pursuits = pursuits_of(node, AskedGateway(node.federation))
    try:
        asking = asking_of(node, pursuits)
        for _ in range(VOLUME_UNUSUAL):
            asking._counters.add(REQUESTER, node.vault.user_ref("busy"), broke_glass=False)
        await asking.put(QUESTION.model_copy(update={"user": "busy"}))
    finally:
        await pursuits.aclose()
    return Alerts(node.responder, users=lambda: Users({user.id: user for user in node.users}))


async def test_whoever_an_alert_is_about_neither_sees_nor_closes_it(node: NodeHouse) -> None:
    alerts = await asked_too_often(node)

    (alert,) = await alerts.unseen("auditor")
    assert (alert["obligation"], alert["user_ref"]) == ("alert_volume", node.vault.user_ref("busy"))
    assert await alerts.unseen("busy") == []
    with pytest.raises(WardgateError) as caught:
        await alerts.see("busy", alert["alert_id"])
    assert caught.value.code is ErrorCode.REFERRAL_UNKNOWN
    assert await alerts.unseen("auditor") == [alert]


async def test_a_query_of_this_node_tells_whom_an_old_alert_is_about(node: NodeHouse) -> None:
    """An alert of before there was a reference, as the migration leaves it."""
    alerts = await asked_too_often(node)
    async with writing(node.engine).begin() as connection:
        await connection.execute(text("UPDATE alert SET user_ref = '', agency = ''"))

    assert await alerts.unseen("busy") == []
    assert len(await alerts.unseen("auditor")) == 1
