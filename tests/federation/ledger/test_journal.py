import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger import journal as journal_module
from federation.ledger import tree, writer
from federation.ledger.checkpoint import Checkpoint, cosign_checkpoint, sign_checkpoint, verify_checkpoint
from federation.ledger.entry import EntryKind
from federation.ledger.journal import Journal
from federation.ledger.reader import MAX_LIMIT, Criteria
from federation.ledger.tables import metadata
from federation.ledger.tree import leaf_hash
from keys.signing import SigningKey
from tests.support.ledger import (
    KEY,
    NOTE_KEY,
    NOW,
    ORIGIN,
    QUERY,
    Clock,
    Insert,
    a_journal,
    an_entry,
    drop_guards,
    names,
)
from tests.support.ledger_service import THING

OTHER_QUERY = "f3c0a9d4-8f0e-4b1e-9a55-0d4f1b2c3d4e"


class OwnError(Exception):
    """What an effect of these tests raises."""


async def fail(_: AsyncConnection) -> None:
    raise OwnError


async def stored(journal: Journal) -> list[int]:
    """Numbers in the bodies of all entries, in order."""
    return [entry.entry.body["number"] for entry in await journal.entries(0, MAX_LIMIT)]


def code_of(error: object) -> ErrorCode:
    assert isinstance(error, WardgateError), error
    return error.code


async def test_an_entry_and_its_effect_are_recorded_together(journal: Journal, engine: AsyncEngine) -> None:
    recorded = await journal.record([an_entry(0), an_entry(1)], Insert("first"))
    assert recorded.indexes == (0, 1)
    assert recorded.result == 1
    assert await names(engine) == ["first"]
    found = await journal.entries(0, 10)
    assert [entry.entry for entry in found] == [an_entry(0), an_entry(1)]


async def test_entries_may_stand_alone_and_so_may_effects(journal: Journal, engine: AsyncEngine) -> None:
    assert (await journal.record([an_entry(0)])).indexes == (0,)
    assert (await journal.record([], Insert("quiet"))).indexes == ()
    assert (await journal.record([an_entry(1)])).indexes == (1,)
    assert await names(engine) == ["quiet"]


async def test_nothing_at_all_is_not_recorded(journal: Journal) -> None:
    with pytest.raises(WardgateError) as caught:
        await journal.record([])
    assert caught.value.code is ErrorCode.INTERNAL


async def test_when_the_effect_fails_nothing_is_recorded(journal: Journal, engine: AsyncEngine) -> None:
    async def half(connection: AsyncConnection) -> None:
        await Insert("half")(connection)
        raise OwnError

    with pytest.raises(OwnError):
        await journal.record([an_entry(0)], half)
    assert await names(engine) == []
    assert await stored(journal) == []
    assert (await journal.record([an_entry(1)])).indexes == (0,)


async def test_callers_at_once_share_transactions_and_keep_their_order(journal: Journal, engine: AsyncEngine) -> None:
    effects = [Insert(f"{number:03d}") for number in range(100)]
    recorded = await asyncio.gather(
        *(journal.record([an_entry(2 * at), an_entry(2 * at + 1)], effect) for at, effect in enumerate(effects))
    )
    assert [found.indexes for found in recorded] == [(2 * at, 2 * at + 1) for at in range(100)]
    assert await names(engine) == [effect.name for effect in effects]
    assert await stored(journal) == list(range(200))
    assert {effect.runs for effect in effects} == {1}


async def test_of_a_group_only_the_guilty_job_fails(journal: Journal, engine: AsyncEngine) -> None:
    effects: list[Any] = [Insert("a"), fail, Insert("b"), None, fail, Insert("c")]
    outcomes = await asyncio.gather(
        *(journal.record([an_entry(at)], effect) for at, effect in enumerate(effects)), return_exceptions=True
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Recorded",
        "OwnError",
        "Recorded",
        "Recorded",
        "OwnError",
        "Recorded",
    ]
    assert await names(engine) == ["a", "b", "c"]
    assert await stored(journal) == [0, 2, 3, 5]
    assert sorted(index for found in outcomes if isinstance(found, writer.Recorded) for index in found.indexes) == [
        0,
        1,
        2,
        3,
    ]


async def test_a_group_in_which_most_jobs_fail_still_records_the_others(journal: Journal, engine: AsyncEngine) -> None:
    effects: list[Any] = [fail if at % 4 else Insert(f"{at:02d}") for at in range(40)]
    outcomes = await asyncio.gather(
        *(journal.record([an_entry(at)], effect) for at, effect in enumerate(effects)), return_exceptions=True
    )
    assert [isinstance(outcome, OwnError) for outcome in outcomes] == [bool(at % 4) for at in range(40)]
    assert await names(engine) == [f"{at:02d}" for at in range(0, 40, 4)]
    assert sorted(await stored(journal)) == list(range(0, 40, 4))


