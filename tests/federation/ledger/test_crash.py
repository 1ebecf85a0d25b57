"""Whatever is killed at whatever moment: what was acknowledged is there, once, and the ledger holds."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.ledger.reader import MAX_LIMIT
from federation.ledger.verify import verify_database
from tests.support.ledger import NOTE_KEY, a_journal, an_entry, names
from tests.support.ledger_service import THING
from tests.support.postgres import Server

ROOT = Path(__file__).parents[3]
LIVES = 4
START_TIMEOUT_S = 60.0


def run_and_kill(url: str, folder: Path, life: int) -> list[str]:
    """Let a writer live for a moment, kill it, and return what it had acknowledged."""
    output = folder / f"life-{life}"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crash_writer", url],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while output.stat().st_size < 500 * (life + 1) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    lines = output.read_text().splitlines(keepends=True)
    return [line.strip() for line in lines if line.endswith("\n")]


@pytest.mark.slow
async def test_nothing_acknowledged_is_lost_and_nothing_is_half_done(
    store_url: str, engine: AsyncEngine, tmp_path: Path
) -> None:
    acknowledged: list[str] = []
    stored: list[int] = []
    for life in range(LIVES):
        lines = run_and_kill(store_url, tmp_path, life)
        assert lines, "the writer acknowledged nothing"
        acknowledged += lines
        async with a_journal(engine) as journal:
            stored = [entry.entry.body["number"] for entry in await journal.entries(0, MAX_LIMIT)]
        there = set(await names(engine))
        for line in acknowledged:
            first, second, name = line.split()
            assert stored[int(first)] == stored[int(second)] == int(name[1:])
            assert name in there
        assert stored[::2] == stored[1::2], "a call's two entries were torn apart"
        assert sorted(there) == sorted(f"n{number:09d}" for number in stored[::2]), "an effect without its entries"
        if engine.dialect.name == "sqlite":
            verified = verify_database(tmp_path / "store.db", NOTE_KEY)
            assert verified.size == verified.signed_size == len(stored)
    async with a_journal(engine) as journal:
        assert (await journal.record([an_entry(1)])).indexes == (len(stored),)


@pytest.mark.slow
@pytest.mark.postgres
async def test_a_database_that_is_restarted_loses_nothing(postgres_server: Server, postgres_url: str) -> None:
    from federation.errors import ErrorCode, WardgateError
    from tests.support.ledger import Insert, opened

    async with opened(postgres_url) as engine, a_journal(engine) as journal:
        await journal.record([an_entry(0)], Insert("a"))
        await postgres_server.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        with pytest.raises(WardgateError) as caught:
            await journal.record([an_entry(1)], Insert("b"))
        assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
        assert (await journal.record([an_entry(2)], Insert("c"))).indexes == (1,)
        async with engine.connect() as connection:
            rows = (await connection.execute(select(THING.c.name).order_by(THING.c.name))).scalars()
            assert list(rows) == ["a", "c"]
