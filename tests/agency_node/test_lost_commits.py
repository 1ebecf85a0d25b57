"""The reply to a commit is lost, for each kind of entry a node writes: nothing is in limbo, nothing done twice.

See `tests/gateway/test_lost_commits.py`, of which this is the other half: a node that asks and answers on PostgreSQL.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agency_node.answering.departure import Departure
from agency_node.answering.overlay import Overlay
from agency_node.answering.worker import Worker
from agency_node.asking import desk, pursuit
from agency_node.asking.desk import NOT_KNOWN_YET, NOT_READABLE, Asking
from agency_node.asking.pursuit import Pursuits
from agency_node.inbox.alerts import Alerts
from agency_node.store import asked as store
from agency_node.users import Users
from federation.errors import ErrorCode, WardgateError
from federation.following.follower import View
from federation.following.gateway import FollowedGateway, Follower
from federation.ledger.entry import EntryKind
from federation.ledger.witness import Witness
from federation.ledger.witnessing import WatchedLedger
from federation.policy.evaluator import PolicyPoint
from federation.wire.v1 import link_pb2
from tests.support.asking import MANAGER, QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.hand_policy import hand_policy
from tests.support.losing_proxy import REFUSED_S, LosingProxy, assert_whole, losing_proxy
from tests.support.node_house import NodeHouse, a_node, a_user, log_entry, number
from tests.support.waiting import until

pytestmark = pytest.mark.postgres

CHILD = number(1)
DEADLINE = 10


class Outlet:
    """A link that takes everything."""

    def __init__(self) -> None:
        self.said: list[link_pb2.AttachRequest] = []

    async def say(self, message: link_pb2.AttachRequest) -> None:
        self.said.append(message)

    @property
    def kinds(self) -> list[str]:
        return [message.WhichOneof("message") or "" for message in self.said]


@dataclass
class Scene:
    """A node behind the proxy."""

    node: NodeHouse
    proxy: LosingProxy
    gateway: AskedGateway
    pursuits: Pursuits
    asking: Asking
    worker: Worker
    outlet: Outlet
    things: dict[str, Any] = field(default_factory=dict)

    async def count(self, kind: EntryKind) -> int:
        return len(await self.node.entries(kind))


@asynccontextmanager
async def a_scene(url: str, policy: PolicyPoint, folder: Path) -> AsyncIterator[Scene]:
    async with losing_proxy(url, folder) as proxy, a_node(proxy.url(url), policy) as node:
        node.users = [
            a_user(),
            MANAGER,
            a_user("officer", grants=("designated_officer",)),
        ]
        node.sources[0].hold(CHILD, log_entry(CHILD))
        await node.caseload.update()
        gateway = AskedGateway(node.federation)
        pursuits = pursuits_of(node, gateway)
        worker = Worker(
            intake=node.intake,
            answering=node.answering,
            departure=Departure(quantum_ms=10, monotonic=node.clock, sleep=asyncio.sleep),
            max_in_flight=4,
        )
        outlet = Outlet()
        await worker.attach(outlet)
        try:
            yield Scene(node, proxy, gateway, pursuits, asking_of(node, pursuits), worker, outlet)
        finally:
            await pursuits.aclose()
            await worker.aclose()


# -- asking -----------------------------------------------------------------------------------------------------------


async def closed_once(scene: Scene, query_id: str) -> None:
    """The picture is complete and right, and every step of it stands in the ledger once."""

    async def is_closed() -> bool:
        found = await store.load_asked(scene.node.engine, query_id)
        return found is not None and found[0].state == "closed"

    await until(is_closed)
    picture = await scene.asking.picture(query_id, "manager")
    assert (picture["completeness"], picture["closed"], picture["warnings"]) == ("complete", True, [])
    assert [target["outcome"] for target in picture["targets"]] == ["nothing_held"]
    for kind in (EntryKind.QUERY_ASKED, EntryKind.ANSWER_OPENED, EntryKind.PICTURE_CLOSED):
        assert await scene.count(kind) == 1
    await assert_whole(scene.node.journal)


@pytest.mark.parametrize(
    "marker",
    [
        "query_asked",
        "answer_opened",
        "picture_closed",
        pytest.param("obligation_opened", marks=pytest.mark.nightly),
    ],
)
@pytest.mark.usefixtures("gives_up")
async def test_what_was_asked_is_followed_whichever_reply_was_lost(
    marker: str, postgres_url: str, policy: PolicyPoint, socket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "FOUND_OUT_EVERY_S", 0.1)
    async with a_scene(postgres_url, policy, socket_folder) as scene:
        scene.proxy.arm(marker, refuse_s=REFUSED_S)
        picture = await scene.asking.put(QUESTION)
        assert (picture["effect"], picture["reasons"]) == ("permit", picture["reasons"])
        await scene.proxy.until_lost()
        await closed_once(scene, picture["query_id"])
        assert scene.proxy.lost == 1


@pytest.mark.usefixtures("gives_up")
async def test_a_user_is_not_told_that_nothing_was_done_of_what_is_then_sent(
    postgres_url: str, policy: PolicyPoint, socket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away beyond the query's deadline: it is not known, that is said, and it is followed later."""
    monkeypatch.setattr(desk, "FOUND_OUT_EVERY_S", 0.05)
    monkeypatch.setattr(pursuit, "SWEEP_EVERY_S", 0.1)
    async with a_scene(postgres_url, policy, socket_folder) as scene:
        scene.proxy.arm("query_asked", refuse_s=60)
        asking = asyncio.create_task(scene.asking.put(QUESTION))
        await until(lambda: scene.proxy.lost == 1)
        scene.node.clock.now += DEADLINE + 1

        picture = await asking

        assert (picture["completeness"], picture["closed"]) == ("incomplete", False)
        assert NOT_KNOWN_YET in picture["warnings"]
        assert [target["state"] for target in picture["targets"]] == ["waiting"]
        assert scene.gateway.asked == []
        watching = asyncio.create_task(scene.pursuits.watch())
        scene.node.clock.now -= DEADLINE + 1
        scene.proxy.refusing = False
        await closed_once(scene, picture["query_id"])
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.mark.usefixtures("gives_up")
async def test_a_query_proven_not_to_be_stored_is_said_not_to_be(
    postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    async with a_scene(postgres_url, policy, socket_folder) as scene:
        await scene.node.journal.settle()
        scene.proxy.cut_all()  # before anything of it was sent
        with pytest.raises(WardgateError) as caught:
            await scene.asking.put(QUESTION)
        assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
        assert await store.open_queries(scene.node.engine) == scene.gateway.asked == []


async def test_a_store_that_cannot_be_read_after_the_query_left_does_not_make_it_a_failure(
    node: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.users = [MANAGER]
    gateway = AskedGateway(node.federation)
    pursuits = pursuits_of(node, gateway)
    asking = asking_of(node, pursuits)

    async def unreadable(*_: object) -> None:
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, "test")

    with monkeypatch.context() as patch:
        patch.setattr(store, "load_asked", unreadable)
        picture = await asking.put(QUESTION)
    assert NOT_READABLE in picture["warnings"]
    assert gateway.asked == [picture["query_id"]]
    await until(lambda: pursuits.following(picture["query_id"]) is None)
    assert (await asking.picture(picture["query_id"], "manager"))["completeness"] == "complete"


@pytest.mark.usefixtures("gives_up")
@pytest.mark.parametrize("marker", ["ANSWER_REJECTED", pytest.param("picture_closed", marks=pytest.mark.nightly)])
async def test_a_rejected_answer_and_a_failed_query_are_recorded_once(
    marker: str, postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    async with a_scene(postgres_url, policy, socket_folder) as scene:
        scene.gateway.forged, scene.gateway.expired = marker == "ANSWER_REJECTED", marker != "ANSWER_REJECTED"
        scene.proxy.arm(marker, refuse_s=REFUSED_S)
        try:
            query_id = (await scene.asking.put(QUESTION))["query_id"]
        except WardgateError as error:
            assert error.code is ErrorCode.QUERY_EXPIRED  # noqa: PT017 - either is right, by who is quicker
            query_id = scene.gateway.asked[0]
        await scene.proxy.until_lost()
        await until(lambda: scene.pursuits.following(query_id) is None)
        assert await scene.count(EntryKind.PICTURE_CLOSED) == 1
        found = await store.load_asked(scene.node.engine, query_id)
        assert found is not None
        assert found[0].state == ("closed" if scene.gateway.forged else "failed")
        await assert_whole(scene.node.journal)


async def test_a_query_that_nobody_follows_is_taken_up(node: NodeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pursuit, "SWEEP_EVERY_S", 0.02)
    node.users = [MANAGER]
    gateway = AskedGateway(node.federation)
    pursuits = pursuits_of(node, gateway)
    asking = asking_of(node, pursuits)
    watching = asyncio.create_task(pursuits.watch())
    with monkeypatch.context() as patch:
        patch.setattr(pursuits, "follow", lambda _: None)
        await asking.put(QUESTION)
    assert gateway.asked == []
    await until(lambda: bool(gateway.asked))
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await pursuits.aclose()


# -- answering --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marker", ["answered", pytest.param("referral_opened", marks=pytest.mark.nightly)])
@pytest.mark.usefixtures("gives_up")
async def test_a_task_is_answered_once_whichever_reply_was_lost(
    marker: str, postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    async with a_scene(postgres_url, policy, socket_folder) as scene:
        if marker == "referral_opened":
            scene.node.overlay = Overlay(categories_refer=("safeguarding_log",))
        put = scene.node.federation.ask(CHILD)
        scene.proxy.arm(marker, refuse_s=REFUSED_S)
        scene.worker.deliver(put.task)
        await scene.proxy.until_lost()
        await until(lambda: scene.worker.in_flight == 0)
        said = "answer" if marker == "answered" else "referred"
        assert scene.outlet.kinds[-1] == said  # by itself: nobody offered the task again
        kind = EntryKind.ANSWERED if marker == "answered" else EntryKind.REFERRAL_OPENED
        assert await scene.count(kind) == 1
        await assert_whole(scene.node.journal)


@pytest.mark.usefixtures("gives_up")
async def test_a_persons_decision_is_acted_on_although_its_reply_was_lost(
    postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    async with a_scene(postgres_url, policy, socket_folder) as scene:
        scene.node.overlay = Overlay(categories_refer=("safeguarding_log",))
        scene.worker.deliver(scene.node.federation.ask(CHILD).task)
        await until(lambda: scene.worker.in_flight == 0)
        (view,) = await scene.node.decisions.waiting("dsl")
        scene.proxy.arm("referral_decided", refuse_s=REFUSED_S)
        deciding = scene.node.decisions.decide(
            "dsl", view.referral.referral_id, decision="release", reason="Needed at once."
        )
        with pytest.raises(WardgateError) as caught:
            await deciding
        assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
        await scene.proxy.until_lost()
        assert scene.outlet.kinds == ["referred"]

        await scene.worker.take_up()  # it may just have come
        assert scene.worker.in_flight == 0
        await scene.worker.take_up()
        await until(lambda: scene.worker.in_flight == 0)

        assert scene.outlet.kinds == ["referred", "answer"]
        assert await scene.count(EntryKind.REFERRAL_DECIDED) == await scene.count(EntryKind.ANSWERED) == 1
        await assert_whole(scene.node.journal)


@pytest.mark.usefixtures("gives_up")
async def test_a_first_release_counts_once_although_its_reply_was_lost(
    postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    with hand_policy(policy, people=2):
        async with a_scene(postgres_url, policy, socket_folder) as scene:
            node = scene.node
            node.users.append(a_user("head", role="headteacher"))
            node.overlay = Overlay(categories_refer=("safeguarding_log",))
            scene.worker.deliver(node.federation.ask(CHILD).task)
            await until(lambda: scene.worker.in_flight == 0)
            (view,) = await node.decisions.waiting("dsl")
            referral_id = view.referral.referral_id
            scene.proxy.arm("referral_decided", refuse_s=REFUSED_S)
            with pytest.raises(WardgateError) as caught:
                await node.decisions.decide("dsl", referral_id, decision="release", reason="Needed.")
            assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
            await scene.proxy.until_lost()

            with pytest.raises(WardgateError) as again:
                await node.decisions.decide("dsl", referral_id, decision="release", reason="Needed.")
            assert again.value.code is ErrorCode.REFERRAL_DECIDED
            await node.decisions.decide("head", referral_id, decision="release", reason="Needed.")
            assert await scene.count(EntryKind.REFERRAL_DECIDED) == 2
            assert len(node.decided) == 1
            await assert_whole(node.journal)


@pytest.mark.nightly
@pytest.mark.usefixtures("gives_up")
@pytest.mark.parametrize("marker", ["stored", "cancelled"])
async def test_what_the_gateway_says_of_a_task_is_noted_although_the_reply_was_lost(
    marker: str, postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    async with a_scene(postgres_url, policy, socket_folder) as scene:
        put = scene.node.federation.ask(CHILD)
        scene.worker.deliver(put.task)
        await until(lambda: scene.worker.in_flight == 0)
        scene.proxy.arm(marker, refuse_s=REFUSED_S)
        note = scene.worker.note_stored if marker == "stored" else scene.worker.note_cancelled
        note(put.task.task_id)
        await scene.proxy.until_lost()

        async def is_noted() -> bool:
            return await scene.node.answering.unfinished() == []

        await until(is_noted)


@pytest.mark.usefixtures("gives_up")
async def test_an_alert_is_seen_once(postgres_url: str, policy: PolicyPoint, socket_folder: Path) -> None:
    async with a_scene(postgres_url, policy, socket_folder) as scene:
        protected = number(2)
        scene.node.sources[0].hold(protected, log_entry(protected, "log:2"), flags=frozenset({"WITNESS_PROT"}))
        scene.proxy.arm("caseload_indexed", refuse_s=REFUSED_S)
        with pytest.raises(WardgateError) as lost:
            await scene.node.caseload.update()
        assert lost.value.code is ErrorCode.OUTCOME_UNKNOWN
        await scene.proxy.until_lost()
        before = await scene.count(EntryKind.CASELOAD_INDEXED)
        await scene.node.caseload.update()
        assert await scene.count(EntryKind.CASELOAD_INDEXED) == before  # it had landed: nothing is written again

        scene.worker.deliver(scene.node.federation.ask(protected).task)
        await until(lambda: scene.worker.in_flight == 0)
        alerts = Alerts(scene.node.responder, users=lambda: Users({user.id: user for user in scene.node.users}))
        (alert,) = await alerts.unseen("officer")
        scene.proxy.arm("obligation_met", refuse_s=REFUSED_S)
        with pytest.raises(WardgateError) as caught:
            await alerts.see("officer", alert["alert_id"])
        assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
        await scene.proxy.until_lost()
        assert await alerts.unseen("officer") == []
        assert await scene.count(EntryKind.OBLIGATION_MET) == 1
        await assert_whole(scene.node.journal)


# -- following the gateway ---------------------------------------------------------------------------------------------


class Gateway:
    """The gateway's own verbs, as `GrpcDirectory` reaches them."""

    def __init__(self, world: Any) -> None:
        self.world = world

    async def directory(self, known_version: int, known_size: int) -> Any:
        return await self.world.directory.directory_response(known_version, known_size)

    async def cosign(self, cosigned: bytes) -> None:
        assert cosigned


@pytest.mark.usefixtures("gives_up")
async def test_a_directory_is_kept_once_although_the_reply_was_lost(
    postgres_url: str, policy: PolicyPoint, socket_folder: Path
) -> None:
    from tests.support.gateway_world import CSC, ORIGIN, a_world, described

    async with (
        a_world(f"sqlite+aiosqlite:///{socket_folder}/gateway.db", policy) as world,
        a_scene(postgres_url, policy, socket_folder) as scene,
    ):
        party = world.secrets.parties[CSC]
        view = View.first(world.secrets.anchors, ORIGIN, lambda: party.own(described(party)))
        watched = WatchedLedger(scene.node.journal, Witness(CSC, party.signing, scene.node.clock), view.key)
        follower = Follower(view, watched, scene.node.engine, scene.node.journal)
        followed = FollowedGateway(follower, Gateway(world), clock=scene.node.clock)
        scene.proxy.arm("directory_accepted", refuse_s=REFUSED_S)
        with pytest.raises(WardgateError) as caught:
            await followed.refresh()
        assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
        await scene.proxy.until_lost()
        await followed.refresh()
        assert await scene.count(EntryKind.DIRECTORY_ACCEPTED) == 1

        again = FollowedGateway(follower, Gateway(world), clock=scene.node.clock)
        await again.load()
        assert again.directory().version == world.directory.current().version
