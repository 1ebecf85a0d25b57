"""An aiosqlite connection that needs one trip to its thread per statement, and none where there is nothing to do.

Handing work to another thread and back costs more than most statements do (measured: 60 us of CPU against 5 to 20).
SQLAlchemy's dialect makes four trips for a select (open a cursor, execute, fetch, close) and two for a transaction that
only reads. Here a statement and all its rows are one trip, `BEGIN` travels with the first statement, and ending a
transaction that never began is free. `run` lets the journal do a whole transaction in one.

Inside a transaction that holds the write lock, inserting a row is done on the spot, in the event loop's own thread: it
touches a few pages and flushes nothing (measured: 15 us, against 65 us of CPU for the trip).
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

import aiosqlite

P = ParamSpec("P")
T = TypeVar("T")

BEGIN_WRITING: Final = "BEGIN IMMEDIATE"
"""Takes SQLite's write lock at once."""

_SERIALISED: Final = 3
"""DB-API threadsafety: threads may share connections."""

Rows = list[Any]
Outcome = tuple[Rows, Any, int, int | None]
"""Rows, description, row count and last row id of one statement."""


class SqliteCursor:
    """What SQLAlchemy's asyncio adapter asks of a cursor; all rows are already here when `execute` returns."""

    arraysize: int = 1

    def __init__(self, connection: "SqliteConnection") -> None:
        self._connection: Final = connection
        self._rows: Rows = []
        self.description: Any = None
        self.rowcount: int = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> Self:
        """Run one statement."""
        if self._connection.is_writing() and _is_row_insert(operation):
            self._take(self._connection.run_here(_execute, operation, parameters))
        else:
            self._take(await self._connection.run(_execute, operation, parameters))
        return self

    async def executemany(self, operation: str, parameters: Iterable[Sequence[Any]]) -> Self:
        """Run one statement for each set of parameters."""
        self._take(await self._connection.run(_execute_many, operation, parameters))
        return self

    def _take(self, outcome: Outcome) -> None:
        self._rows, self.description, self.rowcount, self.lastrowid = outcome

    async def fetchone(self) -> Any:  # noqa: ANN401 - DB-API: a row is whatever the row factory makes
        """The next row, or None."""
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> Rows:
        """The next `size` rows."""
        count = self.arraysize if size is None else size
        found, self._rows = self._rows[:count], self._rows[count:]
        return found

    async def fetchall(self) -> Rows:
        """All rows that are left."""
        found, self._rows = self._rows, []
        return found

    async def __aiter__(self) -> AsyncIterator[Any]:
        for row in await self.fetchall():
            yield row

    async def close(self) -> None:
        """Drop the rows. The statement itself ended inside `execute`."""
        self._rows = []


class SqliteConnection(aiosqlite.Connection):
    """One SQLite connection and its thread. Transactions begin only as `begin_with` says."""

    _next_begin: str | None = None
    _has_write_lock = False

    def begin_with(self, statement: str) -> None:
        """Start a transaction with the next statement, in the same trip."""
        self._next_begin = statement

    async def run(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `work(connection, ...)` in the connection's thread, inside the transaction if one was announced."""
        begin, self._next_begin = self._next_begin, None
        task = partial(work, self._conn, *args, **kwargs)
        found: T = await self._execute(_begin_and, self._conn, begin, task)  # type: ignore[no-untyped-call]  # aiosqlite's
        if begin is not None:
            self._has_write_lock = begin == BEGIN_WRITING
        return found

    def run_here(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `work(connection, ...)` in this thread. Only while `is_writing`, and only what cannot take long."""
        return work(self._conn, *args, **kwargs)

    def is_writing(self) -> bool:
        """Whether a transaction is under way that already holds the write lock."""
        return self._has_write_lock and self._next_begin is None and self.in_transaction

    def cursor(self) -> SqliteCursor:  # type: ignore[override]  # the adapter enters it as it enters aiosqlite's
        """A cursor, without a trip."""
        return SqliteCursor(self)

    async def commit(self) -> None:
        """End the transaction if there is one."""
        self._next_begin = None
        if self.in_transaction:
            await super().commit()

    async def rollback(self) -> None:
        """Undo the transaction if there is one."""
        self._next_begin = None
        if self.in_transaction:
            await super().rollback()


async def connect(path: Path, pragmas: Sequence[str]) -> SqliteConnection:
    """Open a database file, creating it readable by its owner alone.

    Raises:
        sqlite3.Error: It cannot be opened, or is no database.
        OSError: The folder is missing or not writable.
    """
    if sqlite3.threadsafety != _SERIALISED:
        raise sqlite3.NotSupportedError("this SQLite was built without protection against several threads")

    def connector() -> sqlite3.Connection:
        path.touch(mode=0o600, exist_ok=True)
        # Two threads use it, never both at once; SQLite itself is built to be safe against more.
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=256, check_same_thread=False)
        try:
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    return await connect_by(connector)


async def connect_by(connector: Callable[[], sqlite3.Connection]) -> SqliteConnection:
    """A connection of this kind around one that `connector` opens, in another thread.

    Raises:
        sqlite3.Error: It cannot be opened, or is no database.
        OSError: The folder is missing or not writable.
    """
    # Opened before aiosqlite starts its thread: after a failure that thread would outlive the event loop it answers to.
    opened = await asyncio.to_thread(connector)
    connection = SqliteConnection(lambda: opened, iter_chunk_size=64)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does: a connection never holds up the process's end
    await connection
    return connection


def _begin_and(connection: sqlite3.Connection, begin: str | None, work: Callable[[], T]) -> T:
    if begin is not None:
        connection.execute(begin)
    return work()


def _is_row_insert(operation: str) -> bool:
    return operation.startswith("INSERT INTO ") and " VALUES (" in operation


def _execute(connection: sqlite3.Connection, operation: str, parameters: Sequence[Any]) -> Outcome:
    return _outcome(connection.execute(operation, parameters))


def _execute_many(connection: sqlite3.Connection, operation: str, parameters: Iterable[Sequence[Any]]) -> Outcome:
    return _outcome(connection.executemany(operation, parameters))


def _outcome(cursor: sqlite3.Cursor) -> Outcome:
    rows = cursor.fetchall() if cursor.description else []
    return rows, cursor.description, cursor.rowcount, cursor.lastrowid
