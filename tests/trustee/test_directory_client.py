"""The trustee believes the gateway's directory only as it is proved, and a restart goes back behind nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.witness import Witness
from federation.ledger.witnessing import WatchedLedger
from federation.store import migrate, open_engine, sqlite_url
from federation.transport.denylist import DenyEntry, DenyList
from federation.wire.v1 import directory_pb2
from keys import domains
from keys.holder import Role
from keys.signing import SigningKey
from tests.support.gateway_side import GatewaySide
from tests.support.region import Region
from tests.support.rekeying import rekey
from tests.support.signers import NOW
from tests.support.trustee_house import Clock
from trustee.books import Books
from trustee.directory_client import DirectoryClient

OURS = "wardgate/trustee/main"
THEIRS = "wardgate/gateway/main"


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
    """One trustee's directory client with everything around it."""

    client: DirectoryClient
    journal: Journal
    engine: AsyncEngine
    deny_list: DenyList
    ticks: Ticks

    async def refresh(self) -> bool:
        """Refresh, well after the last time; whether a newer directory came of it."""
        self.ticks.now += 10
        before = self.client.directory.version
        await self.client.refresh()
        return self.client.directory.version > before

    async def disbelieved(self) -> ErrorCode:
        """Refresh and tell why the gateway was not believed."""
        before = self.client.directory
        assert not await self.refresh()
        assert self.client.directory is before
        assert self.client.failure is not None
        with pytest.raises(WardgateError):
            self.client.check_fresh(10**9)
        return self.client.failure.code

    async def alarms(self) -> list[str]:
        entries = [Entry.parse(stored.content) for stored in await self.journal.entries(0, 100)]
        return [str(entry.body["reason"]) for entry in entries if entry.kind is EntryKind.ALARM_RAISED]


OpenDesk = Callable[[], Awaitable[Desk]]


async def open_store(stack: AsyncExitStack, path: Path) -> AsyncEngine:
    await migrate(sqlite_url(path), "trustee.store")
    engine = open_engine(sqlite_url(path))
    stack.push_async_callback(engine.dispose)
    return engine


@pytest.fixture
async def gateway(tmp_path: Path, region: Region, clock: Clock) -> AsyncIterator[GatewaySide]:
    async with AsyncExitStack() as stack:
        engine = await open_store(stack, tmp_path / "gateway.db")
        journal = await stack.enter_async_context(Journal(engine, THEIRS, region.gateway_key, clock))
        side = GatewaySide(region, journal)
        await side.publish()
        yield side


@pytest.fixture
async def open_desk(tmp_path: Path, region: Region, clock: Clock, gateway: GatewaySide) -> AsyncIterator[OpenDesk]:
    """A trustee's desk; a second one is the same trustee restarted, or a replica."""
    async with AsyncExitStack() as stack:

        async def make() -> Desk:
            engine = await open_store(stack, tmp_path / "trustee.db")
            journal = await stack.enter_async_context(Journal(engine, OURS, region.trustee_key, clock))
            deny_list, ticks = DenyList(region.gateway_key.verify_key), Ticks()
            client = DirectoryClient(
                source=gateway,
                watched=WatchedLedger(journal, Witness(OURS, region.trustee_key, clock), gateway.journal.key),
                anchors=region.anchors,
                deny_list=deny_list,
                engine=engine,
                books=Books(journal=journal, clock=clock),
                gateway="gateway/main",
                largest_first=5_000,
                clock=clock,
                monotonic=ticks,
                sleep=ticks.sleep,
            )
            await client.load()
            return Desk(client, journal, engine, deny_list, ticks)

        yield make


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Desk:
    return await open_desk()


