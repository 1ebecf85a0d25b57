"""Appending to SQLite: writes, entries and commit of a whole group are one trip to the connection's thread."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger.appending import Batch, JobFailed, grow, is_sound_after, peak_in
from federation.ledger.entry import Entry
from federation.ledger.tree import Frontier, closing_entry, peaks_of
from federation.ledger.writes import NothingChanged, compile_write
from federation.sqlite_driver import SqliteConnection
from federation.store import writing

_INSERT: Final = "INSERT INTO ledger_entry (entry_index, kind, query_id, at, content, nodes) VALUES (?, ?, ?, ?, ?, ?)"

_CALLERS_OWN: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
"""What a write may bring upon itself; every other error is the store's."""


@dataclass(slots=True)
class _Session:
    connection: AsyncConnection
    driver: SqliteConnection
    frontier: Frontier


@dataclass(frozen=True, slots=True)
class _Statement:
    """One execution of one write of one job."""

    position: int
    sql: str
    values: tuple[Any, ...]
    must_change: bool

    def run(self, connection: sqlite3.Connection) -> None:
        """Raises `JobFailed`, or what the store brings."""
        try:
            changed = connection.execute(self.sql, self.values).rowcount
        except _CALLERS_OWN as error:
            own = DBAPIError.instance(self.sql, None, error, sqlite3.Error, hide_parameters=True)
            raise JobFailed(self.position, cast("Exception", own)) from error
        if self.must_change and changed < 1:
            raise JobFailed(self.position, NothingChanged())


class SqliteAppender:
    """See `federation.ledger.appending.Appender`. Other processes may append to the same file."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine: Final = writing(engine)
        self._session: _Session | None = None

    async def append(self, entries: Sequence[Entry], batches: Sequence[Batch] = ()) -> int:
        """Write and append in a transaction of their own: one trip, one flush."""
        try:
            statements = _statements(batches, self._engine.dialect)
            return await _append(await self._opened(), entries, statements)
        except BaseException as error:
            if not is_sound_after(error):
                await self._drop()
            raise

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["_Transaction"]:
        """A transaction that holds SQLite's write lock from its first statement."""
        try:
            session = await self._opened()
            async with session.connection.begin():
                yield _Transaction(session, self._engine.dialect)
        except BaseException as error:
            if not is_sound_after(error):
                await self._drop()
            raise

    def known(self) -> Frontier | None:
        """The tree after this service's last commit."""
        return self._session.frontier if self._session else None

    async def aclose(self) -> None:
        """Give the connection back."""
        await self._drop()

    async def _opened(self) -> _Session:
        if self._session is None:
            connection = await self._engine.connect()
            try:
                raw = await connection.get_raw_connection()
                driver = cast("SqliteConnection", raw.driver_connection)
                self._session = _Session(connection, driver, await driver.run(_load))
            except BaseException:
                await connection.close()
                raise
        return self._session

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.connection.close()


class _Transaction:
    def __init__(self, session: _Session, dialect: Dialect) -> None:
        self.connection: Final = session.connection
        self._session: Final = session
        self._dialect: Final = dialect
        self._statements: Final = list[_Statement]()

    async def write(self, batch: Batch) -> None:
        self._statements.extend(_statements([batch], self._dialect))

    async def commit(self, entries: Sequence[Entry]) -> int:
        return await _append(self._session, entries, self._statements)


def _statements(batches: Sequence[Batch], dialect: Dialect) -> list[_Statement]:
    """Every execution of every write, in order.

    Raises:
        JobFailed: A write cannot be compiled, or lacks a value.
    """
    found: list[_Statement] = []
    for batch in batches:
        try:
            for write in batch.writes:
                compiled = compile_write(write, dialect)
                found += [
                    _Statement(batch.position, compiled.sql, compiled.values(row), write.must_change)
                    for row in write.rows
                ]
        except Exception as error:
            raise JobFailed(batch.position, error) from error
    return found


async def _append(session: _Session, entries: Sequence[Entry], statements: Sequence[_Statement]) -> int:
    session.frontier = await session.driver.run(_write_and_commit, session.frontier, entries, statements)
    return session.frontier.size - len(entries)


def _write_and_commit(
    connection: sqlite3.Connection, frontier: Frontier, entries: Sequence[Entry], statements: Sequence[_Statement]
) -> Frontier:
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            statement.run(connection)
        grown = _insert(connection, frontier, entries)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return grown


def _insert(connection: sqlite3.Connection, frontier: Frontier, entries: Sequence[Entry]) -> Frontier:
    grown, rows = grow(frontier, entries)
    try:
        connection.executemany(_INSERT, rows)
    except sqlite3.IntegrityError:
        # Another process took these positions; with the write lock held, the tree now stands still.
        grown, rows = grow(_load(connection), entries)
        connection.executemany(_INSERT, rows)
    return grown


def _load(connection: sqlite3.Connection) -> Frontier:
    (size,) = connection.execute("SELECT coalesce(max(entry_index) + 1, 0) FROM ledger_entry").fetchone()
    return Frontier(size, [_peak(connection, level, index) for level, index in peaks_of(size)])


def _peak(connection: sqlite3.Connection, level: int, index: int) -> bytes:
    row = connection.execute(
        "SELECT nodes FROM ledger_entry WHERE entry_index = ?", (closing_entry(level, index),)
    ).fetchone()
    if row is None:
        raise WardgateError(ErrorCode.LEDGER_INVALID, f"entry {closing_entry(level, index)} is missing")
    return peak_in(row[0], level)
