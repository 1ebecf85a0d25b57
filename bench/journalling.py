"""Durable ledger entries: the journal with one caller and with many, beside a bare database that commits each row."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final
from uuid import uuid4

from bench.load import Load, run_load
from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.store import migrate, open_engine, sqlite_url
from keys.signing import SigningKey

_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL")


def an_entry() -> Entry:
    """An entry as the gateway writes it for every answer."""
    return Entry(
        kind=EntryKind.ANSWER_RECEIVED,
        at=int(time.time()),
        actor=Actor.agency("responder-001"),
        correlation_id=CorrelationId.mint(),
        query_id=str(uuid4()),
        body={"task_id": str(uuid4()), "query_sha256": "a" * 64, "answer_sha256": "b" * 64},
    )


@asynccontextmanager
async def a_journal(path: Path) -> AsyncIterator[Journal]:
    """A gateway's journal in a new file."""
    url = sqlite_url(path)
    await migrate(url, "gateway.store")
    engine = open_engine(url)
    try:
        async with Journal(engine, "wardgate/gateway/bench", SigningKey.generate(), time.time) as journal:
            yield journal
    finally:
        await engine.dispose()


async def append_often(journal: Journal, *, callers: int, count: int, into: Load) -> None:
    """Record single entries, so many callers at once."""

    async def once() -> None:
        await journal.record([an_entry()])

    await run_load(once, callers=callers, count=count, into=into)


async def group_cpu_s(journal: Journal, *, size: int, count: int) -> float:
    """Processor time of one durable entry where so many are recorded at once, seconds."""
    rounds = max(1, count // size)
    entries = [an_entry() for _ in range(size)]
    began = time.process_time()
    for _ in range(rounds):
        await asyncio.gather(*(journal.record([entry]) for entry in entries))
    return (time.process_time() - began) / (rounds * size)


def commit_each(path: Path, count: int, into: Load) -> None:
    """The floor: the same bytes as rows, each in a transaction of its own, nothing else."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE IF NOT EXISTS entry (entry_index INTEGER PRIMARY KEY, content BLOB NOT NULL)")
        content = an_entry().content
        began = time.perf_counter()
        for _ in range(count):
            once = time.perf_counter()
            connection.execute("INSERT INTO entry (content) VALUES (?)", (content,))
            into.latencies_s.append(time.perf_counter() - once)
        into.elapsed_s += time.perf_counter() - began
