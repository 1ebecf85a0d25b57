"""Real decisions for authors: the embedded engine over an opened bundle, with the checks services make and no log."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from federation.canonical import JsonObject, to_canonical
from federation.policy.authoring.opened import OpenedBundle
from federation.policy.catalogue import Catalogue
from federation.policy.checks import Asked
from federation.policy.decision import Decision
from federation.policy.engine import EngineIdentity, EntryPoint, Failure, PolicyEngine, RawDecision
from federation.policy.schema import InputSchemas
from federation.policy.wasm_engine import WasmEngine

SANDBOXES: Final = 2
"""Decisions at once: a whole matrix is a few thousand."""

DEADLINE_S: Final = 30.0
"""An author waits; nothing hangs on it."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, as a service would act on it, with what it was read from.

    Attributes:
        decision: Judged.
        value: The engine's own words; empty where it was not asked or did not answer.
        detail: What the schema or the engine had to say against the input.
        engine: What decided.
    """

    decision: Decision
    value: Mapping[str, Any]
    detail: str
    engine: EngineIdentity


@dataclass(frozen=True, slots=True)
class Decider:
    """Asks one bundle.

    Attributes:
        opened: The bundle.
        engine: In which it is active.
    """

    opened: OpenedBundle
    engine: PolicyEngine
    catalogue: Catalogue
    schemas: InputSchemas = field(repr=False)

    async def decide(self, entry_point: EntryPoint, document: JsonObject) -> Decided:
        """Decide on one input; whatever keeps policy from deciding is a denial with its own reason."""
        bundle = self.opened.bundle
        asked = Asked(entry_point, document, bundle.id, self.catalogue, self.catalogue.obligation_types)
        fault = self.schemas.fault(entry_point, document)
        if fault is None:
            raw = await self.engine.decide(entry_point, to_canonical(document), deadline_s=DEADLINE_S)
        else:
            raw = RawDecision(self.engine.identity, None, failure=Failure.INPUT_REJECTED, detail=fault)
        decision, _ = Decision.from_raw(raw, asked)
        value = raw.value if isinstance(raw.value, dict) else {}
        return Decided(decision, value, raw.detail, raw.engine)


@asynccontextmanager
async def deciding(opened: OpenedBundle) -> AsyncIterator[Decider]:
    """Activate a bundle, golden decisions included, for as long as the block runs.

    Raises:
        WardgateError: `BUNDLE_REJECTED`: it cannot be used, or a golden decision does not come out.
    """
    engine = WasmEngine(sandboxes=SANDBOXES)
    try:
        await engine.activate(opened.bundle)
        yield Decider(opened, engine, Catalogue.read(opened.bundle), InputSchemas.read(opened.bundle))
    finally:
        await engine.aclose()
