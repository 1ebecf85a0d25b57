"""A party whose own ledger lost entries that others had seen: proposes a recovery, and completes what was agreed.

Its service is off meanwhile. Nothing of the ledger is removed or written again: what is there stays, and it goes on.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, verify_checkpoint, without_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.kept import KeptCheckpoint
from federation.ledger.reader import Reader
from federation.recovery.documents import (
    Kind,
    Proposal,
    Published,
    Recovery,
    Sighting,
    SignedRecovery,
    newest,
    refused,
    versions_of,
)
from federation.recovery.follower import PartyAtHand, entry_of, is_named
from federation.store import migrate
from federation.transport.correlation import correlated
from federation.transport.identity import Party
from keys.keyring import Keyring

PublishAgain = Callable[[AsyncEngine, Journal, Mapping[Kind, Published], Entry], Awaitable[None]]
"""Takes up what others saw published, publishes the next versions, and records an entry with them; for one service."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """The keeper of a ledger that is recovered.

    Attributes:
        at_hand: Who it is.
        keys: Its keyring, which may remember more than its database.
        package: Of its migrations: the copy that was put back may be of an older version, or there is none at all.
        again: See `PublishAgain`.
    """

    at_hand: PartyAtHand
    keys: Path
    package: str
    again: PublishAgain

    @property
    def own(self) -> NoteKey:
        """Its ledger's name and key."""
        return self.at_hand.centre.keeper(self.at_hand.party.ledger)

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[tuple[AsyncEngine, Journal]]:
        """Its store and journal, for the block."""
        await migrate(self.at_hand.store_url, self.package)
        async with self.at_hand.store() as engine, self.at_hand.journal(engine) as journal:
            yield engine, journal

    def remembered(self) -> SignedCheckpoint | None:
        """The last checkpoint in its keyring.

        Raises:
            WardgateError: `KEYRING_REJECTED`, `LEDGER_INVALID`.
        """
        note = KeptCheckpoint(Keyring(self.keys)).note()
        return verify_checkpoint(note, self.own) if note else None


async def propose(keeper: Keeper, sightings: Sequence[Sighting], reason: str) -> SignedRecovery:
    """Propose that the ledger goes on from what is there.

    Args:
        keeper: The ledger's.
        sightings: What others saw.
        reason: What happened.

    Raises:
        WardgateError: `RECOVERY_REFUSED`: nobody saw more than there is; `LEDGER_INVALID`, `STORE_UNAVAILABLE`.
    """
    own = keeper.own
    async with keeper.ledger() as (engine, journal):
        kept = await journal.checkpoint()
        seen = _checkpoints(keeper, sightings)
        contradicting = {name: note for name, note in seen.items() if not await journal.holds(note)}
        if not contradicting:
            raise refused(f"nobody saw anything that this ledger of {kept.size} entries does not have: start it")
        common = await _common(Reader(engine), contradicting.keys())
    lost = max(contradicting.values(), key=lambda note: note.size)
    recovery = Recovery(
        common=min(common, kept.size, lost.size),
        kept=without_cosignatures(kept.note, own).decode(),
        lost=without_cosignatures(lost.note, own).decode(),
        versions=versions_of(newest(sightings, own), own),
        reason=reason,
        at=int(time.time()),
    )
    return SignedRecovery.propose(recovery, keeper.at_hand.key)


async def complete(keeper: Keeper, signed: SignedRecovery, sightings: Sequence[Sighting]) -> int:
    """Go on with the ledger: an entry names what was lost, and what is published next is newer than what others saw.

    Repeating it after a crash finishes what was begun.

    Args:
        keeper: The ledger's.
        signed: The recovery, agreed to by the counterpart.
        sightings: What others saw, as it was given to `propose`.

    Returns:
        The ledger's size.

    Raises:
        WardgateError: `RECOVERY_REFUSED`; `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`, `KEYRING_REJECTED`.
    """
    own, proposal = keeper.own, signed.verify(keeper.at_hand.centre)
    if proposal.keeper != own or not proposal.by_both:
        raise refused("it is about another ledger, or the other holder has not agreed")
    published = newest(sightings, own)
    for kind, version in proposal.recovery.versions.items():
        if versions_of(published, own).get(kind, 0) < version:
            raise refused(f"{kind} {version} is named and was not given: give all that was seen")
    async with keeper.ledger() as (engine, journal):
        await _check_is_kept(keeper, journal, proposal)
        if not await is_named(journal, EntryKind.LEDGER_RECOVERED, proposal):
            with correlated():
                entry = entry_of(EntryKind.LEDGER_RECOVERED, keeper.at_hand.party, proposal, {})
                await keeper.again(engine, journal, published, entry)
        await journal.sign()
        now = await journal.checkpoint()
        KeptCheckpoint(Keyring(keeper.keys)).keep(now.note)
    return now.size


async def _check_is_kept(keeper: Keeper, journal: Journal, proposal: Proposal) -> None:
    if not await journal.holds(proposal.kept):
        raise refused("this ledger is not the one that is kept")
    own = keeper.remembered()
    if own is not None and own.size > proposal.lost.size and not await journal.holds(own):
        raise refused(f"the keyring remembers {own.size} entries, {proposal.lost.size} are named: propose it again")


def _checkpoints(keeper: Keeper, sightings: Sequence[Sighting]) -> dict[str, SignedCheckpoint]:
    """What each party saw of this ledger, by its name as a witness; the keyring's under the empty name."""
    own, remembered = keeper.own, keeper.remembered()
    seen = {
        str(Party.parse(each.party)): verify_checkpoint(each.ledgers[own.name].checkpoint.encode(), own)
        for each in sightings
        if own.name in each.ledgers
    }
    return seen | ({"": remembered} if remembered else {})


async def _common(reader: Reader, saw_more: Collection[str]) -> int:
    """The largest size that one of those who saw what was lost has cosigned: it saw all of it grow."""
    return max((size for witness, size in await reader.cosigned_sizes() if witness in saw_more), default=0)
