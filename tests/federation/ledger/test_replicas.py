"""Several journals over one store: replicas on PostgreSQL, a command beside a service on SQLite."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger import tree
from federation.ledger.checkpoint import SignedCheckpoint
from federation.ledger.journal import Journal
from federation.ledger.postgres_appender import PostgresAppender
from federation.ledger.reader import MAX_LIMIT
from federation.ledger.tree import leaf_hash
from federation.ledger.writer import Recorded
from federation.store import open_engine
from tests.support.ledger import Insert, a_journal, an_entry, names
from tests.support.postgres import Server

REPLICAS = 4


@pytest.fixture
async def replicas(store_url: str, engine: AsyncEngine) -> AsyncIterator[list[Journal]]:
    assert engine is not None
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(REPLICAS):
            own = open_engine(store_url)
            stack.push_async_callback(own.dispose)
            found.append(await stack.enter_async_context(a_journal(own)))
        yield found


async def assert_whole(journal: Journal) -> SignedCheckpoint:
    """Every entry stands in the tree exactly as it is stored."""
    frontier = tree.Frontier()
    for entry in await journal.entries(0, MAX_LIMIT):
        assert entry.index == frontier.size
        assert entry.nodes == frontier.append(leaf_hash(entry.content))
    head = await journal.checkpoint()
    assert (head.size, head.root) == (frontier.size, frontier.root())
    return head


async def test_replicas_interleave(replicas: list[Journal], engine: AsyncEngine) -> None:
    heads: list[SignedCheckpoint] = []

    async def work(replica: int) -> list[tuple[int, int]]:
        """Two entries a call, every other call with an effect; returns number and index of each call's first."""
        done: list[tuple[int, int]] = []
        for number in range(replica * 100, replica * 100 + 15):
            entries = [an_entry(number), an_entry(number)]
            if number % 2:
                found = (await replicas[replica].record(entries, Insert(f"{number:04d}"))).indexes
            else:
                found = (await replicas[replica].record(entries)).indexes
            assert found == (found[0], found[0] + 1)
            done.append((number, found[0]))
            heads.append(await replicas[replica].checkpoint())
        return done

    everywhere = await asyncio.gather(*(work(replica) for replica in range(REPLICAS)))
    await replicas[0].record([an_entry(999)])
    last = await assert_whole(replicas[0])
    assert last.size == REPLICAS * 30 + 1
    stored = [entry.entry.body["number"] for entry in await replicas[0].entries(0, MAX_LIMIT)]
    for number, index in [call for calls in everywhere for call in calls]:
        assert stored[index] == stored[index + 1] == number
    assert len(await names(engine)) == sum(number % 2 for calls in everywhere for number, _ in calls)
    for head in heads:
        path = await replicas[0].consistency(head.size, last.size)
        tree.verify_consistency(head.size, last.size, head.root, last.root, path)


async def test_callers_of_all_replicas_at_once(replicas: list[Journal], engine: AsyncEngine) -> None:
    recorded = await asyncio.gather(
        *(replicas[at % REPLICAS].record([an_entry(at)], Insert(f"{at:04d}")) for at in range(120))
    )
    assert sorted(index for found in recorded for index in found.indexes) == list(range(120))
    assert len(await names(engine)) == 120
    await replicas[0].record([an_entry(120)])
    assert (await assert_whole(replicas[0])).size == 121


@pytest.mark.postgres
async def test_replicas_that_lock_each_others_rows_both_go_through(
    engines: list[AsyncEngine],
) -> None:
    journals = [a_journal(engine) for engine in engines]
    await journals[0].record([an_entry(0)], Insert("x"))
    await journals[0].record([an_entry(1)], Insert("y"))
    met = asyncio.Barrier(2)

    def touch(first: str, second: str, wait: list[bool]) -> Insert:
        class Touch(Insert):
            async def __call__(self, connection: AsyncConnection) -> int:
                await connection.execute(text(f"UPDATE thing SET note = 'n' WHERE name = '{first}'"))
                if wait and wait.pop():
                    await met.wait()
                await connection.execute(text(f"UPDATE thing SET note = 'n' WHERE name = '{second}'"))
                return 0

        return Touch("")

    await asyncio.gather(
        journals[0].record([an_entry(2)], touch("x", "y", [True])),
        journals[1].record([an_entry(3)], touch("y", "x", [True])),
    )
    assert (await assert_whole(journals[0])).size == 4
    for journal in journals:
        await journal.aclose()


