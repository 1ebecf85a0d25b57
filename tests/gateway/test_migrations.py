"""The gateway's migrations make what the model says, and go up and down with data in place. On both kinds of store."""

from collections.abc import Sequence
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text

from federation.store import migrate, open_engine, writing
from gateway.store.tables import metadata

PACKAGE = "gateway.store"
AGENCY = {"agency": "testshire-csc", "entry": b"e"}
TEAM = {"team_id": "t" * 36, "version": 1, "content": b"c", "signature": b"s" * 64}
GRANT = {"grant_id": "g" * 36, "team_id": "t" * 36, "version": 1, "content": b"c", "signature": b"s" * 64}
ORDER = {"order_sha256": b"o" * 32, "team_id": "t" * 36, "content": b"c", "signature": b"s" * 64, "carried_out_at": 1}
MISUSE = {
    "notice_id": "n" * 36,
    "agency": "testshire-csc",
    "refused_by": "node",
    "reported_at": 1,
    "content": b"c",
    "signature": b"s" * 64,
}
NEW = {"team", "case_grant", "team_order", "misuse"}


def differences(connection: Connection) -> Sequence[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found: Sequence[Any] = compare_metadata(context, metadata)
    return found


async def test_the_migrated_store_is_the_model(store_url: str) -> None:
    await migrate(store_url, PACKAGE)
    engine = open_engine(store_url)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()


async def test_down_and_up_again_with_data_in_place(store_url: str) -> None:
    await migrate(store_url, PACKAGE, "0001")
    engine = open_engine(store_url)
    try:
        async with writing(engine).begin() as connection:
            await connection.execute(insert(metadata.tables["agency"]), AGENCY)
        await migrate(store_url, PACKAGE)
        async with writing(engine).begin() as connection:
            for name, row in (("team", TEAM), ("case_grant", GRANT), ("team_order", ORDER), ("misuse", MISUSE)):
                await connection.execute(insert(metadata.tables[name]), row)
        await migrate(store_url, PACKAGE)
        async with engine.connect() as connection:
            assert (await connection.execute(select(metadata.tables["case_grant"].c.version))).scalar_one() == 1
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0001")
        async with engine.connect() as connection:
            names = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
            assert not NEW & names
            assert (await connection.execute(select(metadata.tables["agency"].c.entry))).scalar_one() == b"e"
        await engine.dispose()
        await migrate(store_url, PACKAGE)
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM team"))).scalar_one() == 0
    finally:
        await engine.dispose()
