"""The store: migrations there and back with data in place, on both databases, and what replicas do at once."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger.journal import Journal
from federation.store import migrate, open_engine, sqlite_url
from tests.support.region import Region
from tests.support.signers import some_elements
from tests.support.trustee_house import Clock, House
from trustee.quotas import Quotas
from trustee.store.tables import metadata

STORE = "trustee.store"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "trustee.db")
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
async def replicas(url: str, region: Region, clock: Clock) -> AsyncIterator[list[House]]:
    """Two processes' worth of one trustee over one store."""
    await migrate(url, STORE)
    async with AsyncExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(max_workers=2))
        houses = []
        for _ in range(2):
            engine = open_engine(url)
            stack.push_async_callback(engine.dispose)
            journal = await stack.enter_async_context(
                Journal(engine, "wardgate/trustee/main", region.trustee_key, clock)
            )
            quotas = Quotas(tickets_per_hour=5)
            houses.append(
                House.build(region, journal, engine, clock=clock, executor=executor, quotas=quotas, ranges={})
            )
        yield houses


async def tables_of(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_the_migrations_make_exactly_the_model(url: str) -> None:
    await migrate(url, STORE)
    engine = open_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )
    assert found == []
    assert await tables_of(engine) == {*metadata.tables, "alembic_version"}
    await engine.dispose()


async def test_the_migrations_go_back_and_forth_with_data_in_place(url: str, replicas: list[House]) -> None:
    house = replicas[0]
    batch = house.region.signer("camden-csc").batch(some_elements(2))
    await house.evaluation.evaluate(batch.header, batch.signature, batch.elements)
    for one in replicas:
        await one.journal.aclose()
        await one.engine.dispose()
    await migrate(url, STORE, "base")
    engine = open_engine(url)
    assert await tables_of(engine) == {"alembic_version"}
    await engine.dispose()
    await migrate(url, STORE)


async def test_replicas_record_one_ticket_once(replicas: list[House]) -> None:
    one, two = replicas
    shown = one.region.signer("camden-csc").ticket(["uclh", "met-police"])
    found = await asyncio.gather(*(house.translate(shown, ["uclh", "met-police"]) for house in (one, two) * 4))
    assert found == [found[0]] * 8
    assert await two.counters() == {("camden-csc", "ticket"): 1, ("camden-csc", "translate"): 2}
    assert await one.kinds() == ["ticket_translated"]


async def test_replicas_cannot_pass_a_quota_together(replicas: list[House]) -> None:
    tickets = [replicas[0].region.signer("camden-csc").ticket(["uclh"]) for _ in range(16)]
    found = await asyncio.gather(
        *(replicas[at % 2].translate(shown, ["uclh"]) for at, shown in enumerate(tickets)),
        return_exceptions=True,
    )
    codes = [outcome.code for outcome in found if isinstance(outcome, WardgateError)]
    assert codes == [ErrorCode.QUOTA_EXCEEDED] * 11
    assert await replicas[1].counters() == {("camden-csc", "ticket"): 5, ("camden-csc", "translate"): 5}
    assert sorted(await replicas[0].kinds()) == ["alarm_raised", *["ticket_translated"] * 5]


async def test_replicas_take_no_batch_id_twice(replicas: list[House]) -> None:
    one, two = replicas
    name = "01234567-89ab-4cde-8f01-23456789abcd"
    batches = [one.region.signer("camden-csc").batch(some_elements(1), batch_id=name) for _ in range(2)]
    found = await asyncio.gather(
        *(
            house.evaluation.evaluate(batch.header, batch.signature, batch.elements)
            for house, batch in zip((one, two), batches, strict=True)
        ),
        return_exceptions=True,
    )
    codes = [outcome.code for outcome in found if isinstance(outcome, WardgateError)]
    assert codes == [ErrorCode.REPLAYED]
