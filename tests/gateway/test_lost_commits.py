"""The reply to a commit is lost, for each kind of entry the gateway writes: nothing is in limbo, nothing done twice.

A proxy lets the commit through to PostgreSQL, drops the reply with every connection, and lets nobody in for a while. If
that lasts longer than the journal asks (`SETTLED_WITHIN_S`), whoever acted hears `OUTCOME_UNKNOWN`, and does again what
its protocol has it do again; before that, or after, the gateway compares itself with its store.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agency_node.asking.composing import Composed
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.team import TeamAction
from federation.vocabulary import TargetState
from tests.support.gateway_world import CSC, FARAWAY, HEALTH, POLICE, SCHOOL, Secrets, Stream, World, a_world, tasks_in
from tests.support.losing_proxy import REFUSED_S, LosingProxy, assert_whole, losing_proxy
from tests.support.misuse import signed
from tests.support.teams import MEMBERS, Team
from tests.support.two_agencies import Clock

pytestmark = pytest.mark.postgres


@dataclass
class Scene:
    """A gateway behind the proxy, with one query of a requester to three agencies."""

    world: World
    proxy: LosingProxy
    composed: Composed
    stream: Stream
    things: dict[str, Any] = field(default_factory=dict)

    async def admit(self) -> None:
        self.things["school"] = self.world.attach(SCHOOL)
        await self.stream.opening()
        (self.things["task"],) = tasks_in(self.things["school"])

    @property
    def task_id(self) -> str:
        return str(self.things["task"].task_id)

    def in_flight(self, responder: str = SCHOOL) -> TargetState:
        live = {query.query_id: query for query in self.world.queries.live()}
        return live[self.composed.header.query_id].tasks[responder].state

    async def ask_again(self) -> None:
        """As a requester does that was cut off: the same bytes."""
        await self.stream.aclose()
        self.stream = self.world.stream(self.composed)
        await self.stream.opening()

    async def count(self, kind: EntryKind) -> int:
        return len(await self.world.entries(kind))


class Case:
    """One kind of entry.

    Attributes:
        marker: What the proxy waits for.
        kind: Of which there must be one more entry afterwards, and no second; None where nothing is recorded.
    """

    marker: str
    kind: EntryKind | None

    async def prepare(self, scene: Scene) -> None:
        await scene.admit()

    async def act(self, scene: Scene) -> None:
        raise NotImplementedError

    async def again(self, scene: Scene) -> None:
        await self.act(scene)

    async def check(self, scene: Scene) -> None:
        """What must hold once all is settled."""


class QueryAdmitted(Case):
    marker = "query_admitted"
    kind: EntryKind | None = EntryKind.QUERY_ADMITTED

    async def prepare(self, scene: Scene) -> None:
        scene.things["school"] = scene.world.attach(SCHOOL)

    async def act(self, scene: Scene) -> None:
        await scene.stream.opening()

    async def again(self, scene: Scene) -> None:
        await scene.ask_again()

    async def check(self, scene: Scene) -> None:
        (task,) = tasks_in(scene.things["school"])  # it was handed out, once
        await scene.world.answers.answered(SCHOOL, scene.world.sealed(scene.composed, task.task_id))
        assert scene.in_flight() is TargetState.ANSWERED


class QueryRefused(Case):
    marker = "query_refused"
    kind: EntryKind | None = EntryKind.QUERY_REFUSED

    async def prepare(self, scene: Scene) -> None:
        refused = scene.world.composed(requester=SCHOOL, targets=[CSC], purpose="S47_ENQ")
        scene.things["refused"] = refused

    async def act(self, scene: Scene) -> None:
        stream = scene.world.stream(scene.things["refused"], requester=SCHOOL)
        admission = await stream.opening()
        assert admission.effect == "deny"
        await stream.rest()

    async def check(self, scene: Scene) -> None:
        assert not scene.world.queries.is_live(scene.things["refused"].header.query_id)


class Delivered(Case):
    marker = "delivered"
    kind: EntryKind | None = None

    async def act(self, scene: Scene) -> None:
        await scene.world.answers.accepted(SCHOOL, scene.task_id)

    async def check(self, scene: Scene) -> None:
        assert scene.in_flight() is TargetState.DELIVERED
        assert await scene.world.count("task", "state = 'delivered'") == 1


class TargetReferred(Case):
    marker = "target_referred"
    kind: EntryKind | None = EntryKind.TARGET_REFERRED

    async def act(self, scene: Scene) -> None:
        await scene.world.answers.referred(SCHOOL, scene.task_id)

    async def check(self, scene: Scene) -> None:
        assert scene.in_flight() is TargetState.REFERRED
        assert scene.world.links.in_flight(SCHOOL) == 0


class TargetRejected(Case):
    marker = "target_rejected"
    kind: EntryKind | None = EntryKind.TARGET_REJECTED

    async def act(self, scene: Scene) -> None:
        await scene.world.answers.rejected(SCHOOL, scene.task_id)

    async def check(self, scene: Scene) -> None:
        assert scene.in_flight() is TargetState.REJECTED
        assert scene.world.links.in_flight(SCHOOL) == 0


class AnswerReceived(Case):
    marker = "answer_received"
    kind: EntryKind | None = EntryKind.ANSWER_RECEIVED

    async def prepare(self, scene: Scene) -> None:
        await scene.admit()
        scene.things["answer"] = scene.world.sealed(scene.composed, scene.task_id)

    async def act(self, scene: Scene) -> None:
        await scene.world.answers.answered(SCHOOL, scene.things["answer"])

    async def check(self, scene: Scene) -> None:
        assert scene.in_flight() is TargetState.ANSWERED
        while not scene.stream.answers():  # whoever follows the query is given it
            await scene.stream.take()
        assert scene.stream.answers() == [scene.things["answer"]]
        assert await scene.world.count("answer") == 1


class QueryClosed(AnswerReceived):
    marker = "query_closed"
    kind: EntryKind | None = EntryKind.QUERY_CLOSED

    async def prepare(self, scene: Scene) -> None:
        await super().prepare(scene)
        await scene.world.answers.answered(SCHOOL, scene.things["answer"])

    async def act(self, scene: Scene) -> None:
        query_id = scene.composed.header.query_id
        scene.things["receipt"] = await scene.world.exchange.acknowledge(
            CSC, query_id, [scene.task_id], close=True, known_size=0
        )

    async def check(self, scene: Scene) -> None:
        assert scene.things["receipt"].entry
        assert not scene.world.queries.is_live(scene.composed.header.query_id)
        assert await scene.world.count("answer") == 0
        assert await scene.world.count("query", "closed_at = 0") == 0


class Acknowledged(QueryClosed):
    marker = "DELETE FROM answer"
    kind: EntryKind | None = None

    async def act(self, scene: Scene) -> None:
        query_id = scene.composed.header.query_id
        await scene.world.exchange.acknowledge(CSC, query_id, [scene.task_id], close=False, known_size=0)

    async def check(self, scene: Scene) -> None:
        assert await scene.world.count("answer") == 0
        (live,) = scene.world.queries.live()
        assert live.held_tasks() == []


class QueryCancelled(Case):
    marker = "query_cancelled"
    kind: EntryKind | None = EntryKind.QUERY_CANCELLED

    async def act(self, scene: Scene) -> None:
        await scene.world.exchange.cancel(CSC, scene.composed.header.query_id)

    async def check(self, scene: Scene) -> None:
        assert scene.in_flight() is TargetState.CANCELLED
        assert await scene.world.count("task", "state = 'cancelled'") == 2


class TargetExpired(Case):
    marker = "target_expired"
    kind: EntryKind | None = EntryKind.TARGET_EXPIRED

    async def prepare(self, scene: Scene) -> None:
        await scene.admit()
        scene.world.clock.now = scene.composed.header.expires_at + 1

    async def act(self, scene: Scene) -> None:
        await scene.world.exchange.expire()

    async def check(self, scene: Scene) -> None:
        assert scene.world.queries.live() == []
        await scene.stream.rest()
        assert await scene.world.count("query", "closed_at = 0") == 0


class Unreachable(Case):
    marker = "unreachable"
    kind: EntryKind | None = None

    async def prepare(self, scene: Scene) -> None:
        await scene.stream.opening()
        scene.world.clock.now = scene.composed.header.deadline_at

    async def act(self, scene: Scene) -> None:
        scene.stream.read += await scene.stream.rest()

    async def again(self, scene: Scene) -> None:
        await scene.ask_again()
        await self.act(scene)

    async def check(self, scene: Scene) -> None:
        assert scene.in_flight() is scene.in_flight(POLICE) is TargetState.UNREACHABLE
        assert scene.stream.states()[SCHOOL] == "UNREACHABLE"


class TeamChanged(Case):
    """A member is removed whose query is open."""

    marker = "team_changed"
    kind: EntryKind | None = EntryKind.TEAM_CHANGED

    async def prepare(self, scene: Scene) -> None:
        scene.world.attach(SCHOOL)
        team = scene.things["team"] = await Team(scene.world).open()
        grant = await team.grant()
        await _opened(scene.world.stream(team.asked(grant), requester=POLICE))
        scene.things["order"] = team.wanted(TeamAction.REMOVE_MEMBER, member=MEMBERS["police"])
        scene.things["grant"] = grant

    async def act(self, scene: Scene) -> None:
        await scene.things["team"].send(scene.things["order"])

    async def check(self, scene: Scene) -> None:
        team = scene.things["team"]
        assert scene.world.queries.live() == []
        assert await scene.world.count("query", "closed_at = 0") == 0
        assert len(await scene.world.entries(EntryKind.QUERY_CANCELLED)) == 1
        late = await scene.world.stream(team.asked(scene.things["grant"]), requester=POLICE).opening()
        assert late.effect == "deny"


class Withdrawn(TeamChanged):
    """A grant runs out under an open query."""

    marker = "query_cancelled"
    kind: EntryKind | None = EntryKind.QUERY_CANCELLED

    async def prepare(self, scene: Scene) -> None:
        await super().prepare(scene)
        scene.world.clock.now += 90_000
        assert scene.world.queries.live()

    async def act(self, scene: Scene) -> None:
        await scene.world.withdrawal.sweep()

    async def check(self, scene: Scene) -> None:
        assert scene.world.queries.live() == []


class AgencyRevoked(Case):
    marker = "deny_list_published"
    kind: EntryKind | None = EntryKind.DENY_LIST_PUBLISHED

    async def act(self, scene: Scene) -> None:
        await scene.world.desk.revoke(SCHOOL, reason_code="KEY_COMPROMISE", operator="olga")

    async def again(self, scene: Scene) -> None:
        if scene.world.directory.is_denied(SCHOOL):
            return  # the operator looked first, as the error says
        await self.act(scene)

    async def check(self, scene: Scene) -> None:
        assert scene.world.directory.is_denied(SCHOOL)
        with pytest.raises(WardgateError) as caught:
            await scene.world.answers.accepted(SCHOOL, scene.task_id)
        assert caught.value.code is ErrorCode.CERTIFICATE_REVOKED


class DirectoryPublished(Case):
    marker = "agency_enrolled"
    kind: EntryKind | None = EntryKind.AGENCY_ENROLLED

    async def prepare(self, scene: Scene) -> None:
        world, party = scene.world, scene.world.secrets.parties[FARAWAY]
        token = await world.desk.invite(world.descriptor(FARAWAY), valid_s=3600, operator="olga")
        await world.apply(token, party)
        scene.things["key"] = party.signing.verify_key.fingerprint

    async def act(self, scene: Scene) -> None:
        await scene.world.desk.approve(FARAWAY, key_fingerprint=scene.things["key"], operator="piet")

    async def again(self, scene: Scene) -> None:
        if not scene.world.desk.is_listed(FARAWAY):
            await scene.world.directory.certain()  # what `gateway.following` does within seconds
        assert scene.world.desk.is_listed(FARAWAY)

    async def check(self, scene: Scene) -> None:
        version = scene.world.directory.current().version
        published = await scene.world.directory.publish(lambda now: now, change="test", entries=[])
        assert published == version + 1


class MisuseReported(Case):
    marker = "misuse_reported"
    kind: EntryKind | None = EntryKind.MISUSE_REPORTED

    async def prepare(self, scene: Scene) -> None:
        scene.things["notice"] = signed(scene.world.secrets.parties[CSC].signing, CSC)

    async def act(self, scene: Scene) -> None:
        content, signature = scene.things["notice"]
        await scene.world.misuse.report(CSC, content, signature, CorrelationId.mint())

    async def check(self, scene: Scene) -> None:
        assert await scene.world.count("misuse") == 1


async def _opened(stream: Stream) -> None:
    await stream.opening()
    await stream.aclose()


CASES: dict[str, type[Case]] = {
    case.__name__: case
    for case in (
        QueryAdmitted,
        QueryRefused,
        Delivered,
        TargetReferred,
        TargetRejected,
        AnswerReceived,
        QueryClosed,
        Acknowledged,
        QueryCancelled,
        TargetExpired,
        Unreachable,
        TeamChanged,
        Withdrawn,
        AgencyRevoked,
        DirectoryPublished,
        MisuseReported,
    )
}
ALSO_BY_DAY = ("QueryAdmitted", "AnswerReceived", "MisuseReported")
"""The kinds that were seen to hang; the other orders of the others run at night."""


@asynccontextmanager
async def a_scene(url: str, policy: PolicyPoint, folder: Path, *, clock: Clock, agencies: Any) -> AsyncIterator[Scene]:
    async with (
        losing_proxy(url, folder) as proxy,
        a_world(proxy.url(url), policy, secrets=Secrets(), clock=clock, enrol=agencies) as world,
    ):
        composed = world.composed(targets=[SCHOOL, POLICE])
        scene = Scene(world, proxy, composed, world.stream(composed))
        yield scene
        await scene.stream.aclose()


@asynccontextmanager
async def losing(case: Case, url: str, policy: PolicyPoint, folder: Path, *, refuse_s: float) -> AsyncIterator[Scene]:
    """A scene at the moment when the reply is about to be lost; afterwards everything must be as if it had not been."""
    agencies = (CSC, SCHOOL, POLICE, *(() if isinstance(case, DirectoryPublished) else (FARAWAY, HEALTH)))
    async with a_scene(url, policy, folder, clock=Clock(), agencies=agencies) as scene:
        await case.prepare(scene)
        before = 0 if case.kind is None else await scene.count(case.kind)
        scene.proxy.arm(case.marker, refuse_s=refuse_s)
        yield scene
        assert scene.proxy.lost == 1
        await scene.world.following.settle_doubts()  # every two seconds, in a gateway
        if case.kind is not None:
            assert await scene.count(case.kind) == before + 1
        await case.check(scene)
        assert await scene.world.queries.differing() == []
        await assert_whole(scene.world.journal)


def _orders() -> list[Any]:
    return [
        pytest.param(name, order, marks=[] if order == "compared first" or name in ALSO_BY_DAY else pytest.mark.nightly)
        for name in CASES
        for order in ("compared first", "repeated first")
    ]


@pytest.mark.usefixtures("gives_up")
@pytest.mark.parametrize(("name", "order"), _orders())
async def test_a_commit_of_unknown_outcome_leaves_nothing_in_limbo(
    name: str, order: str, postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    case = CASES[name]()
    async with losing(case, postgres_url, policy, socket_folder, refuse_s=REFUSED_S) as scene:
        with pytest.raises(WardgateError) as caught:
            await case.act(scene)
        assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
        await scene.proxy.until_lost()
        if order == "compared first":
            await scene.world.following.settle_doubts()
        await case.again(scene)


def _found() -> list[Any]:
    by_day = {"AnswerReceived"}
    return [
        pytest.param(name, marks=[] if name in by_day else pytest.mark.nightly)
        for name, case in CASES.items()
        if case.kind is not None
    ]


@pytest.mark.parametrize("name", _found())
async def test_a_commit_whose_reply_is_lost_for_a_moment_is_found_by_the_journal(
    name: str, postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    case = CASES[name]()
    async with losing(case, postgres_url, policy, socket_folder, refuse_s=REFUSED_S) as scene:
        await case.act(scene)


@pytest.mark.usefixtures("gives_up")
@pytest.mark.parametrize("after", ["the sweep", "a restart of the requester"])
async def test_a_query_that_nobody_follows_is_handed_out(
    after: str, postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    """Without a doubt to go by: whatever made memory forget it, the store is looked through."""
    case = QueryAdmitted()
    async with losing(case, postgres_url, policy, socket_folder, refuse_s=REFUSED_S) as scene:
        with pytest.raises(WardgateError):
            await case.act(scene)
        await scene.proxy.until_lost()
        scene.world.queries._doubted.clear()
        if after == "the sweep":
            assert await scene.world.following.sweep() == 1
            assert await scene.world.following.sweep() == 0
        else:
            stream = scene.world.resumed(scene.composed)
            await stream.opening()
            await stream.aclose()


async def test_a_query_that_the_store_closed_is_followed_no_longer(world: World) -> None:
    composed = world.composed(targets=[SCHOOL])
    stream = world.stream(composed)
    await stream.opening()
    (task,) = world.queries.live()[0].tasks.values()
    from gateway.store import exchange as store

    await world.journal.record([], store.states_set([(task.task_id, TargetState.CANCELLED)]))
    assert await world.following.sweep() == 1
    assert (await stream.take()).target.state  # told to whoever follows
    assert stream.states() == {SCHOOL: "CANCELLED"}
    await world.journal.record([], store.query_closed(composed.header.query_id, 1))
    assert await world.following.sweep() == 1
    assert world.queries.live() == []
    await stream.aclose()


async def test_the_sweep_goes_through_more_than_one_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.store import exchange as store

    for _ in range(5):
        await world.put(world.composed(targets=[SCHOOL, POLICE]))
    monkeypatch.setattr(store, "PAGE_ROWS", 3)
    assert await world.following.sweep() == 0
    for query in world.queries.live():
        world.queries.drop(query.query_id)
    assert await world.following.sweep() == 5
    assert len(world.queries.live()) == 5


async def test_a_cut_connection_is_no_defect(postgres_url: str, policy: PolicyPoint, socket_folder: Path) -> None:
    """Connections that died in the pool are replaced; a database that is away is `STORE_UNAVAILABLE`."""
    async with a_scene(postgres_url, policy, socket_folder, clock=Clock(), agencies=(CSC, SCHOOL, POLICE)) as scene:
        world, query_id = scene.world, scene.composed.header.query_id
        reads = (
            lambda: world.queries.find(query_id),
            world.queries.differing,
            lambda: world.queries.stored_answers(query_id),
            world.desk.enrolments,
            lambda: world.journal.entries(0, 1),
        )
        for read in reads:
            await _outcome(read)
        scene.proxy.cut_all()
        assert ErrorCode.STORE_UNAVAILABLE not in [await _outcome(read) for read in reads]
        scene.proxy.cut_all()
        scene.proxy.refusing = True
        assert {await _outcome(read) for read in reads} == {ErrorCode.STORE_UNAVAILABLE}
        scene.proxy.refusing = False
        assert ErrorCode.STORE_UNAVAILABLE not in [await _outcome(read) for read in reads]
        assert await _outcome(world.journal.settle) is ErrorCode.LEDGER_UNAVAILABLE  # its own connection: nothing done
        assert await _outcome(world.journal.settle) is None


async def _outcome(read: Any) -> ErrorCode | None:
    try:
        await read()
    except WardgateError as error:
        return error.code
    return None
