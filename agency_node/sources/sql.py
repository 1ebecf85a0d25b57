"""A database as a source: any SQLAlchemy URL, read only, in one transaction, streamed.

A read-only transaction is a second lock, not the first: give the node an account that may only read.
"""

import asyncio
import datetime as dt
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, Final, Protocol
from urllib.parse import quote

from sqlalchemy import URL, Connection, CursorResult, NestedTransaction, TextClause, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncResult, AsyncTransaction, create_async_engine
from sqlalchemy.pool import NullPool

from agency_node.sources.dates import resolve_date
from agency_node.sources.mapping import SqlMapping
from agency_node.sources.mapping_sections import SqlDataset
from agency_node.sources.rows import FlatRow
from agency_node.sources.source import Rejected
from federation.errors import ErrorCode, WardgateError

ROWS_AT_ONCE: Final = 1_000
"""Rows fetched in one go: enough to hide the round trip, little enough to hold."""

_NAME: Final = r"[\"'`]?([A-Za-z_][\w.$]{0,127})"
_MISSING_TABLE: Final = re.compile(rf"(?:no such table: |relation |Invalid object name |Table ){_NAME}")
_MISSING_COLUMN: Final = re.compile(rf"(?:no such column: |column |Invalid column name |Unknown column ){_NAME}")
"""How SQLite, PostgreSQL, SQL Server and MySQL name what is not there. Nothing else of their texts is repeated: they
may quote a row."""


class _TableMissingError(WardgateError):
    """A table that the query reads is not there."""


class _Cursor(Protocol):
    def keys(self) -> Sequence[str]: ...
    def fetch(self) -> Sequence[Sequence[Any]]: ...
    def close(self) -> None: ...


class _Database(Protocol):
    """An open connection inside a read-only transaction, which outlives the failure of a query."""

    def execute(self, query: str, parameters: Mapping[str, Any]) -> _Cursor: ...
    def close(self) -> None: ...


