"""Decisions are explained by what decided them: every reason by its rules, every tier by its bounds, every field."""

import asyncio
import copy
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from federation.policy.authoring.bounds import OTHER
from federation.policy.authoring.cli import SHIPPED
from federation.policy.authoring.deciding import Decided, deciding
from federation.policy.authoring.explainer import Explainer
from federation.policy.authoring.explaining import Question, explain
from federation.policy.authoring.explanation import Explanation, PartWhy
from federation.policy.authoring.opened import OpenedBundle
from federation.policy.engine import EntryPoint
from tests.policies.inputs import GOLDEN, golden_input
from tests.support.opa import opa_command
from wardgate.cli import build


@cache
def opened() -> OpenedBundle:
    return OpenedBundle.read(SHIPPED)


@cache
def every_golden() -> Mapping[str, Explanation]:
    """Every golden decision of the bundle, explained."""

    async def explained() -> dict[str, Explanation]:
        found = {}
        async with deciding(opened()) as decider:
            for name, item in GOLDEN.items():
                entry = EntryPoint(item["entry_point"])
                decided = await decider.decide(entry, item["input"])
                explainer = Explainer(opened().reference, opened().rules, opened().notes, entry.value, item["input"])
                found[name] = explainer.explain(decided.decision, decided.value, decided.detail)
        return found

    return asyncio.run(explained())


def explained_as(entry: EntryPoint, document: Any) -> Explanation:
    return explain(opened(), Question(entry, document), None).explanation


def part(name: str, of: Explanation) -> PartWhy:
    return next(found for found in of.parts if found.name == name)


def decisive(found: PartWhy) -> set[str]:
    return {bound.name for tier in found.tiers for bound in tier.bounds if bound.decisive}


CAPS = [{"category": "police_incident", "tier": "T1"}]


def lower(categories: list[dict[str, str]]) -> None:
    next(item for item in categories if item["name"] == "police_incident")["tier"] = "T1"


def run(*arguments: str | Path, given: str | None = None) -> Result:
    return CliRunner().invoke(build(["policy"]), ["policy", "explain", *(str(item) for item in arguments)], input=given)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_what_is_explained_is_what_was_decided(name: str) -> None:
    found, result = every_golden()[name], GOLDEN[name]["result"]

    assert found.effect == result["effect"]
    assert [reason.code for reason in found.reasons] == [reason["code"] for reason in result["reasons"]]
    assert [item.id for item in found.obligations] == [item["id"] for item in result["obligations"]]
    decided = result.get("targets", result.get("records", []))
    assert [(item.name, item.effect) for item in found.parts] == [
        (item.get("agency", item.get("ref")), item["effect"]) for item in decided
    ]
    for mine, theirs in zip(found.parts, decided, strict=True):
        assert list(mine.released) == theirs.get("fields", [])
        assert [item.field for item in mine.kept if item.why.startswith("redacted")] == theirs.get("redactions", [])


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_bounds_add_up_to_the_tier_the_engine_gave(name: str) -> None:
    for found in every_golden()[name].parts:
        for tier in found.tiers:
            assert min(bound.tier for bound in tier.bounds) == tier.tier
            assert OTHER not in {bound.name for bound in tier.bounds}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_every_reason_leads_to_a_rule_or_a_place(name: str) -> None:
    found = every_golden()[name]
    reasons = [*found.reasons, *(reason for item in found.parts for reason in item.reasons)]

    for reason in reasons:
        assert reason.rules or reason.places, reason.code
        assert reason.auditor, reason.code
        assert all(note.legal_basis for note in reason.rules)


def test_no_field_is_lost_from_sight() -> None:
    for name, found in every_golden().items():
        records = {record["ref"]: record for record in GOLDEN[name]["input"].get("records", [])}
        for item in found.parts:
            if records and item.effect != "withhold":
                assert {*item.released, *(kept.field for kept in item.kept)} == set(records[item.name]["fields"])


def test_what_is_asked_below_everything_else_is_decisive() -> None:
    document = golden_input("gateway_s47")
    for asked in document["query"]["categories"]:
        asked["tier"] = "T0"

    found = explained_as(EntryPoint.GATEWAY, document)

    permitted = [decisive(item) for item in found.parts if item.effect == "permit"]
    assert permitted
    assert all("asked" in names for names in permitted)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda document: lower(document["gateway"]["categories"]), "gateway"),
        (
            lambda document: document["overlay"].update(tier_caps=CAPS),
            "overlay",
        ),
        (lambda document: lower(document["query"]["categories"]), "asked"),
        (lambda document: document["records"][0].update(flags=["POLICE_INTEL"]), "flag POLICE_INTEL"),
    ],
)
def test_the_one_thing_that_lowers_a_tier_is_named(change: Any, name: str) -> None:
    document = golden_input("node_s47_police")
    before = part("r1", explained_as(EntryPoint.NODE, document))
    changed = copy.deepcopy(document)
    change(changed)

    after = part("r1", explained_as(EntryPoint.NODE, changed))

    assert (before.tiers[0].tier, after.tiers[0].tier) == ("T2", "T1")
    assert decisive(after) == {name}
    assert ("incident_line", "given from tier T2") in {(item.field, item.why) for item in after.kept}


