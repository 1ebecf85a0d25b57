"""What the scenes of the story expect is what the real policy decides of the real records."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agency_node.answering.overlay import Overlay
from agency_node.caseload.records import HeldRecord, encode_record
from agency_node.sources.record import SourceRecord
from agency_node.sources.source import SourceRow
from federation.policy.bundle import install_bundle
from federation.policy.engine import EntryPoint
from federation.policy.evaluator import PolicyPoint
from federation.policy.wasm_engine import WasmEngine
from federation.policy_input import agency_input, date_parts, policy_time
from federation.vocabulary import Effect
from keys.signing import SigningKey
from sandbox.families import find_child
from sandbox.region import SHIPPED_REGION, Region, RegionUser, load_region
from sandbox.region_scenes import Scene
from sandbox.sources import families_of
from tests.support.source_files import known as known_flags
from tests.support.source_files import protected

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC).timestamp()
REF = "a" * 32
APPROVER = "b" * 32
DIST = Path(__file__).resolve().parents[2] / "policies" / "dist"
COUNTERS = {"user_queries_day": 1, "agency_queries_hour": 1, "break_glass_day": 0}
SCENES = load_region(SHIPPED_REGION).story
AFTERWARDS = {"release": "records", "withhold": "refused"}
"""What a referred answer becomes once a person has decided."""

Rows = Mapping[str, list[SourceRow]]


@pytest.fixture
async def policy(tmp_path: Path) -> AsyncIterator[PolicyPoint]:
    bundle = install_bundle(DIST, tmp_path / "bundle", SigningKey.generate(), clock=lambda: NOW)
    engine = WasmEngine(sandboxes=1)
    point = PolicyPoint(engine, bundle, lambda: NOW)
    await point.activate()
    yield point
    await engine.aclose()


def query(region: Region, scene: Scene) -> dict[str, Any]:
    roles = {user.id: user.role for plan in region.agencies for user in plan.users}
    start = region.today - dt.timedelta(days=scene.look_back_days)
    return {
        "id": "3f0c2a54-0000-4000-8000-000000000001",
        "purpose": scene.purpose,
        "direction": "request",
        "urgency": scene.urgency.value,
        "area": "testshire",
        "categories": [
            {"name": name, "tier": tier} for name, _, tier in (text.partition(":") for text in scene.categories)
        ],
        "period": {"from": date_parts(start.isoformat()), "to": date_parts(region.today.isoformat())},
        "attestations": list(scene.attestations),
        "approvals": [
            {"role": roles[approval.user], "kind": approval.kind, "user_ref": APPROVER} for approval in scene.approvals
        ],
        "family_informed": scene.family_informed.value,
        "break_glass": scene.break_glass,
        "justified": (scene.justification or scene.title).strip() != "",
        "issued_at": int(NOW),
        "expires_at": int(NOW) + 3_600,
        "identifier_state": "present",
    }


def descriptor(record: SourceRecord) -> dict[str, Any]:
    held = HeldRecord.decode(
        encode_record(record), ref=record.source_ref, source_id=record.source_ref, child_flags=frozenset()
    )
    return held.descriptor()


@pytest.mark.parametrize("name", SCENES)
async def test_policy_decides_as_the_scene_says(shipped: Region, rows: Rows, policy: PolicyPoint, name: str) -> None:
    scene = next(scene for scene in shipped.scenes if scene.name == name)
    asker = shipped.agency(scene.agency)
    user = next(user for user in asker.users if user.id == scene.user)
    common = {
        "time": policy_time(NOW),
        "query": query(shipped, scene),
        "requester": {"agency": agency_input(asker.descriptor()), "user": {"ref": REF, "role": user.role}},
        "counters": COUNTERS,
        "case_grant": None,
    }
    asked = await policy.decide(EntryPoint.REQUESTER, {**common, "user": known(user)}, 5)
    if scene.completeness == "nothing_permitted":
        assert asked.decision.effect is Effect.DENY
        return
    assert asked.decision.effect is Effect.PERMIT, asked.decision.reasons
    targets = [plan for plan in shipped.agencies if plan.id != scene.agency]
    inputs = [agency_input(plan.descriptor()) for plan in targets]
    admitted = await policy.decide(EntryPoint.GATEWAY, {**common, "targets": inputs}, 5)
    assert admitted.decision.effect is Effect.PERMIT, admitted.decision.reasons
    child = find_child(families_of(shipped), scene.child).nhs_number
    outcomes = {}
    for plan, described, target in zip(targets, inputs, admitted.decision.targets, strict=True):
        if target.effect is not Effect.PERMIT:
            outcomes[plan.id] = "not_permitted"
            continue
        held = [record for record in protected(rows[plan.kind]) if record.child == child]
        permitted = [{"name": item.name, "tier": item.tier.value} for item in target.categories]
        document = {
            **common,
            "responder": described,
            "gateway": {"categories": permitted, "obligations": []},
            "overlay": Overlay.model_validate(plan.overlay).model_dump(mode="json"),
            "records": [descriptor(record) for record in held],
            "child_flags": sorted(known_flags(rows[plan.kind]).get(child, ())),
            "review": [],
        }
        decided = (await policy.decide(EntryPoint.NODE, document, 5)).decision
        assert decided.effect is Effect.PERMIT, (plan.id, decided.reasons)
        effects = {record.effect for record in decided.records}
        released = Effect.PERMIT in effects
        assert not released or decided.existence == "visible"
        referred = Effect.REFER in effects and decided.existence == "visible"
        outcomes[plan.id] = "records" if released else "referred" if referred else "nothing_held"
        for decision in scene.decide:
            if decision.agency == plan.id and referred and not released:
                outcomes[plan.id] = AFTERWARDS[decision.decision]
    assert {agency: outcomes[agency] for agency in scene.expect} == scene.expect
    if scene.completeness == "complete":
        assert "referred" not in outcomes.values()


def known(user: RegionUser) -> dict[str, Any]:
    found: dict[str, Any] = user.policy_input(REF)  # type: ignore[arg-type]  # a reference is a plain text
    return found
