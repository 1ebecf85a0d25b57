"""The embedded engine and a real OPA server on the same inputs: canonically equal results, and no built-in error."""

import copy
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.canonical import JsonObject, to_canonical
from federation.policy.bundle import OPA_BUNDLE, VerifiedBundle, install_bundle
from federation.policy.engine import UNDEFINED, EntryPoint, Failure, RawDecision
from federation.policy.evaluator import PolicyPoint
from federation.policy.golden import golden_decisions
from federation.policy.schema import InputSchemas
from federation.policy.server_engine import OpaServer, ServerEngine
from federation.policy.wasm_engine import WasmEngine
from keys.signing import SigningKey
from tests.support.opa import ROOT, running_opa
from tests.support.policy import INPUTS

pytestmark = pytest.mark.opa

DIST = ROOT / "policies" / "dist"


@dataclass(frozen=True)
class Both:
    """Two decision points over one bundle."""

    embedded: PolicyPoint
    server: PolicyPoint


async def serving(bundle: VerifiedBundle, directory: Path) -> AsyncIterator[Both]:
    path = directory / OPA_BUNDLE
    path.write_bytes(bundle.file(OPA_BUNDLE))
    async with running_opa(path) as opa:
        embedded, server = WasmEngine(), ServerEngine(OpaServer(port=opa.port))
        both = Both(*(PolicyPoint(engine, bundle, lambda: bundle.signed_at) for engine in (embedded, server)))
        try:
            await both.embedded.activate()
            await both.server.activate()
            yield both
        finally:
            await embedded.aclose()
            await server.aclose()


@pytest.fixture
async def fixture(bundle: VerifiedBundle, tmp_path: Path) -> AsyncIterator[Both]:
    async for both in serving(bundle, tmp_path):
        yield both


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> VerifiedBundle:
    """The project's own bundle."""
    return install_bundle(DIST, tmp_path_factory.mktemp("published") / "bundle", SigningKey.generate())


@pytest.fixture
async def real(published: VerifiedBundle, tmp_path: Path) -> AsyncIterator[Both]:
    async for both in serving(published, tmp_path):
        yield both


async def assert_agreement(both: Both, entry_point: EntryPoint, document: JsonObject) -> Failure | None:
    one = await both.embedded.decide(entry_point, document, 20.0)
    other = await both.server.decide(entry_point, document, 20.0)
    assert one.result_json == other.result_json
    assert one.decision == other.decision
    return one.decision.failure


@pytest.mark.parametrize("entry_point", EntryPoint)
async def test_the_fixture_is_decided_alike(fixture: Both, entry_point: EntryPoint) -> None:
    assert await assert_agreement(fixture, entry_point, INPUTS[entry_point]()) is None
    assert await assert_agreement(fixture, entry_point, INPUTS[entry_point]("nonsense")) is Failure.UNDEFINED


async def test_a_built_in_error_is_a_denial_in_both_though_not_for_the_same_reason(fixture: Both) -> None:
    document = INPUTS[EntryPoint.REQUESTER]("divide_by_zero")
    embedded = await fixture.embedded.decide(EntryPoint.REQUESTER, document, 20.0)
    server = await fixture.server.decide(EntryPoint.REQUESTER, document, 20.0)
    assert (embedded.decision.failure, server.decision.failure) == (Failure.UNDEFINED, Failure.UNAVAILABLE)


async def test_every_golden_decision_is_decided_alike(real: Both, published: VerifiedBundle) -> None:
    for golden in golden_decisions(published):
        assert await assert_agreement(real, golden.entry_point, golden.input) is None


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a document."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from places(inner, (*path, step))


def changed(document: JsonObject, path: tuple[str | int, ...], value: Any) -> JsonObject:
    copied = copy.deepcopy(document)
    place: Any = copied
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return copied


async def both_raw(both: Both, entry_point: EntryPoint, document: JsonObject) -> tuple[RawDecision, RawDecision]:
    """Ask the engines behind the points, past the schema."""
    given_input = to_canonical(document)
    engines = (both.embedded._engine, both.server._engine)
    one, other = [await engine.decide(entry_point, given_input, deadline_s=20.0) for engine in engines]
    return one, other


@pytest.mark.slow
async def test_with_any_field_gone_or_mistyped_the_engines_agree_and_none_permits(
    real: Both, published: VerifiedBundle
) -> None:
    """Past the schema on purpose: the policy's own shape rules must hold as well, and without a built-in error."""
    seen: set[EntryPoint] = set()
    for golden in golden_decisions(published):
        if golden.entry_point in seen or golden.result["effect"] != "permit":
            continue
        seen.add(golden.entry_point)
        for path in places(golden.input):
            removed = isinstance(path[-1], str) and path[0] != "gateway"
            for value in [..., 7.5, {"a": 1}] if removed else [{"a": 1}]:
                one, other = await both_raw(real, golden.entry_point, changed(golden.input, path, value))
                assert (one.failure, other.failure) == (None, None), f"{golden.name} {path} {value}"
                assert one.value is not UNDEFINED
                assert to_canonical(one.value) == to_canonical(other.value)  # type: ignore[arg-type]  # is an object
                if removed and "params" not in path:
                    assert isinstance(one.value, dict)
                    assert one.value["effect"] == "deny", f"{golden.name} {path} {value}"
    assert seen == set(EntryPoint)


TEXT = st.sampled_from(["", "S47_ENQ", "cp_plan", "T2", "camden", "permit", "é😀", "x" * 64])
ATOM = st.none() | st.booleans() | st.integers(0, 2**40) | TEXT
VALUE = ATOM | st.lists(ATOM, max_size=3) | st.dictionaries(TEXT, ATOM, max_size=3)


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(choice=st.integers(0, 10_000), changes=st.lists(st.tuples(st.integers(0, 10_000), VALUE), max_size=3))
async def test_whatever_the_schema_accepts_is_decided_alike_without_a_built_in_error(
    real: Both, published: VerifiedBundle, choice: int, changes: list[tuple[int, Any]]
) -> None:
    goldens = golden_decisions(published)
    golden = goldens[choice % len(goldens)]
    document = golden.input
    for seed, value in changes:
        paths = list(places(document))
        document = changed(document, paths[seed % len(paths)], value)
    fault = InputSchemas.read(published).fault(golden.entry_point, document)
    failure = await assert_agreement(real, golden.entry_point, document)
    assert failure is (Failure.INPUT_REJECTED if fault else None)


def test_the_published_bundle_is_as_built(published: VerifiedBundle) -> None:
    manifest = json.loads((DIST / "manifest.json").read_bytes())
    assert published.manifest.opa_version == manifest["opa_version"] == "1.20.2"
