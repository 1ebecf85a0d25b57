"""A ledger that lost its end: what is proposed, who must agree, and what nobody can do alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.following.gateway import DIRECTORY, SIGNATURE
from federation.following.kept import State, keep_states
from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, with_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.kept import KeptCheckpoint
from federation.recovery.documents import Centre, Kind, Published, Recovery, Sighting, SignedRecovery
from federation.recovery.follower import PartyAtHand, accept, sighting
from federation.recovery.keeper import Keeper, complete, propose
from federation.store import migrate, open_engine, sqlite_url
from federation.transport.identity import Party, PartyKind
from keys import domains
from keys.keyring import Keyring
from keys.signing import SigningKey
from tests.support.ledger import NOW, an_entry

REASON = "The disk failed."
GATEWAY, TRUSTEE = Party(PartyKind.GATEWAY, "main"), Party(PartyKind.TRUSTEE, "main")
NODE, LATE = Party(PartyKind.NODE, "camden-csc"), Party(PartyKind.NODE, "uclh")
PACKAGES = {GATEWAY: "gateway.store", TRUSTEE: "trustee.store", NODE: "agency_node.store", LATE: "agency_node.store"}


def a_directory(version: int, key: SigningKey, **more: Any) -> Published:
    content = to_canonical({"version": version, **more})
    return Published(kind="directory", content=content.decode(), signature=key.sign(domains.DIRECTORY, content))


async def publish_nothing(_e: AsyncEngine, journal: Journal, _p: Mapping[Kind, Published], entry: Entry) -> None:
    await journal.record([entry])


@dataclass
class Stage:
    """Four parties, each with a store of its own; the gateway's ledger is the one that loses its end."""

    folder: Path
    keys: dict[Party, SigningKey] = field(default_factory=lambda: {party: SigningKey.generate() for party in PACKAGES})
    written: int = 0

    @property
    def centre(self) -> Centre:
        gateway, trustee = (NoteKey(party.ledger, self.keys[party].verify_key) for party in (GATEWAY, TRUSTEE))
        return Centre(gateway, trustee)

    @property
    def keyring(self) -> Keyring:
        return Keyring(self.folder / "keyring")

    def at_hand(self, party: Party) -> PartyAtHand:
        return PartyAtHand(party, self.keys[party], self.url(party), self.centre)

    def keeper(self, again: Any = publish_nothing) -> Keeper:
        return Keeper(self.at_hand(GATEWAY), self.folder / "keyring", PACKAGES[GATEWAY], again)

    def url(self, party: Party) -> str:
        return sqlite_url(self.folder / f"{party.kind}-{party.id}.db")

    async def grow(self, count: int) -> SignedCheckpoint:
        """Entries more in the gateway's ledger, such as were never there before."""
        first, self.written = self.written, self.written + count
        async with self.at_hand(GATEWAY).store() as engine, self.at_hand(GATEWAY).journal(engine) as journal:
            await journal.record([an_entry(number) for number in range(first, first + count)])
            return await journal.checkpoint()

    async def follow(self, party: Party) -> None:
        """What a party sees at every look: it verifies, keeps and cosigns."""
        at_hand = self.at_hand(party)
        async with (
            self.at_hand(GATEWAY).store() as theirs,
            self.at_hand(GATEWAY).journal(theirs) as ledger,
            at_hand.store() as engine,
            at_hand.journal(engine) as journal,
        ):
            watched = at_hand.watched(journal, self.centre.gateway)
            seen, shown = await watched.seen(), await ledger.checkpoint()
            grown = seen is not None and 0 < seen.size < shown.size
            path = await ledger.consistency(seen.size, shown.size) if seen is not None and grown else []
            cosigned = await watched.advance(shown.note, path)
            note = with_cosignatures(shown.note, cosigned.line)
            await ledger.add_cosignature(note, str(party), self.keys[party].verify_key)

    async def keep_directory(self, party: Party, directory: Published) -> None:
        states = {
            DIRECTORY: State(1, directory.content.encode()),
            SIGNATURE: State(1, directory.signature),
        }

        async def apply(connection: AsyncConnection) -> None:
            await keep_states(connection, states, NOW)

        async with self.at_hand(party).store() as engine, self.at_hand(party).journal(engine) as journal:
            await journal.record([], apply)

    async def seen(self, *parties: Party) -> list[Sighting]:
        return [await sighting(self.at_hand(party)) for party in parties]

    async def size_seen(self, party: Party) -> int:
        async with self.at_hand(party).store() as engine, self.at_hand(party).journal(engine) as journal:
            seen = await self.at_hand(party).watched(journal, self.centre.gateway).seen()
        return seen.size if seen else 0

    async def kinds(self, party: Party) -> list[EntryKind]:
        async with self.at_hand(party).store() as engine:
            return [stored.entry.kind for stored in await self.at_hand(party).journal(engine).entries(0, 100)]

    def file(self, party: Party) -> Path:
        return self.folder / f"{party.kind}-{party.id}.db"


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    """A gateway with ten entries, of which everybody has seen ten; then its copy of five is put back."""
    found = Stage(tmp_path)
    for party, package in PACKAGES.items():
        await migrate(found.url(party), package)
    await found.grow(5)
    for party in (TRUSTEE, NODE):
        await found.follow(party)
    older = found.file(GATEWAY).read_bytes()
    await found.grow(5)
    for party in (TRUSTEE, NODE):
        await found.follow(party)
    found.file(GATEWAY).write_bytes(older)
    for suffix in ("-wal", "-shm"):
        found.file(GATEWAY).with_name(found.file(GATEWAY).name + suffix).unlink(missing_ok=True)
    return found


