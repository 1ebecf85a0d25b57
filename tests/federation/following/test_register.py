"""Node and gateway follow the trustee's register alike, and are witnesses of its ledger."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.following.register import UNENDORSED_EVERY_S, FollowedRegister
from federation.ledger.checkpoint import Checkpoint, NoteKey, sign_checkpoint, verify_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.witness import Witness
from federation.ledger.witnessing import WatchedLedger
from federation.register import LIFE_S, Believed, RegisterDocument
from federation.store import migrate, open_engine, sqlite_url
from federation.wire.v1 import directory_pb2 as wire
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.approvals import People
from tests.support.region import Region
from tests.support.signers import NOW
from tests.support.trustee_house import Clock
from trustee.books import Books
from trustee.register import Grounds, RegisterKeeper
from trustee.store.register import add_approval

THEIRS = "wardgate/trustee/main"
STORES = {"node": "agency_node.store", "gateway": "gateway.store"}


@dataclass
class TrusteeSide:
    """A real trustee's register and ledger; what it shows can be changed on the way."""

    region: Region
    people: People
    journal: Journal
    engine: Any
    keeper: RegisterKeeper
    listed: TrustedDirectory
    denied: set[str] = field(default_factory=set)
    cosigned: list[bytes] = field(default_factory=list)
    tamper: Callable[[wire.ShownRegister], None] | None = None
    away: bool = False

    async def register(self, known_version: int, known_size: int) -> wire.ShownRegister:
        if self.away:
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, "test")
        shown = await self.keeper.shown(known_version, known_size)
        if self.tamper is not None:
            self.tamper(shown)
        return shown

    async def cosign(self, note: bytes) -> None:
        self.cosigned.append(note)

    async def approve(self, *agencies: str, at: int = NOW) -> None:
        async with self.engine.begin() as connection:
            for name in agencies:
                for signed in self.people.approve(self.listed.agency(name), at=at):
                    await add_approval(connection, signed, at)
        await self.keeper.refresh()

    async def publish(self, document: RegisterDocument, *, key: SigningKey | None = None) -> None:
        """Show another register, with an entry of the real ledger."""
        content = document.canonical()
        body = {"version": document.version, "register_sha256": sha256(content).hex()}
        entry = Entry(
            kind=EntryKind.REGISTER_PUBLISHED,
            at=NOW,
            actor=Actor.keeper(THEIRS),
            correlation_id=CorrelationId.mint(),
            query_id=None,
            body=body,
        )
        index = (await self.journal.record([entry])).indexes[0]
        inside: Any = self.keeper
        signature = (key or self.region.trustee_key).sign(domains.REGISTER, content)
        inside._kept = type(inside._kept)(document.version, document.issued_at, content, signature)
        inside._index = index
        inside._register = type(inside._register)(version=document.version)


@dataclass
class Desk:
    """One follower."""

    followed: FollowedRegister
    journal: Journal

    async def bodies(self, kind: EntryKind) -> list[Any]:
        entries = [Entry.parse(stored.content) for stored in await self.journal.entries(0, 100)]
        return [entry.body for entry in entries if entry.kind is kind]

    async def refused(self) -> ErrorCode:
        before, head = self.followed.register(), self.followed.head
        with pytest.raises(WardgateError) as caught:
            await self.followed.refresh()
        assert (self.followed.register(), self.followed.head) == (before, head)
        return caught.value.code


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def trustee(tmp_path: Path, clock: Clock) -> AsyncIterator[TrusteeSide]:
    region, people = Region.of("camden-csc", "met-police", "uclh"), People()
    listed = region.trusted()
    await migrate(sqlite_url(tmp_path / "trustee.db"), "trustee.store")
    engine = open_engine(sqlite_url(tmp_path / "trustee.db"))
    async with Journal(engine, THEIRS, region.trustee_key, clock) as journal:
        denied: set[str] = set()
        keeper = RegisterKeeper(
            Grounds(lambda: side.listed, lambda: frozenset(denied), people.approvers),
            engine=engine,
            journal=journal,
            books=Books(journal=journal, clock=clock),
            key=region.trustee_key,
            party="trustee/main",
            clock=clock,
        )
        await keeper.load()
        side = TrusteeSide(region, people, journal, engine, keeper, listed, denied)
        await side.approve("camden-csc", "met-police")
        yield side
    await engine.dispose()


