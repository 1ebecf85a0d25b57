"""When the disk is full nothing happens, the caller hears so, and work goes on once there is space again."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger.verify import verify_database
from federation.ledger.writer import Recorded
from federation.store import sqlite_url
from tests.support.ledger import NOTE_KEY, Insert, a_journal, an_entry, names, opened

ROOT = Path(__file__).parents[3]
MANY_PAGES = 1_000_000


class Disk:
    """A disk of so many SQLite pages."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.pages = MANY_PAGES
        event.listen(engine.sync_engine, "checkout", self._limit)

    def _limit(self, connection: object, *_: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # DB-API
        cursor.execute(f"PRAGMA max_page_count = {self.pages}")
        cursor.close()

    def fill(self) -> None:
        self.pages = 1  # SQLite takes the present size of the file for the least possible limit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.mark.parametrize("with_effect", [True, False])
async def test_a_full_disk_refuses_and_a_freed_one_goes_on(path: Path, *, with_effect: bool) -> None:
    async with opened(sqlite_url(path)) as engine:
        disk = Disk(engine)
        async with a_journal(engine) as journal:
            await journal.record([an_entry(0)], Insert("before"))
        disk.fill()
        journal = a_journal(engine)
        effects: Iterator[Insert] = (Insert(f"full-{at}") for at in range(1_000))
        recorded = 1
        outcome: object = None
        while outcome is None:
            try:
                batch = [an_entry(recorded + at) for at in range(4)]
                await (journal.record(batch, next(effects)) if with_effect else journal.record(batch))
                recorded += 4
            except WardgateError as error:
                outcome = error.code
        assert outcome is ErrorCode.LEDGER_UNAVAILABLE
        written = await names(engine)
        everybody = await asyncio.gather(
            *(journal.record([an_entry(at)] * 8, Insert(f"group-{at}")) for at in range(5)), return_exceptions=True
        )
        refused = [error for error in everybody if isinstance(error, WardgateError)]
        assert [error.code for error in refused] == [ErrorCode.LEDGER_UNAVAILABLE] * 5
        assert await names(engine) == written
        assert await journal.reader.size() == recorded

        disk.pages = MANY_PAGES
        after = await journal.record([an_entry(99)], Insert("later"))
        assert after.indexes == (recorded,)
        assert await names(engine) == sorted([*written, "later"])
        await journal.aclose()
    assert verify_database(path, NOTE_KEY).size == recorded + 1


CHILD = """
import asyncio, json, resource, signal, sys
from federation.errors import WardgateError
from federation.store import open_engine
from tests.support.ledger import Insert, a_journal, an_entry, names

async def main(url, room):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    engine = open_engine(url)
    journal = a_journal(engine)
    await journal.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    recorded, codes = 0, []
    while len(codes) < 3:
        try:
            await journal.record([an_entry(recorded)] * 5, Insert(f"{recorded:06d}"))
            recorded += 1
        except WardgateError as error:
            codes.append(error.code)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await journal.record([an_entry(1)] * 5, Insert("later"))
    await journal.aclose()
    print(json.dumps({"codes": codes, "recorded": recorded + 1, "names": len(await names(engine))}))
    await engine.dispose()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_writes_that_the_system_refuses_leave_no_trace(path: Path) -> None:
    async with opened(sqlite_url(path)):
        pass
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", CHILD, sqlite_url(path), str(400_000)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["codes"] == [ErrorCode.LEDGER_UNAVAILABLE] * 3
    assert report["names"] == report["recorded"] > 10
    verified = verify_database(path, NOTE_KEY)
    assert verified.size == verified.signed_size == report["recorded"] * 5


async def test_an_entry_that_was_refused_can_be_recorded_again(path: Path) -> None:
    async with opened(sqlite_url(path)) as engine:
        disk = Disk(engine)
        journal = a_journal(engine)
        await journal.open()
        disk.fill()
        await journal._appender.aclose()  # its connection was checked out before the disk filled
        effect = Insert("again")
        outcomes: list[object] = []
        big = [an_entry(at) for at in range(64)]
        while not outcomes or isinstance(outcomes[-1], Recorded):
            outcomes += await asyncio.gather(journal.record(big, effect), return_exceptions=True)
            effect = Insert("again") if not isinstance(outcomes[-1], Recorded) else Insert(f"{len(outcomes)}")
        assert isinstance(outcomes[-1], WardgateError)
        disk.pages = MANY_PAGES
        await journal.record(big, effect)
        assert "again" in await names(engine)
        await journal.aclose()
