"""What the trustee keeps and follows besides the directory: the register of members, and the deny list.

How it follows the gateway itself is in tests/federation/following, where node and trustee are held to one contract.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.following.follower import View
from federation.following.gateway import FollowedGateway, Follower
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.witness import Witness
from federation.ledger.witnessing import WatchedLedger
from federation.register import LIFE_S, RENEW_S, UNENDORSED_S, SignedApproval
from federation.store import migrate, open_engine, sqlite_url
from federation.transport.denylist import DenyEntry, DenyList
from tests.support.approvals import People
from tests.support.gateway_side import GatewaySide
from tests.support.region import Region
from tests.support.signers import NOW
from tests.support.trustee_house import Clock
from trustee.books import Books
from trustee.following import FollowedDenials, TrusteeView
from trustee.register import Grounds, RegisterKeeper
from trustee.store.register import add_approval

OURS = "wardgate/trustee/main"
THEIRS = "wardgate/gateway/main"


@dataclass
class Desk:
    """One trustee's view with everything around it."""

    view: TrusteeView
    keeper: RegisterKeeper
    journal: Journal
    engine: AsyncEngine
    deny_list: DenyList

    async def add(self, approvals: list[SignedApproval]) -> None:
        async with self.engine.begin() as connection:
            for signed in approvals:
                await add_approval(connection, signed, NOW)

    async def refused(self) -> ErrorCode:
        await self.view.refresh()
        assert self.view.followed.failure is not None
        return self.view.followed.failure.code

    async def alarms(self) -> list[str]:
        entries = [Entry.parse(stored.content) for stored in await self.journal.entries(0, 100)]
        return [str(entry.body["error"]) for entry in entries if entry.kind is EntryKind.ALARM_RAISED]


OpenDesk = Callable[[], Awaitable[Desk]]


async def open_store(stack: AsyncExitStack, path: Path) -> AsyncEngine:
    await migrate(sqlite_url(path), "trustee.store")
    engine = open_engine(sqlite_url(path))
    stack.push_async_callback(engine.dispose)
    return engine


@pytest.fixture
def people() -> People:
    return People()


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
    tmp_path: Path, region: Region, clock: Clock, gateway: GatewaySide, people: People
) -> AsyncIterator[OpenDesk]:
    """A trustee's desk; a second one is the same trustee restarted."""
    async with AsyncExitStack() as stack:

        async def make() -> Desk:
            engine = await open_store(stack, tmp_path / "trustee.db")
            journal = await stack.enter_async_context(Journal(engine, OURS, region.trustee_key, clock))
            books, first = Books(journal=journal, clock=clock), View.first(region.anchors, THEIRS)
            watched = WatchedLedger(journal, Witness(OURS, region.trustee_key, clock), first.key)
            followed = FollowedGateway(Follower(first, watched, engine, journal), gateway, clock=clock)
            deny_list = DenyList(region.gateway_key.verify_key)
            named: Any = {"engine": engine, "books": books, "gateway": "gateway/main"}
            denials = FollowedDenials(gateway, deny_list=deny_list, **named)
            keeper = RegisterKeeper(
                Grounds(followed.directory, deny_list.denied_agencies, people.approvers),
                engine=engine,
                journal=journal,
                books=books,
                key=region.trustee_key,
                party="trustee/main",
                clock=clock,
            )
            for part in (denials, keeper):
                followed.also(part.refresh)
                await part.load()
            await followed.load()
            view = TrusteeView(followed, keeper.register, clock=clock)
            return Desk(view, keeper, journal, engine, deny_list)

        yield make


async def test_nobody_is_a_member_before_two_people_approved(open_desk: OpenDesk, people: People) -> None:
    desk = await open_desk()
    await desk.view.refresh()
    agency = desk.view.followed.directory().agency("uclh")
    assert desk.view.directory.agencies == {}
    assert desk.view.caseloads == {}

    await desk.add(people.approve(agency, "amara"))
    await desk.view.refresh()
    assert desk.view.directory.agencies == {}, "one person never makes a member"

    await desk.add(people.approve(agency, "amara", at=NOW + 1))
    await desk.view.refresh()
    assert desk.view.directory.agencies == {}, "and not by approving twice"

    await desk.add(people.approve(agency, "idris", caseload=700))
    await desk.view.refresh()
    assert desk.view.directory.agencies == {}, "nor two who approve different things"

    await desk.add(people.approve(agency, "idris"))
    await desk.view.refresh()
    assert list(desk.view.directory.agencies) == ["uclh"]
    assert desk.view.caseloads == {"uclh": 1_000}
    assert (await open_desk()).view.caseloads == {"uclh": 1_000}


