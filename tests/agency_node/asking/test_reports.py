"""Misuse refused at home reaches the scheme: stored with the refusal, sent until it is taken, nothing of the child."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from agency_node.asking import reports as module
from agency_node.asking.desk import Asking
from agency_node.asking.question import QuestionDocument
from agency_node.asking.reports import Reports, in_turn
from agency_node.store.reports import REPORT, Due, Group
from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.counters import HOUR_S
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.misuse import MisuseNotice, verify_notice
from federation.policy.evaluator import PolicyPoint
from keys.secret import Secret
from tests.support.asking import MANAGER, QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.gateway_world import CSC, SCHOOL, Secrets, a_world
from tests.support.losing_proxy import REFUSED_S, assert_whole, losing_proxy
from tests.support.node_house import NodeHouse, a_node, number, url_of
from tests.support.two_agencies import NOW, REQUESTER, RESPONDER, Federation
from tests.support.waiting import until

CHILD = number(1)
FULL_HOUR = NOW - NOW % HOUR_S
COLLEAGUES = [MANAGER.model_copy(update={"id": f"colleague-{place}"}) for place in range(2)]
CURIOUS = QUESTION.model_copy(update={"purpose": "STAFF_CURIOSITY", "attestations": []})
"""A purpose that is never permitted."""


@dataclass
class Gateway:
    """Takes notices, unless it is away or refuses one."""

    taken: list[tuple[bytes, bytes]] = field(default_factory=list)
    fault: ErrorCode | None = None
    refuses: set[bytes] = field(default_factory=set)
    refusal: ErrorCode = ErrorCode.SIGNATURE_REJECTED

    async def report(self, notice: bytes, signature: bytes) -> None:
        if self.fault is not None:
            raise WardgateError(self.fault, "test")
        if notice in self.refuses:
            raise WardgateError(self.refusal, "test")
        self.taken.append((notice, signature))


def asker(node: NodeHouse) -> Asking:
    node.users = [MANAGER]
    return asking_of(node, pursuits_of(node, AskedGateway(node.federation)))


def reports_of(node: NodeHouse, gateway: Any) -> Reports:
    return Reports(agency=REQUESTER, engine=node.engine, journal=node.journal, gateway=gateway, clock=node.clock)


@pytest.fixture
async def stored_node(store_url: str, policy: PolicyPoint) -> AsyncIterator[NodeHouse]:
    """A node on either kind of store."""
    async with a_node(store_url, policy) as house:
        yield house


async def test_a_refused_misuse_is_reported_and_the_obligation_met(stored_node: NodeHouse) -> None:
    node, gateway = stored_node, Gateway()
    picture = await asker(node).put(CURIOUS)
    reports = reports_of(node, gateway)
    assert await reports.waiting() == 1

    assert await reports.deliver()

    ((content, signature),) = gateway.taken
    key = node.federation.parties[REQUESTER].signing.verify_key
    notice = verify_notice(content, signature, key=key, now=NOW)
    (refusal,) = await node.entries(EntryKind.QUERY_REFUSED)
    assert notice.model_dump(exclude={"v", "notice_id", "bundle_digest"}) == {
        "agency": REQUESTER,
        "key_version": 1,
        "user_ref": node.vault.user_ref("manager"),
        "role": "team_manager",
        "purpose": "STAFF_CURIOSITY",
        "area": "testshire",
        "reason": "PURPOSE_NEVER_PERMITTED",
        "decision_id": refusal["decision"]["decision_id"],
        "at": NOW,
        "count": 1,
    }
    assert picture["effect"] == "deny"
    assert await node.entries(EntryKind.OBLIGATION_MET) == [
        {"obligation": "report_misuse", "decision_id": notice.decision_id, "notice_id": notice.notice_id}
    ]
    assert await reports.waiting() == 0
    assert await reports.deliver()
    assert len(gateway.taken) == 1


async def test_nothing_of_the_child_or_the_question_stands_in_a_notice(node: NodeHouse) -> None:
    gateway = Gateway()
    await asker(node).put(CURIOUS.model_copy(update={"area": CHILD.canonical(), "categories": ["attendance:T2"]}))
    await reports_of(node, gateway).deliver()

    ((content, signature),) = gateway.taken
    pseudonym = node.federation.pseudonym(REQUESTER, CHILD).reveal()
    (refused,) = [entry for entry in await node.journal.entries(0, 100) if b"query_refused" in entry.content]
    query_id = refused.content.split(b'"query_id":"')[1][:36]
    for secret in (
        CHILD.canonical().encode(),
        pseudonym,
        pseudonym.hex().encode(),
        node.vault.child_key(CHILD).encode(),
        node.vault.lookup_key(node.federation.pseudonym(REQUESTER, CHILD)).hex().encode(),
        CURIOUS.justification.encode(),
        b"attendance",
        query_id,
        MANAGER.name.encode(),
        f'"{MANAGER.id}"'.encode(),
    ):
        assert secret not in content + signature
    assert MisuseNotice.parse(content).area == ""


async def test_what_is_permitted_or_refused_without_such_a_duty_is_not_reported(node: NodeHouse) -> None:
    asking = asker(node)
    try:
        assert (await asking.put(QUESTION))["effect"] == "permit"
        assert (await asking.put(QUESTION.model_copy(update={"attestations": []})))["effect"] == "deny"
    finally:
        await asking._pursuits.aclose()
    assert await reports_of(node, Gateway()).waiting() == 0


async def test_a_gateway_that_is_away_is_told_after_a_restart(tmp_path: Path, policy: PolicyPoint) -> None:
    federation, data_key = Federation(), Secret.random()
    again: dict[str, Any] = {"federation": federation, "data_key": data_key}
    async with a_node(url_of(tmp_path), policy, **again) as node:
        await asker(node).put(CURIOUS)
        assert not await reports_of(node, Gateway(fault=ErrorCode.PEER_UNAVAILABLE)).deliver()
        assert await node.entries(EntryKind.OBLIGATION_MET) == []
    gateway = Gateway()
    async with a_node(url_of(tmp_path), policy, **again) as node:
        assert await reports_of(node, gateway).deliver()
        assert len(gateway.taken) == len(await node.entries(EntryKind.OBLIGATION_MET)) == 1


async def test_a_gateway_that_takes_no_more_for_now_is_asked_again(node: NodeHouse) -> None:
    gateway = Gateway(fault=ErrorCode.REPORTS_EXCEEDED)
    await asker(node).put(CURIOUS)
    reports = reports_of(node, gateway)

    assert not await reports.deliver()
    gateway.fault = None

    assert await reports.deliver()
    assert len(gateway.taken) == 1


@pytest.mark.parametrize("refusal", [ErrorCode.SIGNATURE_REJECTED, ErrorCode.QUERY_EXPIRED, ErrorCode.INTERNAL])
async def test_a_notice_that_is_refused_holds_up_no_other_and_is_said_once(
    node: NodeHouse, caplog: pytest.LogCaptureFixture, refusal: ErrorCode
) -> None:
    asking, gateway = asker(node), Gateway(refusal=refusal)
    node.users = [MANAGER, *COLLEAGUES]
    await put(asking, MANAGER.id, *(user.id for user in COLLEAGUES))
    gateway.refuses.add((await waiting(node))[0])
    reports = reports_of(node, gateway)

    assert await reports.deliver()
    assert await reports.deliver()

    assert len(gateway.taken) == 2
    assert await reports.waiting() == 1
    assert caplog.text.count("NOTICE_REFUSED") == 1
    gateway.refuses.clear()
    assert await reports.deliver()
    assert await reports.waiting() == 0


# -- many attempts ----------------------------------------------------------------------------------------------------


async def put(asking: Asking, *users: str, purpose: str = CURIOUS.purpose) -> None:
    for user in users:
        assert (await asking.put(CURIOUS.model_copy(update={"user": user, "purpose": purpose})))["effect"] == "deny"


async def waiting(node: NodeHouse) -> list[bytes]:
    """The notices that wait, in the order in which they were made."""
    async with node.engine.connect() as connection:
        rows = await connection.execute(select(REPORT).where(REPORT.c.told_at.is_(None)).order_by(REPORT.c.stored_at))
        return [row.content for row in rows.all()]


def said(gateway: Gateway) -> list[tuple[str, str, int]]:
    """Of each notice that was taken: about whom, under which purpose, how many."""
    notices = [MisuseNotice.parse(content) for content, _ in gateway.taken]
    return [(notice.user_ref, notice.purpose, notice.count) for notice in notices]


async def test_of_many_in_an_hour_the_first_is_told_at_once_and_the_rest_as_one_when_it_is_over(
    stored_node: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    node, gateway = stored_node, Gateway()
    asking, reports = asker(node), reports_of(node, gateway)
    ref = node.vault.user_ref(MANAGER.id)
    node.clock.now = FULL_HOUR
    await put(asking, MANAGER.id)
    assert await reports.deliver()
    for _ in range(6):
        node.clock.now += 1
        await put(asking, MANAGER.id)

    node.clock.now = FULL_HOUR + HOUR_S - 1
    assert await reports.deliver()
    assert (said(gateway), await reports.waiting()) == ([(ref, CURIOUS.purpose, 1)], 6)
    node.clock.now += 1
    assert await reports.deliver()

    assert (said(gateway)[1:], await reports.waiting()) == ([(ref, CURIOUS.purpose, 7)], 0)
    met = await node.entries(EntryKind.OBLIGATION_MET)
    refusals = await node.entries(EntryKind.QUERY_REFUSED)
    assert {entry["decision_id"] for entry in met} == {entry["decision"]["decision_id"] for entry in refusals}
    assert len(met) == 7
    told = [MisuseNotice.parse(content) for content, _ in gateway.taken]
    assert [sum(entry["notice_id"] == notice.notice_id for entry in met) for notice in told] == [1, 6]
    assert told[1].at == FULL_HOUR + 6
    assert await reports.deliver()
    assert len(gateway.taken) == 2


async def test_what_was_told_in_no_hour_goes_as_one_and_another_hour_counts_anew(node: NodeHouse) -> None:
    asking, gateway = asker(node), Gateway()
    node.clock.now = FULL_HOUR
    await put(asking, *[MANAGER.id] * 3)
    node.clock.now += HOUR_S
    await put(asking, *[MANAGER.id] * 2)

    assert await reports_of(node, gateway).deliver()

    assert [count for *_, count in said(gateway)] == [3, 1]


async def test_other_people_and_other_causes_are_counted_by_themselves(node: NodeHouse) -> None:
    asking, gateway = asker(node), Gateway()
    node.users = [MANAGER, *COLLEAGUES]
    never = sorted(node.policy.catalogue.never_permitted)
    for purpose in never:
        await put(asking, MANAGER.id, COLLEAGUES[0].id, purpose=purpose)

    assert await reports_of(node, gateway).deliver()

    people = [node.vault.user_ref(user.id) for user in (MANAGER, COLLEAGUES[0])]
    assert sorted(said(gateway)) == sorted((ref, purpose, 1) for ref in people for purpose in never)


async def test_what_was_not_told_of_an_hour_is_told_after_a_restart_in_the_next(
    tmp_path: Path, policy: PolicyPoint
) -> None:
    again: dict[str, Any] = {"federation": Federation(), "data_key": Secret.random()}
    gateway = Gateway()
    async with a_node(url_of(tmp_path), policy, **again) as node:
        node.clock.now = FULL_HOUR
        await put(asker(node), *[MANAGER.id] * 4)
        assert await reports_of(node, gateway).deliver()
    async with a_node(url_of(tmp_path), policy, **again) as node:
        node.clock.now = FULL_HOUR + HOUR_S
        assert await reports_of(node, gateway).deliver()
        assert await reports_of(node, gateway).waiting() == 0
    assert [count for *_, count in said(gateway)] == [1, 4]


async def test_attempts_at_once_are_all_counted(node: NodeHouse) -> None:
    asking, gateway = asker(node), Gateway()
    node.clock.now = FULL_HOUR

    await asyncio.gather(*(put(asking, MANAGER.id) for _ in range(8)))
    node.clock.now += HOUR_S
    assert await reports_of(node, gateway).deliver()

    assert [count for *_, count in said(gateway)] == [8]


async def test_one_persons_many_do_not_hold_back_anothers(node: NodeHouse) -> None:
    """The gateway takes two notices at a time: the first of each person are among them."""
    asking, node.users = asker(node), [MANAGER, *COLLEAGUES]
    for _ in range(5):
        await put(asking, MANAGER.id)
        node.clock.now += HOUR_S
    await put(asking, *(user.id for user in COLLEAGUES))
    narrow = Narrow()
    reports = reports_of(node, narrow)
    many, others = node.vault.user_ref(MANAGER.id), {node.vault.user_ref(user.id) for user in COLLEAGUES}

    taken = []
    for _ in range(4):
        narrow.left, narrow.taken[:] = 2, []
        await reports.deliver()
        taken.append([ref for ref, *_ in said(narrow)])

    assert {*taken[0], *taken[1]} == {many, *others}
    assert len(others) == 2
    assert taken[1][1:] + taken[2] + taken[3] == [many] * 4
    assert await reports.waiting() == 0


@dataclass
class Narrow(Gateway):
    """Takes so many, and then no more for now."""

    left: int = 0

    async def report(self, notice: bytes, signature: bytes) -> None:
        if self.left == 0:
            raise WardgateError(ErrorCode.REPORTS_EXCEEDED, "test")
        self.left -= 1
        await super().report(notice, signature)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 99))),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
)
def test_whoever_was_told_of_least_is_next(items: list[tuple[str, int, int]], taken: dict[str, int]) -> None:
    due = [Due(Group(user, "why", hour), number=1, since=since) for user, hour, since in items]

    order = in_turn(due, taken)

    assert Counter(order) == Counter(due)
    turns = Counter(taken)
    for place, item in enumerate(order):
        assert all(turns[item.group.user_ref] <= turns[later.group.user_ref] for later in order[place:])
        mine = [later.since for later in order[place:] if later.group.user_ref == item.group.user_ref]
        assert item.since == min(mine)
        turns[item.group.user_ref] += 1


async def test_what_is_refused_while_it_runs_is_sent_at_once(node: NodeHouse) -> None:
    gateway, asking = Gateway(), asker(node)
    reports = reports_of(node, gateway)
    asking._on_reported = reports.announce
    running = asyncio.create_task(reports.run())
    try:
        await asking.put(CURIOUS)
        await until(lambda: len(gateway.taken) == 1)
    finally:
        running.cancel()


async def test_without_a_ledger_nothing_is_refused_and_nothing_reported(node: NodeHouse) -> None:
    asking = asker(node)
    await node.journal.aclose()

    with pytest.raises(WardgateError) as caught:
        await asking.put(CURIOUS)

    assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
    assert await reports_of(node, Gateway()).waiting() == 0


async def test_the_real_gateway_takes_a_node_s_notice_once(tmp_path: Path, policy: PolicyPoint) -> None:
    secrets = Secrets()
    parties = {REQUESTER: secrets.parties[CSC], RESPONDER: secrets.parties[SCHOOL]}
    async with (
        a_world(url_of(tmp_path), policy, secrets=secrets) as world,
        a_node(f"sqlite+aiosqlite:///{tmp_path}/asking.db", policy, federation=Federation(parties=parties)) as node,
    ):

        class Called:
            """The gateway's desk, called as this agency; the reply to the first call is lost."""

            def __init__(self) -> None:
                self.calls = 0

            async def report(self, notice: bytes, signature: bytes) -> None:
                self.calls += 1
                await world.misuse.report(CSC, notice, signature, CorrelationId.mint())
                if self.calls == 1:
                    raise WardgateError(ErrorCode.DEADLINE_EXCEEDED, "test")

        await asker(node).put(CURIOUS)
        called = Called()
        reports = reports_of(node, called)
        assert not await reports.deliver()
        assert await reports.deliver()

        (entry,) = await world.entries(EntryKind.MISUSE_REPORTED)
        assert (entry.actor, entry.body["user_ref"]) == (Actor.agency(CSC), node.vault.user_ref("manager"))
        assert called.calls == 2