OpenDesk = Callable[[], Awaitable[Desk]]


@pytest.fixture(params=STORES)
async def open_desk(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, trustee: TrusteeSide
) -> AsyncIterator[OpenDesk]:
    """Opens a follower; a second one is the same party restarted."""
    url, key = sqlite_url(tmp_path / "follower.db"), SigningKey.generate()
    await migrate(url, STORES[request.param])
    async with AsyncExitStack() as stack:

        async def make() -> Desk:
            engine = open_engine(url)
            stack.push_async_callback(engine.dispose)
            journal = await stack.enter_async_context(Journal(engine, "wardgate/node/follower", key, clock))
            watched = WatchedLedger(
                journal, Witness("follower/x", key, clock), NoteKey(THEIRS, trustee.region.trustee_key.verify_key)
            )
            followed = FollowedRegister(
                trustee,
                watched=watched,
                engine=engine,
                journal=journal,
                clock=clock,
                cosign=trustee.cosign,
            )
            await followed.load()
            return Desk(followed, journal)

        make.key = key  # type: ignore[attr-defined]  # for the one test that looks at cosignatures
        yield make


@pytest.fixture
async def desk(open_desk: OpenDesk) -> Desk:
    return await open_desk()


async def test_the_register_is_verified_kept_recorded_and_its_ledger_cosigned(
    open_desk: OpenDesk, desk: Desk, trustee: TrusteeSide
) -> None:
    await desk.followed.refresh()
    assert sorted(desk.followed.register().members) == ["camden-csc", "met-police"]
    (body,) = await desk.bodies(EntryKind.REGISTER_ACCEPTED)
    assert (body["version"], body["members"]) == (trustee.keeper.register().version, 2)
    (note,) = trustee.cosigned
    key = open_desk.key.verify_key  # type: ignore[attr-defined]  # see the fixture
    assert list(verify_cosignatures(note, {"follower/x": key})) == ["follower/x"]
    await desk.followed.refresh()
    assert len(trustee.cosigned) == 1


async def test_a_restart_goes_back_behind_nothing(open_desk: OpenDesk, trustee: TrusteeSide) -> None:
    first = await open_desk()
    await first.followed.refresh()
    again = await open_desk()
    assert (again.followed.register(), again.followed.head) == (first.followed.register(), first.followed.head)
    await trustee.approve("uclh")
    await again.followed.refresh()
    assert "uclh" in again.followed.register().members


async def test_a_trustee_that_was_put_back_to_an_older_state_is_a_fork(
    open_desk: OpenDesk, trustee: TrusteeSide, tmp_path: Path, clock: Clock
) -> None:
    desk = await open_desk()
    await trustee.approve("uclh")
    await desk.followed.refresh()
    restarted = await open_desk()
    await migrate(sqlite_url(tmp_path / "older.db"), "trustee.store")
    engine = open_engine(sqlite_url(tmp_path / "older.db"))
    async with Journal(engine, THEIRS, trustee.region.trustee_key, clock) as older:
        trustee.keeper._journal = older
        assert await restarted.refused() is ErrorCode.LEDGER_FORKED
    await engine.dispose()


async def test_a_rewritten_ledger_of_the_trustee_is_a_fork(desk: Desk, trustee: TrusteeSide) -> None:
    await desk.followed.refresh()

    def forked(shown: wire.ShownRegister) -> None:
        size = desk.followed.head.size + 1 if desk.followed.head else 1
        shown.head.checkpoint = sign_checkpoint(Checkpoint(THEIRS, size, sha256(b"x")), trustee.region.trustee_key).note
        del shown.head.consistency[:]

    trustee.tamper = forked
    assert await desk.refused() in {ErrorCode.LEDGER_FORKED, ErrorCode.LEDGER_INVALID}


