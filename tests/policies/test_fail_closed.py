"""Whatever is missing, of another kind or unknown permits nothing: by the rules alone, without the schema's help."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from federation.policy.engine import EntryPoint
from tests.policies.conftest import Decide
from tests.policies.inputs import (
    DIST,
    GOLDEN,
    Json,
    entry_of,
    golden_input,
    permitted_golden,
    places,
    replaced,
    value_at,
    without,
)

OTHER_KINDS: list[Any] = [None, True, 7.5, "7", [7], {"seven": 7}]


def schema(entry: EntryPoint) -> Draft202012Validator:
    name = entry.value.split("/")[1]
    return Draft202012Validator(json.loads((DIST / "schemas" / f"{name}.json").read_text()))


def test_there_is_a_valid_request_for_every_entry_point() -> None:
    assert {entry_of(name) for name in permitted_golden()} == set(EntryPoint)


@pytest.mark.parametrize("name", permitted_golden())
def test_without_any_one_field_nothing_is_permitted(name: str, decide: Decide) -> None:
    document = golden_input(name)
    fields = [place for place in places(document) if isinstance(place[-1], str)]
    assert len(fields) > 30
    for place in fields:
        assert decide(entry_of(name), without(document, place))["effect"] == "deny", place


@pytest.mark.parametrize("name", permitted_golden())
def test_with_any_one_value_of_another_kind_nothing_is_permitted(name: str, decide: Decide) -> None:
    """Two other kinds for each place, in rotation: all six meet every field over all requests."""
    document, valid = golden_input(name), schema(entry_of(name))
    tried, first = 0, permitted_golden().index(name)
    for number, place in enumerate(places(document), first):
        kind = type(value_at(document, place))
        for value in (OTHER_KINDS[number % 6], OTHER_KINDS[(number + 3) % 6]):
            changed = replaced(document, place, value)
            if type(value) is kind or valid.is_valid(changed):
                continue
            tried += 1
            assert decide(entry_of(name), changed)["effect"] == "deny", (place, value)
    assert tried > 40


@pytest.mark.parametrize("entry", EntryPoint)
def test_nothing_at_all_permits_nothing(entry: EntryPoint, decide: Decide) -> None:
    nothings: list[Json] = [{}, [], "", None, 0]
    for nothing in nothings:
        assert decide(entry, nothing)["effect"] == "deny"


def test_codes_the_bundle_does_not_hold_are_not_permitted(decide: Decide) -> None:
    document = golden_input("gateway_front_door")
    places_of_codes = [
        ("query", "purpose"),
        ("query", "area"),
        ("query", "categories", 0, "name"),
        ("query", "attestations", 0),
        ("query", "break_glass"),
        ("requester", "user", "role"),
        ("requester", "agency", "kind"),
        ("requester", "agency", "legal_class"),
    ]
    for place in places_of_codes:
        decision = decide(EntryPoint.GATEWAY, replaced(document, place, "UNHEARD_OF"))
        assert decision["effect"] == "deny", place


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_denial_opens_nothing(name: str) -> None:
    result: Json = GOLDEN[name]["result"]
    if result["effect"] == "permit":
        return
    assert result["expires_in_s"] == 0
    assert all(target["effect"] == "deny" and not target["categories"] for target in result.get("targets", []))
    assert all(record["effect"] == "withhold" and not record["fields"] for record in result.get("records", []))
    assert result.get("existence", "hidden") == "hidden"
    assert result.get("parts", []) == []


@pytest.mark.parametrize(
    "code",
    [
        "IMMIGRATION_ENFORCEMENT",
        "BENEFIT_FRAUD",
        "STAFF_CURIOSITY",
        "COMMERCIAL",
        "RESEARCH_PERSON_LEVEL",
        "POPULATION_SCORING",
        "BULK_LISTING",
    ],
)
@pytest.mark.parametrize("name", ["requester_front_door", "gateway_front_door", "node_front_door"])
def test_never_permitted_purposes_are_denied_everywhere_with_an_alert(code: str, name: str, decide: Decide) -> None:
    decision = decide(entry_of(name), replaced(golden_input(name), ("query", "purpose"), code))
    assert decision["effect"] == "deny"
    assert [reason["code"] for reason in decision["reasons"]] == ["PURPOSE_NEVER_PERMITTED"]
    assert [(item["id"], item["mandatory"]) for item in decision["obligations"]] == [("alert_misuse", True)]