async def test_a_reset_of_keys_makes_a_pending_member_of_one_until_two_people_approved_it(
    open_desk: OpenDesk, gateway: GatewaySide, people: People
) -> None:
    desk = await open_desk()
    await desk.view.refresh()
    await desk.add(people.approve(desk.view.followed.directory().agency("uclh")))
    await desk.view.refresh()
    for round_, caseload in ((1, 700), (2, 800)):
        assert list(desk.view.directory.agencies) == ["uclh"]
        gateway.region.members["uclh"].reset_keys()
        await gateway.publish()
        await desk.view.refresh()
        assert desk.view.directory.agencies == {}, "by the gateway alone"
        agency = desk.view.followed.directory().agency("uclh")
        await desk.add(people.approve(agency, "amara", caseload=caseload, at=NOW + round_))
        await desk.view.refresh()
        assert desk.view.directory.agencies == {}, "by one"
        await desk.add(people.approve(agency, "idris", caseload=caseload, at=NOW + round_))
        await desk.view.refresh()
        assert desk.view.directory.agency("uclh").verify_key == agency.verify_key
        assert desk.view.caseloads == {"uclh": caseload}
        desk = await open_desk()
        await desk.view.refresh()


async def test_the_approval_of_somebody_who_is_no_approver_counts_nothing(open_desk: OpenDesk, people: People) -> None:
    desk = await open_desk()
    await desk.view.refresh()
    agency, strangers = desk.view.followed.directory().agency("uclh"), People()
    await desk.add([*people.approve(agency, "amara"), *strangers.approve(agency)])
    await desk.view.refresh()
    assert desk.view.directory.agencies == {}


async def test_a_caseload_is_what_was_approved_last_whatever_the_gateway_declares(
    open_desk: OpenDesk, gateway: GatewaySide, people: People
) -> None:
    desk = await open_desk()
    await desk.view.refresh()
    agency = desk.view.followed.directory().agency("uclh")
    await desk.add(people.approve(agency))
    await desk.add(people.approve(agency, caseload=4_000, at=NOW + 60))
    await desk.view.refresh()
    assert desk.view.caseloads == {"uclh": 4_000}
    gateway.region.members["uclh"].declared_caseload = 1_000_000
    await gateway.publish()
    await desk.view.refresh()
    assert "uclh" not in desk.view.directory.agencies, "it is described otherwise than was approved"


async def test_an_agency_that_changed_its_key_itself_stays_a_member(
    open_desk: OpenDesk, gateway: GatewaySide, people: People
) -> None:
    desk = await open_desk()
    await desk.view.refresh()
    await desk.add(people.approve(desk.view.followed.directory().agency("uclh")))
    gateway.region.members["uclh"].change_key()
    await gateway.publish()
    await desk.view.refresh()
    assert list(desk.view.directory.agencies) == ["uclh"]


async def test_a_revoked_agency_is_a_member_no_more_and_no_approval_brings_it_back(
    open_desk: OpenDesk, gateway: GatewaySide, people: People, clock: Clock
) -> None:
    desk = await open_desk()
    await desk.view.refresh()
    agency = desk.view.followed.directory().agency("uclh")
    await desk.add(people.approve(agency))
    await desk.view.refresh()
    gateway.deny(1, [DenyEntry(identity="wardgate://node/uclh", reason_code="stolen")])
    await desk.view.refresh()
    assert desk.view.directory.agencies == {}
    assert list(desk.keeper.register().revoked) == ["uclh"]
    version = desk.keeper.register().version
    clock.now += 1
    await desk.view.refresh()
    assert desk.keeper.register().version == version, "its approvals are still there, and nothing has changed"
    await desk.add(people.approve(agency, at=NOW + 100))
    await desk.view.refresh()
    assert desk.view.directory.agencies == {}