async def test_without_a_register_nobody_is_believed_and_that_is_said(desk: Desk, trustee: TrusteeSide) -> None:
    trustee.tamper = lambda shown: shown.Clear()
    assert await desk.refused() is ErrorCode.LEDGER_INVALID
    believed = Believed(lambda: trustee.listed, desk.followed.register, clock=lambda: NOW)
    assert believed.directory().agencies == {}


async def test_an_expired_register_is_believed_by_nobody_and_that_is_said(
    desk: Desk, trustee: TrusteeSide, clock: Clock
) -> None:
    await desk.followed.refresh()
    believed = Believed(lambda: trustee.listed, desk.followed.register, clock=clock)
    clock.now += LIFE_S - 1
    await desk.followed.refresh()
    assert sorted(believed.directory().agencies) == ["camden-csc", "met-police"]
    clock.now += 1
    assert await desk.refused() is ErrorCode.REGISTER_REJECTED
    assert believed.directory().agencies == {}
    await trustee.keeper.refresh()
    await desk.followed.refresh()
    assert sorted(believed.directory().agencies) == ["camden-csc", "met-police"], "it comes back by itself"


async def test_an_older_version_is_refused(open_desk: OpenDesk, trustee: TrusteeSide) -> None:
    desk = await open_desk()
    await trustee.approve("uclh")
    await desk.followed.refresh()
    old = RegisterDocument(
        version=1, issued_at=NOW, expires_at=NOW + LIFE_S, unendorsed_until=0, members=[], revoked=[]
    )
    await trustee.publish(old)
    assert await (await open_desk()).refused() is ErrorCode.REGISTER_REJECTED


@pytest.mark.parametrize("signer", ["gateway", "stranger"])
async def test_a_register_that_the_trustee_did_not_sign_is_refused(
    desk: Desk, trustee: TrusteeSide, signer: str
) -> None:
    await desk.followed.refresh()
    kept = RegisterDocument.parse(trustee.keeper._kept.content)
    made_up = kept.model_copy(update={"version": kept.version + 1})
    key = trustee.region.gateway_key if signer == "gateway" else SigningKey.generate()
    await trustee.publish(made_up, key=key)
    assert await desk.refused() is ErrorCode.REGISTER_REJECTED


async def test_a_register_that_no_entry_publishes_is_refused(desk: Desk, trustee: TrusteeSide) -> None:
    await desk.followed.refresh()
    await trustee.approve("uclh")
    kept = RegisterDocument.parse(trustee.keeper._kept.content)
    content = kept.model_copy(update={"members": []}).canonical()

    def other(shown: wire.ShownRegister) -> None:
        shown.register = content
        shown.signature = trustee.region.trustee_key.sign(domains.REGISTER, content)

    trustee.tamper = other
    assert await desk.refused() is ErrorCode.REGISTER_REJECTED


async def test_members_whom_nobody_approved_are_an_alarm_once_a_day(
    desk: Desk, trustee: TrusteeSide, clock: Clock
) -> None:
    kept = RegisterDocument.parse(trustee.keeper._kept.content)
    bare = [member.model_copy(update={"approved_by": ["amara"]}) for member in kept.members]
    await trustee.publish(
        kept.model_copy(update={"version": 5, "members": bare, "unendorsed_until": NOW + 2 * UNENDORSED_EVERY_S})
    )
    for _ in range(3):
        await desk.followed.refresh()
    (alarm,) = await desk.bodies(EntryKind.ALARM_RAISED)
    assert (alarm["alarm"], alarm["agencies"]) == ("MEMBERS_UNENDORSED", ["camden-csc", "met-police"])
    believed = Believed(lambda: trustee.listed, desk.followed.register, clock=clock)
    assert sorted(believed.directory().agencies) == ["camden-csc", "met-police"]
    clock.now += UNENDORSED_EVERY_S
    await desk.followed.refresh()
    assert len(await desk.bodies(EntryKind.ALARM_RAISED)) == 2
    clock.now += UNENDORSED_EVERY_S
    assert believed.directory().agencies == {}


async def test_a_trustee_that_is_away_changes_nothing(desk: Desk, trustee: TrusteeSide) -> None:
    await desk.followed.refresh()
    trustee.away = True
    assert await desk.refused() is ErrorCode.PEER_UNAVAILABLE
    assert await desk.bodies(EntryKind.ALARM_RAISED) == []


