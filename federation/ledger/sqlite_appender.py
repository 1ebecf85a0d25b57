"""Appending to SQLite: the whole commit of a group is one trip to the connection's thread."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger.appending import grow, is_sound_after, peak_in
from federation.ledger.entry import Entry
from federation.ledger.tree import Frontier, closing_entry, peaks_of
from federation.sqlite_driver import SqliteConnection
from federation.store import writing

_INSERT: Final = "INSERT INTO ledger_entry (entry_index, kind, query_id, at, content, nodes) VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(slots=True)
class _Session:
    connection: AsyncConnection
    driver: SqliteConnection
    frontier: Frontier


class SqliteAppender:
    """See `federation.ledger.appending.Appender`. Other processes may append to the same file."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine: Final = writing(engine)
        self._session: _Session | None = None

    async def append(self, entries: Sequence[Entry]) -> int:
        """Append in a transaction of their own: one trip, one flush."""
        try:
            return await _append(await self._opened(), entries)
        except BaseException:
            await self._drop()
            raise

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["_Transaction"]:
        """A transaction that holds SQLite's write lock from its first statement."""
        try:
            session = await self._opened()
            async with session.connection.begin():
                yield _Transaction(session)
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
    def __init__(self, session: _Session) -> None:
        self.connection: Final = session.connection
        self._session: Final = session

    async def commit(self, entries: Sequence[Entry]) -> int:
        return await _append(self._session, entries)


async def _append(session: _Session, entries: Sequence[Entry]) -> int:
    session.frontier = await session.driver.run(_append_and_commit, session.frontier, entries)
    return session.frontier.size - len(entries)


def _append_and_commit(connection: sqlite3.Connection, frontier: Frontier, entries: Sequence[Entry]) -> Frontier:
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")
    try:
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
