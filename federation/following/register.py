"""Following the trustee's register and the trustee's ledger, in which every version of it stands.

A node reads both through the gateway, the gateway reads them at the trustee; neither takes the other's word: what is
shown carries the trustee's signature and the proofs of its ledger. Whoever follows is a witness of that ledger, so that
a trustee that was put back to an older state is an alarm.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.following.kept import State, keep_states, read_states
from federation.ledger.checkpoint import SignedCheckpoint, with_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.ledger.witness import advance, included, shown_instead
from federation.ledger.witnessing import OvertakenError, WatchedLedger
from federation.register import Register
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.transport.correlation import correlation
from federation.wire.v1 import directory_pb2 as wire
from keys.digest import sha256

REGISTER: Final = "trustee-register"
SIGNATURE: Final = "trustee-register-signature"
ENTRY: Final = "trustee-register-entry"

UNENDORSED_EVERY_S: Final = 24 * 3600
"""How often it is an alarm that members are believed whom nobody has approved."""

_log = EventLog(__name__)


class RegisterSource(Protocol):
    """Where the register is read. Raises `WardgateError` when it cannot be."""

    async def register(self, known_version: int, known_size: int) -> wire.ShownRegister:
        """The register, if it is newer, with its proofs in the trustee's ledger."""
        ...


@dataclass(frozen=True, slots=True)
class RegisterView:
    """One party's verified view of the trustee.

    Attributes:
        head: The last verified checkpoint of the trustee's ledger; None before the first.
    """

    register: Register
    head: SignedCheckpoint | None = None

    @property
    def known_size(self) -> int:
        """Size of the last verified checkpoint; 0 for none."""
        return self.head.size if self.head else 0

    def shown(self, response: wire.ShownRegister, watched: WatchedLedger) -> "RegisterView":
        """Verify what is shown; this view is not changed.

        Raises:
            WardgateError: `REGISTER_REJECTED`, `LEDGER_FORKED`, `LEDGER_INVALID` or `MESSAGE_*`.
        """
        update = response.head if response.unchanged else response.inclusion.head
        head = self.head
        if head is None or update.checkpoint != head.note:
            head = advance(head, update.checkpoint, list(update.consistency), watched.key)
        if response.unchanged:
            return RegisterView(self.register, head)
        proof = response.inclusion
        entry = included(proof.entry, proof.index, list(proof.path), head)
        if entry.kind is not EntryKind.REGISTER_PUBLISHED:
            raise WardgateError(ErrorCode.REGISTER_REJECTED, "the entry does not publish a register")
        newer = self.register.advance(response.register, response.signature, key=watched.key.key, entry=entry.body)
        return RegisterView(newer, head)


