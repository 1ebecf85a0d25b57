"""Where policy wants two people: one release is none, one who withholds is enough, and nobody agrees alone."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agency_node.answering.overlay import Overlay
from agency_node.inbox.agreement import Release
from agency_node.store.tables import ReferralState, TaskState, metadata
from agency_node.vault import Kind
from federation.england import iso_in_england
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome
from keys.digest import opens_commitment
from keys.secret import Secret
from tests.agency_node.answering.test_crashes import Killed, Mortal
from tests.agency_node.answering.test_desk import SILENTLY
from tests.support.hand_policy import hand_policy
from tests.support.node_house import ListSource, NodeHouse, a_node, a_user, log_entry, number, url_of
from tests.support.two_agencies import Federation, Put

CHILD = number(1)
EXPIRY_S = 3600
REVIEW, REFERRAL = metadata.tables["review"], metadata.tables["referral"]
REFERRING = Overlay(categories_refer=("safeguarding_log",))
FIRST_REASON = "The meeting needs it, says the first."


@pytest.fixture
async def house(store_url: str, policy: PolicyPoint) -> AsyncIterator[NodeHouse]:
    with hand_policy(policy, people=2):
        async with a_node(store_url, policy, overlay=REFERRING) as house:
            house.users[:] = [a_user("dsl"), a_user("head", role="headteacher")]
            house.sources[0].hold(CHILD, log_entry(CHILD))
            await house.caseload.update()
            yield house


async def waiting(house: NodeHouse) -> tuple[Put, str]:
    put = house.federation.ask(CHILD, expiry_s=EXPIRY_S)
    await house.accept(put.task)
    await house.answering.answer(put.task.task_id)
    return put, (await house.decisions.waiting("dsl"))[0].referral.referral_id


async def say(house: NodeHouse, referral_id: str, user: str, decision: str = "release", reason: str = "Needed.") -> Any:
    ground = "" if decision == "release" else "not_relevant"
    return await house.decisions.decide(user, referral_id, decision=decision, ground=ground, reason=reason)


async def outcome(house: NodeHouse, put: Put) -> Outcome:
    reply = await house.answering.answer(put.task.task_id)
    assert reply.answer is not None
    return put.opened(reply.answer).outcome


async def test_the_first_release_leaves_it_open_and_only_the_second_releases(house: NodeHouse) -> None:
    put, referral_id = await waiting(house)

    view = await say(house, referral_id, "dsl", reason=FIRST_REASON)

    assert view.referral.state is ReferralState.OPEN
    assert house.decided == []
    assert (await house.answering.answer(put.task.task_id)).state is TaskState.REFERRED
    (seen,) = await house.decisions.waiting("head")
    shown = seen.as_json()
    assert shown["people"] == 2
    at = int(house.clock())
    assert shown["released_by"] == [{"user": "dsl", "role": "dsl", "released": iso_in_england(at), "at": at}]
    assert FIRST_REASON not in str(shown) + repr(seen) + repr(seen.given)
    await say(house, referral_id, "head")
    assert house.decided == [put.task.task_id]
    assert await outcome(house, put) is Outcome.RECORDS
    first, second = await house.entries(EntryKind.REFERRAL_DECIDED)
    assert [(entry["people"], entry["agreed"], entry["ground"]) for entry in (first, second)] == [
        (2, 1, "considered"),
        (2, 2, "considered"),
    ]


async def test_both_people_stand_before_policy(house: NodeHouse) -> None:
    put, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")
    async with house.engine.connect() as connection:
        assert (await connection.execute(select(REVIEW))).all() == []  # one of two is nobody's decision

    await say(house, referral_id, "head")
    await house.answering.answer(put.task.task_id)

    async with house.engine.connect() as connection:
        rows = (await connection.execute(select(REVIEW))).all()
        kept = (await connection.execute(select(metadata.tables["decision_input"]))).all()
    people = {house.vault.user_ref("dsl"), house.vault.user_ref("head")}
    assert {row.reviewer for row in rows} == people
    inputs = [house.vault.open(Kind.DECISION_INPUT, row.decision_id, row.content).decode() for row in kept]
    assert any(all(person in text for person in people) for text in inputs)


async def test_the_first_person_does_not_agree_with_themselves(house: NodeHouse) -> None:
    _, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")

    with pytest.raises(WardgateError) as caught:
        await say(house, referral_id, "dsl")

    assert caught.value.code is ErrorCode.REFERRAL_DECIDED
    assert caught.value.told == "you have released it; somebody else must agree before it goes"
    assert len(await house.entries(EntryKind.REFERRAL_DECIDED)) == 1


@pytest.mark.parametrize("who", ["dsl", "head"])
async def test_one_who_withholds_ends_it_whoever_released_before(house: NodeHouse, who: str) -> None:
    put, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")

    await say(house, referral_id, who, "withhold")

    assert await outcome(house, put) is Outcome.REFUSED
    with pytest.raises(WardgateError, match="REFERRAL_DECIDED"):
        await say(house, referral_id, "head")
    async with house.engine.connect() as connection:
        rows = (await connection.execute(select(REVIEW.c.decision, REVIEW.c.reviewer))).all()
    assert [tuple(row) for row in rows] == [("withhold", house.vault.user_ref(who))]


async def test_one_who_withholds_first_is_enough(house: NodeHouse) -> None:
    put, referral_id = await waiting(house)

    await say(house, referral_id, "head", "withhold")

    assert house.decided == [put.task.task_id]
    assert await outcome(house, put) is Outcome.REFUSED


async def test_of_two_releases_at_once_both_count(house: NodeHouse) -> None:
    put, referral_id = await waiting(house)

    await asyncio.gather(say(house, referral_id, "dsl"), say(house, referral_id, "head"))

    entries = await house.entries(EntryKind.REFERRAL_DECIDED)
    assert [entry["agreed"] for entry in entries] == [1, 2]
    assert house.decided == [put.task.task_id]
    assert await outcome(house, put) is Outcome.RECORDS


async def test_one_person_who_releases_twice_at_once_counts_once(house: NodeHouse) -> None:
    _, referral_id = await waiting(house)

    results = await asyncio.gather(
        *(say(house, referral_id, "dsl") for _ in range(3)),
        return_exceptions=True,
    )

    assert sum(isinstance(result, WardgateError) for result in results) == 2
    assert [entry["agreed"] for entry in await house.entries(EntryKind.REFERRAL_DECIDED)] == [1]
    assert (await house.decisions.show("head", referral_id)).referral.state is ReferralState.OPEN


async def test_a_release_and_a_withholding_at_once_release_nothing(house: NodeHouse) -> None:
    put, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")

    await asyncio.gather(
        say(house, referral_id, "dsl", "withhold"), say(house, referral_id, "head"), return_exceptions=True
    )

    state = (await house.decisions.show("head", referral_id)).referral.state
    decided = [entry["decision"] for entry in await house.entries(EntryKind.REFERRAL_DECIDED)]
    assert len(decided) == 2
    expected = {ReferralState.WITHHELD: Outcome.REFUSED, ReferralState.RELEASED: Outcome.RECORDS}
    assert await outcome(house, put) is expected[state]


LEFT = dt.date(2026, 11, 21)
"""The day before the house's."""