async def test_the_register_is_signed_again_after_a_day_and_expires_after_a_week(
    open_desk: OpenDesk, clock: Clock, people: People, gateway: GatewaySide
) -> None:
    desk = await open_desk()
    await desk.view.refresh()
    await desk.add(people.approve(desk.view.followed.directory().agency("uclh")))
    await desk.view.refresh()
    version = desk.keeper.register().version
    clock.now += RENEW_S - 1
    await desk.view.refresh()
    assert desk.keeper.register().version == version
    clock.now += 1
    await desk.view.refresh()
    assert desk.keeper.register().version == version + 1
    gateway.unreachable = True
    clock.now += LIFE_S - 1
    assert list(desk.view.directory.agencies) == ["uclh"]
    clock.now += 1
    assert desk.view.directory.agencies == {}


async def test_members_of_before_the_register_are_believed_for_a_while_and_then_no_more(
    open_desk: OpenDesk, clock: Clock, people: People
) -> None:
    """A region that is older than its register: what the trustee counted for quotas then says who was a member."""
    desk = await open_desk()
    async with desk.engine.begin() as connection:
        await connection.execute(text("INSERT INTO caseload VALUES ('uclh', 800), ('gone-agency', 5)"))
    await desk.view.refresh()
    assert list(desk.view.directory.agencies) == ["uclh"]
    assert desk.view.caseloads == {"uclh": 800}
    assert desk.keeper.register().unendorsed() == ["uclh"]

    listed = desk.view.followed.directory()
    await desk.add(people.approve(listed.agency("camden-csc")))
    await desk.view.refresh()
    assert sorted(desk.view.directory.agencies) == ["camden-csc", "uclh"]
    for _ in range(UNENDORSED_S // RENEW_S):
        clock.now += RENEW_S
        await desk.view.refresh()
    assert list(desk.view.directory.agencies) == ["camden-csc"]
    await desk.add(people.approve(listed.agency("uclh")))
    await desk.view.refresh()
    assert sorted(desk.view.directory.agencies) == ["camden-csc", "uclh"]


async def test_the_deny_list_is_in_force_at_once_and_after_a_restart(open_desk: OpenDesk, gateway: GatewaySide) -> None:
    desk = await open_desk()
    gateway.deny(1, [DenyEntry(identity="wardgate://gateway/main", serial="ab", reason_code="stolen")])
    await desk.view.refresh()
    assert desk.deny_list.version == 1
    again = await open_desk()
    assert again.deny_list.version == 1


async def test_two_deny_lists_of_one_version_are_a_fork_and_an_alarm(open_desk: OpenDesk, gateway: GatewaySide) -> None:
    desk = await open_desk()
    gateway.deny(1)
    await desk.view.refresh()
    gateway.deny(1, [DenyEntry(identity="wardgate://gateway/main", serial="ab", reason_code="stolen")])
    assert await desk.refused() is ErrorCode.DIRECTORY_REJECTED
    assert await desk.alarms() == ["DIRECTORY_REJECTED"]
    with pytest.raises(WardgateError):
        desk.view.followed.check_fresh(10**9)


@pytest.mark.parametrize("landed", [True, False])
async def test_a_deny_list_whose_commit_is_of_unknown_outcome_is_kept_and_recorded_once(
    open_desk: OpenDesk, gateway: GatewaySide, monkeypatch: pytest.MonkeyPatch, *, landed: bool
) -> None:
    desk, record = await open_desk(), Journal.record
    await desk.view.refresh()

    async def loses_the_reply(journal: Journal, *given: Any) -> Any:
        entries = given[0]
        if not (entries and entries[0].kind is EntryKind.DIRECTORY_ACCEPTED):
            return await record(journal, *given)
        if landed:
            await record(journal, *given)
        raise WardgateError(ErrorCode.OUTCOME_UNKNOWN, "test")

    before = len(await desk.journal.find(kind=EntryKind.DIRECTORY_ACCEPTED))
    gateway.deny(1)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "record", loses_the_reply)
        assert await desk.refused() is ErrorCode.OUTCOME_UNKNOWN
    await desk.view.refresh()
    assert desk.view.followed.failure is None
    assert len(await desk.journal.find(kind=EntryKind.DIRECTORY_ACCEPTED)) == before + 1