async def test_a_conflict_is_the_callers_own(journal: Journal, engine: AsyncEngine) -> None:
    outcomes = await asyncio.gather(
        *(journal.record([an_entry(at)], Insert("same")) for at in range(3)), return_exceptions=True
    )
    assert [isinstance(outcome, IntegrityError) for outcome in outcomes].count(True) == 2
    assert await names(engine) == ["same"]
    assert len(await stored(journal)) == 1


async def test_a_job_is_not_blamed_for_one_that_was_undone_with_it(journal: Journal, engine: AsyncEngine) -> None:
    async def claim_and_fail(connection: AsyncConnection) -> None:
        await Insert("contested")(connection)
        raise OwnError

    first, second = await asyncio.gather(
        journal.record([an_entry(0)], claim_and_fail),
        journal.record([an_entry(1)], Insert("contested")),
        return_exceptions=True,
    )
    # The second may have gone first; then the first fails on what is now there.
    assert isinstance(first, OwnError | IntegrityError)
    assert isinstance(second, writer.Recorded)
    assert await names(engine) == ["contested"]


async def test_a_statement_that_is_wrong_is_the_callers_own_error(journal: Journal) -> None:
    async def wrong(connection: AsyncConnection) -> None:
        await connection.execute(insert(THING).values(name=None))

    with pytest.raises(DBAPIError):
        await journal.record([an_entry(0)], wrong)
    assert (await journal.record([an_entry(1)])).indexes == (0,)


async def test_an_effect_may_not_call_the_journal(journal: Journal) -> None:
    async def nested(_: AsyncConnection) -> None:
        await journal.record([an_entry(1)])

    with pytest.raises(WardgateError) as caught:
        await journal.record([an_entry(0)], nested)
    assert caught.value.code is ErrorCode.INTERNAL
    assert await stored(journal) == []


async def test_an_effect_that_hangs_fails_alone(
    journal: Journal, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "APPLY_TIMEOUT_S", 0.2)

    async def hang(connection: AsyncConnection) -> None:
        await Insert("hanging")(connection)
        await asyncio.Event().wait()

    hanging, other = await asyncio.gather(
        journal.record([an_entry(0)], hang), journal.record([an_entry(1)], Insert("other")), return_exceptions=True
    )
    assert isinstance(hanging, WardgateError)
    assert hanging.code is ErrorCode.LEDGER_UNAVAILABLE
    assert isinstance(other, writer.Recorded)
    assert await names(engine) == ["other"]
    assert await stored(journal) == [1]


async def test_an_effect_that_is_cancelled_from_within_fails_alone(journal: Journal) -> None:
    async def cancelled(_: AsyncConnection) -> None:
        raise asyncio.CancelledError

    outcome, other = await asyncio.gather(
        journal.record([an_entry(0)], cancelled), journal.record([an_entry(1)]), return_exceptions=True
    )
    assert code_of(outcome) is ErrorCode.INTERNAL
    assert isinstance(other, writer.Recorded)
    assert await stored(journal) == [1]


async def test_a_call_cancelled_while_it_waits_is_dropped_and_one_under_way_is_finished(
    journal: Journal, engine: AsyncEngine
) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        await Insert("slow")(connection)
        started.set()
        await release.wait()

    under_way = asyncio.create_task(journal.record([an_entry(0)], slow))
    await started.wait()
    waiting = asyncio.create_task(journal.record([an_entry(1)], Insert("waiting")))
    await asyncio.sleep(0)
    waiting.cancel()
    under_way.cancel()
    release.set()
    await asyncio.gather(waiting, under_way, return_exceptions=True)
    await journal.record([an_entry(2)])
    assert await stored(journal) == [0, 2]
    assert await names(engine) == ["slow"]