async def refused(call: Any, code: ErrorCode = ErrorCode.RECOVERY_REFUSED) -> str:
    with pytest.raises(WardgateError) as caught:
        await call
    assert caught.value.code is code
    return caught.value.detail


async def test_what_was_lost_is_named_and_everybody_goes_on(stage: Stage) -> None:
    seen = await stage.seen(TRUSTEE, NODE)
    proposed = await propose(stage.keeper(), seen, REASON)
    proposal = proposed.verify(stage.centre)
    assert (proposal.kept.size, proposal.lost.size, proposal.recovery.common) == (5, 10, 5)
    assert not proposal.by_both

    agreed = await accept(stage.at_hand(TRUSTEE), proposed)
    await accept(stage.at_hand(NODE), agreed)
    assert await complete(stage.keeper(), agreed, seen) == 6

    for party in (TRUSTEE, NODE):
        assert await stage.size_seen(party) == 5
        await stage.follow(party)
        assert await stage.size_seen(party) == 6
        assert EntryKind.RECOVERY_ACCEPTED in await stage.kinds(party)
    assert (await stage.kinds(GATEWAY))[-1] is EntryKind.LEDGER_RECOVERED


async def test_the_keyring_remembers_the_ledger_that_goes_on(stage: Stage) -> None:
    seen = await stage.seen(TRUSTEE)
    agreed = await accept(stage.at_hand(TRUSTEE), await propose(stage.keeper(), seen, REASON))
    await complete(stage.keeper(), agreed, seen)
    engine = open_engine(stage.url(GATEWAY))
    kept = KeptCheckpoint(stage.keyring)
    async with Journal(engine, GATEWAY.ledger, stage.keys[GATEWAY], lambda: NOW, kept) as journal:
        assert (await journal.checkpoint()).size == 6
    await engine.dispose()


async def test_a_completion_is_repeated_after_a_crash_and_published_once(stage: Stage) -> None:
    seen = await stage.seen(TRUSTEE)
    agreed = await accept(stage.at_hand(TRUSTEE), await propose(stage.keeper(), seen, REASON))
    assert await complete(stage.keeper(), agreed, seen) == await complete(stage.keeper(), agreed, seen) == 6


