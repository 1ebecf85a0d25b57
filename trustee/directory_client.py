"""The trustee's own view of the federation: directory and deny list, fetched from the gateway, believed only as proved.

A new directory is taken over when the gateway's ledger is shown to extend what was seen of it before, when the entry
that publishes exactly this directory stands in it, and when `TrustedDirectory.advance` accepts it. What was verified is
kept, so that a restart goes back behind nothing. The trustee is a witness too: it cosigns every checkpoint it verifies.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.directory import Anchors, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.checkpoint import SignedCheckpoint, with_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.outcome import if_unknown
from federation.ledger.witness import included
from federation.ledger.witnessing import Cosigned, WatchedLedger
from federation.published import NAMED, points_of, replaced
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.transport.denylist import DenyList, SignedDenyList
from federation.transport.failures import RemoteError
from federation.wire.v1 import directory_pb2 as wire
from federation.wire.v1.ledger_pb2 import CheckpointUpdate
from keys.digest import sha256
from trustee.books import Act, AlarmReason, Books
from trustee.store.scopes import accept_first_caseloads, caseloads
from trustee.store.verified import KeptDirectory, keep_deny_list, keep_directory, kept_deny_list, kept_directory

LEAST_GAP_S: Final = 1.0
"""Between two fetches: what a caller can bring about by showing unknown agencies or bad signatures. Who comes sooner
waits that long: an agency enrolled a moment ago is served a moment later, and not refused."""

_DISBELIEF: Final = {
    ErrorCode.LEDGER_FORKED: AlarmReason.LEDGER_FORKED,
    ErrorCode.LEDGER_INVALID: AlarmReason.DIRECTORY_REJECTED,
    ErrorCode.DIRECTORY_REJECTED: AlarmReason.DIRECTORY_REJECTED,
    ErrorCode.SIGNATURE_REJECTED: AlarmReason.DIRECTORY_REJECTED,
    ErrorCode.MESSAGE_MALFORMED: AlarmReason.DIRECTORY_REJECTED,
    ErrorCode.MESSAGE_TOO_LARGE: AlarmReason.DIRECTORY_REJECTED,
}
"""Errors that say the gateway showed something that does not prove itself, unlike not being reachable."""


_log = EventLog(__name__)


def _disbelief(error: WardgateError) -> AlarmReason | None:
    """The alarm to raise; none where the gateway only refused the call, unless its ledger is shorter than it was."""
    if isinstance(error, RemoteError) and error.code is not ErrorCode.LEDGER_FORKED:
        return None
    return _DISBELIEF.get(error.code)


class GatewaySource(Protocol):
    """What the trustee asks of the gateway. Every method raises `WardgateError` when the gateway cannot be asked."""

    async def directory(self, known_version: int, known_size: int) -> wire.GetDirectoryResponse:
        """The directory, if it is newer, with its proofs."""
        ...

    async def deny_list(self, known_version: int) -> wire.GetDenyListResponse:
        """The deny list, if it is newer."""
        ...

    async def cosign(self, cosigned: bytes) -> None:
        """Hand over a checkpoint with the trustee's cosignature."""
        ...


@dataclass(frozen=True, slots=True)
class _View:
    directory: TrustedDirectory
    caseloads: Mapping[str, int]


