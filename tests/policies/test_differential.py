"""Ten thousand generated inputs through both engines: equal results, and no built-in fails."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from federation.canonical import JsonObject
from federation.policy.bundle import OPA_BUNDLE, install_bundle
from federation.policy.catalogue import FAILURE_CODES
from federation.policy.engine import EntryPoint, PolicyEngine
from federation.policy.server_engine import OpaServer, ServerEngine
from federation.policy.wasm_engine import WasmEngine
from keys.signing import SigningKey
from tests.policies.generation import FLAGS, Generator
from tests.policies.inputs import DIST, REFERENCE, Json
from tests.support.opa import running_opa

COUNT = 10_000
SEED = 20261122
IN_FLIGHT = 4
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Engines:
    """Both, over the published bundle."""

    embedded: PolicyEngine
    server: PolicyEngine


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[Engines]:
    bundle = install_bundle(DIST, tmp_path / "bundle", SigningKey.generate())
    served = tmp_path / OPA_BUNDLE
    served.write_bytes(bundle.file(OPA_BUNDLE))
    async with AsyncExitStack() as stack:
        opa = await stack.enter_async_context(running_opa(served))
        both = Engines(WasmEngine(), ServerEngine(OpaServer(port=opa.port)))
        for engine in (both.embedded, both.server):
            stack.push_async_callback(engine.aclose)
            await engine.activate(bundle)
        yield both


@dataclass(frozen=True)
class Seen:
    """What was asked and said.

    Attributes:
        outcomes: Words for what was decided, counted.
        flags: Those that met on a record.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    flags: set[frozenset[str]] = field(default_factory=set)


async def compare(engines: Engines, inputs: Iterator[tuple[EntryPoint, Json]], seen: Seen) -> None:
    """Ask both engines about one input after the other, and note what was decided."""
    for entry, document in inputs:
        given = json.dumps(document).encode()
        one, other = await asyncio.gather(
            *(engine.decide(entry, given, deadline_s=DEADLINE_S) for engine in (engines.embedded, engines.server))
        )
        # The server is strict: an error of a built-in would be its failure, and none is asked of a stale bundle.
        assert (one.failure, other.failure) == (None, None), json.dumps(document)
        assert isinstance(one.value, dict)
        assert ordered(one.value) == ordered(other.value), json.dumps(document)
        seen.outcomes.update(outcomes(entry, one.value))
        seen.flags.update(frozenset(record["flags"]) for record in document.get("records", ()))


def ordered(value: object) -> str:
    """A text that is the same for the same JSON; canonical JSON itself would take most of the time of this test."""
    return json.dumps(value, sort_keys=True)


def outcomes(entry: EntryPoint, decision: JsonObject) -> Iterator[str]:
    """Words for what a decision says."""
    yield f"{entry.name} {decision['effect']}"
    for part in (decision, *decision.get("records", []), *decision.get("targets", [])):
        yield from (reason["code"] for reason in part["reasons"])
        if "tier" in part:
            yield f"{part['effect']} {part['tier']}"


@pytest.mark.opa
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_both_engines_decide_ten_thousand_inputs_alike(engines: Engines) -> None:
    assert engines.server.identity.strict
    seen = Seen()
    inputs = Generator(Random(SEED)).inputs(COUNT)
    await asyncio.gather(*(compare(engines, inputs, seen) for _ in range(IN_FLIGHT)))
    assert_dense(seen)


def assert_dense(seen: Seen) -> None:
    """The inputs were worth comparing: everything was decided either way, and nearly every reason given."""
    said = [f"{entry.name} {effect}" for entry in EntryPoint for effect in ("permit", "deny")]
    assert sum(seen.outcomes[name] for name in said) == COUNT
    said += [f"{effect} {tier}" for effect in ("permit", "refer") for tier in ("T0", "T1", "T2")]
    assert {name: seen.outcomes[name] for name in said if seen.outcomes[name] < 5} == {}
    possible = set(REFERENCE["reasons"]) - FAILURE_CODES
    assert len(possible & set(seen.outcomes)) > 0.85 * len(possible), sorted(possible - set(seen.outcomes))
    assert {frozenset(pair) for pair in itertools.combinations(FLAGS, 2)} <= seen.flags


def test_a_seed_gives_the_same_inputs_again() -> None:
    first, again = ([*Generator(Random(7)).inputs(40)] for _ in range(2))
    assert first == again
    assert first != [*Generator(Random(8)).inputs(40)]