# -- lost commits -----------------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.usefixtures("gives_up")
async def test_a_notice_is_sent_although_the_reply_to_its_commit_was_lost(
    postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    async with losing_proxy(postgres_url, socket_folder) as proxy, a_node(proxy.url(postgres_url), policy) as node:
        gateway, announced = Gateway(), list[bool]()
        asking = asker(node)
        asking._on_reported = lambda: announced.append(True)
        proxy.arm("query_refused", refuse_s=REFUSED_S)
        await _unknown(lambda: asking.put(CURIOUS))
        await proxy.until_lost()

        assert announced == [True]
        assert await reports_of(node, gateway).deliver()
        assert len(gateway.taken) == 1
        await assert_whole(node.journal)


@pytest.mark.postgres
@pytest.mark.usefixtures("gives_up")
async def test_a_notice_that_was_taken_is_met_once_although_the_reply_to_that_commit_was_lost(
    postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    async with losing_proxy(postgres_url, socket_folder) as proxy, a_node(proxy.url(postgres_url), policy) as node:
        gateway = Gateway()
        await asker(node).put(CURIOUS)
        reports = reports_of(node, gateway)
        proxy.arm("obligation_met", refuse_s=REFUSED_S)
        assert not await reports.deliver()
        await proxy.until_lost()

        assert await reports.deliver()
        assert await reports.waiting() == 0
        assert len(await node.entries(EntryKind.OBLIGATION_MET)) == 1
        await assert_whole(node.journal)


async def _unknown(act: Callable[[], Awaitable[Any]]) -> None:
    with pytest.raises(WardgateError) as caught:
        await act()
    assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN


def test_a_question_is_what_a_notice_is_not() -> None:
    """The two have no field in common but the purpose, the area and nothing else."""
    assert set(QuestionDocument.model_fields) & set(MisuseNotice.model_fields) == {"purpose", "area"}
