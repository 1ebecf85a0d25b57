import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger import tree
from federation.ledger.checkpoint import Checkpoint, SignedCheckpoint, sign_checkpoint, verify_cosignatures
from federation.ledger.journal import Journal
from federation.ledger.witness import Witness, advance, included
from federation.ledger.witnessing import WatchedLedger
from federation.store import sqlite_url
from keys.signing import SigningKey
from tests.support.ledger import KEY, NOTE_KEY, NOW, ORIGIN, Clock, a_journal, an_entry, opened
from tests.support.tampering import Database

WITNESS = Witness("wardgate/node/barnet", SigningKey.generate(), Clock())


def leaves(count: int, rewritten: int | None = None) -> list[bytes]:
    return [tree.leaf_hash(b"rewritten" if at == rewritten else b"entry %d" % at) for at in range(count)]


def getter(hashes: list[bytes]) -> tree.GetNode:
    def get(level: int, index: int) -> bytes:
        frontier = tree.Frontier()
        for leaf in hashes[index << level : (index + 1) << level]:
            frontier.append(leaf)
        return frontier.root()

    return get


def head(hashes: list[bytes], key: SigningKey = KEY, origin: str = ORIGIN) -> SignedCheckpoint:
    return sign_checkpoint(Checkpoint(origin, len(hashes), tree.root(len(hashes), getter(hashes))), key)


def proof(old: int, hashes: list[bytes]) -> list[bytes]:
    return tree.consistency_path(old, len(hashes), getter(hashes))


def refusal(seen: SignedCheckpoint | None, note: bytes, path: list[bytes]) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        advance(seen, note, path, NOTE_KEY)
    return caught.value.code


def test_the_first_checkpoint_is_taken_on_its_signature() -> None:
    assert advance(None, head(leaves(5)).note, [], NOTE_KEY) == head(leaves(5))


@given(old=st.integers(1, 40), more=st.integers(0, 40))
def test_growth_is_followed(old: int, more: int) -> None:
    now = leaves(old + more)
    path = proof(old, now) if more else []
    assert advance(head(leaves(old)), head(now).note, path, NOTE_KEY) == head(now)


@given(old=st.integers(1, 40), more=st.integers(1, 40), data=st.data())
def test_a_rewritten_history_is_not(old: int, more: int, data: st.DataObject) -> None:
    rewritten = leaves(old + more, rewritten=data.draw(st.integers(0, old - 1)))
    assert refusal(head(leaves(old)), head(rewritten).note, proof(old, rewritten)) is ErrorCode.LEDGER_FORKED
    assert refusal(head(leaves(old)), head(rewritten).note, proof(old, leaves(old + more))) is ErrorCode.LEDGER_FORKED


def test_a_ledger_that_shrinks_is_a_fork() -> None:
    assert refusal(head(leaves(5)), head(leaves(4)).note, []) is ErrorCode.LEDGER_FORKED
    assert refusal(head(leaves(5)), head([]).note, []) is ErrorCode.LEDGER_FORKED


def test_the_same_size_must_be_the_same_tree() -> None:
    assert advance(head(leaves(5)), head(leaves(5)).note, [], NOTE_KEY).size == 5
    assert refusal(head(leaves(5)), head(leaves(5, rewritten=4)).note, []) is ErrorCode.LEDGER_FORKED


def test_growth_without_proof_is_refused() -> None:
    assert refusal(head(leaves(5)), head(leaves(8)).note, []) is ErrorCode.LEDGER_FORKED


def test_from_an_empty_ledger_everything_grows() -> None:
    assert advance(head([]), head(leaves(3)).note, [], NOTE_KEY).size == 3
    assert refusal(head([]), head(leaves(3)).note, [bytes(32)]) is ErrorCode.LEDGER_INVALID
    assert refusal(None, head(leaves(3)).note, [bytes(32)]) is ErrorCode.LEDGER_INVALID


def test_the_empty_tree_has_one_root() -> None:
    wrong = sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), KEY)
    assert refusal(None, wrong.note, []) is ErrorCode.LEDGER_INVALID


def test_only_the_ledgers_own_key_and_name_count() -> None:
    assert refusal(None, head(leaves(3), SigningKey.generate()).note, []) is ErrorCode.LEDGER_INVALID
    assert refusal(None, head(leaves(3), origin="wardgate/node/other").note, []) is ErrorCode.LEDGER_INVALID
    other = head(leaves(2), origin="wardgate/node/other")
    assert refusal(other, head(leaves(3)).note, proof(2, leaves(3))) is ErrorCode.LEDGER_INVALID


