from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from federation.policy.bundle import VerifiedBundle
from federation.policy.evaluator import PolicyPoint
from federation.policy.wasm_engine import WasmEngine
from federation.policy.wasm_instance import WasmLimits
from keys.signing import SigningKey
from tests.support.policy import NOW, fixture_bundle

SMALL = WasmLimits(memory_pages=256, evaluation_s=0.5)


@pytest.fixture(scope="session")
def key() -> SigningKey:
    """The policy authority's key."""
    return SigningKey.generate()


@pytest.fixture(scope="session")
def bundle(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> VerifiedBundle:
    return fixture_bundle(tmp_path_factory.mktemp("policy"), key)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    directory = tmp_path / "policy"
    directory.mkdir()
    return directory


@pytest.fixture
async def engine() -> AsyncIterator[WasmEngine]:
    engine = WasmEngine(limits=SMALL)
    yield engine
    await engine.aclose()


@pytest.fixture
async def point(engine: WasmEngine, bundle: VerifiedBundle) -> PolicyPoint:
    point = PolicyPoint(engine, bundle, lambda: NOW)
    await point.activate()
    return point
