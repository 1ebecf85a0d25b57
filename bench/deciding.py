"""Policy decisions through the real decision point: both engines, the real bundle and the empty one, their growth."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.empty_policy import DIST, install_empty
from bench.opa import find_opa, opa_server
from bench.policy_inputs import policy_input
from federation.policy.bundle import OPA_BUNDLE, VerifiedBundle, install_bundle
from federation.policy.engine import EntryPoint, PolicyEngine
from federation.policy.evaluator import PolicyPoint
from federation.policy.server_engine import ServerEngine
from federation.policy.wasm_engine import WasmEngine
from keys.signing import SigningKey

TARGETS: Final = 20
RECORDS: Final = 50
GROWTH: Final = {EntryPoint.GATEWAY: (1, 25, 50, 75, 100), EntryPoint.NODE: (1, 125, 250, 375, 500)}
"""Targets or records, at equal steps: one decision is asked about all of them."""
DEADLINE_S: Final = 30.0
WARM_UP: Final = 3


@dataclass(slots=True)
class Decided:
    """Times of one decision, made again and again.

    Attributes:
        latencies_s: Of each.
        cpu_s: Of all, threads of this process included.
    """

    latencies_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def cpu_each_s(self) -> float:
        """Processor time of one."""
        return self.cpu_s / len(self.latencies_s)


@dataclass(frozen=True, slots=True)
class Bundles:
    """Both bundles, signed and installed."""

    folder: Path
    real: VerifiedBundle
    empty: VerifiedBundle

    @classmethod
    def install(cls, folder: Path) -> "Bundles":
        """Sign and install them below a folder."""
        key = SigningKey.generate()
        return cls(folder, install_bundle(DIST, folder / "real", key), install_empty(folder / "empty", key))


async def decide_often(point: PolicyPoint, entry_point: EntryPoint, size: int, count: int) -> Decided:
    """Make one decision again and again.

    Raises:
        AssertionError: It failed: nothing was measured.
    """
    document = policy_input(entry_point, size)
    for _ in range(WARM_UP):
        evaluated = await point.decide(entry_point, document, DEADLINE_S)
        if evaluated.decision.failure is not None:
            raise AssertionError(f"{entry_point}: {evaluated.decision.failure}")
    decided = Decided()
    cpu = time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        await point.decide(entry_point, document, DEADLINE_S)
        decided.latencies_s.append(time.perf_counter() - began)
    decided.cpu_s = time.process_time() - cpu
    return decided


@asynccontextmanager
async def embedded_point(bundle: VerifiedBundle) -> AsyncIterator[PolicyPoint]:
    """A decision point over the embedded engine."""
    async with _closing(WasmEngine()) as engine:
        yield await _activated(engine, bundle)


@asynccontextmanager
async def points(bundles: Bundles) -> AsyncIterator[dict[tuple[str, str], PolicyPoint]]:
    """A decision point for each engine there is (`embedded`, `server`) and each bundle (`real`, `empty`)."""
    opa = find_opa()
    found: dict[tuple[str, str], PolicyPoint] = {}
    async with AsyncExitStack() as stack:
        for name, bundle in (("real", bundles.real), ("empty", bundles.empty)):
            found["embedded", name] = await stack.enter_async_context(embedded_point(bundle))
            if opa is not None:
                served = bundles.folder / name / OPA_BUNDLE
                server = await stack.enter_async_context(opa_server(opa, served, bundles.folder / f"opa-{name}"))
                engine = await stack.enter_async_context(_closing(ServerEngine(server)))
                found["server", name] = await _activated(engine, bundle)
        yield found


@asynccontextmanager
async def _closing(engine: PolicyEngine) -> AsyncIterator[PolicyEngine]:
    try:
        yield engine
    finally:
        await engine.aclose()


async def _activated(engine: PolicyEngine, bundle: VerifiedBundle) -> PolicyPoint:
    point = PolicyPoint(engine, bundle, time.time)
    await point.activate()
    return point
