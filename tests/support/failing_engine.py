"""A policy engine that is away, late or broken for as long as a test says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from federation.policy.engine import EngineIdentity, EntryPoint, Failure, Health, RawDecision
from federation.policy.evaluator import PolicyPoint


@dataclass
class FailingEngine:
    """Gives no result; everything else is the real engine's."""

    real: Any
    point: PolicyPoint
    failure: Failure
    times: int
    after: int = 0
    asked: list[tuple[EntryPoint, float]] = field(default_factory=list)

    @property
    def identity(self) -> EngineIdentity:
        return self.real.identity  # type: ignore[no-any-return]  # of any engine

    async def decide(self, entry_point: EntryPoint, input_json: bytes, *, deadline_s: float) -> RawDecision:
        self.asked.append((entry_point, deadline_s))
        if not self.after < len(self.asked) <= self.after + self.times:
            return await self.real.decide(entry_point, input_json, deadline_s=deadline_s)  # type: ignore[no-any-return]
        return RawDecision(self.identity, self.point.bundle.id, failure=self.failure, detail="test")

    async def health(self) -> Health:
        return Health(ready=False, engine=self.identity, bundle=None, detail="test")


@contextmanager
def failing_engine(
    point: PolicyPoint, failure: Failure = Failure.UNAVAILABLE, *, times: int = 1_000_000, after: int = 0
) -> Iterator[FailingEngine]:
    """The engine fails in this way `times` times, after it was well `after` times."""
    inside: Any = point
    failing = FailingEngine(inside._engine, point, failure, times, after)
    inside._engine = failing
    try:
        yield failing
    finally:
        inside._engine = failing.real
