"""The real policy, with who decides said by hand: for what no flag of the shipped bundle brings about."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from federation.policy.engine import EngineIdentity, EntryPoint, Health, RawDecision
from federation.policy.evaluator import PolicyPoint


@dataclass
class HandEngine:
    """Says who decides in the place of the real engine.

    Attributes:
        people: How many.
        roles: Of whom.
    """

    real: Any
    people: int = 1
    roles: tuple[str, ...] = ()

    @property
    def identity(self) -> EngineIdentity:
        return self.real.identity  # type: ignore[no-any-return]  # of any engine

    async def decide(self, entry_point: EntryPoint, input_json: bytes, *, deadline_s: float) -> RawDecision:
        raw: RawDecision = await self.real.decide(entry_point, input_json, deadline_s=deadline_s)
        if entry_point is not EntryPoint.NODE or not isinstance(raw.value, dict):
            return raw
        value: dict[str, Any] = raw.value
        person = {**value["person"], "people": self.people, "roles": list(self.roles)}
        return replace(raw, value={**value, "person": person})

    async def health(self) -> Health:
        return await self.real.health()  # type: ignore[no-any-return]  # of any engine


@contextmanager
def hand_policy(point: PolicyPoint, **said: Any) -> Iterator[HandEngine]:
    """Who decides is said by hand; see `HandEngine`."""
    inside: Any = point
    engine = HandEngine(inside._engine, **said)
    inside._engine = engine
    try:
        yield engine
    finally:
        inside._engine = engine.real
