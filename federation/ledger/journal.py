"""The only way anything is written in a service: entries and their effect, in one durable transaction.

    recorded = await journal.record([Entry(...)], apply=insert_query)

returns when both are durable, or raises and neither has happened. `apply` runs inside the transaction, on its
connection only, and may run more than once: it must have no other effect, and must not itself call the journal.
How calls share transactions is told in `federation.ledger.writer`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar, overload

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger import tree
from federation.ledger.appending import Appender
from federation.ledger.checkpoint import (
    Checkpoint,
    NoteKey,
    SignedCheckpoint,
    cosignature_line,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
)
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.export import export_ledger
from federation.ledger.kept import KeptCheckpoint
from federation.ledger.postgres_appender import PostgresAppender
from federation.ledger.reader import Criteria, Reader, StoredEntry
from federation.ledger.sqlite_appender import SqliteAppender
from federation.ledger.tables import metadata
from federation.ledger.writer import Apply, Effect, GroupWriter, Recorded
from federation.ledger.writes import Write
from keys.signing import SigningKey, VerifyKey

__all__ = ["Apply", "Inclusion", "Journal", "Recorded"]

T = TypeVar("T")

KEEP_INTERVAL_S: Final = 1.0
"""Least time between two checkpoints that are kept only because somebody asked for one."""

SIGN_INTERVAL_S: Final = 60.0
"""Most time between an entry and the checkpoint that covers it, while `keep_signed` runs."""

SIGN_EVERY: Final = 1_000
"""Most entries between two checkpoints, likewise."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Proof that an entry stands in the tree of `size` entries."""

    index: int
    entry: bytes
    path: list[bytes]
    size: int