async def test_too_many_waiting_calls_are_turned_away(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_QUEUED_JOBS", 3)
    outcomes = await asyncio.gather(*(journal.record([an_entry(at)]) for at in range(5)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, WardgateError)]
    assert [error.code for error in refused] == [ErrorCode.LEDGER_UNAVAILABLE] * 2
    assert await stored(journal) == [0, 1, 2]


async def test_a_closed_journal_finishes_what_was_asked_and_takes_no_more(engine: AsyncEngine) -> None:
    journal = a_journal(engine)
    await journal.open()
    under_way = [asyncio.create_task(journal.record([an_entry(at)])) for at in range(20)]
    await asyncio.sleep(0)
    await journal.aclose()
    assert [(await task).indexes for task in under_way] == [(at,) for at in range(20)]
    with pytest.raises(WardgateError) as caught:
        await journal.record([an_entry(99)])
    assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
    await journal.aclose()
    note = await journal.reader.last_checkpoint()
    assert note is not None
    assert verify_checkpoint(note, NOTE_KEY).size == 20


async def test_a_journal_goes_on_where_the_last_one_ended(engine: AsyncEngine) -> None:
    for at in range(5):
        async with a_journal(engine) as journal:
            assert (await journal.record([an_entry(2 * at), an_entry(2 * at + 1)])).indexes == (2 * at, 2 * at + 1)
    async with a_journal(engine) as journal:
        assert await stored(journal) == list(range(10))
        head = await journal.checkpoint()
        leaves = [leaf_hash(an_entry(at).content) for at in range(10)]
        frontier = tree.Frontier()
        for leaf in leaves:
            frontier.append(leaf)
        assert (head.size, head.root) == (10, frontier.root())


async def test_a_journal_need_not_be_opened_by_hand(engine: AsyncEngine) -> None:
    journal = a_journal(engine)
    assert (await journal.record([an_entry(0)])).indexes == (0,)
    await journal.aclose()


async def test_checkpoints_prove_every_entry_and_every_growth(journal: Journal) -> None:
    heads = []
    for at in range(12):
        await journal.record([an_entry(at)])
        heads.append(await journal.checkpoint())
        assert verify_checkpoint(heads[-1].note, NOTE_KEY).size == at + 1
    for head in heads:
        for index in range(head.size):
            proof = await journal.inclusion(index, head.size)
            assert proof.entry == an_entry(index).content
            tree.verify_inclusion(leaf_hash(proof.entry), index, head.size, proof.path, head.root)
        for later in heads[head.size - 1 :]:
            path = await journal.consistency(head.size, later.size)
            tree.verify_consistency(head.size, later.size, head.root, later.root, path)


async def test_proofs_are_about_now_by_default(journal: Journal) -> None:
    await journal.record([an_entry(at) for at in range(5)])
    proof = await journal.inclusion(3)
    head = await journal.checkpoint()
    assert proof.size == head.size == 5
    tree.verify_inclusion(leaf_hash(proof.entry), 3, 5, proof.path, head.root)


@pytest.mark.parametrize(("index", "size"), [(5, None), (-1, None), (2, 2), (0, 0)])
async def test_there_is_no_proof_of_an_entry_that_is_not_there(journal: Journal, index: int, size: int | None) -> None:
    await journal.record([an_entry(at) for at in range(5)])
    with pytest.raises(WardgateError) as caught:
        await journal.inclusion(index, size)
    assert caught.value.code is ErrorCode.LEDGER_INVALID


@pytest.mark.parametrize(("old", "new"), [(0, 5), (3, 2), (2, 6), (6, 6)])
async def test_there_is_no_proof_from_or_to_a_tree_that_never_was(journal: Journal, old: int, new: int) -> None:
    await journal.record([an_entry(at) for at in range(5)])
    with pytest.raises(WardgateError) as caught:
        await journal.consistency(old, new)
    assert caught.value.code is ErrorCode.LEDGER_FORKED


async def test_checkpoints_are_kept_once_a_second_and_at_the_end(engine: AsyncEngine) -> None:
    clock = Clock()
    async with a_journal(engine, clock) as journal:
        for at in range(3):
            await journal.record([an_entry(at)])
            assert (await journal.checkpoint()).size == at + 1
        assert [size for size, _ in await journal.reader.checkpoints()] == [0]
        clock.now += journal_module.KEEP_INTERVAL_S
        await journal.checkpoint()
        assert [size for size, _ in await journal.reader.checkpoints()] == [0, 3]
        await journal.record([an_entry(3)])
    assert [size for size, _ in await journal.reader.checkpoints()] == [0, 3, 4]


async def test_an_unchanged_tree_is_not_signed_twice(journal: Journal) -> None:
    await journal.record([an_entry(0)])
    first = await journal.checkpoint()
    assert await journal.checkpoint() is first


async def test_entries_are_found_by_kind_query_and_time(journal: Journal) -> None:
    await journal.record(
        [
            an_entry(0, EntryKind.QUERY_ADMITTED),
            an_entry(1, EntryKind.ANSWERED),
            an_entry(2, EntryKind.QUERY_ADMITTED, OTHER_QUERY),
            an_entry(3, EntryKind.SERVICE_STARTED, None),
        ]
    )
    assert await journal.find(kind=EntryKind.QUERY_ADMITTED) == [0, 2]
    assert await journal.find(query_id=QUERY) == [0, 1]
    assert await journal.find(kind=EntryKind.QUERY_ADMITTED, query_id=OTHER_QUERY) == [2]
    assert await journal.find(kind=EntryKind.ALARM_RAISED) == []
    assert await journal.find() == [0, 1, 2, 3]
    since = await journal.search(Criteria(since=NOW + 1, until=NOW + 3))
    assert [entry.index for entry in since] == [1, 2]
    page = await journal.search(Criteria(start=1, limit=2))
    assert [(entry.index, entry.entry) for entry in page] == [
        (1, an_entry(1, EntryKind.ANSWERED)),
        (2, an_entry(2, EntryKind.QUERY_ADMITTED, OTHER_QUERY)),
    ]
    assert [entry.index for entry in await journal.entries(2, 10)] == [2, 3]


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1])
async def test_reads_are_bounded(journal: Journal, limit: int) -> None:
    with pytest.raises(WardgateError):
        await journal.entries(0, limit)