async def test_nobody_recovers_a_ledger_alone(stage: Stage) -> None:
    seen = await stage.seen(TRUSTEE, NODE)
    proposed = await propose(stage.keeper(), seen, REASON)
    assert "has not agreed" in await refused(accept(stage.at_hand(NODE), proposed))
    await refused(accept(stage.at_hand(GATEWAY), proposed))
    await refused(complete(stage.keeper(), proposed, seen))
    forged = proposed.agreed(stage.keys[GATEWAY])  # the keeper signs for the other holder
    await refused(accept(stage.at_hand(NODE), forged))
    await refused(complete(stage.keeper(), forged, seen))
    assert await stage.size_seen(NODE) == 10


async def test_a_proposal_of_somebody_else_is_refused(stage: Stage) -> None:
    proposed = await propose(stage.keeper(), await stage.seen(TRUSTEE), REASON)
    recovery = Recovery.parse(proposed.content.encode())
    for key in (stage.keys[TRUSTEE], stage.keys[NODE]):
        await refused(accept(stage.at_hand(TRUSTEE), SignedRecovery.propose(recovery, key)))
    altered = proposed.model_copy(update={"content": proposed.content.replace("failed", "worked")})
    await refused(accept(stage.at_hand(TRUSTEE), altered))


async def test_who_saw_more_than_is_named_does_not_accept(stage: Stage) -> None:
    """Five entries more were seen by one node alone: proposed without its word they would be lost unnamed."""
    await stage.grow(2)
    await stage.follow(LATE)  # it never saw the history that was lost, and follows the one that goes on
    seen = await stage.seen(TRUSTEE, NODE)
    proposed = await propose(stage.keeper(), seen, REASON)
    assert proposed.verify(stage.centre).kept.size == 7
    agreed = await accept(stage.at_hand(TRUSTEE), proposed)
    await accept(stage.at_hand(LATE), agreed)

    smaller = replace(stage.at_hand(NODE))
    recovery = Recovery.parse(proposed.content.encode())
    older = recovery.model_copy(update={"lost": recovery.kept, "kept": recovery.lost, "common": 5})
    turned = SignedRecovery.propose(older, stage.keys[GATEWAY]).agreed(stage.keys[TRUSTEE])
    assert "10 entries were seen here" in await refused(accept(smaller, turned))


async def test_another_tree_of_the_size_that_is_named_is_not_accepted(stage: Stage) -> None:
    await stage.grow(5)
    await stage.follow(LATE)
    agreed = await accept(stage.at_hand(TRUSTEE), await propose(stage.keeper(), await stage.seen(TRUSTEE), REASON))
    assert "another tree" in await refused(accept(stage.at_hand(LATE), agreed))
    await accept(stage.at_hand(NODE), agreed)


async def test_who_saw_a_newer_directory_than_is_named_does_not_accept(stage: Stage) -> None:
    await stage.keep_directory(NODE, a_directory(8, stage.keys[GATEWAY]))
    await stage.keep_directory(TRUSTEE, a_directory(7, stage.keys[GATEWAY]))
    agreed = await accept(stage.at_hand(TRUSTEE), await propose(stage.keeper(), await stage.seen(TRUSTEE), REASON))
    assert "directory 8" in await refused(accept(stage.at_hand(NODE), agreed))

    seen = await stage.seen(TRUSTEE, NODE)
    both = await propose(stage.keeper(), seen, REASON)
    assert both.verify(stage.centre).recovery.versions == {"directory": 8}
    agreed = await accept(stage.at_hand(TRUSTEE), both)
    await accept(stage.at_hand(NODE), agreed)
    await refused(complete(stage.keeper(), agreed, seen[:1]))  # the directory itself was not given
    found: dict[Kind, Published] = {}

    async def again(_: AsyncEngine, journal: Journal, published: Mapping[Kind, Published], entry: Entry) -> None:
        found.update(published)
        await journal.record([entry])

    await complete(stage.keeper(again), agreed, seen)
    assert found["directory"].verify(stage.centre.gateway) == 8


