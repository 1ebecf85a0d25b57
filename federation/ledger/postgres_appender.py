"""Appending to PostgreSQL, by any number of replicas at once.

The tree has one row, `ledger_head`, and whoever appends updates it: that row's lock puts the replicas one after the
other, and only for the last statement and the commit. A replica guesses that nobody else wrote since its own last
commit, so that one statement both claims the positions and fills them; where the guess was wrong the statement does
nothing, and the head is locked and read first.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import asyncpg  # type: ignore[import-untyped]  # it has no type information
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction

from federation.errors import ErrorCode, WardgateError
from federation.ledger.appending import Batch, JobFailed, Row, grow, is_sound_after, peak_in
from federation.ledger.entry import Entry
from federation.ledger.tree import Frontier, closing_entry, peaks_of
from federation.ledger.writes import NothingChanged, Write, compile_write
from federation.store import describe

_APPEND: Final = """
WITH head AS (UPDATE ledger_head SET size = $1, peaks = $2 WHERE id = 1 AND size = $3 RETURNING id)
INSERT INTO ledger_entry (entry_index, kind, query_id, at, content, nodes)
SELECT e.* FROM head,
  unnest($4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bytea[], $9::bytea[]) AS e
"""
_LOCK_HEAD: Final = "SELECT size, peaks FROM ledger_head WHERE id = 1 FOR UPDATE"
_SIZE: Final = "SELECT coalesce(max(entry_index) + 1, 0) FROM ledger_entry"
_NODES: Final = "SELECT entry_index, nodes FROM ledger_entry WHERE entry_index = ANY($1::bigint[])"
_CONTENTS: Final = "SELECT content FROM ledger_entry WHERE entry_index >= $1 AND entry_index < $2 ORDER BY entry_index"

SETTLED_WITHIN_S: Final = 10.0
"""How long it is asked whether a commit took place whose answer was lost: a restart, or a switch to the standby, takes
some seconds, and meanwhile nothing else could be written either."""

ASK_AGAIN_S: Final = 0.2
"""Pause between two such questions."""

_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""The connection failed: a commit that was under way may or may not have happened."""

_CALLERS_OWN: Final = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
"""What a write may bring upon itself; every other database error is the store's."""


@dataclass(slots=True)
class _Session:
    connection: AsyncConnection
    driver: asyncpg.Connection
    frontier: Frontier
    contended: bool = False
    """Another replica wrote last: lock the head first, the guess would fail again."""


