"""The one place that opens databases and migrates them.

A store is SQLite (one service, one machine) or PostgreSQL (replicas). Both are opened so that what was committed stays
committed: SQLite in WAL mode with `synchronous=FULL`, PostgreSQL with `synchronous_commit=on` whatever its own
configuration says. SQLite transactions begin where SQLAlchemy says they begin, reads included.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from weakref import WeakKeyDictionary

import asyncpg  # type: ignore[import-untyped]  # it has no type information
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from federation.errors import ErrorCode, WardgateError
from federation.sqlite_driver import BEGIN_WRITING, SqliteConnection, connect

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext

BUSY_TIMEOUT_MS: Final = 5_000
"""How long one process waits for another's write lock: commands beside a running service."""

CONNECT_TIMEOUT_S: Final = 10
COMMAND_TIMEOUT_S: Final = 30
POOL_SIZE: Final = 8
MAX_OVERFLOW: Final = 24

DATABASE_ERRORS: Final = (
    SQLAlchemyError,
    sqlite3.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What a database brings, its driver's own errors included: SQLAlchemy does not wrap those of a connection attempt."""

_MIGRATION_LOCK: Final = 0x7761726467617465
"""`pg_advisory_xact_lock` key ("wardgate"): replicas that start together migrate one after the other."""

_migrating: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]()
"""`alembic.context` and `alembic.op` are one for the whole process: one migration at a time."""

_PRAGMAS: Final = (
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "fullfsync=ON",  # on macOS a plain flush may stay in the drive's cache
    "foreign_keys=ON",
    "trusted_schema=OFF",
)
_BEGIN: Final = "wardgate_begin"
"""Execution option: the statement that begins a SQLite transaction, or None for no transaction."""


def open_engine(url: str) -> AsyncEngine:
    """Open a store.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user@host/name`; the driver may be named
            (`sqlite+aiosqlite`, `postgresql+asyncpg`) and need not be.

    Raises:
        WardgateError: `SETTINGS_INVALID`: another kind of URL, or SQLite in memory, which keeps nothing.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, "the store's URL cannot be read") from error
    match parsed.drivername:
        case "sqlite" | "sqlite+aiosqlite":
            return _open_sqlite(parsed)
        case "postgresql" | "postgresql+asyncpg":
            return _open_postgresql(parsed)
        case other:
            raise WardgateError(ErrorCode.SETTINGS_INVALID, f"{other} is not sqlite or postgresql")


def open_existing(url: str) -> AsyncEngine:
    """Open a store that its service has made: it is never made by looking at it.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`: there is none; otherwise as `open_engine`.
    """
    engine = open_engine(url)
    if engine.dialect.name == "sqlite" and not Path(make_url(url).database or "").is_file():
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, "there is no database yet; `serve` makes it")
    return engine


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return URL.create("sqlite+aiosqlite", database=str(path)).render_as_string()


def reading(engine: AsyncEngine) -> AsyncEngine:
    """The same store for single reads: each statement stands alone, without the cost of a transaction around it."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{_BEGIN: None})
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def writing(engine: AsyncEngine) -> AsyncEngine:
    """The same store for transactions that will write. For the journal: nobody else writes.

    SQLite's write lock is taken at once, so that none has to give up half-way because another wrote first.
    """
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{_BEGIN: BEGIN_WRITING})
    return engine


@asynccontextmanager
async def store_errors(what: str) -> AsyncIterator[None]:
    """Turn a database's failure into `STORE_UNAVAILABLE`. Every read of a service stands inside.

    Args:
        what: What was being done, for the log.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`.
    """
    try:
        yield
    except (*DATABASE_ERRORS, OSError) as error:
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{what}: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """A database error for the log: its type and the database's own code, never its text, which may quote values."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    name = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None)
    number = getattr(original, "errno", None)
    return f"{type(original).__name__} {name or number or ''}".rstrip()


async def migrate(url: str, package: str, to: str = "head") -> None:
    """Bring a store to a revision, older or newer.

    Args:
        url: As for `open_engine`.
        package: The package that has `migrations/{env.py,versions/}`, e.g. `gateway.store`.
        to: A revision; `head` is the newest, `base` is before the first.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`: the database cannot be used, or has a revision that this version does not
            know; `SETTINGS_INVALID`: the URL is wrong.
    """
    engine = open_engine(url)
    turn = _migrating.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    try:
        async with turn, store_errors("migration"), writing(engine).begin() as connection:
            if engine.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            await connection.run_sync(_migrate, package, to)
    except CommandError as error:
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{package} has no way to revision {to}") from error
    finally:
        await engine.dispose()


def run_migrations(context: "EnvironmentContext", metadata: MetaData) -> None:
    """What a service's `migrations/env.py` consists of.

    Args:
        context: `alembic.context`.
        metadata: The service's tables with the ledger's.
    """
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,  # SQLite cannot alter columns in place
        transactional_ddl=True,
        compare_type=True,
    )
    context.run_migrations()


def _migrate(connection: Connection, package: str, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", f"{package}:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if to == "base" or _is_behind(config, connection, to):
        command.downgrade(config, to)
    else:
        command.upgrade(config, to)


def _is_behind(config: Config, connection: Connection, to: str) -> bool:
    """Whether `to` lies before the revision that the store is at."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    current = MigrationContext.configure(connection).get_current_revision()
    if current is None or to == "head":
        return False
    script = ScriptDirectory.from_config(config)
    earlier = {revision.revision for revision in script.walk_revisions("base", current)}
    return to in earlier - {current}


def _open_sqlite(url: URL) -> AsyncEngine:
    database = url.database
    if not database or database == ":memory:" or database.startswith("file:"):
        raise WardgateError(ErrorCode.SETTINGS_INVALID, "a SQLite store is a file")
    path = Path(database)

    async def creator() -> SqliteConnection:
        return await connect(path, _PRAGMAS)

    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        async_creator=creator,
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
    )
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if statement is not None:
        cast("SqliteConnection", connection.connection.driver_connection).begin_with(statement)


def _open_postgresql(url: URL) -> AsyncEngine:
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_pre_ping=True,  # a connection that the server or the network cut while it lay in the pool is replaced
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": COMMAND_TIMEOUT_S,
            "server_settings": {"application_name": "wardgate", "synchronous_commit": "on", "jit": "off"},
        },
    )
