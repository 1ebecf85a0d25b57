import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from federation.canonical import JsonObject, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.policy import wasm_engine
from federation.policy.bundle import VerifiedBundle
from federation.policy.engine import UNDEFINED, EntryPoint, Failure, RawDecision
from federation.policy.golden import golden_decisions
from federation.policy.wasm_engine import WasmEngine
from federation.policy.wasm_instance import WasmLimits
from keys.signing import SigningKey
from tests.support.policy import INPUTS, fixture_bundle, fixture_files, gateway_input, requester_input

ASK = EntryPoint.REQUESTER
TIGHT = WasmLimits(memory_pages=256, evaluation_s=0.05)


def value_of(raw: RawDecision) -> JsonObject:
    assert isinstance(raw.value, dict)
    return raw.value


async def ask(engine: WasmEngine, trick: str = "", deadline_s: float = 5.0) -> RawDecision:
    return await engine.decide(ASK, to_canonical(requester_input(trick)), deadline_s=deadline_s)


@pytest.fixture
async def serving(engine: WasmEngine, bundle: VerifiedBundle) -> WasmEngine:
    await engine.activate(bundle)
    return engine


@pytest.fixture
async def tight(bundle: VerifiedBundle) -> AsyncIterator[WasmEngine]:
    engine = WasmEngine(sandboxes=1, limits=TIGHT)
    await engine.activate(bundle)
    yield engine
    await engine.aclose()


async def test_every_golden_decision_comes_out_as_it_must(serving: WasmEngine, bundle: VerifiedBundle) -> None:
    for golden in golden_decisions(bundle):
        raw = await serving.decide(golden.entry_point, to_canonical(golden.input), deadline_s=5)
        assert raw.failure is None
        assert raw.value == golden.result
        assert raw.bundle == bundle.id


async def test_activation_says_what_serves_and_what_served(
    engine: WasmEngine, bundle: VerifiedBundle, scratch: Path, key: SigningKey
) -> None:
    first = await engine.activate(bundle)
    assert (first.bundle, first.previous, first.golden) == (bundle.id, None, len(EntryPoint))
    assert first.engine.name == "opa-wasm"
    assert first.engine.version.startswith("opa 1.20.2, opa-py-wasm ")
    assert not first.engine.strict
    second = await engine.activate(fixture_bundle(scratch, key, revision=2))
    assert (second.previous, second.bundle.revision) == (bundle.id, 2)


async def test_a_rule_without_a_value_is_undefined_and_not_null(serving: WasmEngine) -> None:
    raw = await ask(serving, "no_such_trick")
    assert raw.value is UNDEFINED
    assert raw.failure is None


async def test_an_error_of_a_built_in_leaves_no_value(serving: WasmEngine) -> None:
    assert (await ask(serving, "divide_by_zero")).value is UNDEFINED


async def test_a_rule_that_never_ends_is_interrupted_and_the_next_decision_is_well(tight: WasmEngine) -> None:
    raw = await ask(tight, "take_time")
    assert raw.failure is Failure.TIMEOUT
    assert raw.detail == "interrupted at its time limit"
    assert raw.evaluation_us > 20_000
    assert (await ask(tight)).failure is None


async def test_a_rule_that_takes_all_memory_fails_and_the_next_decision_is_well(tight: WasmEngine) -> None:
    raw = await ask(tight, "take_memory")
    assert raw.failure in {Failure.UNAVAILABLE, Failure.TIMEOUT}
    assert (await ask(tight)).failure is None


@pytest.mark.parametrize("trick", ["take_time", "take_memory"])
async def test_a_sandbox_that_failed_is_never_used_again(tight: WasmEngine, trick: str) -> None:
    assert tight._serving is not None
    before = tight._serving._idle[0]
    assert (await ask(tight, trick)).failure is not None
    assert (await ask(tight)).failure is None
    (after,) = tight._serving._idle
    assert after is not before


async def test_memory_is_bounded_by_the_limit_alone(bundle: VerifiedBundle) -> None:
    engine = WasmEngine(sandboxes=1, limits=WasmLimits(memory_pages=64, evaluation_s=60))
    try:
        await engine.activate(bundle)
        raw = await ask(engine, "take_memory", deadline_s=60)
        assert raw.failure is Failure.UNAVAILABLE
    finally:
        await engine.aclose()


async def test_the_callers_deadline_ends_an_evaluation_before_its_own_limit(bundle: VerifiedBundle) -> None:
    engine = WasmEngine(sandboxes=1, limits=WasmLimits(memory_pages=256, evaluation_s=60))
    try:
        await engine.activate(bundle)
        assert (await ask(engine, "take_time", deadline_s=0.05)).failure is Failure.TIMEOUT
        assert (await ask(engine, deadline_s=5)).failure is None
    finally:
        await engine.aclose()


@pytest.mark.parametrize("deadline_s", [0.0, -1.0])
async def test_without_time_left_nothing_is_decided(serving: WasmEngine, deadline_s: float) -> None:
    assert (await ask(serving, deadline_s=deadline_s)).failure is Failure.TIMEOUT