class DirectoryClient:
    """Keeps the verified directory (`trustee.members.Members`) and the deny list up to date.

    Args:
        source: The gateway.
        watched: The gateway's ledger as this trustee has seen it.
        anchors: What was pinned out of band.
        deny_list: The list in force, which the server asks.
        engine: The trustee's store.
        books: Through which anything is kept.
        gateway: The gateway's name in ledger entries.
        largest_first: Children that count at most of the caseload an agency declares first.
        clock: Seconds since the epoch.
        monotonic: Seconds from any start.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        *,
        source: GatewaySource,
        watched: WatchedLedger,
        anchors: Anchors,
        deny_list: DenyList,
        engine: AsyncEngine,
        books: Books,
        gateway: str,
        largest_first: int,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._watched = watched
        self._anchors = anchors
        self._deny_list = deny_list
        self._engine = engine
        self._books = books
        self._gateway = gateway
        self._largest_first = largest_first
        self._clock = clock
        self._monotonic = monotonic
        self._sleep = sleep
        self._view = _View(TrustedDirectory.empty(anchors), {})
        self._kept_denials: SignedDenyList | None = None
        self._is_doubted = False
        self._fetching = asyncio.Lock()
        self._began_at = float("-inf")
        self._fresh_as_of = float("-inf")
        self.verified_at = 0
        """When the directory was last shown to be the newest; seconds since the epoch, 0 for never."""
        self.failure: WardgateError | None = None
        """Why the last fetch failed; None when it did not."""

    @property
    def directory(self) -> TrustedDirectory:
        """The newest verified directory."""
        return self._view.directory

    @property
    def caseloads(self) -> Mapping[str, int]:
        """The largest caseload accepted for each agency."""
        return self._view.caseloads

    async def load(self) -> None:
        """Take up what was kept, verifying it again.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`; or, when the store was tampered with, what verifying it raised.
        """
        async with store_errors("verified directory"), self._engine.connect() as connection:
            kept, denials = await kept_directory(connection), await kept_deny_list(connection)
            accepted = await caseloads(connection)
        directory = TrustedDirectory.empty(self._anchors)
        if kept is not None:
            directory = directory.advance(kept.content, kept.signature, entry=Entry.parse(kept.entry).body)
            self.verified_at = kept.verified_at
        if denials is not None:
            self._kept_denials = SignedDenyList(*denials)
            self._deny_list.adopt(self._kept_denials)
        self._view = _View(directory, accepted)

    async def _read_back(self) -> None:
        """Learn from the store whether what was to be kept last was kept.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `STORE_UNAVAILABLE`.
        """
        await self._books.settle()
        async with store_errors("verified directory"), self._engine.connect() as connection:
            kept, denials = await kept_directory(connection), await kept_deny_list(connection)
            accepted = await caseloads(connection)
        if kept is not None and kept.version > self.directory.version:
            newer = self.directory.advance(kept.content, kept.signature, entry=Entry.parse(kept.entry).body)
            self._view = _View(newer, accepted)
        if denials is not None and self._deny_list.signed == SignedDenyList(*denials):
            self._kept_denials = self._deny_list.signed
        self._is_doubted = False

    def _doubt(self) -> None:
        self._is_doubted = True

    async def refresh(self) -> None:
        """Fetch and verify what the gateway has at the time of this call; at most once a second, for all who call.

        A failure is remembered (`failure`), and what was verified before stays in force.
        """
        called_at = self._monotonic()
        async with self._fetching:
            if self._fresh_as_of >= called_at:
                return  # begun for another caller, and after this call: what it found is new enough
            await self._sleep(max(0.0, self._began_at + LEAST_GAP_S - self._monotonic()))
            self._began_at = began_at = self._monotonic()
            try:
                if self._is_doubted:
                    await self._read_back()
                await self._fetch()
                self.failure = None
            except WardgateError as error:
                self._fail(error)
            self._fresh_as_of = began_at  # not where the caller was cancelled half-way

    def _fail(self, error: WardgateError) -> None:
        if self.failure is None or self.failure.code is not error.code:
            disbelieved = _disbelief(error) is not None
            event = Event.GATEWAY_NOT_BELIEVED if disbelieved else Event.COMPONENT_UNUSABLE
            _log.event(event, component="directory", party=self._gateway, error=error)
        self.failure = error

    async def run(self, interval_s: float) -> None:
        """Refresh until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(interval_s)

    def check_fresh(self, stale_s: int) -> None:
        """Say so when the directory cannot be relied on: for the health answer.

        Raises:
            WardgateError: The gateway showed something that does not prove itself, or was not reached for `stale_s`.
        """
        if self.failure is not None and _disbelief(self.failure) is not None:
            raise self.failure
        if self._clock() - self.verified_at > stale_s:
            raise self.failure or WardgateError(ErrorCode.PEER_UNAVAILABLE, "no directory was ever verified")

    async def _fetch(self) -> None:
        try:
            cosigned = await self._fetch_directory()
            await self._fetch_deny_list()
            if cosigned is not None:
                await self._source.cosign(with_cosignatures(cosigned.checkpoint.note, cosigned.line))
        except WardgateError as error:
            reason = _disbelief(error)
            if reason is not None:
                await self._books.alarm(self._gateway, reason, {"code": error.code, "version": self.directory.version})
            raise

    async def _fetch_directory(self) -> Cosigned | None:
        """Fetch and verify; returns the gateway's checkpoint with the trustee's cosignature if it is a new one."""
        seen = await self._watched.seen()
        response = await self._source.directory(self.directory.version, seen.size if seen else 0)
        head = response.head if response.unchanged else response.inclusion.head
        cosigned: Cosigned | None = None
        if seen is not None and head.checkpoint == seen.note:
            checkpoint = seen
        else:
            cosigned = await self._advance(seen, head)
            checkpoint = cosigned.checkpoint
        if not response.unchanged:
            await self._adopt(response, checkpoint)
        self.verified_at = int(self._clock())
        return cosigned

    async def _advance(self, seen: SignedCheckpoint | None, head: CheckpointUpdate) -> Cosigned:
        try:
            return await self._watched.advance(head.checkpoint, list(head.consistency))
        except WardgateError as error:
            if error.code is ErrorCode.LEDGER_FORKED and await self._moved_on(seen):
                raise WardgateError(
                    ErrorCode.PEER_UNAVAILABLE, "another replica was quicker; the next proof fits"
                ) from error
            raise

    async def _moved_on(self, seen: SignedCheckpoint | None) -> bool:
        now = await self._watched.seen()
        return now is not None and (seen is None or now.size != seen.size)

    async def _adopt(self, response: wire.GetDirectoryResponse, head: SignedCheckpoint) -> None:
        proof = response.inclusion
        entry = included(proof.entry, proof.index, list(proof.path), head)
        if entry.kind is not EntryKind.DIRECTORY_PUBLISHED:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"entry {proof.index} publishes no directory")
        current = self.directory
        newer = current.advance(response.directory, response.signature, entry=entry.body)
        if newer.version == current.version:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"two directories of version {newer.version}")
        await self._look_at_points(current, newer)
        self._view = _View(newer, await self._keep(newer, response))
        _log.event(Event.DIRECTORY_ADOPTED, version=newer.version, count=len(newer.agencies))

    async def _look_at_points(self, before: TrustedDirectory, newer: TrustedDirectory) -> None:
        """Raise an alarm where a point became another under a running epoch: its agency finds nobody any more."""
        known = {key: public for agency in before.agencies.values() for key, public in points_of(agency).items()}
        other = sorted(key for agency in newer.agencies.values() for key in replaced(known, agency))
        if other:
            body = {"version": newer.version, "count": len(other), "points": [str(key) for key in other[:NAMED]]}
            await self._books.alarm(self._gateway, AlarmReason.POINTS_REPLACED, body)

    async def _keep(self, newer: TrustedDirectory, response: wire.GetDirectoryResponse) -> Mapping[str, int]:
        kept = KeptDirectory(
            version=newer.version,
            content=response.directory,
            signature=response.signature,
            entry=response.inclusion.entry,
            verified_at=int(self._clock()),
        )
        declared = {
            name: min(agency.descriptor.declared_caseload, self._largest_first)
            for name, agency in newer.agencies.items()
            if name not in self.caseloads
        }
        accepted: dict[str, int] = {}

        async def apply(connection: AsyncConnection) -> None:
            await keep_directory(connection, kept)
            await accept_first_caseloads(connection, declared)
            accepted.clear()
            accepted.update(await caseloads(connection))

        body = {
            "version": newer.version,
            "directory_sha256": sha256(response.directory).hex(),
            "agencies": len(newer.agencies),
            "entry_index": response.inclusion.index,
        }
        with if_unknown(self._doubt):
            await self._books.record(Act(EntryKind.DIRECTORY_ACCEPTED, self._gateway, body), apply)
        return accepted

    async def _fetch_deny_list(self) -> None:
        response = await self._source.deny_list(self._deny_list.version)
        if response.deny_list:
            self._deny_list.adopt(SignedDenyList(response.deny_list, response.signature))
        signed = self._deny_list.signed
        if signed is None or signed == self._kept_denials:
            return

        async def apply(connection: AsyncConnection) -> None:
            await keep_deny_list(connection, signed.document, signed.signature)

        body = {"version": self._deny_list.version, "deny_list_sha256": sha256(signed.document).hex()}
        with if_unknown(self._doubt):
            await self._books.record(Act(EntryKind.DIRECTORY_ACCEPTED, self._gateway, body), apply)
        self._kept_denials = signed
