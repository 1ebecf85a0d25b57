"""The ledger's statements make the tables that the model describes, and a ledger outlives a service's migrations."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.store import migrate, open_engine, sqlite_url
from tests.support.ledger import SERVICE, Insert, a_journal, an_entry, names
from tests.support.ledger_service import metadata


async def tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_the_statements_make_what_the_model_describes(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_store_goes_up_and_down_with_data_in_place(store_url: str) -> None:
    await migrate(store_url, SERVICE, "0001")
    engine = open_engine(store_url)
    async with a_journal(engine) as journal:
        await journal.record([an_entry(0)])
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO thing (id, name) VALUES (1, 'kept')"))
    index = 0
    for revision in ("0002", "0001", "head", "head", "0001", "0002"):
        await migrate(store_url, SERVICE, revision)
        assert await names(engine) == ["kept"]
        async with a_journal(engine) as journal:
            index = (await journal.record([an_entry(1)])).indexes[0]
    assert index == 6
    async with a_journal(engine) as journal:
        await journal.record([an_entry(2)], Insert("new"))
    await migrate(store_url, SERVICE, "base")
    assert await tables(engine) == {"alembic_version"}
    await migrate(store_url, SERVICE)
    async with a_journal(engine) as journal:
        assert (await journal.record([an_entry(0)])).indexes == (0,)
    await engine.dispose()


async def test_a_migration_that_fails_leaves_everything_as_it_was(store_url: str) -> None:
    await migrate(store_url, SERVICE, "0001")
    engine = open_engine(store_url)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE thing ADD COLUMN note VARCHAR(40)"))
    with pytest.raises(WardgateError) as caught:
        await migrate(store_url, SERVICE)
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
    async with engine.connect() as connection:
        version = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
        columns = await connection.run_sync(
            lambda sync: {found["name"] for found in inspect(sync).get_columns("thing")}
        )
    assert (version, columns) == ("0001", {"id", "name", "note"})
    await engine.dispose()


async def test_a_store_of_a_newer_version_is_refused(store_url: str) -> None:
    await migrate(store_url, SERVICE)
    engine = open_engine(store_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for revision in ("head", "0001", "base"):
        with pytest.raises(WardgateError) as caught:
            await migrate(store_url, SERVICE, revision)
        assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
    await engine.dispose()


async def test_a_revision_that_does_not_exist_is_refused(store_url: str) -> None:
    with pytest.raises(WardgateError) as caught:
        await migrate(store_url, SERVICE, "4711")
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE


async def test_replicas_that_start_together_migrate_one_after_the_other(store_url: str) -> None:
    await asyncio.gather(*(migrate(store_url, SERVICE) for _ in range(5)))
    engine = open_engine(store_url)
    assert "ledger_entry" in await tables(engine)
    await engine.dispose()


async def test_several_stores_are_migrated_at_once(tmp_path: Path) -> None:
    urls = [sqlite_url(tmp_path / f"{number}.db") for number in range(6)]
    revisions = ["0001", "0002"] * 3
    await asyncio.gather(*(migrate(url, SERVICE, to) for url, to in zip(urls, revisions, strict=True)))
    for url, to in zip(urls, revisions, strict=True):
        engine = open_engine(url)
        async with engine.connect() as connection:
            found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
        assert found == to
        await engine.dispose()