def no_longer(user_id: str) -> dict[str, Callable[[], list[Any]]]:
    """How a person comes to decide nothing any more."""
    return {
        "is gone from the file": list,
        "has left": lambda: [a_user(user_id, employment_ends=LEFT)],
        "is not trained": lambda: [a_user(user_id, training_expires=LEFT)],
        "has an interest": lambda: [a_user(user_id, conflicted=True)],
        "is supervised": lambda: [a_user(user_id, supervised=True)],
        "decides nothing": lambda: [a_user(user_id, role="teacher")],
    }


@pytest.mark.parametrize("why", no_longer("dsl"))
async def test_a_release_of_somebody_who_may_decide_no_longer_is_void_and_the_next_takes_its_place(
    house: NodeHouse, why: str
) -> None:
    put, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")
    house.users[:] = [
        *no_longer("dsl")[why](),
        a_user("head", role="headteacher"),
        a_user("deputy", role="headteacher"),
    ]

    (seen,) = await house.decisions.waiting("head")
    assert (seen.given, seen.as_json()["released_by"]) == (None, [])
    first = await say(house, referral_id, "head")

    assert (first.referral.state, house.decided) == (ReferralState.OPEN, [])
    assert [item["user"] for item in first.as_json()["released_by"]] == ["head"]
    assert (await say(house, referral_id, "deputy")).referral.state is ReferralState.RELEASED
    assert await outcome(house, put) is Outcome.RECORDS
    assert [entry["agreed"] for entry in await house.entries(EntryKind.REFERRAL_DECIDED)] == [1, 1, 2]
    async with house.engine.connect() as connection:
        people = {row.reviewer for row in (await connection.execute(select(REVIEW.c.reviewer))).all()}
    assert people == {house.vault.user_ref("head"), house.vault.user_ref("deputy")}


@pytest.mark.parametrize(
    "changes", [{"employment_ends": dt.date(2026, 11, 22)}, {"training_expires": dt.date(2026, 11, 22)}]
)
async def test_on_the_last_day_of_work_or_training_a_release_counts(house: NodeHouse, changes: Any) -> None:
    put, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")
    house.users[0] = a_user("dsl", **changes)

    await say(house, referral_id, "head")

    assert await outcome(house, put) is Outcome.RECORDS


