"""One compiled policy for all tests of this folder."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opapywasm import OpaWasmPolicy, PolicyConfig

from federation.policy.engine import EntryPoint
from tests.policies.inputs import DIST

Decide = Callable[[EntryPoint, Any], Any]


@pytest.fixture(scope="session")
def policy() -> Iterator[OpaWasmPolicy]:
    """The committed module over the committed data."""
    config = PolicyConfig(pool_size=1, strict_result=True)
    with OpaWasmPolicy.from_wasm_file(DIST / "policy.wasm", config) as compiled:
        compiled.set_data((DIST / "data.json").read_bytes())
        yield compiled


@pytest.fixture(scope="session")
def decide(policy: OpaWasmPolicy) -> Decide:
    """Decide on one input, past any schema."""
    return lambda entry, document: policy.evaluate(json.dumps(document), entry.value)