class PostgresAppender:
    """See `federation.ledger.appending.Appender`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine: Final = engine
        self._session: _Session | None = None

    async def append(self, entries: Sequence[Entry], batches: Sequence[Batch] = ()) -> int:
        """Write and append in a transaction of their own.

        Without writes, and where no other replica wrote in between, it is one round trip.
        """
        session = await self._opened()
        if not batches and not session.contended:
            grown, rows = grow(session.frontier, entries)
            try:
                status = await session.driver.execute(_APPEND, *_arguments(session.frontier, grown, rows))
            except BaseException as error:
                await self._drop()
                if not await self._landed(error, rows):
                    raise
                return rows[0][0]
            if _inserted(status) == len(rows):
                session.frontier = grown
                return rows[0][0]
            session.contended = True
        async with self.begin() as transaction:
            for batch in batches:
                await transaction.write(batch)
            return await transaction.commit(entries)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator["_Transaction"]:
        """A transaction; the head is locked only when it commits."""
        session = await self._opened()
        pending = await session.connection.begin()
        transaction = _Transaction(self, session, pending)
        try:
            yield transaction
        except BaseException as error:
            if is_sound_after(error):
                await pending.rollback()
            else:
                await self._drop()
            raise
        if not transaction.committed:
            await pending.rollback()

    def known(self) -> Frontier | None:
        """Never: another replica may have written."""
        return None

    async def aclose(self) -> None:
        """Give the connection back."""
        session, self._session = self._session, None
        if session is not None:
            await session.connection.close()

    async def commit(self, session: _Session, pending: AsyncTransaction, entries: Sequence[Entry]) -> int:
        """Append at the end of `pending` and commit it."""
        grown, rows = await _append(session, entries) if entries else (session.frontier, [])
        try:
            await pending.commit()
        except BaseException as error:
            await self._drop()
            if not await self._landed(error, rows):
                raise
        else:
            session.frontier = grown
        return grown.size - len(rows)

    async def _opened(self) -> _Session:
        if self._session is None:
            connection = await self._engine.connect()
            try:
                driver = cast("asyncpg.Connection", (await connection.get_raw_connection()).driver_connection)
                async with driver.transaction():
                    frontier = await _locked_and_checked(driver)
            except BaseException:
                await connection.invalidate()
                await connection.close()
                raise
            self._session = _Session(connection, driver, frontier)
        return self._session

    async def _drop(self) -> None:
        """Forget a connection whose state is not known."""
        session, self._session = self._session, None
        if session is not None:
            await session.connection.invalidate()
            await session.connection.close()

    async def _landed(self, error: BaseException, rows: Sequence[Row]) -> bool:
        """Whether a commit took place although its answer did not come back.

        Raises:
            WardgateError: `OUTCOME_UNKNOWN`: nobody can tell. The database cannot be reached for too long, or nothing
                but an effect was committed, which leaves no entry to look for.
        """
        if not _is_lost(error):
            return False
        if not rows:
            raise WardgateError(ErrorCode.OUTCOME_UNKNOWN, f"a commit without entries: {describe(error)}") from error
        try:
            async with asyncio.timeout(SETTLED_WITHIN_S):
                return await self._are_stored(rows)
        except TimeoutError:
            raise WardgateError(ErrorCode.OUTCOME_UNKNOWN, f"a commit: {describe(error)}") from error

    async def _are_stored(self, rows: Sequence[Row]) -> bool:
        """Ask until there is an answer."""
        while True:
            try:
                # Opening waits for the head's lock, hence for the end of whatever the lost connection had under way.
                session = await self._opened()
                stored = await session.driver.fetch(_CONTENTS, rows[0][0], rows[0][0] + len(rows))
            except (*_LOST, SQLAlchemyError, asyncpg.PostgresError):
                await self._drop()
                await asyncio.sleep(ASK_AGAIN_S)
            else:
                return [record["content"] for record in stored] == [row[4] for row in rows]


class _Transaction:
    def __init__(self, appender: PostgresAppender, session: _Session, pending: AsyncTransaction) -> None:
        self.connection: Final = session.connection
        self.committed = False
        self._appender: Final = appender
        self._session: Final = session
        self._pending: Final = pending

    async def write(self, batch: Batch) -> None:
        try:
            for write in batch.writes:
                compile_write(write, self.connection.dialect)  # what cannot be compiled is the caller's own mistake
                await _run(self.connection, write)
        except (*_CALLERS_OWN, KeyError, TypeError, NothingChanged) as error:
            raise JobFailed(batch.position, error) from error

    async def commit(self, entries: Sequence[Entry]) -> int:
        first = await self._appender.commit(self._session, self._pending, entries)
        self.committed = True
        return first


async def _run(connection: AsyncConnection, write: Write) -> None:
    if not write.must_change:
        await connection.execute(write.statement, list(write.rows))
        return
    for row in write.rows:  # the driver does not say which rows of many changed something
        if (await connection.execute(write.statement, row)).rowcount < 1:
            raise NothingChanged


async def _append(session: _Session, entries: Sequence[Entry]) -> tuple[Frontier, list[Row]]:
    """Insert the rows inside the session's open transaction, whatever other replicas do."""
    if not session.contended:
        grown, rows = grow(session.frontier, entries)
        if await _insert(session, grown, rows):
            return grown, rows
    head = (await session.connection.exec_driver_sql(_LOCK_HEAD)).one()
    session.contended = head.size != session.frontier.size
    session.frontier = Frontier.of(head.size, head.peaks)
    grown, rows = grow(session.frontier, entries)
    if not await _insert(session, grown, rows):
        raise WardgateError(ErrorCode.LEDGER_INVALID, "the head moved while it was locked")
    return grown, rows


async def _insert(session: _Session, grown: Frontier, rows: Sequence[Row]) -> bool:
    outcome = await session.connection.exec_driver_sql(_APPEND, _arguments(session.frontier, grown, rows))
    return outcome.rowcount == len(rows)


def _arguments(before: Frontier, after: Frontier, rows: Sequence[Row]) -> tuple[Any, ...]:
    return after.size, after.peaks, before.size, *(list(column) for column in zip(*rows, strict=True))


def _inserted(status: str) -> int:
    """Rows of a command tag such as `INSERT 0 3`."""
    return int(status.rsplit(" ", 1)[1])


async def _locked_and_checked(driver: asyncpg.Connection) -> Frontier:
    """The tree, read under its lock both from the head and from the entries, which must agree."""
    head = await driver.fetchrow(_LOCK_HEAD)
    size = await driver.fetchval(_SIZE)
    places = {closing_entry(level, index): level for level, index in peaks_of(size)}
    stored = {record["entry_index"]: record["nodes"] for record in await driver.fetch(_NODES, list(places))}
    frontier = Frontier(size, [peak_in(stored.get(place, b""), level) for place, level in places.items()])
    if head is None or (head["size"], head["peaks"]) != (size, frontier.peaks):
        raise WardgateError(ErrorCode.LEDGER_INVALID, "the ledger's head does not belong to its entries")
    return frontier


def _is_lost(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig is not None else None
        return error.connection_invalidated or isinstance(cause, _LOST)
    return isinstance(error, _LOST)