@pytest.mark.parametrize("what", ["description", "keys", "made up"])
async def test_what_the_directory_lists_otherwise_than_was_approved_is_not_believed(
    desk: Desk, trustee: TrusteeSide, what: str
) -> None:
    """A gateway turns a school into children's services, gives an agency other keys, or makes one up."""
    await desk.followed.refresh()
    lying = Region.of("camden-csc", "met-police", "sham-agency")
    lying.gateway_key, lying.trustee_key, lying.auditors = (
        trustee.region.gateway_key,
        trustee.region.trustee_key,
        trustee.region.auditors,
    )
    for name in ("camden-csc", "met-police"):
        lying.members[name].chain = trustee.region.members[name].chain
        lying.members[name].sealing = trustee.region.members[name].sealing
    if what == "description":
        lying.members["camden-csc"].declared_caseload = 5_000_000
    if what == "keys":
        lying.members["camden-csc"].chain = [SigningKey.generate()]
    believed = Believed(lying.trusted, desk.followed.register, clock=lambda: NOW)
    expected = ["camden-csc", "met-police"] if what == "made up" else ["met-police"]
    assert sorted(believed.directory().agencies) == expected


# -- keys that were lost -----------------------------------------------------------------------------------------------


def listed_anew(trustee: TrusteeSide) -> TrustedDirectory:
    """The directory as the gateway shows it now, to the trustee too; verified against the one before."""
    found = trustee.region.publish()
    trustee.listed = trustee.listed.advance(found.content, found.signature, entry=found.body)
    return trustee.listed


async def approve_by(trustee: TrusteeSide, agency: str, *people: str, at: int) -> None:
    async with trustee.engine.begin() as connection:
        for signed in trustee.people.approve(trustee.listed.agency(agency), *people, at=at):
            await add_approval(connection, signed, at)
    await trustee.keeper.refresh()


async def believed_by(desk: Desk, listed: TrustedDirectory) -> list[str]:
    await desk.followed.refresh()
    return sorted(Believed(lambda: listed, desk.followed.register, clock=lambda: NOW).directory().agencies)


async def test_a_reset_is_believed_when_two_people_approved_it_and_by_nobody_before(
    desk: Desk, trustee: TrusteeSide
) -> None:
    everybody = ["camden-csc", "met-police"]
    assert await believed_by(desk, trustee.listed) == everybody
    before = trustee.listed
    trustee.region.members["met-police"].reset_keys()
    first = listed_anew(trustee)
    assert await believed_by(desk, first) == ["camden-csc"], "by the gateway alone"
    await approve_by(trustee, "met-police", "amara", at=NOW + 1)
    assert await believed_by(desk, first) == ["camden-csc"], "by one"
    await approve_by(trustee, "met-police", "idris", at=NOW + 2)
    assert await believed_by(desk, first) == everybody, "by two"
    assert await believed_by(desk, before) == ["camden-csc"], "the old chain is nobody's any more"

    trustee.region.members["met-police"].change_key()
    assert await believed_by(desk, listed_anew(trustee)) == everybody, "what the new key signed needs nobody"

    trustee.region.members["met-police"].reset_keys()
    second = listed_anew(trustee)
    assert await believed_by(desk, second) == ["camden-csc"], "twice is approved twice"
    await approve_by(trustee, "met-police", at=NOW + 3)
    assert await believed_by(desk, second) == everybody
    assert await believed_by(desk, first) == ["camden-csc"]


async def test_approvals_of_the_keys_of_before_do_not_carry_a_reset(desk: Desk, trustee: TrusteeSide) -> None:
    """Nor does a later approval of the old keys: people approve what they were shown."""
    old = trustee.people.approve(trustee.listed.agency("met-police"), caseload=7, at=NOW + 9)
    trustee.region.members["met-police"].reset_keys()
    listed = listed_anew(trustee)
    async with trustee.engine.begin() as connection:
        for signed in old:
            await add_approval(connection, signed, NOW + 9)
    await trustee.keeper.refresh()
    assert await believed_by(desk, listed) == ["camden-csc"]