async def test_a_release_that_counted_is_shown_when_its_giver_has_left(house: NodeHouse) -> None:
    _, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")
    await say(house, referral_id, "head")
    house.users[:] = [a_user("head", role="headteacher")]

    shown = (await house.decisions.show("head", referral_id)).as_json()

    assert [item["user"] for item in shown["released_by"]] == ["dsl"]


async def test_of_two_who_take_a_void_release_s_place_at_once_both_count(house: NodeHouse) -> None:
    put, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")
    house.users[:] = [a_user("head", role="headteacher"), a_user("deputy", role="headteacher")]

    await asyncio.gather(say(house, referral_id, "head"), say(house, referral_id, "deputy"))

    assert [entry["agreed"] for entry in await house.entries(EntryKind.REFERRAL_DECIDED)] == [1, 1, 2]
    assert await outcome(house, put) is Outcome.RECORDS


async def test_one_who_takes_a_void_release_s_place_twice_at_once_counts_once(house: NodeHouse) -> None:
    _, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")
    house.users[0] = a_user("dsl", conflicted=True)

    results = await asyncio.gather(*(say(house, referral_id, "head") for _ in range(3)), return_exceptions=True)

    assert sum(isinstance(result, WardgateError) for result in results) == 2
    assert (await house.decisions.show("head", referral_id)).referral.state is ReferralState.OPEN


