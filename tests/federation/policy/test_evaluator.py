import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.actor import Actor
from federation.canonical import from_json, to_canonical
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.limits import MAX_CLOCK_SKEW_S
from federation.policy.bundle import VerifiedBundle
from federation.policy.engine import (
    Activation,
    EngineIdentity,
    EntryPoint,
    Failure,
    Health,
    PolicyEngine,
    RawDecision,
)
from federation.policy.evaluator import MAX_BUNDLE_AGE_S, PolicyPoint
from federation.policy.record import Occasion
from federation.policy.wasm_engine import WasmEngine
from federation.vocabulary import Effect
from keys.digest import sha256
from keys.signing import SigningKey
from tests.support.failing_engine import failing_engine
from tests.support.policy import INPUTS, NOW, fixture_bundle, fixture_files, gateway_input, node_input, requester_input


class Answering:
    """An engine that gives what a test tells it to, and counts how often it was asked."""

    def __init__(self, answer: Callable[[], RawDecision]) -> None:
        self.asked = 0
        self._answer = answer

    identity = EngineIdentity("answering", "0", strict=True)

    async def activate(self, bundle: VerifiedBundle) -> Activation:
        return Activation(self.identity, bundle.id, None, 0)

    async def decide(self, *_: object, **__: object) -> RawDecision:
        self.asked += 1
        return self._answer()

    async def health(self) -> Health:
        return Health(ready=True, engine=self.identity, bundle=None)

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("entry_point", EntryPoint)
async def test_a_decision_comes_with_a_record_that_proves_it(
    point: PolicyPoint, bundle: VerifiedBundle, entry_point: EntryPoint
) -> None:
    document = INPUTS[entry_point]()
    done = await point.decide(entry_point, document, 5.0, parent_id="p" * 36, trace_id="t" * 32)
    assert done.decision.permitted
    record = done.record
    assert done.input_json == to_canonical(document)
    assert record.input_sha256 == sha256(done.input_json).hex()
    assert record.result_sha256 == sha256(done.result_json).hex()
    assert record.result is not None
    assert to_canonical(record.result) == done.result_json
    assert (record.bundle, record.data_sha256) == (bundle.id, bundle.data_sha256)
    assert (record.engine.name, record.engine.strict) == ("opa-wasm", False)
    assert (record.parent_id, record.trace_id, record.occasion) == ("p" * 36, "t" * 32, Occasion.LIVE)
    assert (record.effect, record.failure, record.detail) == (Effect.PERMIT, None, "")
    assert record.decided_at == NOW
    assert record.evaluation_us > 0


async def test_a_records_body_is_canonical_json_without_floats(point: PolicyPoint) -> None:
    done = await point.decide(EntryPoint.GATEWAY, gateway_input(), 5.0)
    body = to_canonical(done.record.body())
    assert from_json(body, max_bytes=100_000, what="record") == done.record.body()
    assert done.record.body()["obligations"][0]["params"] == {"after_s": 60}


async def test_the_recorded_input_computes_the_same_result_again(point: PolicyPoint) -> None:
    first = await point.decide(EntryPoint.NODE, node_input(), 5.0)
    again = await point.decide(EntryPoint.NODE, json.loads(first.input_json), 5.0)
    assert again.result_json == first.result_json
    assert again.record.id != first.record.id


async def test_an_input_the_schema_refuses_never_reaches_the_engine(bundle: VerifiedBundle) -> None:
    engine = Answering(lambda: pytest.fail("asked"))
    point = PolicyPoint(engine, bundle, lambda: NOW)
    document = gateway_input()
    document["targets"][1]["id"] = "NOT AN ID"
    done = await point.decide(EntryPoint.GATEWAY, document, 5.0)
    assert (done.decision.failure, done.record.detail) == (Failure.INPUT_REJECTED, "targets.1.id: pattern")
    assert [target.agency for target in done.decision.targets] == ["agency-0", "NOT AN ID"]
    assert engine.asked == 0


@pytest.mark.parametrize("entry_point", EntryPoint)
@pytest.mark.parametrize("trick", ["", "nonsense"])
async def test_every_decision_can_stand_in_a_ledger(point: PolicyPoint, entry_point: EntryPoint, trick: str) -> None:
    """One that no policy made as well: a failure that cannot be recorded would be an error, not a denial."""
    done = await point.decide(entry_point, INPUTS[entry_point](trick), 5.0)
    assert done.decision.permitted == (trick == "")
    body = {"decision": done.record.body()}
    entry = Entry(
        kind=EntryKind.QUERY_REFUSED,
        at=NOW,
        actor=Actor.agency("camden-csc"),
        correlation_id=CorrelationId(done.record.id),
        body=body,
    )
    assert done.record.id.encode() in entry.content


