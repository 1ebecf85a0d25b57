"""A scene that ends otherwise than its file says is noticed, whatever differs."""

import copy
from typing import Any

import pytest

from sandbox.region_scenes import Expectation, SceneDecision
from sandbox.scene_checks import differences, differences_before, differences_then, summary, unlike

RECORD: dict[str, Any] = {
    "category": "injury",
    "tier": "T1",
    "fields": {"injury_date": "2026-10-01"},
    "flags": ["RETRACTED"],
    "redactions": ["body_map_ref"],
}
PICTURE: dict[str, Any] = {
    "effect": "permit",
    "completeness": "complete",
    "missing": [],
    "warnings": [],
    "cautions": [],
    "chronology": [],
    "reasons": [{"code": "TIER_ABOVE_ROLE"}],
    "obligations": [{"id": "record_outcome"}],
    "targets": [
        {
            "agency": "a-health",
            "state": "answered",
            "outcome": "records",
            "obligations": [{"id": "no_tip_off"}],
            "answer": {
                "records": [RECORD],
                "obligations": [{"id": "carry_accuracy_note"}],
                "contact": {"name": "Nurse"},
                "answered_at": 7,
            },
        },
        {"agency": "a-police", "state": "not_permitted", "outcome": None, "obligations": [], "answer": None},
    ],
}
SHOWN = {"agency": "a-health", "category": "injury"}


def faults(**expected: Any) -> list[str]:
    return differences(Expectation.model_validate(expected), PICTURE)


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"expect": {"a-health": "records", "a-police": "not_permitted"}},
        {"completeness": "complete"},
        {"reasons": ["TIER_ABOVE_ROLE"]},
        {"records": {"a-health": ["injury:T1"], "a-police": []}},
        {"contact": {"a-health": True, "a-police": False}},
        {"obligations": ["record_outcome", "no_tip_off", "carry_accuracy_note"]},
        {"without_obligations": ["single_use"]},
        {"shows": [{**SHOWN, "fields": ["injury_date"], "without": ["body_map_ref"], "flags": ["RETRACTED"]}]},
        {"shows": [{**SHOWN, "redactions": ["body_map_ref"]}]},
    ],
)
def test_what_is_so_is_no_fault(expected: dict[str, Any]) -> None:
    assert faults(**expected) == []


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"expect": {"a-health": "nothing_held"}}, "a-health should be nothing_held, is records"),
        ({"expect": {"a-school": "records"}}, "a-school should be records, is None"),
        ({"completeness": "incomplete"}, "picture should be incomplete, is complete"),
        ({"reasons": []}, "reasons should be none, are TIER_ABOVE_ROLE"),
        ({"reasons": ["TIER_ABOVE_ROLE", "GRANT_MISSING"]}, "reasons should be GRANT_MISSING, TIER_ABOVE_ROLE, are"),
        ({"records": {"a-health": ["injury:T2"]}}, "a-health should show injury:T2, shows injury:T1"),
        ({"records": {"a-health": []}}, "a-health should show none, shows injury:T1"),
        ({"contact": {"a-health": False}}, "a-health should not say how it can be reached"),
        ({"contact": {"a-police": True}}, "a-police should say how it can be reached"),
        ({"obligations": ["single_use"]}, "obligations lack single_use"),
        ({"without_obligations": ["no_tip_off"]}, "obligations should not hold no_tip_off"),
        ({"shows": [{**SHOWN, "category": "camhs"}]}, "a-health shows no camhs"),
        ({"shows": [{**SHOWN, "fields": ["body_map_ref"]}]}, "a-health: injury lacks body_map_ref"),
        ({"shows": [{**SHOWN, "without": ["injury_date"]}]}, "a-health: injury should not say injury_date"),
        ({"shows": [{**SHOWN, "flags": ["STALE"]}]}, "a-health: injury does not carry STALE"),
        ({"shows": [{**SHOWN, "redactions": []}]}, "a-health: injury should say that none were taken out, says body"),
    ],
)
def test_what_is_not_so_is_named(expected: dict[str, Any], said: str) -> None:
    (fault,) = faults(**expected)
    assert fault.startswith(said)


def test_what_came_before_anybody_decided_is_looked_at_by_itself() -> None:
    expected = Expectation.model_validate({"before": {"a-health": "records"}, "expect": {"a-health": "refused"}})
    assert differences_before(expected, PICTURE) == []
    expected = Expectation.model_validate({"before": {"a-health": "referred"}, "expect": {"a-health": "records"}})
    (fault,) = differences_before(expected, PICTURE)
    assert fault == "before anybody decides, a-health should be referred, is records"


def test_what_a_decision_leads_to_is_looked_at_where_the_file_says_what() -> None:
    decision = {"agency": "a-health", "user": "lead", "decision": "release"}
    assert differences_then(SceneDecision.model_validate(decision), PICTURE) == []
    assert differences_then(SceneDecision.model_validate({**decision, "then": "records"}), PICTURE) == []
    (fault,) = differences_then(SceneDecision.model_validate({**decision, "then": "referred"}), PICTURE)
    assert fault == "after lead's decision, a-health should be referred, is records"


def test_pictures_that_differ_in_the_moment_alone_look_alike() -> None:
    later = copy.deepcopy(PICTURE)
    later["targets"][0]["answer"]["answered_at"] = 8
    assert unlike(PICTURE, later) == []


def test_pictures_that_differ_in_anything_else_do_not() -> None:
    other = copy.deepcopy(PICTURE)
    other["targets"][0]["answer"]["contact"] = None
    assert unlike(PICTURE, other) == ["a-health does not look exactly alike"]
    other = copy.deepcopy(PICTURE)
    other["obligations"] = []
    assert unlike(PICTURE, other) == ["obligations differs"]
    other = copy.deepcopy(PICTURE)
    del other["targets"][1]
    assert unlike(PICTURE, other) == ["a-police does not look exactly alike"]


def test_the_summary_speaks_as_an_expectation_does() -> None:
    found = summary(PICTURE)
    assert found["expect"] == {"a-health": "records", "a-police": "not_permitted"}
    assert found["records"] == {"a-health": ["injury:T1"]}
    assert (
        differences(Expectation.model_validate({key: found[key] for key in ("expect", "records", "reasons")}), PICTURE)
        == []
    )
