"""A ledger is signed while it runs, and one that lost what was signed is not gone on with."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger import journal as journal_module
from federation.ledger.checkpoint import verify_checkpoint
from federation.ledger.journal import SIGN_EVERY, Journal
from federation.ledger.kept import KEPT, KeptCheckpoint
from keys.keyring import Keyring
from tests.support.ledger import NOTE_KEY, Clock, a_journal, an_entry, cut
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
START_TIMEOUT_S = 60.0
LONG_S = 3_600.0


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keyring")


@pytest.fixture
def kept(keyring: Keyring) -> KeptCheckpoint:
    return KeptCheckpoint(keyring)


async def signed_sizes(journal: Journal) -> list[int]:
    return [size for size, _ in await journal.reader.checkpoints()]


def stamp(kept: KeptCheckpoint) -> int:
    return Path(kept.place).stat().st_mtime_ns


def open_to_others(kept: KeptCheckpoint) -> None:
    Path(kept.place).chmod(0o666)


def kept_size(kept: KeptCheckpoint) -> int:
    note = kept.note()
    assert note is not None
    return verify_checkpoint(note, NOTE_KEY).size


@asynccontextmanager
async def signing(engine: AsyncEngine, kept: KeptCheckpoint | None = None) -> AsyncIterator[Journal]:
    """A journal with its background task, as every service has it."""
    async with a_journal(engine, Clock(), kept) as journal:
        task = asyncio.create_task(journal.keep_signed())
        try:
            yield journal
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_entries_are_signed_within_the_interval_and_an_idle_ledger_signs_nothing(
    engine: AsyncEngine, kept: KeptCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = 0
    sign = Journal.sign

    async def counted(journal: Journal) -> None:
        nonlocal rounds
        await sign(journal)
        rounds += 1

    monkeypatch.setattr(Journal, "sign", counted)
    monkeypatch.setattr(journal_module, "SIGN_INTERVAL_S", 0.02)
    async with signing(engine, kept) as journal:
        await journal.record([an_entry(at) for at in range(3)])

        async def is_signed() -> bool:
            return await signed_sizes(journal) == [0, 3]

        await until(is_signed)
        await until(lambda: kept_size(kept) == 3)
        before, note = rounds, kept.note()
        written = stamp(kept)
        await until(lambda: rounds >= before + 5)
        assert await signed_sizes(journal) == [0, 3]
        assert kept.note() == note
        assert stamp(kept) == written, "an idle ledger flushes nothing to disk"


async def test_a_thousand_entries_are_signed_without_waiting(
    engine: AsyncEngine, kept: KeptCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SIGN_INTERVAL_S", LONG_S)
    async with signing(engine, kept) as journal:
        await journal.record([an_entry(at) for at in range(SIGN_EVERY - 1)])
        assert not journal._is_due.is_set()
        await journal.record([an_entry(0)])
        await until(lambda: kept_size(kept) == SIGN_EVERY)
        assert await signed_sizes(journal) == [0, SIGN_EVERY]
        await journal.record([an_entry(at) for at in range(SIGN_EVERY - 1)])
        assert not journal._is_due.is_set(), "it is counted from the last checkpoint"


async def test_recording_signs_and_flushes_nothing_of_its_own(
    engine: AsyncEngine, kept: KeptCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_journal(engine, Clock(), kept) as journal:
        statements: list[str] = []
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *found: statements.append(found[2]))

        def never(*_: object) -> None:
            raise AssertionError("the path of a call")

        with monkeypatch.context() as patch:
            patch.setattr(journal_module, "sign_checkpoint", never)
            patch.setattr(KeptCheckpoint, "keep", never)
            for at in range(SIGN_EVERY + 1):
                await journal.record([an_entry(at)])
        assert not [statement for statement in statements if "ledger_checkpoint" in statement]


@pytest.mark.parametrize(("left", "holds"), [(10, True), (9, False), (0, False)])
async def test_a_store_that_lost_what_was_signed_is_not_gone_on_with(
    engine: AsyncEngine, kept: KeptCheckpoint, left: int, *, holds: bool
) -> None:
    """Its own checkpoints went with its entries, so that it is whole in itself; what was kept outside knows better."""
    async with a_journal(engine, Clock(), kept) as journal:
        await journal.record([an_entry(at) for at in range(10)])
    await cut(engine, left)
    async with a_journal(engine):
        pass  # nothing in the store itself tells
    journal = a_journal(engine, Clock(), kept)
    if holds:
        await journal.open()
        assert (await journal.record([an_entry(10)])).indexes == (10,)
        await journal.aclose()
        assert kept_size(kept) == 11
        return
    note = kept.note()
    for call in (journal.open(), journal.record([an_entry(10)])):
        with pytest.raises(WardgateError) as caught:
            await call
        assert caught.value.code is ErrorCode.LEDGER_INVALID
        assert f"{left} entries of 10 that were signed" in caught.value.detail
        assert kept.place in caught.value.detail
    await journal.aclose()
    assert kept.note() == note, "what proves the loss stays"


async def test_a_store_that_grew_again_after_a_loss_is_not_gone_on_with(
    engine: AsyncEngine, kept: KeptCheckpoint
) -> None:
    async with a_journal(engine, Clock(), kept) as journal:
        await journal.record([an_entry(at) for at in range(10)])
    await cut(engine, 6)
    async with a_journal(engine) as journal:
        await journal.record([an_entry(at) for at in range(100, 120)])
    with pytest.raises(WardgateError) as caught:
        await a_journal(engine, Clock(), kept).open()
    assert caught.value.code is ErrorCode.LEDGER_INVALID
    assert "the tree of 10 is not the one signed" in caught.value.detail


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 10])
async def test_a_kept_checkpoint_that_is_none_of_ours_is_named(
    engine: AsyncEngine, keyring: Keyring, kept: KeptCheckpoint, content: bytes
) -> None:
    keyring.publish(KEPT, content)
    with pytest.raises(WardgateError) as caught:
        await a_journal(engine, Clock(), kept).open()
    assert caught.value.code is ErrorCode.LEDGER_INVALID
    assert kept.place in caught.value.detail


async def test_a_kept_checkpoint_that_others_may_write_is_refused(engine: AsyncEngine, kept: KeptCheckpoint) -> None:
    async with a_journal(engine, Clock(), kept):
        pass
    open_to_others(kept)
    with pytest.raises(WardgateError) as caught:
        await a_journal(engine, Clock(), kept).open()
    assert caught.value.code is ErrorCode.KEYRING_REJECTED


def write_and_kill(url: str, keyring: Keyring, when: Callable[[], bool]) -> None:
    """Let a writer that signs as it goes live until `when` says so, and kill it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.crash_writer", url, str(keyring.directory)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    deadline = time.monotonic() + START_TIMEOUT_S
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert when()


@pytest.mark.slow
async def test_of_a_process_that_was_killed_a_cut_tail_is_found(
    store_url: str, engine: AsyncEngine, keyring: Keyring, kept: KeptCheckpoint
) -> None:
    """Nobody gets to sign at the end of it: what the running service had signed is what tells."""
    write_and_kill(store_url, keyring, lambda: kept.note() is not None and kept_size(kept) >= SIGN_EVERY)
    signed = kept_size(kept)
    await cut(engine, signed - 10)
    with pytest.raises(WardgateError) as caught:
        await a_journal(engine, Clock(), kept).open()
    assert caught.value.code is ErrorCode.LEDGER_INVALID
    assert f"{signed - 10} entries of {signed} that were signed" in caught.value.detail