async def test_a_release_that_is_replaced_while_the_second_decides_does_not_count_for_the_second(
    house: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is void for a moment only: whoever decided in that moment is the first then."""
    put, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")
    house.users.append(a_user("deputy", role="headteacher"))
    write = house.decisions._write

    async def replaced_first(*given: Any) -> None:
        monkeypatch.setattr(house.decisions, "_write", write)
        house.users[0] = a_user("dsl", supervised=True)
        await say(house, referral_id, "deputy")
        house.users[0] = a_user("dsl")
        await write(*given)

    monkeypatch.setattr(house.decisions, "_write", replaced_first)
    await say(house, referral_id, "head")

    assert await outcome(house, put) is Outcome.RECORDS
    async with house.engine.connect() as connection:
        people = {row.reviewer for row in (await connection.execute(select(REVIEW.c.reviewer))).all()}
    assert people == {house.vault.user_ref("head"), house.vault.user_ref("deputy")}


async def test_one_of_two_in_time_is_undecided_and_the_second_reads_that_it_is_too_late(house: NodeHouse) -> None:
    put, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")
    house.clock.now += EXPIRY_S - 60

    assert await outcome(house, put) is Outcome.UNDECIDED

    with pytest.raises(WardgateError) as caught:
        await say(house, referral_id, "head")
    assert caught.value.code is ErrorCode.REFERRAL_ENDED
    assert caught.value.told == "the time for it ended at 2026-11-22T10:59:00+00:00 without a second person's decision"


async def test_the_second_person_in_the_very_moment_of_expiry_is_heard_or_told(
    house: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, referral_id = await waiting(house)
    await say(house, referral_id, "dsl")
    house.clock.now += EXPIRY_S - 60
    commit = house.answering._commit

    async def decided_first(*given: Any) -> None:
        monkeypatch.setattr(house.answering, "_commit", commit)
        await say(house, referral_id, "head")
        await commit(*given)

    monkeypatch.setattr(house.answering, "_commit", decided_first)
    assert (await house.answering.answer(put.task.task_id)).answer is None

    assert await outcome(house, put) is Outcome.RECORDS
    assert await house.entries(EntryKind.REFERRAL_EXPIRED) == []


async def test_the_first_person_in_the_very_moment_of_expiry_changes_nothing(
    house: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, referral_id = await waiting(house)
    house.clock.now += EXPIRY_S - 60
    commit = house.answering._commit

    async def released_first(*given: Any) -> None:
        monkeypatch.setattr(house.answering, "_commit", commit)
        await say(house, referral_id, "dsl")
        await commit(*given)

    monkeypatch.setattr(house.answering, "_commit", released_first)

    assert await outcome(house, put) is Outcome.UNDECIDED
    assert len(await house.entries(EntryKind.REFERRAL_EXPIRED)) == 1


@pytest.mark.parametrize(("left_s", "is_late"), [(1, False), (0, True)])
async def test_after_the_time_of_the_question_nothing_is_decided_even_where_nobody_has_noticed_yet(
    house: NodeHouse,
    left_s: int,
    is_late: bool,  # noqa: FBT001 - a column of the table
) -> None:
    _, referral_id = await waiting(house)
    house.clock.now += EXPIRY_S - left_s

    if is_late:
        with pytest.raises(WardgateError, match="REFERRAL_ENDED"):
            await say(house, referral_id, "dsl")
    else:
        await say(house, referral_id, "dsl")
    assert len(await house.entries(EntryKind.REFERRAL_DECIDED)) == (0 if is_late else 1)


async def test_what_the_first_said_is_kept_encrypted_and_opens_its_commitment(house: NodeHouse) -> None:
    _, referral_id = await waiting(house)
    await say(house, referral_id, "dsl", reason=FIRST_REASON)

    async with house.engine.connect() as connection:
        row = (await connection.execute(select(REFERRAL))).one()
    (entry,) = await house.entries(EntryKind.REFERRAL_DECIDED)
    release = Release.opened(house.vault, referral_id, row.given)
    assert release is not None
    assert (release.reason, row.reason, row.decided_by) == (FIRST_REASON, None, None)
    assert opens_commitment(entry["reason_commitment"], bytes.fromhex(release.salt), FIRST_REASON.encode())
    assert FIRST_REASON.encode() not in row.given
    assert FIRST_REASON not in await house.ledger_text()


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
async def test_killed_between_two_people_nothing_is_lost_and_nobody_counts_twice(
    tmp_path: Path,
    policy: PolicyPoint,
    at: int,
    after_commit: bool,  # noqa: FBT001 - a column of the table
) -> None:
    federation, data_key, source = Federation(), Secret.random(), ListSource()
    source.hold(CHILD, log_entry(CHILD))
    people = [a_user("dsl"), a_user("head", role="headteacher")]
    common: dict[str, Any] = {
        "federation": federation, "data_key": data_key, "sources": [source], "overlay": REFERRING, "users": people,
    }  # fmt: skip
    put = federation.ask(CHILD)

    async def live(house: NodeHouse) -> bytes:
        await house.accept(put.task)
        reply = await house.answering.answer(put.task.task_id)
        for user in ("dsl", "head"):
            for view in await house.decisions.waiting(user):
                if view.given is None or view.given.user != user:
                    await say(house, view.referral.referral_id, user)
        if reply.state is TaskState.REFERRED:
            reply = await house.answering.answer(put.task.task_id)
        assert reply.answer is not None
        return reply.answer

    with hand_policy(policy, people=2):
        async with a_node(url_of(tmp_path), policy, **common) as first:
            await first.caseload.update()
            object.__setattr__(first.responder, "journal", Mortal(first.journal, at, after_commit=after_commit))
            with pytest.raises(Killed):
                await live(first)
        async with a_node(url_of(tmp_path), policy, **common) as second:
            answer = await live(second)
            assert put.opened(answer).records
            assert await live(second) == answer
            agreed = [entry["agreed"] for entry in await second.entries(EntryKind.REFERRAL_DECIDED)]
            assert agreed == [1, 2]
            assert len(await second.entries(EntryKind.ANSWERED)) == 1


async def test_a_silent_referral_wants_two_as_well(house: NodeHouse) -> None:
    house.overlay = Overlay()
    house.federation.parties["testshire-school"].kind = "sexual_health_service"
    house.federation.publish()
    house.sources[0].rows[1] = log_entry(CHILD, category="sexual_health", type="sexual_health", fields={})
    await house.caseload.update()

    async def asked() -> Outcome:
        put = house.federation.ask(CHILD, **SILENTLY)
        await house.accept(put.task)
        return await outcome(house, put)

    assert await asked() is Outcome.NOTHING_HELD
    (view,) = await house.decisions.waiting("dsl")
    await say(house, view.referral.referral_id, "dsl")
    assert await asked() is Outcome.NOTHING_HELD
    await say(house, view.referral.referral_id, "head")
    assert house.decided == []
    assert await asked() is Outcome.RECORDS


async def test_a_colleague_s_child_goes_to_two_people_and_a_stranger_s_to_none(node: NodeHouse) -> None:
    """As the shipped bundle has it, with nothing said by hand."""
    roles = tuple(node.policy.catalogue.flags["STAFF_SUBJECT"]["decided_by"]["roles"])
    node.users[:] = [a_user("dsl", grants=roles), a_user("head", role="headteacher", grants=roles), a_user("other")]
    node.sources[0].hold(CHILD, log_entry(CHILD), flags=frozenset({"STAFF_SUBJECT"}))
    await node.caseload.update()
    put, referral_id = await waiting(node)
    assert await node.decisions.waiting("other") == []

    await say(node, referral_id, "dsl")
    assert (await node.answering.answer(put.task.task_id)).state is TaskState.REFERRED
    await say(node, referral_id, "head")

    assert await outcome(node, put) is Outcome.RECORDS
