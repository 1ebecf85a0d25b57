"""A witness's memory, kept in its own store: one row for each ledger it watches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, verify_checkpoint
from federation.ledger.journal import Journal
from federation.ledger.tables import metadata
from federation.ledger.witness import Witness, advance

_LOG: Final = metadata.tables["witnessed_log"]
_SEEN: Final = select(_LOG.c.note).where(_LOG.c.origin == bindparam("of_origin"))
_SEEN_LOCKED: Final = _SEEN.with_for_update()
_KEEP: Final = (
    update(_LOG)
    .where(_LOG.c.origin == bindparam("of_origin"))
    .values(size=bindparam("new_size"), note=bindparam("new_note"))
)
_NOTHING_SEEN: Final = b""


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
        return (await self._journal.record([], self._load)).result

    async def advance(self, note: bytes, consistency: Sequence[bytes]) -> Cosigned:
        """Verify a newer checkpoint, remember it durably, then cosign it.

        Raises:
            WardgateError: `LEDGER_INVALID`, `LEDGER_FORKED` (see `witness.advance`), `LEDGER_UNAVAILABLE`.
        """

        async def apply(connection: AsyncConnection) -> SignedCheckpoint:
            insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            blank = {"origin": self.key.name, "size": 0, "note": _NOTHING_SEEN}
            # The row exists before it is locked, so that of two checkpoints shown at once the second sees the first.
            await connection.execute(insert(_LOG).values(blank).on_conflict_do_nothing())
            fresh = advance(await self._load(connection, lock=True), note, consistency, self.key)
            await connection.execute(
                _KEEP, {"of_origin": self.key.name, "new_size": fresh.size, "new_note": fresh.note}
            )
            return fresh

        fresh = (await self._journal.record([], apply)).result
        return Cosigned(fresh, self._witness.cosign(fresh))

    async def _load(self, connection: AsyncConnection, *, lock: bool = False) -> SignedCheckpoint | None:
        statement = _SEEN_LOCKED if lock else _SEEN
        note = (await connection.execute(statement, {"of_origin": self.key.name})).scalar_one_or_none()
        return verify_checkpoint(note, self.key) if note else None
