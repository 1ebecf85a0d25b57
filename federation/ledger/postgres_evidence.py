"""What an offline verification reads of a ledger in PostgreSQL: the same as of a SQLite file, over one snapshot."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, Final, TypeVar

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.ledger.checkpoint import with_cosignatures
from federation.ledger.evidence import Item, Row, hash_of, items_of
from federation.ledger.tree import closing_entry
from federation.store import open_engine, store_errors

T = TypeVar("T")

PAGE: Final = 1_000
"""Entries read at once: some megabytes."""

_NOTES: Final = text("SELECT size, note FROM ledger_checkpoint ORDER BY size DESC")
_COUNT: Final = text("SELECT coalesce(max(entry_index) + 1, 0) FROM ledger_entry")
_PAGE: Final = text(
    "SELECT entry_index, kind, query_id, at, content, nodes FROM ledger_entry "
    "WHERE entry_index >= :start AND entry_index < :end ORDER BY entry_index LIMIT :page"
)
_NODES: Final = text("SELECT nodes FROM ledger_entry WHERE entry_index = :place")
_COSIGNED: Final = text(
    "SELECT note, line FROM ledger_cosignature JOIN ledger_checkpoint USING (size) "
    "WHERE witness = :witness ORDER BY size DESC LIMIT 1"
)


class PostgresEvidence:
    """See `federation.ledger.evidence.Evidence`. For commands: it runs an event loop of its own.

    Args:
        url: As for `federation.store.open_engine`.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`: it cannot be read, or holds no ledger.
    """

    def __init__(self, url: str) -> None:
        self._runner: Final = asyncio.Runner()
        self._engine: Final[AsyncEngine] = open_engine(url)
        self._connection: AsyncConnection | None = None
        try:
            self._connection = self._run(self._connect())
            notes = self._all(_NOTES)
            self.count = int(self._all(_COUNT)[0][0])
        except BaseException:
            self.close()
            raise
        self.notes = [(f"checkpoint of {size}", note) for size, note in notes]

    def items(self, start: int, end: int) -> Iterator[Item]:
        """Positions in order, missing ones included."""
        return items_of(self._rows(start, end), start, end)

    def node(self, level: int, index: int) -> bytes | None:
        """The stored hash of a complete subtree."""
        rows = self._all(_NODES, place=closing_entry(level, index))
        return hash_of(rows[0][0] if rows else b"", level)

    def cosigned(self, witness: str) -> bytes | None:
        """The newest checkpoint that carries a signature line by a witness of this name, as it stands; unverified."""
        rows = self._all(_COSIGNED, witness=witness)
        return with_cosignatures(*rows[0]) if rows else None

    def close(self) -> None:
        """Let go of the database."""
        self._run(self._disconnect())
        self._runner.close()

    def _rows(self, start: int, end: int) -> Iterator[Row]:
        rows = self._all(_PAGE, start=start, end=end, page=PAGE)
        while rows:
            yield from rows
            rows = self._all(_PAGE, start=rows[-1][0] + 1, end=end, page=PAGE) if len(rows) == PAGE else []

    def _all(self, statement: TextClause, **values: object) -> list[Any]:
        return self._run(self._read(statement, values))

    async def _read(self, statement: TextClause, values: dict[str, object]) -> list[Any]:
        async with store_errors("ledger read"):
            if self._connection is None:
                raise OSError("closed")
            return [tuple(row) for row in (await self._connection.execute(statement, values)).all()]

    async def _connect(self) -> AsyncConnection:
        async with store_errors("ledger read"):
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            return await self._engine.execution_options(**options).connect()

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        await self._engine.dispose()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)
