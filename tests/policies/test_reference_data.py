"""Reference data as people write it becomes what rules read: every default spelt out, every slip named."""

import json
from pathlib import Path

import pytest

from federation.policy.authoring.reference_data import ReferenceDataError, document
from tests.policies.inputs import Json

PURPOSE_DEFAULTS: Json = {
    "row": {"requires": {"attestations_all": [], "family_informed": ["yes"]}, "area_rule": "own"},
    "cell": {"current_only": False},
}
CATEGORY_DEFAULTS: Json = {"row": {"fields": {}, "tags": {}, "protected": [], "shields": False}}


def folder(tmp_path: Path, name: str, **files: Json) -> Path:
    place = tmp_path / name
    place.mkdir()
    for file, content in files.items():
        (place / f"{file}.json").write_text(json.dumps(content), encoding="utf-8")
    return place


def test_groups_of_categories_become_one_cell_each_over_the_defaults(tmp_path: Path) -> None:
    groups = [
        {"tiers": ["T0", "T1"], "names": ["s47", "cin"]},
        {"tiers": ["T0", "T0"], "names": ["camhs"], "current_only": True},
    ]
    row = {"requires": {"attestations_all": ["x"]}, "categories": groups}
    found = document(folder(tmp_path, "purposes", one={"A": row}, defaults=PURPOSE_DEFAULTS))
    plain = {"current_only": False, "default_tier": "T0", "highest_tier": "T1"}
    assert found == {
        "A": {
            "requires": {"attestations_all": ["x"], "family_informed": ["yes"]},
            "area_rule": "own",
            "categories": {
                "s47": plain,
                "cin": plain,
                "camhs": {"current_only": True, "default_tier": "T0", "highest_tier": "T0"},
            },
        }
    }


def test_fields_of_a_tier_become_one_definition_each(tmp_path: Path) -> None:
    row = {
        "fields": {"T1": {"a": "A"}, "T2": {"b": "B"}},
        "tags": {"location": ["b"], "worker": ["a", "b"]},
        "protected": ["b"],
    }
    found = document(folder(tmp_path, "categories", one={"C": row}, defaults=CATEGORY_DEFAULTS))
    assert found["C"] == {
        "shields": False,
        "fields": {
            "a": {"tier": "T1", "title": "A", "tags": ["worker"], "protected": False},
            "b": {"tier": "T2", "title": "B", "tags": ["location", "worker"], "protected": True},
        },
    }


def test_a_document_may_stand_in_several_files_and_no_row_in_two(tmp_path: Path) -> None:
    assert document(folder(tmp_path, "roles", one={"a": 1}, two={"b": 2})) == {"a": 1, "b": 2}
    with pytest.raises(ReferenceDataError, match=r"limits/two.json: a stands in another file too"):
        document(folder(tmp_path, "limits", one={"a": 1}, two={"a": 2}))


@pytest.mark.parametrize(
    ("name", "row", "slip"),
    [
        ("purposes", {"categories": [{"names": ["s47"]}]}, "tiers"),
        ("purposes", {"categories": [{"names": ["s47", "s47"], "tiers": ["T0", "T0"]}]}, "s47 twice"),
        ("purposes", {}, "categories"),
        ("categories", {"fields": {"T1": {"a": "A"}}, "tags": {"location": ["b"]}}, "no field b"),
        ("categories", {"fields": {"T1": {"a": "A"}}, "protected": ["b"]}, "no field b"),
        ("categories", {"fields": {"T1": {"a": "A"}, "T2": {"a": "A"}}}, "a twice"),
    ],
)
def test_a_slip_is_named_with_its_row(name: str, row: Json, slip: str, tmp_path: Path) -> None:
    defaults = {"purposes": PURPOSE_DEFAULTS, "categories": CATEGORY_DEFAULTS}[name]
    with pytest.raises(ReferenceDataError, match=f"{name}/A: .*{slip}"):
        document(folder(tmp_path, name, one={"A": row}, defaults=defaults))


@pytest.mark.parametrize("content", ["{", "[]", "1"])
def test_what_is_no_object_is_refused(content: str, tmp_path: Path) -> None:
    place = folder(tmp_path, "roles")
    (place / "data.json").write_text(content, encoding="utf-8")
    with pytest.raises(ReferenceDataError, match=r"roles/data.json"):
        document(place)
