"""Following the gateway: fetch, verify everything, keep it, and only then believe it; cosign as a witness.

Node and trustee follow with this one piece. A restart goes back behind nothing that was verified before. A gateway that
cannot prove what it says is not believed: what was verified last stays in force, and an alarm is raised in the log and
in the follower's own ledger.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.canonical import JsonObject
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.following.alarm import Disbelief, is_disbelief, is_shut_out
from federation.following.follower import Kept, View
from federation.following.kept import State, keep_states, read_states
from federation.ledger.checkpoint import SignedCheckpoint, with_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.ledger.witness import shown_instead
from federation.ledger.witnessing import OvertakenError, WatchedLedger
from federation.seen import PointKey, PointsReplacedError
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.transport.correlation import correlation
from federation.wire.v1 import directory_pb2, ledger_pb2
from keys.digest import sha256

DIRECTORY: Final = "gateway-directory"
SIGNATURE: Final = "gateway-directory-signature"
ENTRY: Final = "gateway-directory-entry"
SEEN: Final = "seen-keys"

T = TypeVar("T")

_log = EventLog(__name__)


class GatewaySource(Protocol):
    """What a follower asks of the gateway. Every method raises `WardgateError` when the gateway cannot be asked."""

    async def directory(self, known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        """The directory, if it is newer, with its proofs."""
        ...

    async def cosign(self, cosigned: bytes) -> None:
        """Hand over a checkpoint with the follower's cosignature."""
        ...


@dataclass(frozen=True, slots=True)
class Follower:
    """Who follows.

    Attributes:
        view: Its view before anything was seen.
        watched: The gateway's ledger as it has seen it.
        engine: Its store, for reading.
        journal: Its own, through which anything is kept.
    """

    view: View
    watched: WatchedLedger
    engine: AsyncEngine
    journal: Journal


def kept_of(states: Mapping[str, State], head: SignedCheckpoint | None = None) -> Kept:
    """What stands in a follower's store, as a view takes it up."""

    def content(name: str) -> bytes:
        return states[name].content if name in states else b""

    return Kept(
        checkpoint=head.note if head else b"",
        directory=content(DIRECTORY),
        signature=content(SIGNATURE),
        entry=content(ENTRY),
        seen=content(SEEN),
    )