class FollowedRegister:
    """What one party believes of the trustee's register.

    Args:
        source: Where it is read.
        watched: The trustee's ledger as this party has seen it.
        engine: Its store, for reading.
        journal: Its own.
        clock: Seconds since the epoch.
        cosign: Hands a cosigned checkpoint to the trustee, where this party reaches it.
    """

    def __init__(
        self,
        source: RegisterSource,
        *,
        watched: WatchedLedger,
        engine: AsyncEngine,
        journal: Journal,
        clock: Callable[[], float],
        cosign: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> None:
        self._source = source
        self._watched = watched
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._cosign = cosign
        self._view = RegisterView(Register())
        self._is_doubted = False
        self._cosigned = 0
        self._unendorsed_at = float("-inf")

    def register(self) -> Register:
        """The newest verified register."""
        return self._view.register

    @property
    def head(self) -> SignedCheckpoint | None:
        """The last verified checkpoint of the trustee's ledger."""
        return self._view.head

    async def witnessed(self) -> bytes:
        """The last checkpoint that was verified, as the store has it; empty for none. Raises `LEDGER_UNAVAILABLE`."""
        seen = await self._watched.seen()
        return seen.note if seen else b""

    async def load(self) -> None:
        """Take up what was kept, verifying it again.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`; or, when the store was tampered with, what verifying it raised.
        """
        async with store_errors("register"), self._engine.connect() as connection:
            head = await self._watched.load(connection)
            states = await read_states(connection)
        register = Register()
        if REGISTER in states:
            body = Entry.parse(states[ENTRY].content).body
            key = self._watched.key.key
            register = register.advance(states[REGISTER].content, states[SIGNATURE].content, key=key, entry=body)
        self._view = RegisterView(register, head)
        self._cosigned = min(self._cosigned, self._view.known_size)  # a recovery may have put it back
        self._is_doubted = False

    async def refresh(self) -> None:
        """Fetch, verify, keep, believe.

        Raises:
            WardgateError: The source cannot be asked; or what it showed does not prove itself, or there is no register
                that is in force (`REGISTER_REJECTED`). What was verified before stays, until it expires.
        """
        if self._is_doubted:
            await self._journal.settle()
            await self.load()
        try:
            await self._fetch()
        except OvertakenError:
            await self.load()
            detail = "another replica was quicker; the next proof fits"
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, detail) from None
        except WardgateError as error:
            if error.code is ErrorCode.LEDGER_FORKED:
                self._doubt()  # a recovery may have been accepted by command meanwhile: the next look reads the store
            raise
        self._view.register.check_current(self._clock())
        await self._witness()
        await self._say_unendorsed()

    async def _fetch(self) -> None:
        before = self._view
        try:
            response = await self._source.register(before.register.version, before.known_size)
        except WardgateError as refusal:
            raise await shown_instead(refusal, before.head, self._watched.key, self._bare_head) from refusal
        view = before.shown(response, self._watched)
        head = view.head
        if head is None or view == before:
            return
        newer = view.register.version != before.register.version
        entries, states = self._accepted(view, response) if newer else ([], {})
        now = int(self._clock())

        async def apply(connection: AsyncConnection) -> None:
            await self._watched.keep(connection, before.head, head)
            await keep_states(connection, states, now)

        with if_unknown(self._doubt):
            await self._journal.record(entries, apply)
        self._view = view
        if newer:
            _log.event(Event.REGISTER_ADOPTED, version=view.register.version, count=len(view.register.members))

    async def _bare_head(self) -> bytes:
        """The checkpoint that is shown to whoever has seen none: evidence, never believed."""
        response = await self._source.register(self._view.register.version, 0)
        return (response.head if response.unchanged else response.inclusion.head).checkpoint

    def _accepted(self, view: RegisterView, response: wire.ShownRegister) -> tuple[Sequence[Entry], dict[str, State]]:
        version = view.register.version
        body: JsonObject = {
            "version": version,
            "register_sha256": sha256(response.register).hex(),
            "members": len(view.register.members),
            "size": view.known_size,
        }
        states = {
            REGISTER: State(version, response.register),
            SIGNATURE: State(version, response.signature),
            ENTRY: State(version, response.inclusion.entry),
        }
        return [self._entry(EntryKind.REGISTER_ACCEPTED, body)], states

    def _doubt(self) -> None:
        self._is_doubted = True

    async def _witness(self) -> None:
        """Cosign what was verified to extend what was seen before, and kept."""
        head = self._view.head
        if self._cosign is None or head is None or head.size <= self._cosigned:
            return
        await self._cosign(with_cosignatures(head.note, self._watched.cosign(head)))
        self._cosigned = head.size

    async def _say_unendorsed(self) -> None:
        now, names = self._clock(), self._view.register.unendorsed()
        if not names or now - self._unendorsed_at < UNENDORSED_EVERY_S:
            return
        _log.event(Event.MEMBERS_UNENDORSED, count=len(names))
        body: JsonObject = {
            "alarm": str(Event.MEMBERS_UNENDORSED),
            "count": len(names),
            "agencies": names[:100],
            "until": self._view.register.unendorsed_until,
        }
        await self._journal.record([self._entry(EntryKind.ALARM_RAISED, body)])
        self._unendorsed_at = now

    def _entry(self, kind: EntryKind, body: JsonObject) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=Actor.keeper(self._journal.key.name),
            correlation_id=correlation(),
            query_id=None,
            body=body,
        )
