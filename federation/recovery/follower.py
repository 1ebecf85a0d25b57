"""A party that follows a ledger which is to be recovered: it says what it saw, and accepts by command.

The commands run beside its service or without it. A service that runs takes up an acceptance with its next look.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.canonical import JsonObject
from federation.following import gateway as of_gateway
from federation.following import register as of_register
from federation.following.kept import State, read_states
from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, without_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.witness import Witness
from federation.ledger.witnessing import WatchedLedger
from federation.recovery.documents import (
    Centre,
    Kind,
    Proposal,
    Published,
    SeenLedger,
    Sighting,
    SignedRecovery,
    check_names_all,
    refused,
    versions_of,
)
from federation.store import open_existing, reading, store_errors
from federation.transport.correlation import correlated, correlation
from federation.transport.denylist import SignedDenyList
from federation.transport.identity import Party, PartyKind
from keys.signing import SigningKey

_KEPT_AS: Final[dict[Kind, tuple[str, str]]] = {
    "directory": (of_gateway.DIRECTORY, of_gateway.SIGNATURE),
    "register": (of_register.REGISTER, of_register.SIGNATURE),
}
"""Where a follower keeps what was published, and its signature: names in `trusted_state`."""

ReadDenials = Callable[[AsyncConnection], Awaitable[SignedDenyList | None]]


async def _keeps_none(_: AsyncConnection) -> SignedDenyList | None:
    return None


@dataclass(frozen=True, slots=True)
class PartyAtHand:
    """A party on whose machine a command runs.

    Attributes:
        party: Who it is.
        key: Its signing key.
        store_url: Its database's.
        centre: The two ledgers that everybody follows.
        denials: Reads the deny list that it kept, where it keeps one.
    """

    party: Party
    key: SigningKey
    store_url: str
    centre: Centre
    denials: ReadDenials = _keeps_none

    @property
    def follows(self) -> Sequence[NoteKey]:
        """The ledgers that it follows: of these two, those that are not its own."""
        return [key for key in (self.centre.gateway, self.centre.trustee) if key.name != self.party.ledger]

    @asynccontextmanager
    async def store(self) -> AsyncIterator[AsyncEngine]:
        """Its database, for the block. Raises `STORE_UNAVAILABLE`: there is none."""
        engine = open_existing(self.store_url)
        try:
            yield engine
        finally:
            await engine.dispose()

    def journal(self, engine: AsyncEngine) -> Journal:
        """The journal of its own ledger, without the checkpoint in its keyring, which a recovery may have to pass."""
        return Journal(engine, self.party.ledger, self.key, time.time)

    def watched(self, journal: Journal, key: NoteKey) -> WatchedLedger:
        """A ledger that it follows, as it has seen it."""
        return WatchedLedger(journal, Witness(str(self.party), self.key, time.time), key)


@dataclass(frozen=True, slots=True)
class _Seen:
    head: SignedCheckpoint | None
    published: dict[Kind, Published]


async def sighting(at_hand: PartyAtHand) -> Sighting:
    """What a party saw last of the ledgers that it follows.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`; or, when the store was tampered with, what verifying it raised.
    """
    ledgers: dict[str, SeenLedger] = {}
    async with at_hand.store() as engine:
        for key in at_hand.follows:
            seen = await _seen(at_hand, engine, key)
            if seen.head is not None:
                note = without_cosignatures(seen.head.note, key).decode()
                ledgers[key.name] = SeenLedger(checkpoint=note, published=list(seen.published.values()))
    return Sighting(party=at_hand.party.uri, at=int(time.time()), ledgers=ledgers)


async def _seen(at_hand: PartyAtHand, engine: AsyncEngine, key: NoteKey) -> _Seen:
    async with store_errors("what was seen"), reading(engine).connect() as connection:
        head = await at_hand.watched(at_hand.journal(engine), key).load(connection)
        states = await read_states(connection)
        denials = await at_hand.denials(connection)
    is_gateways = key == at_hand.centre.gateway
    published = _published("directory" if is_gateways else "register", states)
    if is_gateways and denials is not None:
        content = denials.document.decode()
        published["deny-list"] = Published(kind="deny-list", content=content, signature=denials.signature)
    return _Seen(head, published)


def _published(kind: Kind, states: dict[str, State]) -> dict[Kind, Published]:
    document, signature = _KEPT_AS[kind]
    if document not in states:
        return {}
    content = states[document].content.decode()
    return {kind: Published(kind=kind, content=content, signature=states[signature].content)}


async def accept(at_hand: PartyAtHand, signed: SignedRecovery) -> SignedRecovery:
    """Accept a recovery: this party follows the ledger from what is kept, and says so in its own ledger.

    The counterpart of the ledger's keeper is asked first, and signs; all others need both signatures.

    Returns:
        The recovery with the counterpart's signature.

    Raises:
        WardgateError: `RECOVERY_REFUSED`; `STORE_UNAVAILABLE`, `LEDGER_UNAVAILABLE`.
    """
    proposal = signed.verify(at_hand.centre)
    is_counterpart = at_hand.centre.counterpart(proposal.keeper).name == at_hand.party.ledger
    if proposal.keeper.name == at_hand.party.ledger:
        raise refused("a ledger's keeper does not accept its own recovery: `complete` it")
    if not is_counterpart and not proposal.by_both:
        raise refused(f"the other holder has not agreed: {at_hand.centre.counterpart(proposal.keeper).name}")
    async with at_hand.store() as engine, at_hand.journal(engine) as journal:
        await _record(at_hand, engine, journal, proposal)
    return signed.agreed(at_hand.key) if is_counterpart else signed


async def _record(at_hand: PartyAtHand, engine: AsyncEngine, journal: Journal, proposal: Proposal) -> None:
    if await is_named(journal, EntryKind.RECOVERY_ACCEPTED, proposal):
        return
    seen = await _seen(at_hand, engine, proposal.keeper)
    check_names_all(proposal, seen.head, versions_of(seen.published, proposal.keeper))
    watched = at_hand.watched(journal, proposal.keeper)

    async def apply(connection: AsyncConnection) -> None:
        last = await watched.load(connection)
        if (last.note if last else b"") != (seen.head.note if seen.head else b""):
            raise refused("more was seen here meanwhile: repeat the command")
        await watched.begin_again(connection, proposal.kept)

    before = without_cosignatures(seen.head.note, proposal.keeper).decode() if seen.head else ""
    with correlated():
        entry = entry_of(EntryKind.RECOVERY_ACCEPTED, at_hand.party, proposal, {"seen_before": before})
        await journal.record([entry], apply)


async def is_named(journal: Journal, kind: EntryKind, proposal: Proposal) -> bool:
    """Whether an entry of this kind names this very recovery. Raises `STORE_UNAVAILABLE`."""
    indexes = await journal.find(kind=kind)
    found = [entry for index in indexes for entry in await journal.entries(index, 1)]
    return any(stored.entry.body.get("recovery_sha256") == proposal.digest.hex() for stored in found)


def entry_of(kind: EntryKind, party: Party, proposal: Proposal, body: JsonObject) -> Entry:
    """What every ledger says of a recovery, and what one party adds."""
    recovery = proposal.recovery
    return Entry(
        kind=kind,
        at=int(time.time()),
        actor=Actor.party(party),
        correlation_id=correlation(),
        query_id=None,
        body={
            "ledger": proposal.keeper.name,
            "recovery_sha256": proposal.digest.hex(),
            "kept": recovery.kept,
            "lost": recovery.lost,
            "common": recovery.common,
            "reason": recovery.reason,
            **body,
        },
    )


def is_keeper(at_hand: PartyAtHand) -> bool:
    """Whether others follow this party's ledger."""
    return at_hand.party.kind is not PartyKind.NODE
