import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from federation.policy.bundle import install_bundle
from federation.policy.evaluator import PolicyPoint
from federation.policy.wasm_engine import WasmEngine
from federation.store import sqlite_url
from keys.signing import SigningKey
from tests.support.gateway_world import World, a_world
from tests.support.postgres import postgres_server, postgres_url
from tests.support.two_agencies import NOW

__all__ = ["policy", "postgres_server", "postgres_url", "store_url", "world"]

DIST = Path(__file__).parents[2] / "policies" / "dist"


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyPoint]:
    """The real bundle on the embedded engine, as the gateway has it."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle = install_bundle(DIST, folder / "bundle", SigningKey.generate(), clock=lambda: NOW)
    engine = WasmEngine(sandboxes=2)
    point = PolicyPoint(engine, bundle, lambda: NOW)
    asyncio.run(point.activate())
    yield point
    asyncio.run(engine.aclose())


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same tests on both kinds of store."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "gateway.db")
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def world(tmp_path: Path, policy: PolicyPoint) -> AsyncIterator[World]:
    """A gateway on SQLite with four agencies enrolled."""
    async with a_world(sqlite_url(tmp_path / "gateway.db"), policy) as world:
        yield world


@pytest.fixture
async def stored_world(store_url: str, policy: PolicyPoint) -> AsyncIterator[World]:
    """The same on each kind of store."""
    async with a_world(store_url, policy) as world:
        yield world
