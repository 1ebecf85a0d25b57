"""Effects as lists of writes, on both kinds of store: what holds for functions holds for them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, delete, insert, or_, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger.journal import Journal
from federation.ledger.reader import MAX_LIMIT
from federation.ledger.writer import Recorded
from federation.ledger.writes import NothingChanged, Write, compile_write
from federation.store import open_engine, sqlite_url
from tests.support.ledger import Insert, a_journal, an_entry, names
from tests.support.ledger_service import THING

INSERT = insert(THING)
RENAME = update(THING).where(THING.c.name == bindparam("b_old")).values(name=bindparam("b_new"))
RENAME_SOME = (
    update(THING)
    .where(THING.c.name == bindparam("b_old"), or_(THING.c.name == "a", THING.c.name == "b"))
    .values(name=bindparam("b_new"))
)
REMOVE = delete(THING).where(THING.c.name == bindparam("b_name"))


class OwnError(Exception):
    """What an effect of these tests raises."""


def made(*found: str) -> Write:
    return Write(INSERT, [{"name": name} for name in found])


async def stored(journal: Journal) -> list[int]:
    return [entry.entry.body["number"] for entry in await journal.entries(0, MAX_LIMIT)]


async def test_writes_and_entries_are_recorded_together(journal: Journal, engine: AsyncEngine) -> None:
    recorded = await journal.record([an_entry(0), an_entry(1)], [made("a", "b"), made("c")])
    assert (recorded.indexes, recorded.result) == ((0, 1), None)
    assert await names(engine) == ["a", "b", "c"]
    assert await stored(journal) == [0, 1]


async def test_writes_may_stand_alone_and_run_in_their_order(journal: Journal, engine: AsyncEngine) -> None:
    rename = Write(RENAME, [{"b_old": "a", "b_new": "b"}, {"b_old": "b", "b_new": "c"}])
    assert (await journal.record([], [made("a"), rename, made("d"), Write.one(REMOVE, {"b_name": "d"})])).indexes == ()
    assert await names(engine) == ["c"]


async def test_no_writes_at_all_are_nothing_to_record(journal: Journal) -> None:
    with pytest.raises(WardgateError) as caught:
        await journal.record([], [])
    assert caught.value.code is ErrorCode.INTERNAL
    assert (await journal.record([an_entry(0)], [])).indexes == (0,)


async def test_values_within_a_statement_stand_beside_its_parameters(journal: Journal, engine: AsyncEngine) -> None:
    await journal.record([], [made("a", "z")])
    await journal.record([], [Write(RENAME_SOME, [{"b_old": "a", "b_new": "x"}, {"b_old": "z", "b_new": "y"}])])
    assert await names(engine) == ["x", "z"]


async def test_callers_at_once_share_transactions_and_keep_their_order(journal: Journal, engine: AsyncEngine) -> None:
    recorded = await asyncio.gather(
        *(journal.record([an_entry(2 * at), an_entry(2 * at + 1)], [made(f"{at:03d}")]) for at in range(100))
    )
    assert [found.indexes for found in recorded] == [(2 * at, 2 * at + 1) for at in range(100)]
    assert await names(engine) == [f"{at:03d}" for at in range(100)]
    assert await stored(journal) == list(range(200))


async def test_a_conflict_is_the_callers_own_and_undoes_its_other_writes(journal: Journal, engine: AsyncEngine) -> None:
    await journal.record([], [made("taken")])
    outcomes = await asyncio.gather(
        journal.record([an_entry(0)], [made("first")]),
        journal.record([an_entry(1)], [made("undone"), made("taken")]),
        journal.record([an_entry(2)], [made("last")]),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Recorded, IntegrityError, Recorded]
    assert await names(engine) == ["first", "last", "taken"]
    assert sorted(await stored(journal)) == [0, 2]


async def test_a_write_that_must_change_something_and_does_not_fails_its_job_alone(
    journal: Journal, engine: AsyncEngine
) -> None:
    await journal.record([], [made("there")])
    there, missing = ({"b_old": old, "b_new": new} for old, new in (("there", "here"), ("nowhere", "here too")))
    outcomes = await asyncio.gather(
        journal.record([an_entry(0)], [made("undone"), Write(RENAME, [there, missing], must_change=True)]),
        journal.record([an_entry(1)], [made("other"), Write.one(RENAME, missing)]),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [NothingChanged, Recorded]
    assert await names(engine) == ["other", "there"]
    assert await stored(journal) == [1]
    await journal.record([], [Write.one(RENAME, there, must_change=True)])
    assert await names(engine) == ["here", "other"]


async def test_writes_and_functions_go_in_one_group(journal: Journal, engine: AsyncEngine) -> None:
    async def fail(connection: AsyncConnection) -> None:
        await Insert("half")(connection)
        raise OwnError

    effects: list[Any] = [[made("a")], Insert("b"), fail, None, [made("a")], [made("c")]]
    outcomes = await asyncio.gather(
        *(journal.record([an_entry(at)], effect) for at, effect in enumerate(effects)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Recorded, Recorded, OwnError, Recorded, IntegrityError, Recorded]
    assert await names(engine) == ["a", "b", "c"]
    assert sorted(await stored(journal)) == [0, 1, 3, 5]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (Write.one(INSERT, {"name": None}), IntegrityError),
        (Write.one(RENAME, {"b_old": "a"}), KeyError),
        (Write.one(delete(THING).where(THING.c.name.in_(["a"])), {"b_unused": "a"}), TypeError),
    ],
)
async def test_a_wrong_write_is_the_callers_own_error(journal: Journal, wrong: Write, error: type[Exception]) -> None:
    outcome, other = await asyncio.gather(
        journal.record([an_entry(0)], [wrong]), journal.record([an_entry(1)], [made("a")]), return_exceptions=True
    )
    assert isinstance(outcome, error)
    assert isinstance(other, Recorded)
    assert await stored(journal) == [1]


async def test_a_store_that_cannot_be_written_is_nobodys_own_error(journal: Journal, engine: AsyncEngine) -> None:
    await journal.record([an_entry(0)], [made("a")])
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE thing RENAME TO elsewhere"))
    outcome = (await asyncio.gather(journal.record([an_entry(1)], [made("b")]), return_exceptions=True))[0]
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE elsewhere RENAME TO thing"))
    assert isinstance(outcome, WardgateError | DBAPIError)
    assert (await journal.record([an_entry(2)], [made("c")])).indexes == (1,)
    assert await names(engine) == ["a", "c"]


async def test_what_was_written_survives_the_next_opening(engine: AsyncEngine) -> None:
    async with a_journal(engine) as journal:
        await journal.record([an_entry(0)], [made("a")])
    async with a_journal(engine) as journal:
        assert (await journal.record([an_entry(1)], [made("b")])).indexes == (1,)
        assert await stored(journal) == [0, 1]
    assert await names(engine) == ["a", "b"]


@pytest.mark.parametrize("rows", [[], [{"name": "a"}, {"note": "b"}], [{"name": "a"}, {"name": "b", "note": "c"}]])
def test_rows_that_do_not_go_together_are_refused_at_once(rows: list[dict[str, str]]) -> None:
    with pytest.raises(ValueError, match="same names"):
        Write(INSERT, rows)


def test_a_statement_is_compiled_once_for_each_set_of_names(tmp_path: Path) -> None:
    dialect = open_engine(sqlite_url(tmp_path / "store.db")).dialect
    first = compile_write(Write.one(RENAME_SOME, {"b_old": "a", "b_new": "b"}), dialect)
    assert compile_write(Write.one(RENAME_SOME, {"b_old": "c", "b_new": "d"}), dialect) is first
    assert first.values({"b_new": "n", "b_old": "o"}) == ("n", "o", "a", "b")
    with pytest.raises(KeyError):
        compile_write(Write.one(RENAME_SOME, {"b_old": "a"}), dialect)


def test_a_write_that_leaves_a_default_of_the_program_to_chance_is_refused() -> None:
    table = Table("counted", MetaData(), Column("name", String), Column("count", Integer, default=1))
    whole, short = {"name": "a", "count": 2}, {"name": "a"}
    dialect = open_engine(sqlite_url(Path("unused.db"))).dialect
    assert compile_write(Write.one(insert(table), whole), dialect).values(whole) == ("a", 2)
    with pytest.raises(TypeError):
        compile_write(Write.one(insert(table), short), dialect)