async def test_the_event_loop_keeps_turning_during_an_evaluation(serving: WasmEngine) -> None:
    turns = 0
    asking = asyncio.create_task(ask(serving, "take_time"))
    while not asking.done():
        turns += 1
        await asyncio.sleep(0.005)
    assert (await asking).failure is Failure.TIMEOUT
    assert turns > 10


async def test_many_at_once_each_get_their_own_answer(serving: WasmEngine) -> None:
    inputs = [gateway_input(targets=count % 7) for count in range(60)]
    answers = await asyncio.gather(
        *(serving.decide(EntryPoint.GATEWAY, to_canonical(document), deadline_s=30) for document in inputs)
    )
    for document, raw in zip(inputs, answers, strict=True):
        assert [target["agency"] for target in value_of(raw)["targets"]] == [item["id"] for item in document["targets"]]


async def test_trouble_in_one_evaluation_does_not_reach_another(serving: WasmEngine) -> None:
    tricks = ["", "take_memory", "", "divide_by_zero", "", "take_time", ""] * 3
    answers = await asyncio.gather(*(ask(serving, trick, 30) for trick in tricks))
    for trick, raw in zip(tricks, answers, strict=True):
        if trick == "":
            assert value_of(raw)["effect"] == "permit"
        else:
            assert raw.failure is not None or raw.value is UNDEFINED


async def test_thousands_of_decisions_do_not_grow_the_sandbox(tight: WasmEngine) -> None:
    given = to_canonical(gateway_input(targets=20))
    first = await tight.decide(EntryPoint.GATEWAY, given, deadline_s=5)
    for _ in range(2_000):
        await tight.decide(EntryPoint.GATEWAY, given, deadline_s=5)
    assert (await tight.decide(EntryPoint.GATEWAY, given, deadline_s=5)).value == first.value
    assert tight._serving is not None
    assert tight._serving._idle[0]._abi.memory_len() < 32 * 64 * 1024


async def test_waiting_for_a_sandbox_is_not_work_on_a_decision(bundle: VerifiedBundle) -> None:
    """Behind four that are interrupted at the limit, the fifth waits longer than it may itself take."""
    engine = WasmEngine(sandboxes=1, limits=WasmLimits(memory_pages=256, evaluation_s=0.3))
    try:
        await engine.activate(bundle)
        before = [asyncio.create_task(ask(engine, "take_time", 60)) for _ in range(4)]
        await asyncio.sleep(0)
        impatient = asyncio.create_task(ask(engine, deadline_s=0.2))
        assert (await ask(engine, deadline_s=60)).failure is None
        assert {raw.failure for raw in await asyncio.gather(*before)} == {Failure.TIMEOUT}
        raw = await impatient
        assert (raw.failure, raw.detail, raw.evaluation_us) == (Failure.TIMEOUT, "deadline passed while waiting", 0)
    finally:
        await engine.aclose()


async def test_one_more_than_may_wait_is_refused_at_once(tight: WasmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wasm_engine, "MAX_WAITING", 3)
    waiting = [asyncio.create_task(ask(tight, "take_time", 30)) for _ in range(3)]
    await asyncio.sleep(0)
    refused = await ask(tight)
    assert refused.failure is Failure.UNAVAILABLE
    assert refused.detail == "3 decisions are waiting"
    assert {raw.failure for raw in await asyncio.gather(*waiting)} == {Failure.TIMEOUT}
    assert (await ask(tight)).failure is None


async def test_a_cancelled_caller_leaves_the_engine_well(tight: WasmEngine) -> None:
    asking = asyncio.create_task(ask(tight, "take_time"))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await ask(tight)).failure is None


async def test_an_engine_without_a_bundle_is_unavailable(engine: WasmEngine) -> None:
    raw = await ask(engine)
    assert (raw.failure, raw.bundle, raw.detail) == (Failure.UNAVAILABLE, None, "no bundle is active")
    assert not (await engine.health()).ready


async def test_health_names_what_serves(serving: WasmEngine, bundle: VerifiedBundle) -> None:
    health = await serving.health()
    assert (health.ready, health.bundle, health.detail) == (True, bundle.id, "")


async def test_a_closed_engine_denies_and_cannot_be_activated(bundle: VerifiedBundle) -> None:
    engine = WasmEngine(limits=TIGHT)
    await engine.activate(bundle)
    await engine.aclose()
    await engine.aclose()
    assert (await ask(engine)).failure is Failure.UNAVAILABLE
    assert (await engine.health()).detail == "closed"
    with pytest.raises(WardgateError) as caught:
        await engine.activate(bundle)
    assert caught.value.code is ErrorCode.POLICY_UNAVAILABLE


