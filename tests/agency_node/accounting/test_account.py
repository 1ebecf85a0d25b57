"""From one node's store: who asked us about this child, what did we tell, who of us asked, decided and looked."""

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select, update

from agency_node.accounting.desk import Accounting
from agency_node.accounting.order import AccountOrder
from agency_node.answering.overlay import Overlay
from agency_node.asking.composing import OwnPseudonym
from agency_node.asking.question import ApprovalNamed
from agency_node.store.asked import QUERY
from agency_node.store.tasks import DECISION, TASK
from agency_node.users import Users
from agency_node.vault import Kind
from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.store import writing
from federation.vocabulary import Outcome
from keys.nhs_number import NhsNumber
from tests.support.asking import MANAGER, QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.node_house import NodeHouse, a_node, a_user, log_entry, number
from tests.support.two_agencies import REQUESTER, RESPONDER

CHILD, TWIN, STRANGER = number(1), number(2), number(3)
REFERRING = Overlay(categories_refer=("safeguarding_log",))
CURIOUS = QUESTION.model_copy(update={"purpose": "STAFF_CURIOSITY", "attestations": []})
DPO = a_user("dpo", role="dpo", grants=("AUDIT",))
GUARDIAN = a_user("guardian", role="caldicott_guardian", grants=("AUDIT",))


@pytest.fixture
async def house(store_url: str, policy: PolicyPoint) -> AsyncIterator[NodeHouse]:
    async with a_node(store_url, policy) as house:
        house.users += [DPO, GUARDIAN, MANAGER]
        for child in (CHILD, TWIN):
            house.sources[0].hold(child, log_entry(child, f"log:{child.canonical()}"))
        await house.caseload.update()
        yield house


class Desk:
    """The accounts of a house, and whether the holders can be reached."""

    def __init__(self, house: NodeHouse) -> None:
        self.house, self.away, self.evaluated = house, False, 0

    async def pseudonym_of(self, found: NhsNumber) -> OwnPseudonym:
        self.evaluated += 1
        if self.away:
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, "test")
        return OwnPseudonym(self.house.federation.pseudonym(RESPONDER, found), 1)

    async def account(self, child: NhsNumber = CHILD, **changes: Any) -> JsonObject:
        house = self.house
        accounting = Accounting(
            agency=RESPONDER,
            users=cast("Any", SimpleNamespace(current=lambda: Users({user.id: user for user in house.users}))),
            directory=lambda: house.federation.directory,
            policy=PolicyPoint(house.policy._engine, house.policy.bundle, house.clock),
            pseudonyms=self,
            engine=house.engine,
            journal=house.journal,
            vault=house.vault,
            clock=house.clock,
            test_numbers=True,
        )
        order = AccountOrder(
            user="dpo",
            child=child.canonical(),
            reason="subject_access",
            approvals=[ApprovalNamed(user="guardian", kind="audit")],
        )
        return await accounting.account(order.model_copy(update=changes))


@pytest.fixture
def desk(house: NodeHouse) -> Desk:
    return Desk(house)


async def asked_by(house: NodeHouse, child: NhsNumber = CHILD) -> str:
    """Another agency asks, and is answered; the task's id."""
    put = house.federation.ask(child)
    await house.accept(put.task)
    await house.answering.answer(put.task.task_id)
    return put.task.task_id


async def test_who_asked_us_and_what_we_told(house: NodeHouse, desk: Desk) -> None:
    task_id = await asked_by(house)
    await asked_by(house, TWIN)

    account = await desk.account()

    (task,) = account["asked_us"]
    assert (task["task_id"], task["requester"], task["purpose"]) == (task_id, REQUESTER, "S47_ENQ")
    assert (task["outcome"], task["decided_by"], task["looked"]) == (Outcome.RECORDS, [], [])
    (decision,) = task["decisions"]
    (told,) = decision["told"]
    assert (told["category"], told["tier"]) == ("safeguarding_log", "T2")
    assert "entry_text" in told["fields"]
    assert decision["bundle"] == {
        "revision": house.policy.bundle.id.revision,
        "digest": house.policy.bundle.id.digest,
    }
    assert account["we_asked"] == []
    assert account["strangers_not_searched"] == ""


