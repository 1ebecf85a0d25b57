"""This node's standing with the gateway: follows directory and ledger, cosigns as a witness, keeps what it verified.

A restart goes back behind nothing that was verified before. A gateway that cannot prove what it says is not believed:
the last verified directory stays in force, and an alarm is raised in the log and in this node's own ledger.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agency_node.store.children import core_table
from agency_node.store.tables import TrustedState
from federation.actor import Actor
from federation.canonical import JsonObject
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.following import Follower
from federation.ledger.checkpoint import cosign_checkpoint, with_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.transport.correlation import correlation
from federation.transport.identity import Party, PartyKind
from federation.wire.v1 import directory_pb2, ledger_pb2
from keys.digest import sha256
from keys.signing import SigningKey

STATE: Final = core_table(TrustedState)
CHECKPOINT: Final = "gateway-checkpoint"
DIRECTORY: Final = "gateway-directory"
SIGNATURE: Final = "gateway-directory-signature"
ENTRY: Final = "gateway-directory-entry"

_ALARMS: Final = frozenset(
    {ErrorCode.LEDGER_FORKED, ErrorCode.LEDGER_INVALID, ErrorCode.DIRECTORY_REJECTED, ErrorCode.SIGNATURE_REJECTED}
)
_log = EventLog(__name__)


class DirectoryGateway(Protocol):
    """What a follower asks of the gateway. Every method raises `WardgateError`."""

    async def directory(self, known_version: int, known_size: int) -> directory_pb2.GetDirectoryResponse:
        """The newest directory with its proof."""
        ...

    async def cosign(self, note: bytes) -> None:
        """Hand in a cosigned checkpoint."""
        ...


class Standing:
    """What this node believes of the gateway, and what it says of its ledger.

    `on_verified` is called after each look at the gateway, once what was verified is kept.
    """

    def __init__(
        self,
        *,
        agency: str,
        follower: Follower,
        gateway: DirectoryGateway,
        engine: AsyncEngine,
        journal: Journal,
        key: SigningKey,
        clock: Callable[[], float],
        on_verified: Callable[[], Awaitable[None]],
    ) -> None:
        self._agency = agency
        self._follower = follower
        self._gateway = gateway
        self._engine = engine
        self._journal = journal
        self._key = key
        self._clock = clock
        self._on_verified = on_verified
        self._lock = asyncio.Lock()
        self._cosigned = 0
        self._unkept: directory_pb2.GetDirectoryResponse | None = None
        self._is_doubted = False

    def directory(self) -> TrustedDirectory:
        """The last verified directory."""
        return self._follower.directory

    async def load(self) -> None:
        """Take up what was kept."""
        async with store_errors("trusted state"), self._engine.connect() as connection:
            kept = {row.name: row.content for row in (await connection.execute(select(STATE))).all()}
        if CHECKPOINT in kept:
            self._follower.restore(
                checkpoint=kept[CHECKPOINT],
                directory=kept.get(DIRECTORY, b""),
                signature=kept.get(SIGNATURE, b""),
                entry=kept.get(ENTRY, b""),
            )
        await self._on_verified()

    async def refresh(self) -> bool:
        """Fetch and verify the newest directory and head, keep them, cosign; true when the directory is newer.

        Raises:
            WardgateError: `PEER_UNAVAILABLE`, or what did not verify; nothing changes then.
        """
        async with self._lock:
            response = await self._gateway.directory(self._follower.directory.version, self._follower.known_size)
            try:
                newer = self._follower.accept_directory(response)
            except WardgateError as error:
                await self._alarm(error)
                raise
            if newer:
                self._unkept = response
            await self._keep_what_is_new()
            await self._on_verified()
            await self._cosign()
        return newer

    async def receipt(self, query_id: str, fetch: Callable[[int], Awaitable[ledger_pb2.InclusionProof]]) -> JsonObject:
        """Fetch and verify the proof that a query's admission stands in the gateway's ledger.

        Args:
            query_id: The query.
            fetch: Asks the gateway, given the size of the checkpoint to extend.

        Raises:
            WardgateError: Whatever `fetch` raised, `LEDGER_FORKED`, `LEDGER_INVALID`.
        """
        async with self._lock:
            proof = await fetch(self._follower.known_size)
            try:
                entry = self._accept_receipt(query_id, proof)
            except WardgateError as error:
                await self._alarm(error)
                raise
            head = self._follower.checkpoint
        return {
            "ledger": "gateway",
            "index": proof.index,
            "size": head.size if head else 0,
            "kind": entry.kind.value,
            "entry_sha256": sha256(proof.entry).hex(),
            "checkpoint": proof.head.checkpoint.decode(),
            "verified": True,
        }

    def _accept_receipt(self, query_id: str, proof: ledger_pb2.InclusionProof) -> Entry:
        entry = self._follower.accept_inclusion(proof)
        if entry.query_id != query_id:
            raise WardgateError(ErrorCode.LEDGER_INVALID, "receipt of another query")
        return entry

    async def _keep_what_is_new(self) -> None:
        """Keep the directory that was verified last, once, and the checkpoint.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`; the next refresh keeps what is not kept.
        """
        if self._is_doubted:
            await self._journal.settle()
            if await self._kept_version() == self._follower.directory.version:
                self._unkept = None
            self._is_doubted = False
        with if_unknown(self._doubt):
            await self._keep(self._unkept)
        self._unkept = None

    def _doubt(self) -> None:
        self._is_doubted = True

    async def _kept_version(self) -> int:
        async with store_errors("trusted state"), self._engine.connect() as connection:
            found = await connection.execute(select(STATE.c.version).where(STATE.c.name == DIRECTORY))
            return int(found.scalar_one_or_none() or 0)

    async def _keep(self, response: directory_pb2.GetDirectoryResponse | None) -> None:
        head = self._follower.checkpoint
        if head is None:
            return
        rows = {CHECKPOINT: (head.size, head.note)}
        entries: list[Entry] = []
        if response is not None:
            version = self._follower.directory.version
            rows |= {
                DIRECTORY: (version, response.directory),
                SIGNATURE: (version, response.signature),
                ENTRY: (version, response.inclusion.entry),
            }
            body = {"version": version, "directory_sha256": sha256(response.directory).hex(), "size": head.size}
            entries.append(self._ledger_entry(EntryKind.DIRECTORY_ACCEPTED, body))
        now = int(self._clock())

        async def apply(connection: AsyncConnection) -> None:
            for name, (version, content) in rows.items():
                await connection.execute(STATE.delete().where(STATE.c.name == name))
                await connection.execute(
                    STATE.insert(), {"name": name, "version": version, "content": content, "updated_at": now}
                )

        await self._journal.record(entries, apply)

    async def _cosign(self) -> None:
        """As a witness: only what was verified to extend what was seen before."""
        head = self._follower.checkpoint
        if head is None or head.size <= self._cosigned:
            return
        line = cosign_checkpoint(
            head, name=str(Party(PartyKind.NODE, self._agency)), key=self._key, at=int(self._clock())
        )
        await self._gateway.cosign(with_cosignatures(head.note, line))
        self._cosigned = head.size

    async def _alarm(self, error: WardgateError) -> None:
        if error.code not in _ALARMS:
            return
        _log.event(Event.GATEWAY_NOT_BELIEVED, code=error.code, detail=error.detail)
        body = {"alarm": "GATEWAY_NOT_BELIEVED", "error": str(error.code), "detail": error.detail[:200]}
        await self._journal.record([self._ledger_entry(EntryKind.ALARM_RAISED, body)])

    def _ledger_entry(self, kind: EntryKind, body: JsonObject) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=Actor.agency(self._agency),
            correlation_id=correlation(),
            query_id=None,
            body=body,
        )