async def test_two_directories_of_one_version_are_no_loss_but_a_fork(stage: Stage) -> None:
    await stage.keep_directory(NODE, a_directory(7, stage.keys[GATEWAY]))
    await stage.keep_directory(TRUSTEE, a_directory(7, stage.keys[GATEWAY], other=1))
    seen = await stage.seen(TRUSTEE, NODE)
    await refused(propose(stage.keeper(), seen, REASON), ErrorCode.LEDGER_FORKED)


async def test_a_directory_that_the_keeper_did_not_sign_is_refused(stage: Stage) -> None:
    await stage.keep_directory(NODE, a_directory(9, stage.keys[NODE]))
    seen = await stage.seen(TRUSTEE, NODE)
    assert "did not sign" in await refused(propose(stage.keeper(), seen, REASON))


async def test_a_ledger_that_lost_nothing_is_not_recovered(stage: Stage) -> None:
    await stage.follow(LATE)
    assert "start it" in await refused(propose(stage.keeper(), await stage.seen(LATE), REASON))


async def test_what_the_keyring_remembers_counts_too(stage: Stage) -> None:
    lost = (await stage.seen(TRUSTEE))[0].ledgers[GATEWAY.ledger].checkpoint
    KeptCheckpoint(stage.keyring).keep(lost.encode())
    await stage.follow(LATE)
    proposed = await propose(stage.keeper(), await stage.seen(LATE), REASON)
    assert proposed.verify(stage.centre).lost.size == 10


async def test_a_ledger_that_was_lost_whole_begins_again(stage: Stage) -> None:
    stage.file(GATEWAY).unlink()
    seen = await stage.seen(TRUSTEE, NODE)
    proposed = await propose(stage.keeper(), seen, REASON)
    assert (proposed.verify(stage.centre).kept.size, proposed.verify(stage.centre).lost.size) == (0, 10)
    agreed = await accept(stage.at_hand(TRUSTEE), proposed)
    await accept(stage.at_hand(NODE), agreed)
    assert await complete(stage.keeper(), agreed, seen) == 1
    for party in (TRUSTEE, NODE):
        await stage.follow(party)
        assert await stage.size_seen(party) == 1


async def test_an_acceptance_is_given_once_and_then_the_party_follows(stage: Stage) -> None:
    seen = await stage.seen(TRUSTEE, NODE)
    agreed = await accept(stage.at_hand(TRUSTEE), await propose(stage.keeper(), seen, REASON))
    await complete(stage.keeper(), agreed, seen)
    await accept(stage.at_hand(NODE), agreed)
    await stage.follow(NODE)
    await accept(stage.at_hand(NODE), agreed)  # again, by mistake: nothing is put back
    assert await stage.size_seen(NODE) == 6
    assert (await stage.kinds(NODE)).count(EntryKind.RECOVERY_ACCEPTED) == 1


async def test_a_recovery_of_before_is_not_completed_on_another_copy(stage: Stage) -> None:
    seen = await stage.seen(TRUSTEE)
    agreed = await accept(stage.at_hand(TRUSTEE), await propose(stage.keeper(), seen, REASON))
    stage.file(GATEWAY).unlink()
    assert "not the one that is kept" in await refused(complete(stage.keeper(), agreed, seen))


async def test_a_sighting_of_another_key_s_ledger_is_refused(stage: Stage) -> None:
    other = Stage(stage.folder / "other")
    other.folder.mkdir()
    for party, package in PACKAGES.items():
        await migrate(other.url(party), package)
    await other.grow(20)
    await other.follow(TRUSTEE)
    await refused(propose(stage.keeper(), await other.seen(TRUSTEE), REASON), ErrorCode.LEDGER_INVALID)