class FollowedGateway:
    """What one party believes of the gateway.

    Args:
        follower: Who follows.
        source: The gateway.
        least_gap_s: Between two fetches: who asks for one sooner waits that long and shares it with all who ask.
        clock: Seconds since the epoch.
        monotonic: Seconds from any start.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        follower: Follower,
        source: GatewaySource,
        *,
        clock: Callable[[], float],
        least_gap_s: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._follower = follower
        self._source = source
        self._more: list[Callable[[], Awaitable[None]]] = []
        self._least_gap_s = least_gap_s
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._view = follower.view
        self._is_doubted = False
        self._cosigned = 0
        self._fetching = asyncio.Lock()
        self._began_at = float("-inf")
        self._fresh_as_of = float("-inf")
        self._disbelief = Disbelief(Event.GATEWAY_NOT_BELIEVED, journal=follower.journal, clock=clock)
        self._shut_out = Disbelief(
            Event.OWN_CERTIFICATE_REVOKED, journal=follower.journal, clock=clock, about=is_shut_out
        )
        self.verified_at = 0
        """When the directory was last shown to be the newest; seconds since the epoch, 0 for never."""
        self.failure: WardgateError | None = None
        """Why the last look at the gateway failed; None when it did not."""

    def directory(self) -> TrustedDirectory:
        """The newest verified directory."""
        return self._view.directory

    def also(self, follow: Callable[[], Awaitable[None]]) -> None:
        """Follow more: run after the directory in every look; what does not verify there is an alarm like any other."""
        self._more.append(follow)

    @property
    def head(self) -> SignedCheckpoint | None:
        """The gateway's last verified checkpoint."""
        return self._view.head

    def refused_points(self) -> Sequence[PointKey]:
        """The points that the gateway shows as others than they were, for as long as it does."""
        return self.failure.points if isinstance(self.failure, PointsReplacedError) else ()

    async def witnessed(self) -> bytes:
        """The last checkpoint that was verified, as the store has it; empty for none. Raises `LEDGER_UNAVAILABLE`."""
        seen = await self._follower.watched.seen()
        return seen.note if seen else b""

    async def load(self) -> None:
        """Take up what was kept, verifying it again.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`; or, when the store was tampered with, what verifying it raised.
        """
        async with store_errors("trusted state"), self._follower.engine.connect() as connection:
            head = await self._follower.watched.load(connection)
            states = await read_states(connection)

        self._view = self._follower.view.restored(kept_of(states, head))
        self._cosigned = min(self._cosigned, self._view.known_size)  # a recovery may have put it back
        if DIRECTORY in states:
            self.verified_at = max(self.verified_at, states[DIRECTORY].updated_at)
        self._is_doubted = False

    async def refresh(self) -> bool:
        """Fetch and verify what the gateway has at the time of this call; true when the directory is newer.

        Raises:
            WardgateError: `PEER_UNAVAILABLE`, or what did not verify, which is remembered (`failure`); what was
                verified before stays in force.
        """
        called_at, before = self._monotonic(), self._view.directory.version
        async with self._fetching:
            if self._fresh_as_of >= called_at:  # begun for another caller, and after this call: new enough
                if self.failure is not None:
                    raise self.failure
                return self._view.directory.version > before
            await self._sleep(max(0.0, self._began_at + self._least_gap_s - self._monotonic()))
            self._began_at = began_at = self._monotonic()
            try:
                newer = await self._look()
                self.failure = None
                self._disbelief.ended()
                self._shut_out.ended()
            except WardgateError as error:
                await self._fail(error)
                self._fresh_as_of = began_at
                raise
            self._fresh_as_of = began_at  # not where the caller was cancelled half-way
        return newer

    async def run(self, interval_s: float) -> None:
        """Refresh until cancelled. A failure is logged, remembered and no reason to stop."""
        while True:
            try:
                await self.refresh()
            except WardgateError as error:
                if error is not self.failure:
                    raise
            await asyncio.sleep(interval_s)

    def check_believed(self) -> None:
        """Say so while the gateway shows something that does not prove itself: for the health answer.

        Raises:
            WardgateError: What it is.
        """
        if self.failure is not None and is_disbelief(self.failure):
            raise self.failure

    def check_fresh(self, stale_s: int) -> None:
        """Say so when the directory cannot be relied on: for the health answer.

        Raises:
            WardgateError: The gateway showed something that does not prove itself, or was not reached for `stale_s`.
        """
        self.check_believed()
        if self._clock() - self.verified_at > stale_s:
            raise self.failure or WardgateError(ErrorCode.PEER_UNAVAILABLE, "no directory was ever verified")

    async def receipt(self, query_id: str, fetch: Callable[[int], Awaitable[ledger_pb2.InclusionProof]]) -> JsonObject:
        """Fetch, verify and keep the proof that a query's admission stands in the gateway's ledger.

        Args:
            query_id: The query.
            fetch: Asks the gateway, given the size of the checkpoint to extend.

        Raises:
            WardgateError: Whatever `fetch` raised, `LEDGER_FORKED`, `LEDGER_INVALID`, `LEDGER_UNAVAILABLE`.
        """
        async with self._fetching:
            if self._is_doubted:
                await self._read_back()
            try:
                proof, entry = await self._receive(query_id, fetch)
            except OvertakenError:
                await self.load()
                proof, entry = await self._again(lambda: self._receive(query_id, fetch))
        return {
            "ledger": "gateway",
            "index": proof.index,
            "size": self._view.known_size,
            "kind": entry.kind.value,
            "entry_sha256": sha256(proof.entry).hex(),
            "checkpoint": proof.head.checkpoint.decode(),
            "verified": True,
        }

    async def _receive(
        self, query_id: str, fetch: Callable[[int], Awaitable[ledger_pb2.InclusionProof]]
    ) -> tuple[ledger_pb2.InclusionProof, Entry]:
        proof = await fetch(self._view.known_size)
        try:
            view, entry = self._view.with_receipt(query_id, proof)
        except WardgateError as error:
            await self._disbelief.alarm(error, self._view.directory.version)
            raise
        await self._take(view)
        return proof, entry

    async def _look(self) -> bool:
        if self._is_doubted:
            await self._read_back()
        try:
            newer = await self._fetch()
        except OvertakenError:
            await self.load()
            newer = await self._again(self._fetch)
        for follow in self._more:
            await follow()
        await self._cosign()
        return newer

    async def _again(self, step: Callable[[], Awaitable[T]]) -> T:
        try:
            return await step()
        except OvertakenError as error:
            detail = "other replicas were quicker twice; the next proof fits"
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, detail) from error

    async def _fetch(self) -> bool:
        before = self._view
        try:
            response = await self._source.directory(before.directory.version, before.known_size)
        except WardgateError as refusal:
            raise await shown_instead(refusal, before.head, before.key, self._bare_head) from refusal
        view = before.with_directory(response)
        newer = view.directory.version != before.directory.version
        if not newer and not response.unchanged and before.directory.version:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"version {before.directory.version} was shown again")
        await self._take(view, response if newer else None)
        self.verified_at = int(self._clock())
        return newer

    async def _bare_head(self) -> bytes:
        """The checkpoint that the gateway shows to whoever has seen none: evidence, never believed."""
        response = await self._source.directory(self._view.directory.version, 0)
        return (response.head if response.unchanged else response.inclusion.head).checkpoint

    async def _take(self, view: View, response: directory_pb2.GetDirectoryResponse | None = None) -> None:
        """Keep a view that was verified against the one before, then believe it.

        Raises:
            OvertakenError: Another replica kept another one meanwhile; what is believed stays.
        """
        before = self._view
        head = view.head
        if head is None or view == before:
            return
        entries, states = ([], {}) if response is None else self._adopted(view, response)
        now = int(self._clock())

        async def apply(connection: AsyncConnection) -> None:
            await self._follower.watched.keep(connection, before.head, head)
            await keep_states(connection, states, now)

        with if_unknown(self._doubt):
            await self._follower.journal.record(entries, apply)
        self._view = view
        if response is not None:
            _log.event(Event.DIRECTORY_ADOPTED, version=view.directory.version, count=len(view.directory.agencies))

    def _adopted(
        self, view: View, response: directory_pb2.GetDirectoryResponse
    ) -> tuple[list[Entry], dict[str, State]]:
        version = view.directory.version
        body: JsonObject = {
            "version": version,
            "directory_sha256": view.directory.digest.hex(),
            "agencies": len(view.directory.agencies),
            "size": view.known_size,
        }
        states = {
            DIRECTORY: State(version, response.directory),
            SIGNATURE: State(version, response.signature),
            ENTRY: State(version, response.inclusion.entry),
            SEEN: State(version, view.directory.seen.content()),
        }
        return [self._entry(EntryKind.DIRECTORY_ACCEPTED, body)], states

    async def _read_back(self) -> None:
        """Learn from the store whether what was to be kept last was kept.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `STORE_UNAVAILABLE`.
        """
        await self._follower.journal.settle()
        await self.load()

    def _doubt(self) -> None:
        self._is_doubted = True

    async def _cosign(self) -> None:
        """As a witness: only what was verified to extend what was seen before, and kept."""
        head = self._view.head
        if head is None or head.size <= self._cosigned:
            return
        await self._source.cosign(with_cosignatures(head.note, self._follower.watched.cosign(head)))
        self._cosigned = head.size

    async def _fail(self, error: WardgateError) -> None:
        if error.code is ErrorCode.LEDGER_FORKED:
            self._doubt()  # a recovery may have been accepted by command meanwhile: the next look reads the store
        await self._shut_out.alarm(error, self._view.directory.version)
        if is_disbelief(error):
            await self._disbelief.alarm(error, self._view.directory.version)
        elif self.failure is None or self.failure.code is not error.code:
            _log.event(Event.COMPONENT_UNUSABLE, component="directory", error=error)
        self.failure = error

    def _entry(self, kind: EntryKind, body: JsonObject) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=Actor.keeper(self._follower.journal.key.name),
            correlation_id=correlation(),
            query_id=None,
            body=body,
        )
