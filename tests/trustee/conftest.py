"""A trustee for each test, on a migrated SQLite store."""

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from federation.ledger.journal import Journal
from federation.store import migrate, open_engine, sqlite_url
from tests.support.postgres import postgres_server, postgres_url
from tests.support.region import Region
from tests.support.trustee_house import Clock, House, OpenHouse
from trustee.epochs import EpochRange
from trustee.quotas import Quotas

__all__ = ["clock", "house", "open_house", "postgres_server", "postgres_url", "region"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def region() -> Region:
    return Region.of("camden-csc", "met-police", "st-marys-school", "uclh")


@pytest.fixture
async def open_house(tmp_path: Path, region: Region, clock: Clock) -> AsyncIterator[OpenHouse]:
    """Opens a trustee on the one store of the test; a second one is the same trustee restarted, or a replica."""
    url = sqlite_url(tmp_path / "trustee.db")
    await migrate(url, "trustee.store")
    async with AsyncExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(max_workers=2))

        async def make(*, quotas: Quotas | None = None, ranges: Mapping[str, EpochRange] | None = None) -> House:
            engine = open_engine(url)
            stack.push_async_callback(engine.dispose)
            journal = await stack.enter_async_context(
                Journal(engine, "wardgate/trustee/main", region.trustee_key, clock)
            )
            return House.build(
                region,
                journal,
                engine,
                clock=clock,
                executor=executor,
                quotas=quotas or Quotas(),
                ranges=ranges or {},
            )

        yield make


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    return await open_house()
