import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.sqlite_driver import SqliteConnection
from federation.store import describe, migrate, open_engine, reading, sqlite_url, store_errors, writing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(sqlite_url(path))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"))
    yield engine
    await engine.dispose()


class Trips:
    """Counts the trips to the threads of SQLite connections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = SqliteConnection._execute

        async def counting(connection: SqliteConnection, *arguments: object, **named: object) -> object:
            self.count += 1
            return await original(connection, *arguments, **named)  # type: ignore[no-untyped-call]  # aiosqlite's

        monkeypatch.setattr(SqliteConnection, "_execute", counting)


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> Trips:
    return Trips(monkeypatch)


async def count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM thing"))).scalar_one())


async def value_of(engine: AsyncEngine, pragma: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(f"PRAGMA {pragma}"))).scalar()


async def test_sqlite_is_opened_so_that_what_was_committed_stays(engine: AsyncEngine) -> None:
    assert await value_of(engine, "journal_mode") == "wal"
    assert await value_of(engine, "synchronous") == 2
    assert await value_of(engine, "foreign_keys") == 1
    assert await value_of(engine, "busy_timeout") == 5_000


async def test_a_database_is_its_owners_alone(engine: AsyncEngine, path: Path) -> None:
    assert await count(engine) == 0
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite+aiosqlite:///{}"])
async def test_the_driver_need_not_be_named(path: Path, form: str) -> None:
    engine = open_engine(form.format(path))
    assert await value_of(engine, "journal_mode") == "wal"
    await engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "mysql://user:secret@host/db",
        "postgresql+psycopg://user:secret@host/db",
        "postgresql://user:secret@host:port/db",
    ],
)
def test_other_urls_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(WardgateError) as caught:
        open_engine(url)
    assert caught.value.code is ErrorCode.SETTINGS_INVALID
    assert "secret" not in str(caught.value)


async def test_a_password_is_not_shown() -> None:
    engine = open_engine("postgresql://user:secret@127.0.0.1/db")
    assert "secret" not in repr(engine)
    await engine.dispose()


@pytest.mark.parametrize("name", ["missing/store.db", "folder", "garbage"])
async def test_a_store_that_cannot_be_opened_is_unavailable(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "garbage").write_bytes(b"no database" * 500)
    with pytest.raises(WardgateError) as caught:
        await migrate(sqlite_url(tmp_path / name), "tests.support.ledger_service")
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE


async def test_a_server_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(WardgateError) as caught:
        await migrate(f"postgresql://user@/db?host={tmp_path}", "tests.support.ledger_service")
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE


async def test_a_transaction_is_undone_whole_tables_included(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        transaction = await connection.begin()
        await connection.execute(text("INSERT INTO thing (name) VALUES ('a')"))
        await connection.execute(text("CREATE TABLE other (id INTEGER)"))
        await transaction.rollback()
    assert await count(engine) == 0
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT count(*) FROM sqlite_master WHERE name = 'other'"))
        assert found.scalar_one() == 0


async def test_reads_of_one_transaction_agree(engine: AsyncEngine) -> None:
    async with engine.connect() as reader:
        before = (await reader.execute(text("SELECT count(*) FROM thing"))).scalar_one()
        async with engine.begin() as writer:
            await writer.execute(text("INSERT INTO thing (name) VALUES ('a')"))
        assert (await reader.execute(text("SELECT count(*) FROM thing"))).scalar_one() == before
    assert await count(engine) == before + 1


async def test_single_reads_see_what_is_committed_meanwhile(engine: AsyncEngine) -> None:
    async with reading(engine).connect() as reader:
        assert (await reader.execute(text("SELECT count(*) FROM thing"))).scalar_one() == 0
        async with engine.begin() as writer:
            await writer.execute(text("INSERT INTO thing (name) VALUES ('a')"))
        assert (await reader.execute(text("SELECT count(*) FROM thing"))).scalar_one() == 1


async def test_a_writing_transaction_waits_for_the_other_instead_of_failing_half_way(engine: AsyncEngine) -> None:
    async def increment() -> None:
        async with writing(engine).begin() as connection:
            found = (await connection.execute(text("SELECT count(*) FROM thing"))).scalar_one()
            await asyncio.sleep(0.01)
            await connection.execute(text("INSERT INTO thing (name) VALUES (:name)"), {"name": f"n{found}"})

    await asyncio.gather(*(increment() for _ in range(8)))
    assert await count(engine) == 8


async def test_a_savepoint_can_be_undone_alone(engine: AsyncEngine) -> None:
    async with writing(engine).begin() as connection:
        await connection.execute(text("INSERT INTO thing (name) VALUES ('a')"))
        savepoint = await connection.begin_nested()
        await connection.execute(text("INSERT INTO thing (name) VALUES ('b')"))
        await savepoint.rollback()
    assert await count(engine) == 1


async def test_an_insert_that_fails_on_the_spot_leaves_the_transaction_usable(engine: AsyncEngine) -> None:
    async with writing(engine).begin() as connection:
        for name in ("a", "b"):
            await connection.execute(text("INSERT INTO thing (name) VALUES (:name)"), {"name": name})
        with pytest.raises(Exception, match="UNIQUE"):
            await connection.execute(text("INSERT INTO thing (name) VALUES ('a')"))
        await connection.execute(text("INSERT INTO thing (name) VALUES ('c')"))
    assert await count(engine) == 3


async def test_a_select_is_one_trip(engine: AsyncEngine, trips: Trips) -> None:
    async with reading(engine).connect() as connection:
        trips.count = 0
        await connection.execute(text("SELECT * FROM thing"))
        assert trips.count == 1
    assert trips.count == 1


async def test_beginning_a_transaction_and_inserting_rows_cost_no_trip_of_their_own(
    engine: AsyncEngine, trips: Trips
) -> None:
    async with writing(engine).connect() as connection:
        trips.count = 0
        async with connection.begin():
            for at in range(10):
                await connection.execute(text("INSERT INTO thing (name) VALUES (:name)"), {"name": f"{at}"})
            assert trips.count == 1
            await connection.execute(text("UPDATE thing SET name = 'x' WHERE name = '3'"))
            await connection.execute(text("INSERT INTO thing (name) SELECT name || 'y' FROM thing"))
            assert trips.count == 3
        assert trips.count == 4
        async with connection.begin():
            pass
        assert trips.count == 4
    assert await count(engine) == 20


async def test_an_insert_outside_a_writing_transaction_goes_to_the_thread(engine: AsyncEngine, trips: Trips) -> None:
    async with engine.connect() as connection:
        trips.count = 0
        async with connection.begin():
            await connection.execute(text("INSERT INTO thing (name) VALUES ('a')"))
            await connection.execute(text("INSERT INTO thing (name) VALUES ('b')"))
        assert trips.count == 3
    assert await count(engine) == 2


async def test_rows_can_be_taken_piece_by_piece(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO thing (name) VALUES (:name)"), [{"name": f"{at}"} for at in range(7)]
        )
    async with engine.connect() as connection:
        result = await connection.stream(text("SELECT id FROM thing ORDER BY id"))
        assert [row.id async for row in result] == list(range(1, 8))
        whole = await connection.execute(text("SELECT id FROM thing ORDER BY id"))
        assert [row.id for row in whole.fetchmany(3)] == [1, 2, 3]
        first = whole.fetchone()
        assert first is not None
        assert first.id == 4
        assert [row.id for row in whole.fetchall()] == [5, 6, 7]


async def test_database_errors_are_told_by_code_and_never_by_text(engine: AsyncEngine) -> None:
    with pytest.raises(WardgateError) as caught:
        async with store_errors("a test"), engine.connect() as connection:
            await connection.execute(text("SELECT 'private' FROM nowhere"))
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
    assert caught.value.detail == "a test: OperationalError SQLITE_ERROR"
    assert describe(OSError(28, "No space left on device: /private")) == "OSError 28"
    assert describe(OperationalError("SELECT 'private'", {}, sqlite3.OperationalError("private"))) == "OperationalError"