def test_an_entry_is_read_only_with_its_proof() -> None:
    contents = [an_entry(number).content for number in range(7)]
    hashes = [tree.leaf_hash(content) for content in contents]
    path = tree.inclusion_path(3, 7, getter(hashes))
    assert included(contents[3], 3, path, head(hashes)) == an_entry(3)
    for entry, index, steps in [(contents[2], 3, path), (contents[3], 2, path), (contents[3], 3, path[:-1])]:
        with pytest.raises(WardgateError) as caught:
            included(entry, index, steps, head(hashes))
        assert caught.value.code is ErrorCode.LEDGER_INVALID


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Journal]:
    """The ledger that is watched, in a store of its own."""
    async with opened(sqlite_url(tmp_path / "watched.db")) as engine, a_journal(engine) as journal:
        yield journal


def a_watcher(engine: AsyncEngine) -> Journal:
    return Journal(engine, "wardgate/node/barnet", WITNESS.key, Clock())


async def test_a_witness_remembers_and_cosigns(watched: Journal, engine: AsyncEngine) -> None:
    last = 0
    for round_ in range(4):
        async with a_watcher(engine) as own:
            ledger = WatchedLedger(own, WITNESS, watched.key)
            seen = await ledger.seen()
            assert (seen.size if seen else 0) == last
            await watched.record([an_entry(round_ * 10 + at) for at in range(round_ + 1)])
            fresh = await watched.checkpoint()
            path = await watched.consistency(last, fresh.size) if last else []
            cosigned = await ledger.advance(fresh.note, path)
            assert cosigned.checkpoint == fresh == await ledger.seen()
            await watched.add_cosignature(fresh.note + cosigned.line, WITNESS.name, WITNESS.key.verify_key)
            note = fresh.note + b"".join(await watched.reader.cosignatures(fresh.size))
            assert verify_cosignatures(note, {WITNESS.name: WITNESS.key.verify_key}) == {WITNESS.name: NOW}
            last = fresh.size


async def test_an_operator_who_rewrites_history_is_caught(
    tmp_path: Path, watched: Journal, engine: AsyncEngine
) -> None:
    await watched.record([an_entry(number) for number in range(6)])
    async with a_watcher(engine) as own:
        ledger = WatchedLedger(own, WITNESS, watched.key)
        kept = await watched.checkpoint()
        await ledger.advance(kept.note, [])

        # Everything is rewritten, hashes and all, and signed with the ledger's own key.
        path = tmp_path / "rewritten.db"
        async with opened(sqlite_url(path)) as other:
            async with a_journal(other) as honest:
                await honest.record([an_entry(number) for number in range(6)])
            rewriting = Database(path)
            rewriting.alter(2, an_entry(99).content)
            rewriting.rehash()
            rewriting.do("DELETE FROM ledger_checkpoint")
            rewriting.close()
            async with a_journal(other) as forged:
                await forged.record([an_entry(number) for number in range(6, 9)])
                shown = await forged.checkpoint()
                with pytest.raises(WardgateError) as caught:
                    await ledger.advance(shown.note, await forged.consistency(6, 9))
        assert caught.value.code is ErrorCode.LEDGER_FORKED
        assert await ledger.seen() == kept


async def test_of_two_branches_shown_at_once_only_one_is_cosigned(engine: AsyncEngine) -> None:
    async with a_watcher(engine) as own:
        ledger = WatchedLedger(own, WITNESS, NOTE_KEY)
        await ledger.advance(head(leaves(4)).note, [])
        one, other = leaves(8), leaves(9, rewritten=6)
        outcomes = await asyncio.gather(
            ledger.advance(head(one).note, proof(4, one)),
            ledger.advance(head(other).note, proof(4, other)),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, WardgateError)]
        assert [error.code for error in refused] == [ErrorCode.LEDGER_FORKED]


@pytest.mark.postgres
async def test_of_two_branches_shown_to_two_replicas_only_one_is_cosigned(postgres_url: str) -> None:
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(opened(postgres_url)) for _ in range(2)]
        watchers = [await stack.enter_async_context(a_watcher(engine)) for engine in engines]
        one, other = leaves(8), leaves(9, rewritten=6)
        outcomes = await asyncio.gather(
            *(
                WatchedLedger(watcher, WITNESS, NOTE_KEY).advance(head(hashes).note, [])
                for watcher, hashes in zip(watchers, (one, other), strict=True)
            ),
            return_exceptions=True,
        )
        assert [type(outcome).__name__ for outcome in outcomes].count("ForkedError") == 1


async def test_several_ledgers_are_watched_side_by_side(engine: AsyncEngine) -> None:
    other_key = SigningKey.generate()
    async with a_watcher(engine) as own:
        mine = WatchedLedger(own, WITNESS, NOTE_KEY)
        from federation.ledger.checkpoint import NoteKey

        theirs = WatchedLedger(own, WITNESS, NoteKey("wardgate/trustee/main", other_key.verify_key))
        await mine.advance(head(leaves(4)).note, [])
        assert await theirs.seen() is None
        await theirs.advance(head(leaves(2), other_key, "wardgate/trustee/main").note, [])
        seen = [await mine.seen(), await theirs.seen()]
        assert [checkpoint.size for checkpoint in seen if checkpoint] == [4, 2]
