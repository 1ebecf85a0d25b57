"""A witness's memory, kept in its own store: one row for each ledger it watches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, verify_checkpoint
from federation.ledger.journal import Journal
from federation.ledger.tables import metadata
from federation.ledger.witness import Witness, advance

_LOG: Final = metadata.tables["witnessed_log"]
_SEEN: Final[Select[Any]] = select(_LOG.c.note).where(_LOG.c.origin == bindparam("of_origin"))
_SEEN_LOCKED: Final[Select[Any]] = _SEEN.with_for_update()
_KEEP: Final = (
    update(_LOG)
    .where(_LOG.c.origin == bindparam("of_origin"))
    .values(size=bindparam("new_size"), note=bindparam("new_note"))
)
_NOTHING_SEEN: Final = b""


class OvertakenError(Exception):
    """Another replica has kept another checkpoint meanwhile: what was to be kept was verified against an older one."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that was found to extend what was seen, with the witness's signature line."""

    checkpoint: SignedCheckpoint
    line: bytes


class WatchedLedger:
    """Somebody else's ledger as one party has seen it so far.

    Args:
        journal: The party's own journal, through which it remembers.
        witness: The party as a witness.
        key: The watched ledger's name and key, known beforehand.
    """

    def __init__(self, journal: Journal, witness: Witness, key: NoteKey) -> None:
        self.key: Final = key
        self._journal: Final = journal
        self._witness: Final = witness

    async def seen(self) -> SignedCheckpoint | None:
        """The last checkpoint that was verified.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`.
        """
        return (await self._journal.record([], self.load)).result

    async def advance(self, note: bytes, consistency: Sequence[bytes]) -> Cosigned:
        """Verify a newer checkpoint, remember it durably, then cosign it.

        Raises:
            WardgateError: `LEDGER_INVALID`, `LEDGER_FORKED` (see `witness.advance`), `LEDGER_UNAVAILABLE`.
        """

        async def apply(connection: AsyncConnection) -> SignedCheckpoint:
            fresh = advance(await self._locked(connection), note, consistency, self.key)
            await self._write(connection, fresh)
            return fresh

        fresh = (await self._journal.record([], apply)).result
        return Cosigned(fresh, self.cosign(fresh))

    def cosign(self, verified: SignedCheckpoint) -> bytes:
        """The signature line for a checkpoint that was verified and kept."""
        return self._witness.cosign(verified)

    async def load(self, connection: AsyncConnection) -> SignedCheckpoint | None:
        """The last checkpoint that was verified, read on a connection."""
        return await self._read(connection, _SEEN)

    async def keep(self, connection: AsyncConnection, before: SignedCheckpoint | None, fresh: SignedCheckpoint) -> None:
        """Remember a checkpoint that was verified against `before`, inside the caller's transaction.

        Raises:
            OvertakenError: `before` is not the last one any more.
        """
        kept = await self._locked(connection)
        if (kept.note if kept else b"") != (before.note if before else b""):
            raise OvertakenError
        await self._write(connection, fresh)

    async def begin_again(self, connection: AsyncConnection, kept: SignedCheckpoint) -> None:
        """Remember another checkpoint instead of the last one, which it need not extend: after a recovery alone."""
        await self._locked(connection)
        await self._write(connection, kept)

    async def _locked(self, connection: AsyncConnection) -> SignedCheckpoint | None:
        """The row exists before it is locked, so that of two checkpoints shown at once the second sees the first."""
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        blank = {"origin": self.key.name, "size": 0, "note": _NOTHING_SEEN}
        await connection.execute(insert(_LOG).values(blank).on_conflict_do_nothing())
        return await self._read(connection, _SEEN_LOCKED)

    async def _write(self, connection: AsyncConnection, fresh: SignedCheckpoint) -> None:
        await connection.execute(_KEEP, {"of_origin": self.key.name, "new_size": fresh.size, "new_note": fresh.note})

    async def _read(self, connection: AsyncConnection, statement: Select[Any]) -> SignedCheckpoint | None:
        note = (await connection.execute(statement, {"of_origin": self.key.name})).scalar_one_or_none()
        return verify_checkpoint(note, self.key) if note else None