@pytest.mark.parametrize("value", ["\ud800", 2**53, float("nan"), {1: 2}])
async def test_an_input_canonical_json_cannot_carry_is_refused(point: PolicyPoint, value: object) -> None:
    document = {**requester_input(), "counters": value}
    done = await point.decide(EntryPoint.REQUESTER, document, 5.0)
    assert (done.decision.failure, done.input_json) == (Failure.INPUT_REJECTED, b"")
    assert done.record.body()["failure"] == "INPUT_REJECTED"


@pytest.mark.parametrize(
    ("trick", "failure"),
    [
        ("nonsense", Failure.UNDEFINED),
        ("divide_by_zero", Failure.UNDEFINED),
        ("surplus", Failure.BAD_RESULT),
        ("take_time", Failure.TIMEOUT),
        ("take_memory", Failure.UNAVAILABLE),
    ],
)
async def test_a_policy_that_goes_wrong_denies_with_its_own_code(
    point: PolicyPoint, trick: str, failure: Failure
) -> None:
    done = await point.decide(EntryPoint.REQUESTER, requester_input(trick), 30.0)
    assert (done.decision.effect, done.decision.failure) == (Effect.DENY, failure)
    assert done.record.body()["reasons"] == [{"code": failure.value, "audience": "both", "severity": "denial"}]


async def test_what_a_policy_said_that_could_not_be_used_is_recorded(point: PolicyPoint) -> None:
    done = await point.decide(EntryPoint.REQUESTER, requester_input("surplus"), 5.0)
    assert done.record.result is not None
    assert done.record.result["surplus"] is True
    assert done.record.effect is Effect.DENY


async def test_an_obligation_the_service_cannot_meet_denies(engine: WasmEngine, bundle: VerifiedBundle) -> None:
    point = PolicyPoint(engine, bundle, lambda: NOW, understood=frozenset({"notice"}))
    await point.activate()
    done = await point.decide(EntryPoint.REQUESTER, requester_input(), 5.0)
    assert done.decision.failure is Failure.UNKNOWN_OBLIGATION


@pytest.mark.parametrize(
    ("now", "failure"),
    [
        (NOW + MAX_BUNDLE_AGE_S, None),
        (NOW + MAX_BUNDLE_AGE_S + 1, Failure.STALE_BUNDLE),
        (NOW - MAX_CLOCK_SKEW_S, None),
        (NOW - MAX_CLOCK_SKEW_S - 1, Failure.STALE_BUNDLE),
    ],
)
async def test_a_bundle_too_old_or_signed_in_the_future_denies(
    engine: WasmEngine, bundle: VerifiedBundle, now: int, failure: Failure | None
) -> None:
    point = PolicyPoint(engine, bundle, lambda: now)
    await point.activate()
    done = await point.decide(EntryPoint.REQUESTER, requester_input(), 5.0)
    assert done.decision.failure is failure


async def test_without_a_limit_no_bundle_is_too_old(engine: WasmEngine, bundle: VerifiedBundle) -> None:
    point = PolicyPoint(engine, bundle, lambda: NOW * 2, max_bundle_age_s=None)
    await point.activate()
    assert (await point.decide(EntryPoint.REQUESTER, requester_input(), 5.0)).decision.permitted


async def test_a_point_whose_bundle_was_not_activated_denies(engine: WasmEngine, bundle: VerifiedBundle) -> None:
    point = PolicyPoint(engine, bundle, lambda: NOW)
    done = await point.decide(EntryPoint.GATEWAY, gateway_input(), 5.0)
    assert done.decision.failure is Failure.UNAVAILABLE
    assert not (await point.health()).ready


async def test_an_engine_that_serves_another_bundle_denies(
    engine: WasmEngine, bundle: VerifiedBundle, scratch: Path, key: SigningKey
) -> None:
    point = PolicyPoint(engine, bundle, lambda: NOW)
    await engine.activate(fixture_bundle(scratch, key, revision=2))
    done = await point.decide(EntryPoint.REQUESTER, requester_input(), 5.0)
    assert done.decision.failure is Failure.STALE_BUNDLE
    assert done.record.bundle == bundle.id


async def test_the_engines_death_denies_and_is_recorded(point: PolicyPoint, engine: WasmEngine) -> None:
    await engine.aclose()
    done = await point.decide(EntryPoint.GATEWAY, gateway_input(), 5.0)
    assert done.decision.failure is Failure.UNAVAILABLE
    assert {target.effect for target in done.decision.targets} == {Effect.DENY}


