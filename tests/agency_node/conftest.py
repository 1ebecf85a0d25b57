import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agency_node.answering.duties import UNDERSTOOD
from federation.policy.bundle import install_bundle
from federation.policy.evaluator import PolicyPoint
from federation.policy.wasm_engine import WasmEngine
from keys.signing import SigningKey
from tests.support.losing_proxy import gives_up, socket_folder
from tests.support.node_house import NodeHouse, a_node, url_of
from tests.support.postgres import postgres_server, postgres_url
from tests.support.two_agencies import NOW

__all__ = ["gives_up", "postgres_server", "postgres_url", "socket_folder"]

DIST = Path(__file__).parents[2] / "policies" / "dist"


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyPoint]:
    """The real bundle on the embedded engine, as a responding node has it."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle = install_bundle(DIST, folder / "bundle", SigningKey.generate(), clock=lambda: NOW)
    engine = WasmEngine(sandboxes=2)
    point = PolicyPoint(engine, bundle, lambda: NOW, understood=UNDERSTOOD)
    asyncio.run(point.activate())
    yield point
    asyncio.run(engine.aclose())


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same tests on both kinds of store."""
    return url_of(tmp_path) if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def node(tmp_path: Path, policy: PolicyPoint) -> AsyncIterator[NodeHouse]:
    """A node on SQLite with one empty source."""
    async with a_node(url_of(tmp_path), policy) as house:
        yield house
