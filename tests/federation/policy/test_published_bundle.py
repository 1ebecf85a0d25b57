"""The project's own bundle in the embedded engine: it activates, its words are complete, its largest inputs fit."""

import json
from collections.abc import AsyncIterator

import pytest

from federation import limits
from federation.canonical import JsonObject
from federation.policy.bundle import DATA, VerifiedBundle, install_bundle
from federation.policy.catalogue import FAILURE_CODES, Catalogue
from federation.policy.decision import GatewayDecision, NodeDecision
from federation.policy.engine import EntryPoint, Failure
from federation.policy.evaluator import PolicyPoint
from federation.policy.golden import GoldenDecision, golden_decisions
from federation.policy.wasm_engine import WasmEngine
from federation.policy.wasm_instance import WasmLimits
from keys.signing import SigningKey
from tests.support.opa import ROOT


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> VerifiedBundle:
    dist = ROOT / "policies" / "dist"
    return install_bundle(dist, tmp_path_factory.mktemp("published") / "bundle", SigningKey.generate())


@pytest.fixture
async def deciding(published: VerifiedBundle) -> AsyncIterator[PolicyPoint]:
    engine = WasmEngine(limits=WasmLimits(evaluation_s=30))
    point = PolicyPoint(engine, published, lambda: published.signed_at)
    await point.activate()
    yield point
    await engine.aclose()


def golden_of(bundle: VerifiedBundle, entry_point: EntryPoint) -> GoldenDecision:
    """The golden permit of an entry point with the most parts."""
    permits = [
        golden
        for golden in golden_decisions(bundle)
        if golden.entry_point is entry_point and golden.result["effect"] == "permit"
    ]
    return max(permits, key=lambda golden: len(golden.input.get("targets", golden.input.get("records", []))))


async def test_its_golden_decisions_cover_every_entry_point_both_ways(
    deciding: PolicyPoint, published: VerifiedBundle
) -> None:
    seen = set()
    for golden in golden_decisions(published):
        done = await deciding.decide(golden.entry_point, golden.input, 30.0)
        assert done.record.result == golden.result
        seen.add((golden.entry_point, done.decision.permitted))
    assert seen >= {(entry_point, True) for entry_point in EntryPoint}
    assert (EntryPoint.GATEWAY, False) in seen


def test_the_codes_python_gives_are_exactly_those_the_catalogue_says_it_gives(published: VerifiedBundle) -> None:
    reasons = json.loads(published.file(DATA))["reference"]["reasons"]
    assert {code for code, row in reasons.items() if row["origin"] == "engine"} == FAILURE_CODES


def test_every_reason_has_the_texts_its_audience_reads(published: VerifiedBundle) -> None:
    for code, row in Catalogue.read(published).reasons.items():
        assert row.legal_basis, code
        assert row.auditor, code
        assert bool(row.user) == (row.audience != "auditor"), code


async def test_the_most_targets_the_wire_allows_are_decided_within_the_limits(
    deciding: PolicyPoint, published: VerifiedBundle
) -> None:
    golden = golden_of(published, EntryPoint.GATEWAY)
    targets = golden.input["targets"]
    many = [{**targets[n % len(targets)], "id": f"agency-{n}"} for n in range(limits.MAX_TARGETS)]
    done = await deciding.decide(EntryPoint.GATEWAY, {**golden.input, "targets": many}, 30.0)
    assert isinstance(done.decision, GatewayDecision)
    assert done.decision.failure is None
    assert len(done.decision.targets) == limits.MAX_TARGETS


def heavy(record: JsonObject, number: int, flags: list[str], fields: list[str]) -> JsonObject:
    return {**record, "ref": f"record-{number}", "flags": flags, "fields": fields}


async def test_the_most_and_heaviest_records_are_decided_within_the_limits(
    deciding: PolicyPoint, published: VerifiedBundle
) -> None:
    golden = golden_of(published, EntryPoint.NODE)
    reference = json.loads(published.file(DATA))["reference"]
    flags = sorted(reference["flags"])[:64]
    records = golden.input["records"]
    for chosen in ([], flags[:3], flags):
        many = []
        for number in range(limits.MAX_RECORDS_PER_DECISION):
            record = records[number % len(records)]
            fields = sorted(reference["categories"][record["category"]]["fields"])[:64]
            many.append(heavy(record, number, chosen, fields))
        done = await deciding.decide(EntryPoint.NODE, {**golden.input, "records": many, "review": []}, 30.0)
        assert isinstance(done.decision, NodeDecision)
        assert done.decision.failure is None
        assert len(done.decision.records) == limits.MAX_RECORDS_PER_DECISION


async def test_a_date_that_does_not_exist_is_the_policys_refusal_and_not_a_failure(
    deciding: PolicyPoint, published: VerifiedBundle
) -> None:
    golden = golden_of(published, EntryPoint.GATEWAY)
    document = json.loads(json.dumps(golden.input))
    document["query"]["period"]["from"] = {"year": 2026, "month": 2, "day": 30}
    done = await deciding.decide(EntryPoint.GATEWAY, document, 30.0)
    assert done.decision.failure is None
    assert [reason.code for reason in done.decision.reasons] == ["INPUT_MALFORMED"]
    assert isinstance(done.decision, GatewayDecision)
    assert len(done.decision.targets) == len(document["targets"])


async def test_one_target_asked_twice_is_refused(deciding: PolicyPoint, published: VerifiedBundle) -> None:
    golden = golden_of(published, EntryPoint.GATEWAY)
    twice = [golden.input["targets"][0]] * 2
    done = await deciding.decide(EntryPoint.GATEWAY, {**golden.input, "targets": twice}, 30.0)
    assert not done.decision.permitted


async def test_a_float_where_a_number_belongs_is_refused(deciding: PolicyPoint, published: VerifiedBundle) -> None:
    golden = golden_of(published, EntryPoint.REQUESTER)
    counters = {**golden.input["counters"], "user_queries_day": 0.5}
    done = await deciding.decide(EntryPoint.REQUESTER, {**golden.input, "counters": counters}, 30.0)
    assert done.decision.failure is Failure.INPUT_REJECTED