@pytest.mark.parametrize("failure", Failure)
async def test_no_result_is_no_decision_and_any_other_failure_is_one(point: PolicyPoint, failure: Failure) -> None:
    with failing_engine(point, failure):
        done = await point.decide(EntryPoint.REQUESTER, requester_input(), 5.0)
    assert (done.decision.permitted, done.decision.failure) == (False, failure)
    if failure in {Failure.UNAVAILABLE, Failure.TIMEOUT}:
        with pytest.raises(WardgateError) as caught:
            done.decided()
        assert (caught.value.code, caught.value.detail) == (ErrorCode.POLICY_UNAVAILABLE, f"{failure} test")
    else:
        assert done.decided() is done


async def test_what_policy_decided_is_decided(point: PolicyPoint) -> None:
    done = await point.decide(EntryPoint.REQUESTER, requester_input(), 5.0)
    assert done.decided() is done


async def test_a_new_bundle_swaps_schema_catalogue_and_engine_together(
    point: PolicyPoint, scratch: Path, key: SigningKey
) -> None:
    schema = json.loads(fixture_files()["schemas/requester.json"])
    schema["properties"]["query"]["properties"]["purpose"] = {"const": "S47_ENQ"}
    newer = fixture_bundle(scratch, key, revision=2, changes={"schemas/requester.json": json.dumps(schema).encode()})
    document = requester_input()
    document["query"]["purpose"] = "S17_CIN"
    assert (await point.decide(EntryPoint.REQUESTER, document, 5.0)).decision.permitted
    activation = await point.activate(newer)
    assert activation.previous is not None
    assert point.bundle.id == newer.id
    done = await point.decide(EntryPoint.REQUESTER, document, 5.0)
    assert (done.decision.failure, done.record.bundle) == (Failure.INPUT_REJECTED, newer.id)


async def test_a_bundle_that_fails_its_golden_decisions_changes_nothing(
    point: PolicyPoint, bundle: VerifiedBundle, scratch: Path, key: SigningKey
) -> None:
    golden = json.loads(fixture_files()["golden.json"])
    golden[0]["result"]["expires_in_s"] += 1
    broken = fixture_bundle(scratch, key, revision=2, changes={"golden.json": json.dumps(golden).encode()})
    with pytest.raises(WardgateError) as caught:
        await point.activate(broken)
    assert caught.value.code is ErrorCode.BUNDLE_REJECTED
    assert point.bundle.id == bundle.id
    done = await point.decide(EntryPoint.REQUESTER, requester_input(), 5.0)
    assert (done.decision.permitted, done.record.bundle) == (True, bundle.id)


async def test_a_bundle_whose_catalogue_cannot_be_read_never_reaches_the_engine(
    bundle: VerifiedBundle, scratch: Path, key: SigningKey
) -> None:
    point = PolicyPoint(Answering(lambda: pytest.fail("asked")), bundle, lambda: NOW)
    with pytest.raises(WardgateError, match="BUNDLE_REJECTED: catalogue"):
        await point.activate(fixture_bundle(scratch, key, revision=2, changes={"data.json": b"{}"}))
    assert point.bundle.id == bundle.id


async def test_no_decision_is_lost_or_permitted_wrongly_while_bundles_change(
    point: PolicyPoint, scratch: Path, key: SigningKey
) -> None:
    newer = [fixture_bundle(scratch, key, revision=revision) for revision in (2, 3, 4)]
    seen = []

    async def keep_asking() -> None:
        for number in range(40):
            done = await point.decide(EntryPoint.GATEWAY, gateway_input(targets=1 + number % 3), 30.0)
            seen.append((done.decision.failure, done.record.bundle.revision))

    async def keep_changing() -> None:
        for bundle in newer:
            await point.activate(bundle)

    await asyncio.gather(*(keep_asking() for _ in range(4)), keep_changing())
    assert {failure for failure, _ in seen} == {None}
    assert len(seen) == 160
    assert point.bundle.id.revision == 4


async def test_an_answer_naming_no_bundle_is_not_used(bundle: VerifiedBundle) -> None:
    result = json.loads(fixture_files()["golden.json"])[0]["result"]
    engine: PolicyEngine = Answering(lambda: RawDecision(Answering.identity, None, result))
    done = await PolicyPoint(engine, bundle, lambda: NOW).decide(EntryPoint.REQUESTER, requester_input(), 5.0)
    assert done.decision.failure is Failure.STALE_BUNDLE