def test_a_redaction_names_the_flag_and_the_overlay() -> None:
    document = golden_input("node_s47_police")
    document["overlay"]["fields_never"] = ["incident_line"]
    found = part("r1", explained_as(EntryPoint.NODE, document))

    assert {item.field: item.why for item in found.kept} == {"incident_line": "redacted by the agency's overlay"}
    by_flags = {kept.why for item in every_golden()["node_s47"].parts for kept in item.kept}
    assert "redacted by flag SENSITIVE_ADDRESS (as location)" in by_flags


def test_a_flag_s_reason_leads_to_the_rule_that_acts_on_flags() -> None:
    found = part("r2", every_golden()["node_s47_police"])

    assert [(reason.code, [note.head for note in reason.rules]) for reason in found.reasons] == [
        ("FLAG_POLICE_INTEL", ["noted"])
    ]


def test_what_a_later_bundle_says_besides_is_shown_as_it_says_it() -> None:
    item = GOLDEN["node_s47_police"]
    value = copy.deepcopy(item["result"])
    value["tide"] = "high"
    value["records"][1]["moon"] = "full"
    explainer = Explainer(opened().reference, opened().rules, opened().notes, item["entry_point"], item["input"])
    decided = asyncio.run(_decided(EntryPoint.NODE, item["input"]))

    found = explainer.explain(decided.decision, value, "")

    assert found.further["tide"] == "high"
    assert [found_part.further.get("moon") for found_part in found.parts] == [None, "full", None, None]


async def _decided(entry: EntryPoint, document: Any) -> Decided:
    async with deciding(opened()) as decider:
        return await decider.decide(entry, document)


def test_an_input_the_schema_refuses_is_explained_as_a_denial() -> None:
    found = explained_as(EntryPoint.NODE, {**golden_input("node_s47"), "surprise": 1})

    assert (found.effect, found.detail) == ("deny", "input: additionalProperties")
    assert [(reason.code, reason.rules) for reason in found.reasons] == [("INPUT_REJECTED", ())]
    assert {item.effect for item in found.parts} == {"withhold"}


def test_a_golden_file_a_bare_input_and_standard_input_are_explained_alike(tmp_path: Path) -> None:
    whole, bare = tmp_path / "whole.json", tmp_path / "bare.json"
    item = GOLDEN["gateway_ehe_434a_other_area"]
    whole.write_text(json.dumps({key: item[key] for key in ("entry_point", "input", "result")}))
    bare.write_text(json.dumps(item["input"]))
    outputs = [
        run("--golden", "gateway_ehe_434a_other_area", "--json"),
        run(whole, "--json"),
        run(bare, "--entry", "gateway", "--json"),
        run("-", "--entry", "gateway", "--json", given=bare.read_text()),
    ]

    assert [done.exit_code for done in outputs] == [0, 0, 0, 0]
    assert len({done.stdout for done in outputs}) == 1
    decision = json.loads(outputs[0].stdout)["decision"]
    assert [reason["code"] for reason in decision["reasons"]] == ["PURPOSE_NOT_IN_FORCE"]


def test_people_read_texts_law_rule_and_where_it_stands() -> None:
    done = run("--golden", "gateway_ehe_434a_other_area")
    row = opened().reference["reasons"]["PURPOSE_NOT_IN_FORCE"]

    assert done.exit_code == 0
    for text in (row["user"], row["auditor"], row["legal_basis"], "wardgate/lib/purpose.rego:", "Not legal advice"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("arguments", "given", "code"),
    [
        ((), None, 2),
        (("-", "--golden", "node_s47"), "{}", 2),
        (("-",), "{}", 10),
        (("-",), "not JSON", 10),
        (("-", "--entry", "node"), '{"entry_point": "wardgate/gateway/decision", "input": {}}', 10),
        (("--golden", "no_such"), None, 10),
    ],
)
def test_what_cannot_be_explained_is_refused(arguments: tuple[str, ...], given: str | None, code: int) -> None:
    assert run(*arguments, given=given).exit_code == code


@pytest.mark.opa
def test_the_trace_names_the_rules_that_held_and_no_others() -> None:
    done = run("--golden", "gateway_ehe_434a_other_area", "--trace", "--opa", opa_command(), "--json")

    held = {note["reason_code"] for note in json.loads(done.stdout)["rules_that_held"]} - {"NONE"}
    assert held == {"PURPOSE_NOT_IN_FORCE"}


def test_a_bundle_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    assert run("--golden", "node_s47", "--bundle", tmp_path).exit_code == 12
