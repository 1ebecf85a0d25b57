"""Node and trustee follow the gateway alike: what proves itself is believed, what does not is an alarm.

Every test runs against both parties, each with its own store and ledger; the gateway's ledger and signatures are real.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.canonical import to_canonical
from federation.directory import KeyStatement, Own
from federation.errors import CATALOGUE, ErrorCode, WardgateError
from federation.following.alarm import ALARM_EVERY_S, is_disbelief
from federation.following.follower import View
from federation.following.gateway import FollowedGateway, Follower
from federation.key_statement import state_keys
from federation.ledger.checkpoint import (
    Checkpoint,
    NoteKey,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
)
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.witness import Witness
from federation.ledger.witnessing import WatchedLedger
from federation.seen import PointKey
from federation.store import migrate, open_engine, sqlite_url
from federation.transport.failures import RemoteError
from federation.transport.identity import Party, PartyKind
from federation.wire.v1 import directory_pb2, ledger_pb2
from keys import domains
from keys.digest import sha256
from keys.holder import Role
from keys.signing import SigningKey
from tests.support.auditors import Auditors
from tests.support.gateway_side import GatewaySide
from tests.support.region import Region
from tests.support.rekeying import rekey
from tests.support.signers import NOW
from tests.support.trustee_house import Clock

THEIRS = "wardgate/gateway/main"
NODE = "camden-csc"


@dataclass(frozen=True)
class Following:
    """Which party follows: its store, its name, whether it has keys of its own in the directory."""

    name: str
    store: str
    origin: str
    is_listed: bool


PARTIES = (
    Following(f"wardgate://node/{NODE}", "agency_node.store", f"wardgate/node/{NODE}", True),
    Following("wardgate://trustee/main", "trustee.store", "wardgate/trustee/main", False),
)


@dataclass
class Ticks:
    """A monotonic clock moved by hand, and by whoever waits."""

    now: float = 0.0
    waited: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Desk:
    """One follower with everything around it.

    Attributes:
        signed: SHA-256 of what it signed of itself, where it is listed.
    """

    followed: FollowedGateway
    journal: Journal
    engine: AsyncEngine
    ticks: Ticks
    name: str
    key: SigningKey
    signed: list[bytes]

    async def refresh(self) -> bool:
        """Refresh, well after the last time; whether a newer directory came of it."""
        self.ticks.now += 10
        return await self.followed.refresh()

    async def disbelieved(self) -> ErrorCode:
        """Refresh and tell why the gateway was not believed: nothing changed, and health says so."""
        before, head = self.followed.directory(), self.followed.head
        with pytest.raises(WardgateError) as caught:
            await self.refresh()
        assert (self.followed.directory(), self.followed.head) == (before, head)
        assert self.followed.failure is caught.value
        with pytest.raises(WardgateError):
            self.followed.check_fresh(10**9)
        return caught.value.code

    async def keeps_both_checkpoints(self, gateway: GatewaySide) -> None:
        """The alarm in the follower's own ledger has what was seen and what is shown, each as the gateway signed it."""
        key = NoteKey(THEIRS, gateway.region.gateway_key.verify_key)
        alarm = (await self.bodies(EntryKind.ALARM_RAISED))[-1]
        head = self.followed.head
        assert head is not None
        assert verify_checkpoint(alarm["ours"].encode(), key).checkpoint == head.checkpoint
        shown = await gateway.journal.checkpoint()
        assert verify_checkpoint(alarm["theirs"].encode(), key).checkpoint == shown.checkpoint

    async def bodies(self, kind: EntryKind) -> list[Any]:
        entries = [Entry.parse(stored.content) for stored in await self.journal.entries(0, 100)]
        return [entry.body for entry in entries if entry.kind is kind]

    async def alarms(self) -> list[str]:
        bodies = await self.bodies(EntryKind.ALARM_RAISED)
        assert {body["alarm"] for body in bodies} <= {"GATEWAY_NOT_BELIEVED"}
        return [body["error"] for body in bodies]


OpenDesk = Callable[[], Awaitable[Desk]]


async def open_store(stack: AsyncExitStack, path: Path, package: str = "trustee.store") -> AsyncEngine:
    await migrate(sqlite_url(path), package)
    engine = open_engine(sqlite_url(path))
    stack.push_async_callback(engine.dispose)
    return engine


@pytest.fixture(params=PARTIES, ids=["node", "trustee"])
def party(request: pytest.FixtureRequest) -> Following:
    found: Following = request.param
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def region() -> Region:
    return Region.of(NODE, "met-police", "st-marys-school", "uclh")


