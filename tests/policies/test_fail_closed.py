"""Whatever is missing, of another kind or unknown permits nothing: by the rules alone, without the schema's help."""

import pytest

from federation.policy.engine import EntryPoint
from tests.policies.breaking import filled_input, mistyped, paths_in, required
from tests.policies.conftest import Decide
from tests.policies.inputs import GOLDEN, Json, entry_of, golden_input, permitted_golden, replaced, without
from tests.policies.schema_paths import ITEM, MEMBER, all_paths, is_open, validator


def test_there_is_a_valid_request_for_every_entry_point() -> None:
    assert {entry_of(name) for name in permitted_golden()} == set(EntryPoint)


@pytest.mark.parametrize("name", permitted_golden())
def test_without_any_one_field_nothing_is_permitted(name: str, decide: Decide) -> None:
    document, entry = golden_input(name), entry_of(name)
    fields = [place for place, path in required(document, entry) if not is_open(path)]
    assert len(fields) > 30
    for place in fields:
        assert decide(entry, without(document, place))["effect"] == "deny", place


@pytest.mark.parametrize("name", permitted_golden())
def test_with_any_one_value_of_another_kind_nothing_is_permitted(name: str, decide: Decide) -> None:
    """A third of the other kinds for each request, in rotation; every one is tried on a filled request below."""
    document, entry = golden_input(name), entry_of(name)
    tried = [*mistyped(document, entry)][permitted_golden().index(name) % 3 :: 3]
    assert len(tried) > 80
    for place, path, value in tried:
        assert is_open(path) or decide(entry, replaced(document, place, value))["effect"] == "deny", (place, value)


@pytest.mark.parametrize("entry", EntryPoint)
def test_nothing_is_permitted_with_any_field_of_the_schema_gone_or_of_another_kind(
    entry: EntryPoint, decide: Decide
) -> None:
    """Every path of the schema, none left out. What has names of its own choice is for the schema alone to judge."""
    document = filled_input(entry, decide)
    assert validator(entry).is_valid(document)
    assert decide(entry, document)["effect"] == "permit"
    assert paths_in(entry, document) == all_paths(entry)
    gone, changed = set(), set()
    for place, path in required(document, entry):
        broken = without(document, place)
        gone.add(path)
        assert not validator(entry).is_valid(broken), place
        assert decide(entry, broken)["effect"] == "deny", place
    for place, path, value in mistyped(document, entry):
        broken = replaced(document, place, value)
        changed.add(path)
        assert not validator(entry).is_valid(broken), (place, value)
        assert is_open(path) or decide(entry, broken)["effect"] == "deny", (place, value)
    assert changed == all_paths(entry)
    assert gone == {path for path in all_paths(entry) if path[-1] not in {ITEM, MEMBER}}


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
    reported = [("report_misuse", True)] if entry_of(name) is EntryPoint.REQUESTER else []
    found = [(item["id"], item["mandatory"]) for item in decision["obligations"]]
    assert found == [("alert_misuse", True), *reported]