async def test_closing_under_way_ends_every_decision_without_an_exception(bundle: VerifiedBundle) -> None:
    engine = WasmEngine(sandboxes=1, limits=TIGHT)
    await engine.activate(bundle)
    asking = [asyncio.create_task(ask(engine, "take_time", 30)) for _ in range(5)]
    await asyncio.sleep(0.01)
    await engine.aclose()
    answers = await asyncio.gather(*asking)
    assert {raw.failure for raw in answers} <= {Failure.TIMEOUT, Failure.UNAVAILABLE}


async def test_closing_gives_the_threads_back(bundle: VerifiedBundle) -> None:
    before = set(threading.enumerate())
    engine = WasmEngine(limits=TIGHT)
    await engine.activate(bundle)
    await asyncio.gather(*(ask(engine) for _ in range(8)))
    await engine.aclose()
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("policy")]
    assert len(left) <= 1  # the default executor's, kept by the loop


async def test_a_decision_under_way_ends_on_the_bundle_it_began_with(
    bundle: VerifiedBundle, scratch: Path, key: SigningKey
) -> None:
    engine = WasmEngine(sandboxes=1, limits=WasmLimits(memory_pages=256, evaluation_s=3))
    try:
        await engine.activate(bundle)
        newer = fixture_bundle(scratch, key, revision=2)
        queued = [asyncio.create_task(ask(engine, deadline_s=20)) for _ in range(20)]
        await asyncio.sleep(0)
        await engine.activate(newer)
        assert {raw.bundle for raw in await asyncio.gather(*queued)} == {bundle.id}
        assert (await ask(engine)).bundle == newer.id
    finally:
        await engine.aclose()


async def refuse(engine: WasmEngine, bundle: VerifiedBundle) -> str:
    with pytest.raises(WardgateError) as caught:
        await engine.activate(bundle)
    assert caught.value.code is ErrorCode.BUNDLE_REJECTED
    return caught.value.detail


def golden_with(change: JsonObject) -> bytes:
    golden = json.loads(fixture_files()["golden.json"])
    golden[1].update(change)
    return json.dumps(golden).encode()


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"policy.wasm": b"\0asm not"}, "module does not compile"),
        ({"policy.wasm": b"\0asm\1\0\0\0"}, "module: OpaWasmError"),
        ({"policy.wasm": None}, "no policy.wasm"),
        ({"data.json": b"{"}, "module or data: OpaDataError"),
        ({"golden.json": None}, "no golden.json"),
        ({"golden.json": b"[]"}, "golden.json: 1 faults"),
        ({"golden.json": golden_with({"result": {"effect": "deny"}})}, "golden decision gateway permits differs"),
        (
            {"golden.json": golden_with({"input": gateway_input("surplus")})},
            "golden decision gateway permits: PDP_UNDEFINED",
        ),
        ({"golden.json": golden_with({"input": {}})}, "golden decision gateway permits: input against its schema"),
    ],
)
async def test_a_bundle_that_fails_is_refused_and_the_old_one_keeps_serving(
    serving: WasmEngine,
    scratch: Path,
    key: SigningKey,
    change: dict[str, bytes | None],
    detail: str,
) -> None:
    before = (await serving.health()).bundle
    broken = fixture_bundle(scratch, key, revision=2, changes=change)
    assert await refuse(serving, broken) == detail
    assert before is not None
    assert (await serving.health()).bundle == before
    assert (await ask(serving)).failure is None


async def test_data_that_does_not_fit_the_memory_is_refused(bundle: VerifiedBundle) -> None:
    engine = WasmEngine(limits=WasmLimits(memory_pages=3))
    try:
        await refuse(engine, bundle)
        assert not (await engine.health()).ready
    finally:
        await engine.aclose()


async def test_an_input_over_the_limit_is_not_evaluated(bundle: VerifiedBundle) -> None:
    engine = WasmEngine(limits=WasmLimits(memory_pages=256, input_bytes=4_000))
    try:
        await engine.activate(bundle)
        raw = await engine.decide(EntryPoint.GATEWAY, to_canonical(gateway_input(targets=50)), deadline_s=5)
        assert (raw.failure, raw.detail) == (Failure.UNAVAILABLE, "input too large")
    finally:
        await engine.aclose()


async def test_bytes_that_are_not_json_are_not_a_decision(serving: WasmEngine) -> None:
    for given in (b"", b"{", b"\xff\xfe", b'{"query"'):
        raw = await serving.decide(ASK, given, deadline_s=5)
        assert raw.failure is Failure.UNAVAILABLE or raw.value is UNDEFINED
    assert (await ask(serving)).failure is None


@pytest.mark.parametrize("entry_point", EntryPoint)
async def test_every_entry_point_is_reached_by_its_own_rule(serving: WasmEngine, entry_point: EntryPoint) -> None:
    raw = await serving.decide(entry_point, to_canonical(INPUTS[entry_point]()), deadline_s=5)
    own = {EntryPoint.GATEWAY: "targets", EntryPoint.NODE: "records", EntryPoint.AUDIT: "parts"}
    assert set(value_of(raw)) & set(own.values()) == ({own[entry_point]} if entry_point in own else set())