class SqlReader:
    """Opens a database for reading.

    Args:
        name: The source's name, for errors: a URL holds a password and stays out of them.
        url: SQLAlchemy URL, of a synchronous or an asynchronous driver.
        mapping: Its queries.
        today: Resolves parameters such as `today-6y`.
        clock: Seconds since the epoch.

    Raises:
        WardgateError: `SOURCE_UNREADABLE` when the URL is none or its driver is not installed.
    """

    def __init__(
        self,
        name: str,
        url: str,
        mapping: SqlMapping,
        *,
        today: Callable[[], dt.date],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._mapping = mapping
        self._today = today
        self._clock = clock
        try:
            self._url = _read_only(make_url(url))
            self._is_async = self._url.get_dialect().is_async
        except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
            raise WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{name}: not a database URL of a known driver") from error

    @contextmanager
    def open(self) -> "Iterator[_SqlFeed]":
        """Connect and begin a read-only transaction."""
        as_at = int(self._clock())
        try:
            database: _Database = _AsyncDatabase(self._url) if self._is_async else _SyncDatabase(self._url)
        except Exception as error:  # noqa: BLE001 - a driver raises what it likes, and may quote a row in it
            raise WardgateError(
                ErrorCode.SOURCE_UNREADABLE, f"{self._name}: cannot connect ({type(error).__name__})"
            ) from None
        with closing(database):
            yield _SqlFeed(self._name, self._mapping, database, self._today(), as_at)


class _SqlFeed:
    def __init__(self, name: str, mapping: SqlMapping, database: _Database, today: dt.date, as_at: int) -> None:
        self._name = name
        self._mapping = mapping
        self._database = database
        self._today = today
        self._as_at = as_at
        self._absent: dict[str, bool] = {}

    def check(self, dataset: str) -> None:
        """Run the query and look at its columns."""
        if (cursor := self._opened(dataset)) is not None:
            cursor.close()

    def is_absent(self, dataset: str) -> bool:
        """Whether an optional dataset lacks a table that its query reads."""
        if dataset not in self._absent:
            self.check(dataset)
        return self._absent[dataset]

    def as_at(self, dataset: str) -> int | None:
        """When the transaction began: every query sees that state of the database."""
        return None if self.is_absent(dataset) else self._as_at

    def rows(self, dataset: str) -> Iterator[FlatRow | Rejected]:
        """The rows of the dataset's query, numbered from 1."""
        if (cursor := self._opened(dataset)) is None:
            return
        keys = cursor.keys()
        number = 0
        with closing(cursor):
            while fetched := self._fetch(dataset, cursor, number):
                for number, cells in enumerate(fetched, start=number + 1):  # noqa: B020 - counts on over the batches
                    yield FlatRow(number, dict(zip(keys, cells, strict=True)))

    def leftovers(self) -> Iterator[Rejected]:
        """Nothing: every row of a query belongs to its dataset."""
        return iter(())

    def _fetch(self, dataset: str, cursor: _Cursor, number: int) -> Sequence[Sequence[Any]]:
        try:
            return cursor.fetch()
        except Exception as error:  # noqa: BLE001 - a driver raises what it likes, and may quote a row in it
            raise self._unreadable(dataset, f"failed after row {number} ({type(error).__name__})") from None

    def _opened(self, dataset: str) -> _Cursor | None:
        """The dataset's query, run; None where the dataset is optional and its table not there."""
        try:
            cursor = self._execute(dataset)
        except _TableMissingError:
            if not self._mapping.datasets[dataset].optional:
                raise
            self._absent[dataset] = True
            return None
        self._absent[dataset] = False
        return cursor

    def _execute(self, dataset: str) -> _Cursor:
        spec = self._mapping.datasets[dataset]
        parameters = self._parameters(dataset, spec)
        with ExitStack() as opened:
            try:
                cursor = self._database.execute(spec.query, parameters)
                opened.callback(cursor.close)
                keys = cursor.keys()
            except Exception as error:  # noqa: BLE001 - a driver raises what it likes, and may quote a row in it
                raise self._failed(dataset, error) from None
            place = f"{self._name}: dataset {dataset}: the query yields"
            if missing := self._mapping.columns_of(dataset) - set(keys):
                raise WardgateError(ErrorCode.MAPPING_INVALID, f"{place} no column {min(missing)}")
            if len(set(keys)) != len(keys):
                raise WardgateError(ErrorCode.MAPPING_INVALID, f"{place} a column name twice")
            opened.pop_all()
        return cursor

    def _failed(self, dataset: str, error: Exception) -> WardgateError:
        said = str(getattr(error, "orig", ""))
        place = f"{self._name}: dataset {dataset}: the database has no"
        # A column is looked for first: PostgreSQL names the relation of a missing column too.
        if found := _MISSING_COLUMN.search(said):
            return WardgateError(ErrorCode.MAPPING_INVALID, f"{place} {found[1]}")
        if found := _MISSING_TABLE.search(said):
            return _TableMissingError(ErrorCode.MAPPING_INVALID, f"{place} {found[1]}")
        return self._unreadable(dataset, f"the query failed ({type(error).__name__})")

    def _parameters(self, dataset: str, spec: SqlDataset) -> dict[str, Any]:
        try:
            return {
                name: resolve_date(value, self._today)
                if isinstance(value, str) and value.startswith("today")
                else value
                for name, value in spec.parameters.items()
            }
        except ValueError:
            raise WardgateError(
                ErrorCode.MAPPING_INVALID, f"{self._name}: dataset {dataset}: a parameter is no date"
            ) from None

    def _unreadable(self, dataset: str, what: str) -> WardgateError:
        return WardgateError(ErrorCode.SOURCE_UNREADABLE, f"{self._name}: dataset {dataset}: {what}")


def _read_only(url: URL) -> URL:
    """The same database, opened so that it cannot be written where its driver can say so in the URL.

    SQLite is always opened by the synchronous driver: the other is the same one behind a thread.
    """
    if url.get_backend_name() != "sqlite":
        return url
    url = url.set(drivername="sqlite")
    if not url.database or url.database.startswith(("file:", ":memory:")):
        return url
    return url.set(database=f"file:{quote(url.database)}", query={**url.query, "mode": "ro", "uri": "true"})


def _begin(connection: Connection) -> None:
    """Begin a transaction that sees one state of the database and cannot change it."""
    match connection.dialect.name:
        case "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        case "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
            connection.exec_driver_sql("BEGIN")
        case _:
            # Others have no such statement that all their versions and drivers know: the account must be read only.
            pass


def _ends_with_a_failure(connection: Connection | AsyncConnection) -> bool:
    """Whether a failed statement ends the transaction, unless it stood behind a savepoint.

    A dataset that cannot be read fails alone: each query has a savepoint then, from its beginning to its last row.
    """
    return connection.dialect.name == "postgresql"


def _statement(query: str, parameters: Mapping[str, Any]) -> TextClause:
    # Bound values carry their type, so that a date reaches every driver as that driver wants it.
    return text(query).bindparams(**parameters)


class _SyncDatabase:
    def __init__(self, url: URL) -> None:
        self._engine = create_engine(url, poolclass=NullPool)
        self._connection = self._engine.connect()
        _begin(self._connection)

    def execute(self, query: str, parameters: Mapping[str, Any]) -> "_SyncCursor":
        streamed = self._connection.execution_options(stream_results=True)
        savepoint = self._connection.begin_nested() if _ends_with_a_failure(self._connection) else None
        try:
            return _SyncCursor(streamed.execute(_statement(query, parameters)), savepoint)
        except BaseException:
            if savepoint is not None:
                savepoint.rollback()
            raise

    def close(self) -> None:
        with suppress(Exception):  # closing a connection that already broke changes nothing
            self._connection.close()
        self._engine.dispose()


class _SyncCursor:
    def __init__(self, result: CursorResult[Any], savepoint: NestedTransaction | None) -> None:
        self._result = result
        self._savepoint = savepoint

    def keys(self) -> Sequence[str]:
        return list(self._result.keys())

    def fetch(self) -> Sequence[Sequence[Any]]:
        fetched: Sequence[Sequence[Any]] = self._result.fetchmany(ROWS_AT_ONCE)
        return fetched

    def close(self) -> None:
        with suppress(Exception):  # what broke the connection was told already, or the next query tells it
            self._result.close()
            if self._savepoint is not None:
                self._savepoint.rollback()


class _AsyncDatabase:
    """An asynchronous driver, driven from a worker thread by an event loop of its own."""

    def __init__(self, url: URL) -> None:
        self._runner = asyncio.Runner()
        self._engine = create_async_engine(url, poolclass=NullPool)
        try:
            self._connection = self._runner.run(self._connect())
        except BaseException:
            self._runner.close()
            raise

    async def _connect(self) -> AsyncConnection:
        connection = await self._engine.connect()
        await connection.run_sync(_begin)
        return connection

    def execute(self, query: str, parameters: Mapping[str, Any]) -> "_AsyncCursor":
        return _AsyncCursor(self._runner, *self._runner.run(self._stream(query, parameters)))

    async def _stream(
        self, query: str, parameters: Mapping[str, Any]
    ) -> tuple[AsyncResult[Any], AsyncTransaction | None]:
        savepoint = await self._connection.begin_nested() if _ends_with_a_failure(self._connection) else None
        try:
            return await self._connection.stream(_statement(query, parameters)), savepoint
        except BaseException:
            if savepoint is not None:
                await savepoint.rollback()
            raise

    def close(self) -> None:
        with suppress(Exception):  # closing a connection that already broke changes nothing
            self._runner.run(self._connection.close())
        self._runner.run(self._engine.dispose())
        self._runner.close()


class _AsyncCursor:
    def __init__(self, runner: asyncio.Runner, result: AsyncResult[Any], savepoint: AsyncTransaction | None) -> None:
        self._runner = runner
        self._result = result
        self._savepoint = savepoint

    def keys(self) -> Sequence[str]:
        return list(self._result.keys())

    def fetch(self) -> Sequence[Sequence[Any]]:
        fetched: Sequence[Sequence[Any]] = self._runner.run(self._result.fetchmany(ROWS_AT_ONCE))
        return fetched

    def close(self) -> None:
        self._runner.run(self._close())

    async def _close(self) -> None:
        with suppress(Exception):  # what broke the connection was told already, or the next query tells it
            await self._result.close()
            if self._savepoint is not None:
                await self._savepoint.rollback()