async def test_what_we_asked_and_what_we_were_refused(house: NodeHouse, desk: Desk) -> None:
    asking = asking_of(house, pursuits_of(house, AskedGateway(house.federation)))
    child = CHILD.canonical()
    granted = await asking.put(QUESTION.model_copy(update={"child": child}))
    house.clock.now += 1
    refused = await asking.put(CURIOUS.model_copy(update={"child": child}))
    await asking.put(CURIOUS.model_copy(update={"child": TWIN.canonical()}))

    account = await desk.account()

    assert [(item["query_id"], item["effect"], item["user"]) for item in account["we_asked"]] == [
        (granted["query_id"], "permit", "manager"),
        (refused["query_id"], "deny", "manager"),
    ]
    first, second = account["we_asked"]
    assert (first["targets"], first["opened"]) == ({RESPONDER: "answered"}, [RESPONDER])
    assert (second["targets"], second["purpose"], second["role"]) == ({}, "STAFF_CURIOSITY", "team_manager")
    assert [reason["code"] for reason in second["decisions"][0]["reasons"]] == ["PURPOSE_NEVER_PERMITTED"]


async def test_who_of_us_decided_and_looked(store_url: str, policy: PolicyPoint) -> None:
    async with a_node(store_url, policy, overlay=REFERRING) as house:
        house.users += [DPO, GUARDIAN]
        house.sources[0].hold(CHILD, log_entry(CHILD))
        await house.caseload.update()
        task_id = await asked_by(house)
        (waiting,) = await house.decisions.waiting("dsl")
        await house.decisions.decide("dsl", waiting.referral.referral_id, decision="release", reason="Needed.")
        await house.answering.answer(task_id)

        (task,) = (await Desk(house).account())["asked_us"]

        assert [(item["user"], item["decision"]) for item in task["decided_by"]] == [("dsl", "release")]
        assert [(item["user"], item["what"], item["why"]) for item in task["looked"]] == [
            ("dsl", "referral", "S47_ENQ")
        ]


async def test_questions_about_a_child_that_is_not_known_here_are_found_by_its_pseudonym(
    house: NodeHouse, desk: Desk
) -> None:
    task_id = await asked_by(house, STRANGER)

    account = await desk.account(STRANGER)

    assert [(item["task_id"], item["outcome"]) for item in account["asked_us"]] == [(task_id, Outcome.NOTHING_HELD)]
    assert (await desk.account())["asked_us"] == []


async def test_a_child_that_came_later_is_accounted_for_from_before(house: NodeHouse, desk: Desk) -> None:
    before = await asked_by(house, STRANGER)
    house.clock.now += 1
    house.sources[0].hold(STRANGER, log_entry(STRANGER, "log:new"))
    await house.caseload.update()
    after = await asked_by(house, STRANGER)

    assert [item["task_id"] for item in (await desk.account(STRANGER))["asked_us"]] == [before, after]


async def test_without_the_holders_the_account_says_what_is_missing(house: NodeHouse, desk: Desk) -> None:
    known, _ = await asked_by(house), await asked_by(house, STRANGER)
    desk.away = True

    account = await desk.account()
    assert [item["task_id"] for item in account["asked_us"]] == [known]
    assert account["strangers_not_searched"] == ErrorCode.PEER_UNAVAILABLE
    assert (await desk.account(STRANGER))["asked_us"] == []


async def test_the_look_is_in_the_ledger_and_in_the_next_account(house: NodeHouse, desk: Desk) -> None:
    await asked_by(house)
    first = await desk.account()
    await desk.account(TWIN)

    (entry, _) = await house.entries(EntryKind.DISCLOSURES_ACCOUNTED)
    assert (entry["user_ref"], entry["reason"]) == (house.vault.user_ref("dpo"), "subject_access")
    assert entry["approvals"] == [house.vault.user_ref("guardian")]
    assert first["accounted_before"] == []
    again = await desk.account()
    assert [(item["user"], item["reason"]) for item in again["accounted_before"]] == [("dpo", "subject_access")]


