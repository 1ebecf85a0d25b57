"""A question that a person must answer: the same for held, hidden and unknown until one has, by the shipped bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agency_node.answering.desk import LAST_MOMENT_S
from agency_node.answering.intake import Arrival
from agency_node.answering.overlay import Overlay
from agency_node.inbox.shown import ReferralView
from agency_node.store.tables import ReferralState, TaskState, metadata
from federation.answer import Answer
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.query import Approval
from federation.vocabulary import Outcome
from keys.nhs_number import NhsNumber
from keys.secret import Secret
from tests.agency_node.answering.test_crashes import Killed, Mortal
from tests.agency_node.answering.test_worker import Bench, bench
from tests.support.failing_engine import failing_engine
from tests.support.node_house import ListSource, NodeHouse, a_node, a_user, log_entry, number, url_of
from tests.support.two_agencies import Federation, Put

__all__ = ["bench"]

HELD, HIDDEN, UNKNOWN, NOTHING, LATER = (number(index) for index in range(1, 6))
EXPIRY_S = 3600
OFFICER = "designated_officer"
REVIEW = metadata.tables["review"]

ORDER: dict[str, Any] = {
    "purpose": "COURT_ORDER",
    "role": "legal_adviser",
    "attestations": ("court_order_made", "within_the_order", "order_names_detail"),
    "approvals": (Approval(role="legal_adviser", kind="court", user_ref="b" * 32),),
    "expiry_s": EXPIRY_S,
}
ACCESS: dict[str, Any] = {
    "purpose": "SAR",
    "role": "dpo",
    "attestations": ("access_request_received", "requester_identity_verified"),
    "approvals": (Approval(role="caldicott_guardian", kind="caldicott", user_ref="b" * 32),),
    "categories": (("disclosure_account", "T1"),),
    "expiry_s": EXPIRY_S,
}
QUESTIONS = pytest.mark.parametrize("question", [ORDER, ACCESS], ids=["order", "access"])


def people(node: NodeHouse) -> None:
    node.users[:] = [
        a_user("dsl", grants=(OFFICER,)),
        a_user("head", role="headteacher", grants=(OFFICER,)),
    ]


async def held(node: NodeHouse, **changes: Any) -> None:
    """One child with a record, one with one that nothing may show, one without, and a stranger."""
    people(node)
    source = node.sources[0]
    source.hold(HELD, log_entry(HELD, **changes))
    source.hold(HIDDEN, log_entry(HIDDEN, "log:2", **changes), flags=frozenset({"WITNESS_PROT"}))
    source.hold(NOTHING)
    await node.caseload.update()


async def asked(node: NodeHouse, child: NhsNumber, question: dict[str, Any] = ORDER) -> tuple[Put, ReferralView]:
    """A question that waits, and its referral."""
    put = node.federation.ask(child, **question)
    await node.accept(put.task)
    reply = await node.answering.answer(put.task.task_id)
    assert (reply.state, reply.answer) == (TaskState.REFERRED, None)
    (view,) = [view for view in await node.decisions.waiting("dsl") if view.referral.task_id == put.task.task_id]
    return put, view


async def decide(node: NodeHouse, view: ReferralView, decision: str = "release", user: str = "dsl") -> None:
    ground = "" if decision == "release" else "outside_the_order"
    await node.decisions.decide(user, view.referral.referral_id, decision=decision, ground=ground, reason="Read it.")


async def answered(node: NodeHouse, put: Put) -> Answer:
    reply = await node.answering.answer(put.task.task_id)
    assert reply.answer is not None
    return put.opened(reply.answer)


def alike(answer: Answer) -> bytes:
    return answer.model_copy(update={"query_id": "0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e11"}).canonical()


async def kinds(node: NodeHouse, put: Put) -> list[str]:
    entries = [Entry.parse(entry.content) for entry in await node.journal.entries(0, 10_000)]
    return [entry.kind for entry in entries if entry.query_id == put.composed.header.query_id]


# -- until a person answers -------------------------------------------------------------------------------------------


@QUESTIONS
async def test_held_hidden_and_unknown_are_one_until_a_person_answers(bench: Bench, question: dict[str, Any]) -> None:
    node = bench.node
    await held(node, **_of(question))
    seen = []
    for child in (HELD, HIDDEN, NOTHING, UNKNOWN):
        put, before = node.federation.ask(child, **question), len(bench.outlet.said)
        await bench.work(put)
        said = [
            message.SerializeToString().replace(put.task.task_id.encode(), b"task")
            for message in bench.outlet.said[before:]
        ]
        async with node.engine.connect() as connection:
            task = metadata.tables["task"]
            row = (await connection.execute(select(task).where(task.c.task_id == put.task.task_id))).one()
        seen.append((said, row.state, row.answer, row.decision_id, await kinds(node, put)))

    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert seen[0][1] == TaskState.REFERRED
    assert seen[0][4] == [EntryKind.REFERRAL_OPENED]


@QUESTIONS
async def test_when_nobody_answers_they_are_one_to_the_end(node: NodeHouse, question: dict[str, Any]) -> None:
    await held(node, **_of(question))
    puts = [(await asked(node, child, question))[0] for child in (HELD, HIDDEN, NOTHING, UNKNOWN)]
    node.clock.now += EXPIRY_S - LAST_MOMENT_S

    assert sorted(await node.answering.due()) == sorted(put.task.task_id for put in puts)
    answers = [await answered(node, put) for put in puts]

    assert len({alike(answer) for answer in answers}) == 1
    assert (answers[0].outcome, answers[0].undecided, answers[0].records) == (Outcome.UNDECIDED, True, [])
    expected = [EntryKind.REFERRAL_OPENED, EntryKind.VIEWED, EntryKind.REFERRAL_EXPIRED, EntryKind.ANSWERED]
    assert [await kinds(node, put) for put in puts] == [expected] * 4


async def test_a_question_that_comes_too_late_for_a_person_is_undecided_whatever_is_held(node: NodeHouse) -> None:
    await held(node)
    puts = [node.federation.ask(child, **ORDER) for child in (HELD, HIDDEN, UNKNOWN)]
    for put in puts:
        await node.accept(put.task)
    node.clock.now += EXPIRY_S - LAST_MOMENT_S

    answers = [await answered(node, put) for put in puts]

    assert len({alike(answer) for answer in answers}) == 1
    assert answers[0].outcome is Outcome.UNDECIDED
    assert await node.decisions.waiting("dsl") == []
    assert [await kinds(node, put) for put in puts] == [[EntryKind.ANSWERED]] * 3


async def test_a_failing_source_does_not_tell_them_apart(node: NodeHouse) -> None:
    await held(node)
    node.sources[0].fails_after = 0
    await node.caseload.update()
    puts = [(await asked(node, child))[0] for child in (HELD, HIDDEN, UNKNOWN)]
    node.clock.now += EXPIRY_S - LAST_MOMENT_S

    answers = [await answered(node, put) for put in puts]

    assert len({alike(answer) for answer in answers}) == 1
    assert answers[0].outcome is Outcome.UNDECIDED


async def test_a_question_that_the_agency_takes_from_nobody_is_refused_at_once_whatever_is_held(
    node: NodeHouse,
) -> None:
    await held(node)
    node.overlay = Overlay(purposes_never=("COURT_ORDER",))
    answers = []
    for child in (HELD, HIDDEN, UNKNOWN):
        put = node.federation.ask(child, **ORDER)
        await node.accept(put.task)
        answers.append(await answered(node, put))

    assert len({alike(answer) for answer in answers}) == 1
    assert answers[0].outcome is Outcome.REFUSED


async def test_while_policy_is_away_nothing_is_referred(node: NodeHouse) -> None:
    await held(node)
    put = node.federation.ask(UNKNOWN, **ORDER)
    arrived = await node.intake.examine(put.task)
    assert isinstance(arrived, Arrival)
    with failing_engine(node.policy):
        assert await node.answering.answer_at_once(arrived) is None
    reply = await node.answering.answer_at_once(arrived)
    assert reply is not None
    assert reply.state is TaskState.REFERRED


# -- what the person sees ---------------------------------------------------------------------------------------------


async def test_the_person_sees_the_question_whatever_is_held_and_how_much_is_withheld(node: NodeHouse) -> None:
    await held(node)
    views = {child: (await asked(node, child))[1].as_json() for child in (HELD, HIDDEN, NOTHING, UNKNOWN)}

    assert [len(view["records"]) for view in views.values()] == [1, 0, 0, 0]
    assert [view["child"] for view in views.values()] == [HELD.canonical(), HIDDEN.canonical(), NOTHING.canonical(), ""]
    assert views[HIDDEN]["withheld"] == [{"count": 1, "reasons": ["FLAG_WITNESS_PROT"]}]
    assert [views[child]["withheld"] for child in (HELD, NOTHING, UNKNOWN)] == [[], [], []]
    assert {view["answers_whatever_is_held"] for view in views.values()} == {True}
    assert {view["query"]["purpose"] for view in views.values()} == {"COURT_ORDER"}
    assert "more_detrimental" not in views[UNKNOWN]["grounds"]["withhold"]


async def test_what_is_under_protection_is_for_its_officer_alone(node: NodeHouse) -> None:
    await held(node)
    node.users.append(a_user("other"))
    _, view = await asked(node, HIDDEN)

    with pytest.raises(WardgateError) as caught:
        await node.decisions.show("other", view.referral.referral_id)
    assert caught.value.code is ErrorCode.REFERRAL_UNKNOWN
    await asked(node, UNKNOWN)
    assert [found.content.number for found in await node.decisions.waiting("other")] == [""]


async def test_detriment_does_not_stand_against_an_order(node: NodeHouse) -> None:
    await held(node)
    _, view = await asked(node, HELD)

    with pytest.raises(WardgateError, match="exemption_applies, legal_restriction, outside_the_order") as caught:
        await node.decisions.decide(
            "dsl", view.referral.referral_id, decision="withhold", ground="more_detrimental", reason="It would harm."
        )
    assert caught.value.code is ErrorCode.GROUND_UNKNOWN


# -- after a person has answered --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("child", "decision", "outcome"),
    [
        (HELD, "release", Outcome.RECORDS),
        (HELD, "withhold", Outcome.REFUSED),
        (HIDDEN, "release", Outcome.REFUSED),
        (NOTHING, "release", Outcome.NOTHING_HELD),
        (UNKNOWN, "release", Outcome.NOTHING_HELD),
        (UNKNOWN, "withhold", Outcome.REFUSED),
    ],
)
async def test_what_a_person_answers_is_said(
    node: NodeHouse, child: NhsNumber, decision: str, outcome: Outcome
) -> None:
    await held(node)
    put, view = await asked(node, child)

    await decide(node, view, decision)

    answer = await answered(node, put)
    assert (answer.outcome, answer.undecided) == (outcome, False)
    assert node.decided == [put.task.task_id]
    async with node.engine.connect() as connection:
        rows = (await connection.execute(select(REVIEW.c.ref, REVIEW.c.query_id))).all()
    assert sorted(row.ref for row in rows) == sorted(["", *view.content.digests])
    assert {row.query_id for row in rows} == {put.composed.header.query_id}


async def test_absence_is_not_a_person_s_to_say_where_a_dataset_is_not_believed(node: NodeHouse) -> None:
    await held(node)
    node.sources[0].fails_after = 0
    await node.caseload.update()
    put, view = await asked(node, UNKNOWN)

    await decide(node, view)

    assert (await answered(node, put)).outcome is Outcome.ERROR


async def test_an_access_request_is_answered_by_two_people(node: NodeHouse) -> None:
    await held(node, **_of(ACCESS))
    put, view = await asked(node, UNKNOWN, ACCESS)

    await decide(node, view)
    assert (await node.answering.answer(put.task.task_id)).state is TaskState.REFERRED
    await decide(node, view, user="head")

    assert (await answered(node, put)).outcome is Outcome.NOTHING_HELD
    async with node.engine.connect() as connection:
        rows = (await connection.execute(select(REVIEW.c.ref, REVIEW.c.reviewer))).all()
    assert {tuple(row) for row in rows} == {("", node.vault.user_ref(user)) for user in ("dsl", "head")}


async def test_one_of_two_in_time_is_undecided_for_whomever(node: NodeHouse) -> None:
    await held(node, **_of(ACCESS))
    answers = []
    for child in (HELD, HIDDEN, UNKNOWN):
        put, view = await asked(node, child, ACCESS)
        await decide(node, view)
        node.clock.now += EXPIRY_S - LAST_MOMENT_S
        answers.append(await answered(node, put))
        node.clock.now -= EXPIRY_S - LAST_MOMENT_S

    assert len({alike(answer) for answer in answers}) == 1
    assert answers[0].outcome is Outcome.UNDECIDED


async def test_an_answer_to_one_question_is_none_to_the_next(node: NodeHouse) -> None:
    await held(node)
    _, view = await asked(node, UNKNOWN)
    await decide(node, view)

    _, again = await asked(node, UNKNOWN)

    assert again.referral.state is ReferralState.OPEN


# -- what changes between ---------------------------------------------------------------------------------------------


async def test_a_child_who_became_known_after_the_person_answered_is_not_absent_and_not_told(node: NodeHouse) -> None:
    await held(node)
    put, view = await asked(node, LATER)
    await decide(node, view)
    node.sources[0].hold(LATER, log_entry(LATER, "log:9"))
    await node.caseload.update()

    answer = await answered(node, put)

    assert (answer.outcome, answer.undecided, answer.records) == (Outcome.UNDECIDED, True, [])
    assert await node.decisions.waiting("dsl") == []


async def test_a_record_that_came_after_the_person_saw_the_others_stays_and_is_said_to_be_undecided(
    node: NodeHouse,
) -> None:
    await held(node)
    put, view = await asked(node, HELD)
    await decide(node, view)
    node.sources[0].rows.append(log_entry(HELD, "log:9"))
    await node.caseload.update()

    answer = await answered(node, put)

    assert (answer.outcome, len(answer.records), answer.undecided) == (Outcome.RECORDS, 1, True)


async def test_a_child_hidden_since_the_person_answered_is_refused(node: NodeHouse) -> None:
    await held(node)
    put, view = await asked(node, HELD)
    await decide(node, view)
    node.sources[0].rows.append(log_entry(HELD, "log:9", flags=frozenset({"WITNESS_PROT"})))
    await node.caseload.update()

    answer = await answered(node, put)

    assert (answer.outcome, answer.records) == (Outcome.REFUSED, [])


# -- killed between ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("child", [HELD, UNKNOWN], ids=["held", "unknown"])
async def test_a_process_that_dies_at_any_write_of_it_is_taken_up_by_the_next(
    tmp_path: Path,
    policy: PolicyPoint,
    child: NhsNumber,
    at: int,
    after_commit: bool,  # noqa: FBT001 - a column of the table
) -> None:
    federation, source = Federation(), ListSource()
    source.hold(HELD, log_entry(HELD))
    common: dict[str, Any] = {"federation": federation, "data_key": Secret.random(), "sources": [source]}
    put = federation.ask(child, **ORDER)

    async def live(house: NodeHouse) -> Answer:
        await house.accept(put.task)
        await house.answering.answer(put.task.task_id)
        for view in await house.decisions.waiting("dsl"):
            await decide(house, view)
        return await answered(house, put)

    async with a_node(url_of(tmp_path), policy, **common) as first:
        await first.caseload.update()
        object.__setattr__(first.responder, "journal", Mortal(first.journal, at, after_commit=after_commit))
        with pytest.raises(Killed):
            await live(first)
    async with a_node(url_of(tmp_path), policy, **common) as second:
        answer = await live(second)
        assert answer.outcome is (Outcome.RECORDS if child == HELD else Outcome.NOTHING_HELD)
        assert await live(second) == answer
        expected: Sequence[str] = [EntryKind.REFERRAL_OPENED, EntryKind.REFERRAL_DECIDED, EntryKind.ANSWERED]
        # Who looked before or after the crash is written as often as they looked.
        assert [kind for kind in await kinds(second, put) if kind != EntryKind.VIEWED] == expected


def _of(question: dict[str, Any]) -> dict[str, Any]:
    """What a record is that such a question is about."""
    if question is ORDER:
        return {}
    return {"category": "disclosure_account", "type": "disclosure_account", "fields": {}}