async def test_cosignatures_of_known_checkpoints_are_kept_and_exported(journal: Journal) -> None:
    await journal.record([an_entry(0)])
    head = await journal.checkpoint()
    witness = SigningKey.generate()
    line = cosign_checkpoint(head, name="wardgate/node/barnet", key=witness, at=NOW)
    for _ in range(2):
        await journal.add_cosignature(head.note + line, "wardgate/node/barnet", witness.verify_key)
    assert await journal.reader.cosignatures(1) == [line]


async def test_a_cosignature_of_something_else_is_refused(journal: Journal) -> None:
    await journal.record([an_entry(0)])
    head = await journal.checkpoint()
    witness = SigningKey.generate()
    forked = sign_checkpoint(Checkpoint(ORIGIN, 1, bytes(32)), KEY)
    line = cosign_checkpoint(forked, name="w", key=witness, at=NOW)
    for note, key in [
        (head.note, witness.verify_key),
        (head.note + line, witness.verify_key),
        (head.note + cosign_checkpoint(head, name="w", key=witness, at=NOW), KEY.verify_key),
        (forked.note + line, witness.verify_key),
    ]:
        with pytest.raises(WardgateError) as caught:
            await journal.add_cosignature(note, "w", key)
        assert caught.value.code in {ErrorCode.LEDGER_INVALID, ErrorCode.LEDGER_FORKED}
    assert await journal.reader.cosignatures(1) == []


@pytest.mark.parametrize("statement", ["UPDATE {} SET at = 0", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["ledger_entry", "ledger_checkpoint"])
async def test_what_was_written_cannot_be_altered_by_mistake(
    journal: Journal, engine: AsyncEngine, statement: str, table: str
) -> None:
    await journal.record([an_entry(0)])
    with pytest.raises(DBAPIError, match="append-only"):
        async with engine.begin() as connection:
            await connection.execute(text(statement.format(table)))
    assert await stored(journal) == [0]


async def test_a_store_that_lost_signed_entries_is_not_opened(engine: AsyncEngine) -> None:
    async with a_journal(engine) as journal:
        await journal.record([an_entry(at) for at in range(4)])
    await tamper(engine, "DELETE FROM ledger_entry WHERE entry_index = 3")
    journal = a_journal(engine)
    for call in (journal.open(), journal.record([an_entry(9)])):
        with pytest.raises(WardgateError) as caught:
            await call
        assert caught.value.code is ErrorCode.LEDGER_INVALID
    await journal.aclose()


async def test_a_store_whose_tree_was_rewritten_is_not_opened(engine: AsyncEngine) -> None:
    async with a_journal(engine) as journal:
        await journal.record([an_entry(at) for at in range(4)])
    async with engine.begin() as connection:
        await drop_guards(connection)
        table = metadata.tables["ledger_entry"]
        await connection.execute(update(table).where(table.c.entry_index == 3).values(nodes=bytes(96)))
    with pytest.raises(WardgateError) as caught:
        await a_journal(engine).open()
    assert caught.value.code is ErrorCode.LEDGER_INVALID


async def test_a_store_without_tables_is_unavailable(store_url: str) -> None:
    from federation.store import open_engine

    engine = open_engine(store_url)
    journal = a_journal(engine)
    for call in (journal.open(), journal.record([an_entry(9)])):
        with pytest.raises(WardgateError) as caught:
            await call
        assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
    await journal.aclose()
    await engine.dispose()


async def tamper(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await drop_guards(connection)
        await connection.execute(text(statement))