async def test_no_two_entries_show_that_they_are_about_one_child(house: NodeHouse, desk: Desk) -> None:
    await desk.account()
    await desk.account()

    first, second = await house.entries(EntryKind.DISCLOSURES_ACCOUNTED)
    assert first["child"] != second["child"]
    text = await house.ledger_text()
    assert CHILD.canonical() not in text
    assert house.vault.child_key(CHILD) not in text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"user": "dsl"}, "LOOK_ROLE_NOT_ENTITLED"),
        ({"approvals": []}, "APPROVAL_MISSING"),
        ({"approvals": [ApprovalNamed(user="dpo", kind="audit")]}, "APPROVAL_MISSING"),
        ({"reason": "curiosity"}, "LOOK_REASON_NOT_ACCEPTED"),
    ],
)
async def test_whoever_policy_does_not_let_look_sees_nothing_and_is_recorded(
    house: NodeHouse, desk: Desk, changes: dict[str, Any], code: str
) -> None:
    await asked_by(house)

    refused = await desk.account(**changes)

    assert set(refused) == {"effect", "reasons"}
    assert refused["effect"] == "deny"
    (entry,) = await house.entries(EntryKind.AUDIT_REFUSED)
    assert code in [reason["code"] for reason in entry["decision"]["reasons"]]
    assert await house.entries(EntryKind.DISCLOSURES_ACCOUNTED) == []
    assert desk.evaluated == 0, "no holder hears of a child for somebody who may not look"


async def test_whoever_asked_about_the_child_does_not_account_for_it(house: NodeHouse, desk: Desk) -> None:
    asking = asking_of(house, pursuits_of(house, AskedGateway(house.federation)))
    house.users[:] = [user for user in house.users if user.id != "dpo"]
    house.users.append(DPO.model_copy(update={"role": "dpo"}))
    await asking.put(CURIOUS.model_copy(update={"child": CHILD.canonical(), "user": "dpo"}))

    assert (await desk.account())["effect"] == "deny"
    assert (await desk.account(TWIN))["effect"] == "permit"
    (entry,) = await house.entries(EntryKind.AUDIT_REFUSED)
    assert [reason["code"] for reason in entry["decision"]["reasons"]] == ["LOOK_CONCERNS_VIEWER"]


async def test_policy_is_told_how_often_the_person_looked_today(house: NodeHouse, desk: Desk) -> None:
    house.clock.now = midnight = 1_795_305_600  # of 22 November 2026 in England
    house.clock.now -= 1
    await desk.account()
    for at in (midnight, midnight + 1):
        house.clock.now = at
        await desk.account()
        await desk.account(reason="curiosity")

    async with house.engine.connect() as connection:
        kept = (await connection.execute(select(DECISION).order_by(DECISION.c.decided_at))).all()
    counts: dict[int, list[int]] = {}
    for row in kept:
        document = json.loads(house.vault.open(Kind.DECISION_INPUT, row.decision_id, row.content))
        counts.setdefault(row.decided_at, []).append(document["look"]["looks_day"])
    assert {at: sorted(found) for at, found in counts.items()} == {
        midnight - 1: [0],
        midnight: [0, 1],
        midnight + 1: [2, 3],
    }


async def test_rows_of_earlier_versions_are_counted_as_not_attributable(house: NodeHouse, desk: Desk) -> None:
    await asked_by(house)
    async with writing(house.engine).begin() as connection:
        await connection.execute(update(TASK).values(child_key=None))

    account = await desk.account()

    assert (account["asked_us"], account["not_attributable"]) == ([], {"questions": 0, "tasks": 1})


async def test_known_or_not_a_question_leaves_the_same_columns(house: NodeHouse) -> None:
    await asked_by(house)
    await asked_by(house, STRANGER)

    async with house.engine.connect() as connection:
        keys = (await connection.execute(select(TASK.c.child_key))).scalars().all()
        asked = (await connection.execute(select(QUERY.c.child_key))).scalars().all()
    assert [len(key or "") for key in keys] == [32, 32]
    assert len(set(keys)) == 2
    assert asked == []