@pytest.fixture
async def gateway(tmp_path: Path, region: Region, clock: Clock) -> AsyncIterator[GatewaySide]:
    async with AsyncExitStack() as stack:
        engine = await open_store(stack, tmp_path / "gateway.db")
        journal = await stack.enter_async_context(Journal(engine, THEIRS, region.gateway_key, clock))
        side = GatewaySide(region, journal)
        await side.publish()
        yield side


@pytest.fixture
async def open_desk(
    tmp_path: Path, region: Region, clock: Clock, gateway: GatewaySide, party: Following
) -> AsyncIterator[OpenDesk]:
    """A follower's desk; a second one is the same party restarted, or a replica."""
    key = region.members[NODE].chain[0] if party.is_listed else region.trustee_key
    member = region.members[NODE]
    stated, signed = KeyStatement.parse(member.statements()[0].statement), [member.digest]  # kept over restarts
    async with AsyncExitStack() as stack:

        async def make() -> Desk:
            engine = await open_store(stack, tmp_path / "follower.db", party.store)
            journal = await stack.enter_async_context(Journal(engine, party.origin, key, clock))
            own = (lambda: Own(stated, tuple(signed))) if party.is_listed else None
            view, ticks = View.first(region.anchors, THEIRS, own), Ticks()
            watched = WatchedLedger(journal, Witness(party.name, key, clock), view.key)
            followed = FollowedGateway(
                Follower(view=view, watched=watched, engine=engine, journal=journal),
                gateway,
                clock=clock,
                least_gap_s=1.0,
                monotonic=ticks,
                sleep=ticks.sleep,
            )
            await followed.load()
            return Desk(followed, journal, engine, ticks, party.name, key, signed)

        yield make


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Desk:
    return await open_desk()


def cosigned(gateway: GatewaySide, desk: Desk) -> list[dict[str, int]]:
    """Who cosigned each checkpoint that was handed over."""
    return [verify_cosignatures(note, {desk.name: desk.key.verify_key}) for note in gateway.cosigned]


async def test_the_first_directory_is_verified_kept_cosigned_and_recorded(desk: Desk, gateway: GatewaySide) -> None:
    assert desk.followed.directory().version == 0
    assert await desk.refresh()
    assert desk.followed.failure is None
    assert set(desk.followed.directory().agencies) == set(gateway.region.members)
    assert cosigned(gateway, desk) == [{desk.name: NOW}]
    assert [stored.kind for stored in await desk.journal.entries(0, 10)] == ["directory_accepted"]
    desk.followed.check_fresh(60)