@pytest.fixture
async def engines(postgres_url: str) -> AsyncIterator[list[AsyncEngine]]:
    from federation.store import migrate
    from tests.support.ledger import SERVICE

    await migrate(postgres_url, SERVICE)
    found = [open_engine(postgres_url) for _ in range(2)]
    yield found
    for engine in found:
        await engine.dispose()


async def backend_of(journal: Journal) -> int:
    async def ask(connection: AsyncConnection) -> int:
        return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())

    return (await journal.record([], ask)).result


@pytest.mark.postgres
@pytest.mark.parametrize("with_effect", [True, False])
async def test_a_connection_that_was_cut_is_replaced(
    engines: list[AsyncEngine], postgres_server: Server, *, with_effect: bool
) -> None:
    async with a_journal(engines[0]) as journal:
        await journal.record([an_entry(0)])
        backend = await backend_of(journal)
        await postgres_server.execute(f"SELECT pg_terminate_backend({backend})")
        outcome: object
        try:
            outcome = await (
                journal.record([an_entry(1)], Insert("x")) if with_effect else journal.record([an_entry(1)])
            )
        except WardgateError as error:
            outcome = error.code
        assert outcome == ErrorCode.LEDGER_UNAVAILABLE
        assert (await journal.record([an_entry(2)])).indexes == (1,)
        assert await names(engines[0]) == []
        await assert_whole(journal)


SLOW_COMMIT = (
    "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.7); RETURN NEW; END $$",
    """CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON ledger_entry DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION dawdle()""",
)


async def cut(journal: Journal) -> None:
    """Lose the connection as a network does: the server notices nothing and goes on."""
    appender = journal._appender
    assert isinstance(appender, PostgresAppender)
    assert appender._session is not None
    appender._session.driver._transport.abort()


@pytest.mark.postgres
@pytest.mark.parametrize("with_effect", [True, False])
async def test_a_commit_whose_answer_was_lost_is_found_to_have_happened(
    engines: list[AsyncEngine], *, with_effect: bool
) -> None:
    async with a_journal(engines[0]) as journal:
        await journal.record([an_entry(0)])
        async with engines[1].begin() as connection:
            for statement in SLOW_COMMIT:
                await connection.execute(text(statement))
        pending: asyncio.Task[Recorded[int] | Recorded[None]] = asyncio.create_task(
            journal.record([an_entry(1)], Insert("x")) if with_effect else journal.record([an_entry(1)])
        )
        await asyncio.sleep(0.35)
        await cut(journal)
        assert (await pending).indexes == (1,)
        assert await names(engines[0]) == (["x"] if with_effect else [])
        async with engines[1].begin() as connection:
            await connection.execute(text("DROP TRIGGER dawdle ON ledger_entry"))
        assert (await journal.record([an_entry(2)])).indexes == (2,)
        await assert_whole(journal)


@pytest.mark.postgres
async def test_a_commit_that_was_lost_with_its_connection_is_found_not_to_have_happened(
    engines: list[AsyncEngine], postgres_server: Server
) -> None:
    async with a_journal(engines[0]) as journal:
        await journal.record([an_entry(0)])
        backend = await backend_of(journal)
        async with engines[1].begin() as connection:
            for statement in SLOW_COMMIT:
                await connection.execute(text(statement))
        pending = asyncio.create_task(journal.record([an_entry(1)], Insert("x")))
        await asyncio.sleep(0.35)
        await postgres_server.execute(f"SELECT pg_terminate_backend({backend})")
        with pytest.raises(WardgateError) as caught:
            await pending
        assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
        assert await names(engines[0]) == []
        assert [entry.index for entry in await journal.entries(0, 10)] == [0]


@pytest.mark.postgres
async def test_a_head_that_does_not_belong_to_the_entries_is_refused(engines: list[AsyncEngine]) -> None:
    async with a_journal(engines[0]) as journal:
        await journal.record([an_entry(0)])
    async with engines[1].begin() as connection:
        await connection.execute(text("UPDATE ledger_head SET size = 2"))
    journal = a_journal(engines[0])
    with pytest.raises(WardgateError) as caught:
        await journal.record([an_entry(1)])
    assert caught.value.code is ErrorCode.LEDGER_INVALID
    assert [entry.index for entry in await journal.entries(0, 10)] == [0]
