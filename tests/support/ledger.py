"""A ledger to test with: entries, a fixed clock, and journals over either kind of store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.ledger.checkpoint import NoteKey
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.kept import KeptCheckpoint
from federation.ledger.reader import Reader
from federation.ledger.tree import peaks_of
from federation.store import migrate, open_engine, sqlite_url
from keys.secret import Secret
from keys.signing import SigningKey
from tests.support.ledger_service import THING

SERVICE = "tests.support.ledger_service"
ORIGIN = "wardgate/node/camden-csc"
KEY = SigningKey.from_secret(Secret(bytes(range(32))))
NOTE_KEY = NoteKey(ORIGIN, KEY.verify_key)
NOW = 1_800_000_000
QUERY = "0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e11"


@dataclass
class Clock:
    """A clock that stands still unless it is moved."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Insert:
    """An effect: one row, and a count of how often it ran."""

    name: str
    runs: int = field(default=0, init=False)

    async def __call__(self, connection: AsyncConnection) -> int:
        self.runs += 1
        return int((await connection.execute(insert(THING).values(name=self.name).returning(THING.c.id))).scalar_one())


def an_entry(number: int = 0, kind: EntryKind = EntryKind.ANSWERED, query_id: str | None = QUERY) -> Entry:
    return Entry(
        kind=kind,
        at=NOW + number,
        actor=Actor.agency("camden-csc"),
        correlation_id=CorrelationId("c0ffee00" * 4),
        query_id=query_id,
        body={"number": number, "answer_sha256": "0b" * 32},
    )


async def names(engine: AsyncEngine) -> list[str]:
    """Names of all things, in order."""
    async with engine.connect() as connection:
        return list((await connection.execute(select(THING.c.name).order_by(THING.c.name))).scalars())


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncEngine]:
    """A migrated store."""
    await migrate(url, SERVICE)
    engine = open_engine(url)
    try:
        yield engine
    finally:
        await engine.dispose()


def a_journal(engine: AsyncEngine, clock: Clock | None = None, kept: KeptCheckpoint | None = None) -> Journal:
    return Journal(engine, ORIGIN, KEY, clock or Clock(), kept)


async def drop_guards(connection: AsyncConnection) -> None:
    """What an operator with the database's password can do."""
    for table in ("ledger_entry", "ledger_checkpoint"):
        if connection.dialect.name == "sqlite":
            for act in ("update", "delete"):
                await connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_{act}"))
        else:
            await connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}"))


async def cut(engine: AsyncEngine, size: int) -> None:
    """Make a ledger as it was when it had `size` entries, its checkpoints and its head included."""
    peaks = await Reader(engine).nodes(peaks_of(size))
    async with engine.begin() as connection:
        await drop_guards(connection)
        await connection.execute(text(f"DELETE FROM ledger_entry WHERE entry_index >= {size}"))
        await connection.execute(text(f"DELETE FROM ledger_checkpoint WHERE size > {size}"))
        head = {"size": size, "peaks": b"".join(peaks[peak] for peak in peaks_of(size))}
        await connection.execute(text("UPDATE ledger_head SET size = :size, peaks = :peaks"), head)


async def filled(folder: Path, *sizes: int) -> Path:
    """A SQLite ledger with a checkpoint at each of `sizes`; returns its file."""
    path = folder / "store.db"
    async with opened(sqlite_url(path)) as engine:
        done = 0
        for size in sizes:
            async with a_journal(engine) as journal:
                if size > done:
                    await journal.record([an_entry(number) for number in range(done, size)])
                done = size
    return path