async def test_an_unchanged_directory_costs_no_entry_and_no_cosignature(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    assert not await desk.refresh()
    assert gateway.asked[-1] == (1, 1)
    assert len(gateway.cosigned) == 1
    assert len(await desk.journal.entries(0, 10)) == 1


async def test_a_grown_ledger_is_cosigned_though_the_directory_is_the_same(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    await gateway.write(EntryKind.SERVICE_STARTED, {})
    assert not await desk.refresh()
    assert cosigned(gateway, desk) == [{desk.name: NOW}] * 2


async def test_a_newer_directory_is_taken_over(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    gateway.region.members["met-police"].change_key()
    await gateway.publish("uclh")
    assert await desk.refresh()
    assert desk.followed.directory().version == 2
    assert "uclh" not in desk.followed.directory().agencies
    newest = gateway.region.members["met-police"].chain[-1].verify_key
    assert desk.followed.directory().agency("met-police").verify_key == newest


async def test_callers_at_once_share_one_fetch(desk: Desk, gateway: GatewaySide) -> None:
    assert await desk.refresh()
    desk.ticks.now += 10
    await asyncio.gather(*(desk.followed.refresh() for _ in range(5)))
    assert len(gateway.asked) == 2


@pytest.mark.parametrize(("since", "waits"), [(0.1, 0.9), (0.9, 0.1), (1.0, 0.0), (5.0, 0.0)])
async def test_a_caller_sees_what_is_newest_and_waits_until_a_second_has_passed(
    desk: Desk, gateway: GatewaySide, since: float, waits: float
) -> None:
    assert await desk.refresh()
    await gateway.publish()
    desk.ticks.now += since
    await desk.followed.refresh()
    assert desk.ticks.waited[-1] == pytest.approx(waits)
    assert desk.followed.directory().version == 2


async def test_a_fetch_that_its_caller_gave_up_serves_nobody_else(
    desk: Desk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, reached, hanging = gateway.directory, asyncio.Event(), asyncio.Event()

    async def hangs(*_: int) -> None:
        monkeypatch.setattr(gateway, "directory", directory)
        reached.set()
        await hanging.wait()

    monkeypatch.setattr(gateway, "directory", hangs)
    desk.ticks.now = 100.0
    first, second = (asyncio.create_task(desk.followed.refresh()) for _ in range(2))
    await reached.wait()
    first.cancel()
    await second
    assert desk.followed.directory().version == 1


async def test_an_unreachable_gateway_leaves_what_was_verified_in_force(
    desk: Desk, gateway: GatewaySide, clock: Clock
) -> None:
    await desk.refresh()
    gateway.unreachable = True
    with pytest.raises(WardgateError):
        await desk.refresh()
    assert desk.followed.directory().version == 1
    assert await desk.alarms() == []
    clock.now += 600
    desk.followed.check_fresh(600)
    clock.now += 1
    with pytest.raises(WardgateError) as caught:
        desk.followed.check_fresh(600)
    assert caught.value.code is ErrorCode.PEER_UNAVAILABLE


async def test_a_restart_goes_back_behind_neither_directory_nor_ledger(
    open_desk: OpenDesk, gateway: GatewaySide
) -> None:
    first = await open_desk()
    await first.refresh()
    old, old_index = gateway.published, gateway.index
    await gateway.publish()
    await first.refresh()

    second = await open_desk()
    assert second.followed.directory().version == 2
    gateway.published, gateway.index = old, old_index
    assert await second.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    assert await second.alarms() == ["DIRECTORY_REJECTED"]


async def test_a_rewritten_ledger_is_caught_across_a_restart(
    open_desk: OpenDesk, gateway: GatewaySide, tmp_path: Path, clock: Clock
) -> None:
    first = await open_desk()
    await first.refresh()
    async with AsyncExitStack() as stack:
        engine = await open_store(stack, tmp_path / "rewritten.db")
        key = gateway.region.gateway_key
        gateway.journal = await stack.enter_async_context(Journal(engine, THEIRS, key, clock))
        await gateway.write(EntryKind.SERVICE_STARTED, {})
        await gateway.publish()
        second = await open_desk()
        assert await second.disbelieved() is ErrorCode.LEDGER_FORKED
        assert await second.alarms() == ["LEDGER_FORKED"]
        assert second.followed.directory().version == 1
        assert len(gateway.cosigned) == 1, "a forked ledger is not cosigned"
        await second.keeps_both_checkpoints(gateway)


async def test_a_ledger_that_has_lost_entries_is_caught(
    desk: Desk, gateway: GatewaySide, tmp_path: Path, clock: Clock
) -> None:
    await gateway.write(EntryKind.SERVICE_STARTED, {})
    await desk.refresh()
    async with AsyncExitStack() as stack:
        engine = await open_store(stack, tmp_path / "shorter.db")
        gateway.journal = await stack.enter_async_context(Journal(engine, THEIRS, gateway.region.gateway_key, clock))
        await gateway.publish()
        assert await desk.disbelieved() is ErrorCode.LEDGER_FORKED
        await desk.keeps_both_checkpoints(gateway)


Tamper = Callable[[GatewaySide, directory_pb2.GetDirectoryResponse], None]


def _other_directory(side: GatewaySide, response: directory_pb2.GetDirectoryResponse) -> None:
    other = side.region.publish("uclh")
    response.directory, response.signature = other.content, other.signature


def _unsigned(_: GatewaySide, response: directory_pb2.GetDirectoryResponse) -> None:
    response.signature = SigningKey.generate().sign(domains.DIRECTORY, response.directory)


def _other_entry(_: GatewaySide, response: directory_pb2.GetDirectoryResponse) -> None:
    entry = json.loads(response.inclusion.entry)
    entry["body"]["change"] = "another"
    response.inclusion.entry = to_canonical(entry)


def _no_proof(_: GatewaySide, response: directory_pb2.GetDirectoryResponse) -> None:
    del response.inclusion.path[:]


def _no_head(_: GatewaySide, response: directory_pb2.GetDirectoryResponse) -> None:
    response.inclusion.head.Clear()


def _not_a_directory(_: GatewaySide, response: directory_pb2.GetDirectoryResponse) -> None:
    response.directory = b"{}"


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (_other_directory, ErrorCode.DIRECTORY_REJECTED),
        (_unsigned, ErrorCode.DIRECTORY_REJECTED),
        (_other_entry, ErrorCode.LEDGER_INVALID),
        (_no_proof, ErrorCode.LEDGER_INVALID),
        (_no_head, ErrorCode.LEDGER_INVALID),
        (_not_a_directory, ErrorCode.MESSAGE_MALFORMED),
    ],
)
async def test_a_directory_that_does_not_prove_itself_is_refused(
    desk: Desk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch, tamper: Tamper, code: ErrorCode
) -> None:
    await desk.refresh()
    await gateway.write(EntryKind.SERVICE_STARTED, {})
    await gateway.publish()
    honest = gateway.directory

    async def dishonest(known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        response = await honest(known_version, known_size)
        tamper(gateway, response)
        return response

    with monkeypatch.context() as patched:
        patched.setattr(gateway, "directory", dishonest)
        assert await desk.disbelieved() is code
        assert await desk.alarms() == [code]
    assert await desk.refresh(), "an honest answer is believed again"


async def test_an_entry_of_another_kind_publishes_nothing(desk: Desk, gateway: GatewaySide) -> None:
    found = gateway.region.publish()
    gateway.index = await gateway.write(EntryKind.SETTINGS_CHANGED, found.body)
    gateway.published = found
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED


async def test_a_key_swapped_without_the_old_key_is_refused(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    gateway.region.members["met-police"].chain = [SigningKey.generate()]
    await gateway.publish()
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED


async def test_two_directories_of_one_version_are_refused(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    gateway.region.version = 0
    twin = await gateway.publish("uclh")
    assert twin.version == 1

    honest = gateway.directory

    async def insisting(known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        del known_version
        return await honest(0, known_size)

    gateway.directory = insisting  # type: ignore[method-assign]  # a gateway that does not answer "unchanged"
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED


async def test_a_replica_that_was_slower_raises_no_false_alarm(open_desk: OpenDesk, gateway: GatewaySide) -> None:
    one, two = await open_desk(), await open_desk()
    await one.refresh()
    await two.refresh()
    honest = gateway.directory

    async def overtaken(known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        await gateway.write(EntryKind.SERVICE_STARTED, {})
        slow = await honest(known_version, known_size)
        await gateway.write(EntryKind.SERVICE_STOPPED, {})
        gateway.directory = honest  # type: ignore[method-assign]  # back to the honest one
        await one.refresh()
        return slow

    gateway.directory = overtaken  # type: ignore[method-assign]  # an answer that is overtaken on its way
    await two.refresh()
    assert await two.alarms() == []
    assert two.followed.head == one.followed.head
    assert two.followed.failure is None


async def test_a_store_that_was_tampered_with_is_not_taken_up(open_desk: OpenDesk, gateway: GatewaySide) -> None:
    desk = await open_desk()
    await desk.refresh()
    other = gateway.region.publish("uclh")
    async with desk.engine.begin() as connection:
        await connection.execute(
            text("UPDATE trusted_state SET content = :content WHERE name = 'gateway-directory'"),
            {"content": other.content},
        )
    with pytest.raises(WardgateError) as caught:
        await open_desk()
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED


async def test_without_a_ledger_no_directory_is_adopted(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        await connection.execute(
            text("CREATE TRIGGER broken BEFORE INSERT ON ledger_entry BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END")
        )
    with pytest.raises(WardgateError) as caught:
        await desk.refresh()
    assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
    assert desk.followed.directory().version == 0


@pytest.mark.parametrize("landed", [True, False])
async def test_a_directory_whose_commit_is_of_unknown_outcome_is_kept_and_recorded_once(
    desk: Desk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch, *, landed: bool
) -> None:
    record = Journal.record

    async def loses_the_reply(journal: Journal, *given: Any) -> Any:
        entries = given[0]
        if not (entries and entries[0].kind is EntryKind.DIRECTORY_ACCEPTED):
            return await record(journal, *given)
        if landed:
            await record(journal, *given)
        raise WardgateError(ErrorCode.OUTCOME_UNKNOWN, "test")

    published = await gateway.publish()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "record", loses_the_reply)
        with pytest.raises(WardgateError) as caught:
            await desk.refresh()
    assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
    assert desk.followed.directory().version == 0
    await desk.refresh()
    assert desk.followed.failure is None
    assert desk.followed.directory().version == published.version
    assert len(await desk.bodies(EntryKind.DIRECTORY_ACCEPTED)) == 1


# -- dishonest gateways that no list above has ------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["gateway", "trustee"])
async def test_a_point_never_becomes_another_also_after_a_restart_and_an_absence(
    open_desk: OpenDesk, gateway: GatewaySide, role: Role
) -> None:
    desk = await open_desk()
    await desk.refresh()
    gateway.region.members["uclh"].epochs = (1, 2)
    await gateway.publish()
    assert await desk.refresh()
    assert await desk.alarms() == []  # a new epoch replaces nothing
    await gateway.publish("uclh")
    await desk.refresh()

    restarted = await open_desk()
    rekey(gateway.region.gateway_holder if role == "gateway" else gateway.region.trustee_holder, "uclh", epoch=2)
    await gateway.publish()
    assert await restarted.disbelieved() is ErrorCode.POINTS_REPLACED
    assert list(restarted.followed.refused_points()) == [PointKey("uclh", 2, role)]
    (alarm,) = await restarted.bodies(EntryKind.ALARM_RAISED)
    assert (alarm["error"], alarm["detail"]) == ("POINTS_REPLACED", f"1: uclh/2/{role}")


async def test_an_agency_that_left_comes_back_with_its_own_keys_alone_also_after_a_restart(
    open_desk: OpenDesk, gateway: GatewaySide
) -> None:
    desk = await open_desk()
    await desk.refresh()
    await gateway.publish("uclh")
    await desk.refresh()
    restarted = await open_desk()
    own, gateway.region.members["uclh"].chain = gateway.region.members["uclh"].chain, [SigningKey.generate()]
    await gateway.publish()
    assert await restarted.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    gateway.region.members["uclh"].chain = own
    await gateway.publish()
    assert await restarted.refresh()


# -- keys that were lost -----------------------------------------------------------------------------------------------


async def test_a_reset_is_the_end_of_a_chain_for_everybody_and_an_alarm_at_the_agencys_own_node(
    open_desk: OpenDesk, gateway: GatewaySide, party: Following
) -> None:
    """Whether anybody believes the agency on it is the register's affair: see `test_register`."""
    desk = await open_desk()
    await desk.refresh()
    restarted = await open_desk()
    gateway.region.members["uclh"].reset_keys()
    await gateway.publish()
    assert await restarted.refresh()
    listed = restarted.followed.directory().agency("uclh")
    assert (len(listed.chain), listed.resets, listed.since_reset) == (2, listed.chain[1:], listed.chain[1:])
    gateway.region.members[NODE].reset_keys()
    await gateway.publish()
    if party.is_listed:
        assert await restarted.disbelieved() is ErrorCode.DIRECTORY_REJECTED
        assert await restarted.alarms() == ["DIRECTORY_REJECTED"]
    else:
        assert await restarted.refresh()


async def test_the_chain_of_before_a_reset_does_not_come_back_also_after_a_restart(
    open_desk: OpenDesk, gateway: GatewaySide
) -> None:
    desk, member = await open_desk(), gateway.region.members["uclh"]
    for _ in range(2):
        member.reset_keys()
        await gateway.publish()
        assert await desk.refresh()
    chain, restarted = list(member.chain), await open_desk()
    for shown in (chain[:1], chain[:2], [*chain[:2], SigningKey.generate()]):
        member.chain = shown
        await gateway.publish()
        assert await restarted.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    member.chain = chain
    member.change_key()
    await gateway.publish()
    assert await restarted.refresh()
    assert len(restarted.followed.directory().agency("uclh").since_reset) == 2


async def test_the_auditors_keys_are_never_reset(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    auditors = gateway.region.auditors
    key = SigningKey.generate()
    lost = auditors.signing.verify_key
    auditors.statements = [
        *auditors.statements,
        state_keys("auditors", key, auditors.sealing.public, version=2, sealing_epoch=2, lost=lost, issued_at=NOW),
    ]
    await gateway.publish()
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED


async def test_a_party_that_is_shut_out_says_so_once_an_hour(
    desk: Desk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """It was revoked, or somebody has got new keys in its name: its owner must hear of it from its own node."""
    await desk.refresh()
    peer, said = Party(PartyKind.GATEWAY, "main"), [False]
    status, code = grpc.StatusCode.PERMISSION_DENIED, ErrorCode.CERTIFICATE_REVOKED

    async def refuses(*_: int) -> directory_pb2.GetDirectoryResponse:
        raise RemoteError(code, "said so", peer=peer, status=status, is_answer=said[-1])

    for is_answer, alarms in ((False, 0), (True, 1), (True, 1)):
        said.append(is_answer)
        with monkeypatch.context() as patched:
            patched.setattr(gateway, "directory", refuses)
            with pytest.raises(WardgateError):
                await desk.refresh()
        bodies = await desk.bodies(EntryKind.ALARM_RAISED)
        assert [body["alarm"] for body in bodies] == ["OWN_CERTIFICATE_REVOKED"] * alarms
    clock.now += ALARM_EVERY_S
    with monkeypatch.context() as patched:
        patched.setattr(gateway, "directory", refuses)
        with pytest.raises(WardgateError):
            await desk.refresh()
    assert len(await desk.bodies(EntryKind.ALARM_RAISED)) == 2
    assert await desk.refresh() is False
    assert desk.followed.failure is None


# -- descriptions: each agency signs its own ---------------------------------------------------------------------------


async def test_a_description_that_its_agency_signed_anew_is_believed(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    gateway.region.members["uclh"].areas = ["camden", "barnet"]
    await gateway.publish()
    assert await desk.refresh()
    assert desk.followed.directory().agency("uclh").descriptor.areas == ["camden", "barnet"]
    assert await desk.alarms() == []


@pytest.mark.parametrize("signer", ["nobody", "gateway", "another agency"])
@pytest.mark.parametrize("agency", [NODE, "uclh"])
async def test_a_description_that_was_changed_without_its_agency_is_refused_also_after_a_restart(
    open_desk: OpenDesk, gateway: GatewaySide, agency: str, signer: str
) -> None:
    await (await open_desk()).refresh()
    restarted, member = await open_desk(), gateway.region.members[agency]
    member.areas = ["camden", "barnet"]
    member.describes_itself = signer != "nobody"
    member.describing = {
        "gateway": gateway.region.gateway_key,
        "another agency": gateway.region.members["met-police"].chain[0],
    }.get(signer)
    await gateway.publish()
    assert await restarted.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    assert await restarted.alarms() == ["DIRECTORY_REJECTED"]


async def test_the_signature_of_a_description_does_not_get_lost(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    gateway.region.members["uclh"].describes_itself = False
    await gateway.publish()
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED


async def test_a_newcomer_signs_its_description(desk: Desk, gateway: GatewaySide) -> None:
    await gateway.publish("uclh")
    await desk.refresh()
    gateway.region.members["uclh"].describes_itself = False
    await gateway.publish()
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    gateway.region.members["uclh"].describes_itself = True
    await gateway.publish()
    assert await desk.refresh()


async def test_a_description_of_before_agencies_signed_them_is_taken_as_it_was_seen_and_not_otherwise(
    open_desk: OpenDesk, gateway: GatewaySide, region: Region
) -> None:
    for member in region.members.values():
        member.describes_itself = False
    await gateway.publish()
    first = await open_desk()
    first.signed.clear()  # nor has this party signed any
    assert await first.refresh()
    second = await open_desk()
    await gateway.publish()
    assert await second.refresh()
    assert not second.followed.directory().agency("uclh").describes_itself
    region.members["uclh"].declared_caseload += 1
    await gateway.publish()
    assert await second.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    region.members["uclh"].describes_itself = True
    await gateway.publish()
    assert await second.refresh()


@pytest.mark.parametrize("seen", [True, False])
async def test_a_description_outlives_the_key_that_signed_it_and_a_key_that_was_given_up_signs_no_new_one(
    open_desk: OpenDesk, gateway: GatewaySide, *, seen: bool
) -> None:
    desk, member = await open_desk(), gateway.region.members["uclh"]
    member.describing = member.chain[0]
    if seen:
        await desk.refresh()
    member.change_key()
    await gateway.publish()
    assert await desk.refresh()
    member.areas = ["barnet"]
    await gateway.publish()
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    member.describing = None
    await gateway.publish()
    assert await desk.refresh()


async def test_who_was_away_while_an_agency_described_itself_anew_and_then_took_a_new_key_believes_both(
    desk: Desk, gateway: GatewaySide
) -> None:
    await desk.refresh()
    member = gateway.region.members["uclh"]
    member.areas, member.describing = ["barnet"], member.chain[0]
    member.change_key()
    await gateway.publish()
    assert await desk.refresh()
    assert await desk.alarms() == []


async def test_a_listed_party_wants_to_be_described_as_it_signed_last(
    open_desk: OpenDesk, gateway: GatewaySide, party: Following
) -> None:
    """Its own signature is not enough: it keeps what it signed, and what it replaced does not come back."""
    desk, member = await open_desk(), gateway.region.members[NODE]
    await desk.refresh()
    old, member.areas = member.areas, ["camden", "barnet"]
    await gateway.publish()
    if party.is_listed:
        assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED
        desk.signed.append(member.digest)
    assert await desk.refresh()
    assert desk.followed.directory().agency(NODE).descriptor.areas == member.areas
    restarted = await open_desk()
    member.areas = old
    await gateway.publish()
    if party.is_listed:
        assert await restarted.disbelieved() is ErrorCode.DIRECTORY_REJECTED
        assert await restarted.alarms() == ["DIRECTORY_REJECTED"] * 2
        restarted.signed.append(member.digest)
    assert await restarted.refresh()


async def test_a_listed_party_whose_signature_is_left_out_at_first_sight_says_so(
    desk: Desk, gateway: GatewaySide, party: Following
) -> None:
    gateway.region.members[NODE].describes_itself = False
    await gateway.publish()
    if party.is_listed:
        assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    else:
        assert await desk.refresh()


async def test_a_party_that_lost_what_it_signed_starts_and_takes_no_newer_directory_before_it_signed_again(
    open_desk: OpenDesk, gateway: GatewaySide, party: Following
) -> None:
    first = await open_desk()
    await first.refresh()
    lost = list(first.signed)
    first.signed.clear()
    restarted = await open_desk()
    assert restarted.followed.directory().version == 1
    await gateway.publish()
    if party.is_listed:
        assert await restarted.disbelieved() is ErrorCode.DIRECTORY_REJECTED
        restarted.signed.extend(lost)
    assert await restarted.refresh()


async def test_the_auditors_own_successor_is_believed(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    gateway.region.auditors.succeed()
    await gateway.publish()
    assert await desk.refresh()
    assert desk.followed.directory().audit_key == gateway.region.auditors.sealing.public


async def test_who_begins_with_the_auditors_newest_key_pinned_believes_the_whole_chain(
    open_desk: OpenDesk, gateway: GatewaySide
) -> None:
    gateway.region.auditors.succeed()
    gateway.region.auditors.anchor = gateway.region.auditors.signing.verify_key
    await gateway.publish()
    assert await (await open_desk()).refresh()


@pytest.mark.parametrize("known", [True, False])
async def test_an_audit_key_that_the_auditors_did_not_sign_is_refused_at_first_sight_and_later(
    open_desk: OpenDesk, gateway: GatewaySide, *, known: bool
) -> None:
    desk = await open_desk()
    if known:
        await desk.refresh()
    gateway.region.auditors.statements = Auditors().statements
    await gateway.publish()
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    assert await desk.alarms() == ["DIRECTORY_REJECTED"]


async def test_the_auditors_key_of_before_does_not_come_back(open_desk: OpenDesk, gateway: GatewaySide) -> None:
    desk, auditors = await open_desk(), gateway.region.auditors
    first = list(auditors.statements)
    auditors.succeed()
    await gateway.publish()
    await desk.refresh()
    restarted = await open_desk()
    auditors.statements = first
    await gateway.publish()
    assert await restarted.disbelieved() is ErrorCode.DIRECTORY_REJECTED


async def test_an_agency_that_was_listed_and_is_left_out_says_so(
    open_desk: OpenDesk, gateway: GatewaySide, party: Following
) -> None:
    desk = await open_desk()
    await desk.refresh()
    restarted = await open_desk()
    await gateway.publish(NODE)
    if party.is_listed:
        assert await restarted.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    else:
        assert await restarted.refresh()


async def test_no_agency_may_have_the_auditors_name(gateway: GatewaySide, desk: Desk) -> None:
    member = gateway.region.members["uclh"]
    member.agency = "auditors"
    await gateway.publish()
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED


async def test_a_junk_proof_with_the_first_head_is_refused(
    desk: Desk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = gateway.directory

    async def with_junk(known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        response = await honest(known_version, known_size)
        response.inclusion.head.consistency.append(bytes(32))
        return response

    monkeypatch.setattr(gateway, "directory", with_junk)
    assert await desk.disbelieved() is ErrorCode.LEDGER_INVALID


async def test_an_empty_tree_with_a_made_up_root_is_refused(
    desk: Desk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = sign_checkpoint(Checkpoint(THEIRS, 0, sha256(b"made up")), gateway.region.gateway_key).note

    async def empty(*_: int) -> directory_pb2.GetDirectoryResponse:
        head = ledger_pb2.CheckpointUpdate(checkpoint=note)
        return directory_pb2.GetDirectoryResponse(unchanged=True, head=head)

    monkeypatch.setattr(gateway, "directory", empty)
    assert await desk.disbelieved() is ErrorCode.LEDGER_INVALID
    assert await desk.alarms() == ["LEDGER_INVALID"]


async def test_a_directory_that_is_too_large_is_an_alarm(
    desk: Desk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = gateway.directory

    async def huge(known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        response = await honest(known_version, known_size)
        response.directory = b" " * (4 * 1024 * 1024 + 1)
        return response

    monkeypatch.setattr(gateway, "directory", huge)
    assert await desk.disbelieved() is ErrorCode.MESSAGE_TOO_LARGE
    assert await desk.alarms() == ["MESSAGE_TOO_LARGE"]


async def test_a_gateway_that_says_itself_that_its_ledger_is_shorter_is_an_alarm(
    desk: Desk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its database was put back to an older state: then it refuses the call with the very code of a fork."""
    honest, older = gateway.directory, (await gateway.journal.checkpoint()).note
    await gateway.write(EntryKind.SERVICE_STARTED, {})
    await desk.refresh()

    def remote(code: ErrorCode) -> RemoteError:
        import grpc

        peer = Party(PartyKind.GATEWAY, "main")
        return RemoteError(code, "said so", peer=peer, status=grpc.StatusCode.FAILED_PRECONDITION, is_answer=True)

    async def refuses(known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        if known_size:
            raise remote(ErrorCode.LEDGER_FORKED)
        response = await honest(known_version, 0)
        response.head.checkpoint = older
        return response

    monkeypatch.setattr(gateway, "directory", refuses)
    assert await desk.disbelieved() is ErrorCode.LEDGER_FORKED
    assert await desk.alarms() == ["LEDGER_FORKED"]
    (alarm,) = await desk.bodies(EntryKind.ALARM_RAISED)
    assert alarm["theirs"].encode() == older, "it shows to whoever has seen nothing what it has"
    assert {code for code in CATALOGUE if is_disbelief(remote(code))} == {ErrorCode.LEDGER_FORKED}


async def test_the_same_disbelief_is_one_alarm_an_hour_and_another_one_is_an_alarm_at_once(
    desk: Desk, gateway: GatewaySide, clock: Clock
) -> None:
    await desk.refresh()
    published, index = gateway.published, gateway.index
    for _ in range(3):
        await gateway.publish()
        await desk.refresh()
    gateway.published, gateway.index = published, index
    for _ in range(3):
        assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    assert await desk.alarms() == ["DIRECTORY_REJECTED"]
    clock.now += ALARM_EVERY_S
    await desk.disbelieved()
    assert await desk.alarms() == ["DIRECTORY_REJECTED"] * 2
    gateway.region.auditors.statements = Auditors().statements
    await gateway.publish()
    await desk.disbelieved()
    assert await desk.alarms() == ["DIRECTORY_REJECTED"] * 3


# -- receipts ----------------------------------------------------------------------------------------------------------

QUERY = "0b5c1e9e-0000-4000-8000-000000000001"


async def receipt_of(gateway: GatewaySide, index: int, known_size: int) -> ledger_pb2.InclusionProof:
    head = await gateway.head(known_size)
    proof = await gateway.journal.inclusion(index)
    return ledger_pb2.InclusionProof(index=index, entry=proof.entry, path=proof.path, head=head)


async def test_a_receipt_moves_the_known_ledger_on_and_a_restart_forgets_it_not(
    open_desk: OpenDesk, gateway: GatewaySide
) -> None:
    desk = await open_desk()
    await desk.refresh()
    index = await gateway.write(EntryKind.QUERY_ADMITTED, {}, query_id=QUERY)
    found = await desk.followed.receipt(QUERY, lambda size: receipt_of(gateway, index, size))
    assert (found["kind"], found["index"], found["size"]) == ("query_admitted", index, index + 1)
    restarted = await open_desk()
    assert restarted.followed.head == desk.followed.head


@pytest.mark.parametrize("forged", [True, False])
async def test_a_receipt_of_another_query_or_of_no_entry_changes_nothing_and_is_an_alarm(
    desk: Desk, gateway: GatewaySide, *, forged: bool
) -> None:
    await desk.refresh()
    index = await gateway.write(EntryKind.QUERY_ADMITTED, {"effect": "permit"}, query_id=None if not forged else QUERY)
    head = desk.followed.head

    async def fetch(known_size: int) -> ledger_pb2.InclusionProof:
        proof = await receipt_of(gateway, index, known_size)
        if forged:
            proof.entry = proof.entry.replace(b"permit", b"accept")
        return proof

    with pytest.raises(WardgateError) as caught:
        await desk.followed.receipt(QUERY, fetch)
    assert caught.value.code in {ErrorCode.LEDGER_INVALID, ErrorCode.LEDGER_FORKED}
    assert desk.followed.head == head
    assert len(await desk.alarms()) == 1