async def test_the_first_directory_is_verified_kept_cosigned_and_recorded(desk: Desk, gateway: GatewaySide) -> None:
    assert desk.client.directory.version == 0
    assert await desk.refresh()
    assert desk.client.failure is None
    assert set(desk.client.directory.agencies) == set(gateway.region.members)
    assert gateway.cosigned_by(OURS) == [{OURS: NOW}]
    assert [stored.kind for stored in await desk.journal.entries(0, 10)] == ["directory_accepted"]
    desk.client.check_fresh(60)


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
    assert gateway.cosigned_by(OURS) == [{OURS: NOW}] * 2


async def test_a_newer_directory_is_taken_over(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    gateway.region.members["camden-csc"].change_key()
    await gateway.publish("uclh")
    assert await desk.refresh()
    assert desk.client.directory.version == 2
    assert "uclh" not in desk.client.directory.agencies
    newest = gateway.region.members["camden-csc"].chain[-1].verify_key
    assert desk.client.directory.agency("camden-csc").verify_key == newest


async def test_callers_at_once_share_one_fetch(desk: Desk, gateway: GatewaySide) -> None:
    assert await desk.refresh()
    desk.ticks.now += 10
    await asyncio.gather(*(desk.client.refresh() for _ in range(5)))
    assert len(gateway.asked) == 2


@pytest.mark.parametrize(("since", "waits"), [(0.1, 0.9), (0.9, 0.1), (1.0, 0.0), (5.0, 0.0)])
async def test_a_caller_sees_what_is_newest_and_waits_until_a_second_has_passed(
    desk: Desk, gateway: GatewaySide, since: float, waits: float
) -> None:
    assert await desk.refresh()
    await gateway.publish()
    desk.ticks.now += since
    await desk.client.refresh()
    assert desk.ticks.waited[-1] == pytest.approx(waits)
    assert desk.client.directory.version == 2


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
    first, second = (asyncio.create_task(desk.client.refresh()) for _ in range(2))
    await reached.wait()
    first.cancel()
    await second
    assert desk.client.directory.version == 1


async def test_an_unreachable_gateway_leaves_what_was_verified_in_force(
    desk: Desk, gateway: GatewaySide, clock: Clock
) -> None:
    await desk.refresh()
    gateway.unreachable = True
    assert not await desk.refresh()
    assert desk.client.directory.version == 1
    assert await desk.alarms() == []
    clock.now += 600
    desk.client.check_fresh(600)
    clock.now += 1
    with pytest.raises(WardgateError) as caught:
        desk.client.check_fresh(600)
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
    assert second.client.directory.version == 2
    gateway.published, gateway.index = old, old_index
    assert await second.disbelieved() is ErrorCode.DIRECTORY_REJECTED
    assert await second.alarms() == ["directory_rejected"]


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
        assert await second.alarms() == ["ledger_forked"]
        assert second.client.directory.version == 1
        assert len(gateway.cosigned) == 1, "a forked ledger is not cosigned"


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


@pytest.mark.parametrize("tamper", [_other_directory, _unsigned, _other_entry, _no_proof, _no_head, _not_a_directory])
async def test_a_directory_that_does_not_prove_itself_is_refused(
    desk: Desk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch, tamper: Tamper
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
        await desk.disbelieved()
        assert await desk.alarms() == ["directory_rejected"]
    assert await desk.refresh(), "an honest answer is believed again"


async def test_an_entry_of_another_kind_publishes_nothing(desk: Desk, gateway: GatewaySide) -> None:
    found = gateway.region.publish()
    gateway.index = await gateway.write(EntryKind.SETTINGS_CHANGED, found.body)
    gateway.published = found
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED


async def test_a_key_swapped_without_the_old_key_is_refused(desk: Desk, gateway: GatewaySide) -> None:
    await desk.refresh()
    gateway.region.members["camden-csc"].chain = [SigningKey.generate()]
    await gateway.publish()
    assert await desk.disbelieved() is ErrorCode.DIRECTORY_REJECTED


@pytest.mark.parametrize("role", ["gateway", "trustee"])
async def test_a_point_that_becomes_another_under_a_running_epoch_is_an_alarm_also_after_a_restart(
    open_desk: OpenDesk, gateway: GatewaySide, role: Role
) -> None:
    desk = await open_desk()
    assert await desk.refresh()
    gateway.region.members["uclh"].epochs = (1, 2)
    await gateway.publish()
    assert await desk.refresh()
    assert await desk.alarms() == []  # a new epoch replaces nothing

    restarted = await open_desk()
    rekey(gateway.region.gateway_holder if role == "gateway" else gateway.region.trustee_holder, "uclh", epoch=2)
    await gateway.publish()
    assert await restarted.refresh()

    assert await restarted.alarms() == ["points_replaced"]
    entries = [Entry.parse(stored.content) for stored in await restarted.journal.entries(0, 100)]
    (alarm,) = [entry.body for entry in entries if entry.kind is EntryKind.ALARM_RAISED]
    assert (alarm["points"], alarm["count"]) == ([f"uclh/2/{role}"], 1)


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
    assert two.client.failure is not None
    assert two.client.failure.code is ErrorCode.PEER_UNAVAILABLE
    await two.refresh()
    assert two.client.failure is None


async def test_the_first_declared_caseload_stays_and_is_capped(open_desk: OpenDesk, gateway: GatewaySide) -> None:
    members = gateway.region.members
    members["uclh"].declared_caseload = 1_000_000
    await gateway.publish()
    desk = await open_desk()
    await desk.refresh()
    assert desk.client.caseloads["camden-csc"] == 1_000
    assert desk.client.caseloads["uclh"] == 5_000
    members["camden-csc"].declared_caseload = 4_000
    await gateway.publish()
    await desk.refresh()
    assert desk.client.directory.agency("camden-csc").descriptor.declared_caseload == 4_000
    assert desk.client.caseloads["camden-csc"] == 1_000
    assert (await open_desk()).client.caseloads == desk.client.caseloads


async def test_the_deny_list_is_in_force_at_once_and_after_a_restart(open_desk: OpenDesk, gateway: GatewaySide) -> None:
    desk = await open_desk()
    gateway.deny(1, [DenyEntry(identity="wardgate://gateway/main", serial="ab", reason_code="stolen")])
    await desk.refresh()
    assert desk.deny_list.version == 1
    again = await open_desk()
    assert again.deny_list.version == 1
    gateway.deny(1)
    await again.refresh()
    assert again.client.failure is not None
    assert again.client.failure.code is ErrorCode.DIRECTORY_REJECTED, "two lists of one version are a fork"


async def test_a_store_that_was_tampered_with_is_not_taken_up(open_desk: OpenDesk, gateway: GatewaySide) -> None:
    desk = await open_desk()
    await desk.refresh()
    other = gateway.region.publish("uclh")
    async with desk.engine.begin() as connection:
        await connection.execute(text("UPDATE verified_directory SET content = :content"), {"content": other.content})
    with pytest.raises(WardgateError) as caught:
        await open_desk()
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED


async def test_without_a_ledger_no_directory_is_adopted(desk: Desk) -> None:
    async with desk.engine.begin() as connection:
        await connection.execute(
            text("CREATE TRIGGER broken BEFORE INSERT ON ledger_entry BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END")
        )
    assert not await desk.refresh()
    assert desk.client.failure is not None
    assert desk.client.failure.code is ErrorCode.LEDGER_UNAVAILABLE
    assert desk.client.directory.version == 0


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
    gateway.deny(1)
    for _ in range(2):  # the directory, then the deny list
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "record", loses_the_reply)
            await desk.refresh()
        assert desk.client.failure is not None
        assert desk.client.failure.code is ErrorCode.OUTCOME_UNKNOWN
        if not landed:
            break
    await desk.refresh()
    assert desk.client.failure is None
    assert desk.client.directory.version == published.version
    assert len(await desk.journal.find(kind=EntryKind.DIRECTORY_ACCEPTED)) == 2