class Journal:
    """Writes and reads one service's ledger.

    Args:
        engine: The service's store, migrated.
        origin: The ledger's name, unique in the federation, e.g. `wardgate/gateway/main`.
        signing_key: Signs checkpoints.
        clock: Seconds since the epoch.
        kept: The last checkpoint outside the database, which the store must extend; None to do without.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        origin: str,
        signing_key: SigningKey,
        clock: Callable[[], float],
        kept: KeptCheckpoint | None = None,
    ) -> None:
        self.key: Final = NoteKey(origin, signing_key.verify_key)
        self.reader: Final = Reader(engine)
        self._signing_key: Final = signing_key
        self._clock: Final = clock
        self._appender: Final = _appender(engine)
        self._writer: Final = GroupWriter(self._appender, self._check_once)
        self._checked = False
        self._closed = False
        self._last: SignedCheckpoint | None = None
        self._kept_at = -KEEP_INTERVAL_S
        self._kept_size = -1
        self._kept: Final = kept
        self._kept_outside_size = -1
        self._is_due: Final = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Check the store against the last checkpoints, in it and outside, and sign what is not. `record` checks too.

        Raises:
            WardgateError: `LEDGER_INVALID`: the store does not hold what was signed; `LEDGER_UNAVAILABLE`;
                `KEYRING_REJECTED`: the checkpoint outside cannot be read or written.
        """
        await self._check_once()
        await self.sign()

    @overload
    async def record(self, entries: Sequence[Entry], apply: None = None) -> Recorded[None]: ...

    @overload
    async def record(self, entries: Sequence[Entry], apply: Sequence[Write]) -> Recorded[None]: ...

    @overload
    async def record(self, entries: Sequence[Entry], apply: Apply[T]) -> Recorded[T]: ...

    async def record(self, entries: Sequence[Entry], apply: Effect = None) -> Recorded[Any]:
        """Make entries and their effect durable, together or not at all.

        Cancelling the call does not undo what is already under way.

        Args:
            entries: What happened, in order; may be empty where `apply` changes nothing that needs evidence.
            apply: The effect: writes (`federation.ledger.writes`, the cheap way), or a function that runs statements on
                the connection it is given and does nothing else.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`: the store failed and nothing was applied; `OUTCOME_UNKNOWN`: the
                connection to PostgreSQL was lost in the very moment of the commit, and whether it took place could not
                be asked: what the caller holds in memory has to be compared with the store, after `settle`;
                `LEDGER_INVALID`: the store was tampered with.
            Exception: Whatever `apply` raises; nothing was applied.
        """
        if self._closed:
            raise WardgateError(ErrorCode.LEDGER_UNAVAILABLE, "the journal is closed")
        recorded = await self._writer.write(entries, apply)
        if recorded.indexes and recorded.indexes[-1] >= self._kept_size + SIGN_EVERY - 1:
            self._is_due.set()
        return recorded

    async def settle(self) -> None:
        """Return when every commit with entries that was begun before has taken place or never will.

        After it the store is read to learn what became of an `OUTCOME_UNKNOWN`; before it, a commit of which the server
        has not yet done with would look as if it had failed.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`: that cannot be known yet.
        """
        await self.record([], lambda connection: connection.execute(select(1)))

    async def checkpoint(self) -> SignedCheckpoint:
        """The tree as it is now, signed.

        Signed anew only when it has grown. Kept in the store for ever, but at most one a second: the entries are
        durable already, and a checkpoint that was only handed out binds us just as much.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        frontier = self._appender.known() or await self.reader.frontier()
        if self._last is None or self._last.size != frontier.size:
            checkpoint = Checkpoint(self.key.name, frontier.size, frontier.root())
            self._last = sign_checkpoint(checkpoint, self._signing_key)
        signed = self._last
        if self._clock() - self._kept_at >= KEEP_INTERVAL_S:
            await self._keep(signed)
        return signed

    async def sign(self) -> None:
        """Sign what was written since the last checkpoint and keep it, in the store and outside.

        Where nothing was written nothing is signed.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`, `KEYRING_REJECTED`.
        """
        self._is_due.clear()
        signed = await self.checkpoint()
        await self._keep(signed)
        if self._kept is not None and signed.size != self._kept_outside_size:
            await asyncio.to_thread(self._kept.keep, signed.note)
            self._kept_outside_size = signed.size

    async def keep_signed(self) -> None:
        """Sign each minute and each thousand entries until cancelled; for a supervised background task.

        Raises:
            WardgateError: As `sign`; tried again by whoever supervises.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SIGN_INTERVAL_S):
                    await self._is_due.wait()
            await self.sign()

    async def inclusion(self, index: int, size: int | None = None) -> Inclusion:
        """Proof that entry `index` stands in the tree of `size` entries, now by default.

        Pass the size of the checkpoint that the proof is shown with.

        Raises:
            WardgateError: `LEDGER_INVALID`: there is no such entry; `STORE_UNAVAILABLE`.
        """
        of_size = await self._size() if size is None else min(size, await self._size(size))
        found = await self.reader.entries(index, 1) if 0 <= index < of_size else []
        if not found or found[0].index != index:
            raise WardgateError(ErrorCode.LEDGER_INVALID, f"no entry {index} in a tree of {of_size}")
        path = await self.reader.compute(lambda get: tree.inclusion_path(index, of_size, get))
        return Inclusion(index, found[0].content, path, of_size)

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """Proof that the tree of `new` entries extends the one of `old`.

        Raises:
            WardgateError: `LEDGER_FORKED`: the ledger was never that large; `STORE_UNAVAILABLE`.
        """
        if not 0 < old <= new or new > await self._size(new):
            raise WardgateError(ErrorCode.LEDGER_FORKED, f"no proof leads from {old} to {new}")
        return await self.reader.compute(lambda get: tree.consistency_path(old, new, get))

    async def entries(self, start: int, limit: int) -> list[StoredEntry]:
        """Entries from `start` on, in order. Raises `STORE_UNAVAILABLE`."""
        return await self.reader.entries(start, limit)

    async def find(self, kind: EntryKind | None = None, query_id: str | None = None) -> list[int]:
        """Indexes of entries by kind and query, in order. Raises `STORE_UNAVAILABLE`."""
        return await self.reader.find(Criteria(kind=kind, query_id=query_id))

    async def search(self, criteria: Criteria) -> list[StoredEntry]:
        """Entries that meet the criteria, in order. Raises `STORE_UNAVAILABLE`."""
        return await self.reader.search(criteria)

    async def holds(self, signed: SignedCheckpoint) -> bool:
        """Whether this ledger extends a checkpoint that was signed with its key. Raises `STORE_UNAVAILABLE`."""
        return signed.size <= await self._size(signed.size) and await self._root(signed.size) == signed.root

    async def add_cosignature(self, note: bytes, name: str, key: VerifyKey) -> None:
        """Keep a witness's signature over one of our checkpoints, for exports to carry.

        Args:
            note: The checkpoint with the witness's line.
            name: The witness's name.
            key: Its public key.

        Raises:
            WardgateError: `LEDGER_INVALID`: not our checkpoint, or not signed by that witness; `LEDGER_FORKED`: of
                another tree than ours; `LEDGER_UNAVAILABLE`.
        """
        signed = verify_checkpoint(note, self.key)
        if name not in verify_cosignatures(note, {name: key}):
            raise WardgateError(ErrorCode.LEDGER_INVALID, f"no cosignature by {name}")
        if not await self.holds(signed):
            raise WardgateError(ErrorCode.LEDGER_FORKED, f"our tree of {signed.size} is another")
        row = {"size": signed.size, "witness": name, "line": cosignature_line(note, name)}
        await self.record([], lambda connection: _insert_new(connection, "ledger_cosignature", row))

    async def export(self, directory: Path) -> SignedCheckpoint:
        """Write the ledger as `tlog-tiles`, for anybody to verify. Returns the checkpoint it ends with."""
        signed = await self.checkpoint()
        await self._keep(signed)
        await export_ledger(self.reader, directory, signed, self.key)
        return signed

    async def aclose(self) -> None:
        """Finish what was asked, sign the last checkpoint, give the connection back. A closed journal stays closed.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `KEYRING_REJECTED`: the last checkpoint could not be kept; the journal
                is closed anyway.
        """
        if self._closed:
            return
        self._closed = True
        await self._writer.drain()
        try:
            if self._checked:
                await self.sign()
        finally:
            await self._writer.aclose()

    async def _keep(self, signed: SignedCheckpoint) -> None:
        now = self._clock()
        if signed.size != self._kept_size:
            row = {"size": signed.size, "at": int(now), "note": signed.note}
            await self._writer.write([], lambda connection: _insert_new(connection, "ledger_checkpoint", row))
        self._kept_at, self._kept_size = now, signed.size

    async def _size(self, wanted: int = 0) -> int:
        """Number of entries; the store is asked where too few are known, for another process may have written."""
        known = self._appender.known()
        return await self.reader.size() if known is None or known.size < wanted else known.size

    async def _root(self, size: int) -> bytes:
        return await self.reader.compute(lambda get: tree.root(size, get))

    async def _check_once(self) -> None:
        if self._checked:
            return
        try:
            await self._check_store()
        except WardgateError as error:
            if error.code is ErrorCode.STORE_UNAVAILABLE:
                raise WardgateError(ErrorCode.LEDGER_UNAVAILABLE, error.detail) from error
            raise
        self._checked = True

    async def _check_store(self) -> None:
        size = await self.reader.size()
        notes = {"": await self.reader.last_checkpoint()}
        if self._kept is not None:
            notes[f" in the checkpoint kept in {self._kept.place}"] = self._kept.note()
        for where, note in notes.items():
            if note is not None:
                await self._check_extends(note, size, where)

    async def _check_extends(self, note: bytes, size: int, where: str) -> None:
        try:
            signed = verify_checkpoint(note, self.key)
        except WardgateError as error:
            raise WardgateError(ErrorCode.LEDGER_INVALID, f"{error.detail}{where}") from error
        if signed.size > size:
            raise WardgateError(ErrorCode.LEDGER_INVALID, f"{size} entries of {signed.size} that were signed{where}")
        if await self._root(signed.size) != signed.root:
            raise WardgateError(ErrorCode.LEDGER_INVALID, f"the tree of {signed.size} is not the one signed{where}")


def _appender(engine: AsyncEngine) -> Appender:
    return SqliteAppender(engine) if engine.dialect.name == "sqlite" else PostgresAppender(engine)


async def _insert_new(connection: AsyncConnection, table: str, row: dict[str, object]) -> None:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    await connection.execute(insert(metadata.tables[table]).values(row).on_conflict_do_nothing())
