"""The gateway's migrations make what the model says, and go up and down with data in place. On both kinds of store."""

from collections.abc import Sequence
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text

from federation.store import migrate, open_engine, writing
from gateway.store.tables import metadata

PACKAGE = "gateway.store"
AGENCY = "INSERT INTO agency (agency, entry) VALUES ('testshire-csc', :entry)"
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
            await connection.execute(text(AGENCY), {"entry": b"e"})
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
            assert (await connection.execute(text("SELECT count(*) FROM agency"))).scalar_one() == 0
        await engine.dispose()
        await migrate(store_url, PACKAGE)
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM team"))).scalar_one() == 0
    finally:
        await engine.dispose()


OLD_QUERY = (
    "INSERT INTO query (query_id, requester, user_ref, purpose, header, signature, digest,"
    " audit_envelope, admission, admission_signature, decisions, admitted_at, deadline_at, expires_at, closed_at)"
    " VALUES (:id, 'testshire-csc', 'u', 'S47_ENQ', :b, :b, :b, :b, :b, :b, :b, 1, 2, 3, 0)"
)
OLD_TASK = (
    "INSERT INTO task (task_id, query_id, responder, state, part, translated, epoch, trustee_signature, lease_id,"
    " lease_expires_at, expires_at, answer_digest)"
    " VALUES (:id, :id, 'testshire-school', 'waiting', :b, :b, 1, :b, '', 0, 3, :b)"
)


async def test_what_nothing_read_goes_and_an_open_query_stays_up_and_down(store_url: str) -> None:
    await migrate(store_url, PACKAGE, "0004")
    engine = open_engine(store_url)
    try:
        async with writing(engine).begin() as connection:
            for statement in (OLD_QUERY, OLD_TASK):
                await connection.execute(text(statement), {"id": "q" * 36, "b": b"b" * 32})
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0005")
        async with engine.connect() as connection:
            row = (await connection.execute(select(metadata.tables["query"]))).one()
            assert (row.requester, row.header, row.closed_at) == ("testshire-csc", b"b" * 32, 0)
            assert (await connection.execute(select(metadata.tables["task"].c.state))).scalar_one() == "waiting"
        await engine.dispose()
        await migrate(store_url, PACKAGE, "0004")
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT purpose, expires_at FROM query"))).one() == ("", 0)
            assert (await connection.execute(text("SELECT lease_id, expires_at FROM task"))).one() == ("", 0)
    finally:
        await engine.dispose()
