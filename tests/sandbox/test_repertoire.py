"""Every purpose and flag of the bundle has a scene, and which scenes are played is said by name."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from sandbox.families import Family, ScriptedChild, find_child
from sandbox.region import SHIPPED_REGION, SHIPPED_REGIONS, Region, load_region
from sandbox.region_scenes import Scene, Variation
from sandbox.repertoire import listing, programme_of, story_of, whole_repertoire
from sandbox.sources import families_of

TODAY = dt.date(2026, 11, 22)
BUNDLE = json.loads(
    (Path(__file__).resolve().parents[2] / "policies" / "dist" / "data.json").read_text(encoding="utf-8")
)["reference"]
REGIONS = [load_region(path, today=TODAY) for path in SHIPPED_REGIONS]
SCENES = [(region, scene) for region in REGIONS for scene in region.scenes]
FLAGGED = [(region, scene) for region, scene in SCENES if scene.flag]
SHIELDING = {
    code
    for code, row in BUNDLE["flags"].items()
    if row["refer"]["shields"] or (row["withhold"]["applies"] and row["withhold"]["responder_kinds"] == ["*"])
}
"""Flags that hide, from somebody, that anything is held."""

SHIELDED_BY_A_REFERRAL = {code for code, row in BUNDLE["flags"].items() if row["refer"]["shields"]}
"""Flags under which a person decides unseen, unless the purpose must know that somebody knows the child."""

HELD_AS_ONE = {
    name
    for row in BUNDLE["purposes"].values()
    for name, cell in row["categories"].items()
    if any(limb["look_back_years"] == 0 for limb in cell["limbs"]) and cell["shown_as"]
}
"""Categories in which a limb of a statute is asked, and answered under one name."""

LARGEST = 8
"""Processes of one region: what a laptop bears."""


def test_every_purpose_permitted_or_never_has_a_scene_of_its_own() -> None:
    shown = {scene.purpose for _, scene in SCENES if not scene.flag}
    assert shown == {*BUNDLE["purposes"], *BUNDLE["never_permitted"]}


def test_every_flag_has_a_scene() -> None:
    assert {scene.flag for _, scene in FLAGGED} == set(BUNDLE["flags"])
    assert len({scene.flag for _, scene in FLAGGED}) == len(FLAGGED)


def test_every_purpose_is_permitted_to_somebody_in_its_scene() -> None:
    def released(scene: Scene) -> bool:
        return any("records" in expected.expect.values() for expected in (scene, *scene.variations))

    shown = {scene.purpose for _, scene in SCENES if not scene.flag and released(scene)}
    assert shown == set(BUNDLE["purposes"])


def test_every_purpose_is_refused_or_empty_just_outside() -> None:
    def outside(scene: Scene) -> bool:
        expectations = (scene, *scene.variations)
        return any(one.reasons or "nothing_held" in one.expect.values() for one in expectations)

    shown = {scene.purpose for _, scene in SCENES if not scene.flag and outside(scene)}
    assert shown == {*BUNDLE["purposes"], *BUNDLE["never_permitted"]} - {"IMMIGRATION_ENFORCEMENT"}


@pytest.mark.parametrize(("region", "scene"), FLAGGED, ids=lambda item: getattr(item, "flag", ""))
def test_a_flags_scene_has_a_twin_who_differs_in_the_flag_alone(region: Region, scene: Scene) -> None:
    families = families_of(region)
    flagged = find_child(families, scene.child)
    assert scene.flag in flagged.flags
    assert twins_of(scene, families), "no variation that changes the child alone, to its twin without the flag"


def twins_of(scene: Scene, families: tuple[Family, ...]) -> list[Variation]:
    family, _, name = scene.child.partition("/")
    found = []
    for variation in scene.variations:
        if variation.but.keys != {"child"} or not (variation.but.child or "").startswith(f"{family}/"):
            continue
        twin, flagged = find_child(families, str(variation.but.child)), find_child(families, scene.child)
        same = about(scene, twin) == about(scene, flagged) and scene.flag not in twin.flags
        if same and twin.twin_of == name and "records" in variation.expect.values():
            found.append(variation)
    return found


def about(scene: Scene, child: ScriptedChild) -> object:
    """What is held of a child in the categories that a scene asks for, but for the scene's flag."""
    asked = {category.partition(":")[0] for category in scene.categories}
    return {
        kind: (
            held.flags - {scene.flag},
            [replace(draft, flags=draft.flags - {scene.flag}) for draft in held.drafts if draft.category in asked],
        )
        for kind, held in child.held.items()
    }


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_whatever_the_families_hold_some_agency_of_the_region_keeps(region: Region) -> None:
    kinds = {plan.kind for plan in region.agencies}
    for family in families_of(region):
        for child in family.children:
            assert set(child.held) <= kinds, (family.name, child.name)


@pytest.mark.parametrize(("region", "scene"), FLAGGED, ids=lambda item: getattr(item, "flag", ""))
def test_a_shielding_flag_looks_exactly_like_a_child_whom_nobody_knows(region: Region, scene: Scene) -> None:
    families = families_of(region)
    alike = [variation for variation in scene.variations if variation.alike]
    assert bool(alike) == (scene.flag in SHIELDING)
    for variation in alike:
        assert variation.but.keys == {"child"}
        assert find_child(families, str(variation.but.child)).held == {}
    if alike:
        assert set(scene.expect.values()) == {"nothing_held"}


def test_names_of_scenes_are_unique_across_regions_and_none_is_called_all() -> None:
    names = [scene.name for _, scene in SCENES]
    assert len(set(names)) == len(names)
    assert "all" not in names


def test_no_region_is_larger_than_a_laptop_bears() -> None:
    for region in REGIONS:
        assert len(region.agencies) + 2 <= LARGEST, region.name


def test_without_a_name_the_story_is_played_in_its_order() -> None:
    (story,) = programme_of(None, [])
    assert story.key == "thornbury"
    assert tuple(scene.name for scene in story.scenes) == load_region(SHIPPED_REGION).story
    assert [scene.name for scene in story.scenes][:2] == ["front-door", "front-door-twin"]


def test_a_region_without_a_story_plays_all_it_has() -> None:
    dunmere = SHIPPED_REGIONS[1]
    (found,) = story_of(dunmere)
    assert list(found.scenes) == list(load_region(dunmere).scenes)
    assert found.scenes


def test_scenes_are_found_in_whatever_region_has_them() -> None:
    programmes = programme_of(None, ["cme-436a", "s17-cin", "front-door"])
    assert {one.key: [scene.name for scene in one.scenes] for one in programmes} == {
        "thornbury": ["front-door", "s17-cin"],
        "dunmere": ["cme-436a"],
    }
    (one,) = programme_of(None, ["housing"])
    assert one.key == "dunmere"


def test_all_is_every_scene_of_every_shipped_region() -> None:
    found = [scene.name for one in programme_of(None, ["all"]) for scene in one.scenes]
    assert sorted(found) == sorted(scene.name for _, scene in SCENES)


def test_in_a_region_of_ones_own_the_shipped_scenes_are_unknown() -> None:
    with pytest.raises(WardgateError) as refused:
        programme_of(SHIPPED_REGIONS[1], ["front-door"])
    assert refused.value.code is ErrorCode.NAME_UNKNOWN


def test_an_unknown_scene_is_refused_with_those_there_are() -> None:
    with pytest.raises(WardgateError) as refused:
        programme_of(None, ["front-door", "back-door"])
    assert refused.value.code is ErrorCode.NAME_UNKNOWN
    named = refused.value.detail.removeprefix("there are ").split(", ")
    assert set(named) == {"all", *(scene.name for _, scene in SCENES)}


def test_the_listing_says_what_each_scene_shows() -> None:
    rows = {row["name"]: row for row in listing(whole_repertoire(None))}
    assert set(rows) == {scene.name for _, scene in SCENES}
    assert rows["flag-witness-prot"]["flag"] == "WITNESS_PROT"
    assert rows["cme-436a"] | {"title": ""} == {
        "name": "cme-436a",
        "title": "",
        "purpose": "CME_436A",
        "flag": "",
        "region": "dunmere",
        "in_story": False,
    }
    assert rows["front-door"]["in_story"] is True


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_each_region_shows_every_flag_that_shields_in_an_emergency_beside_a_twin(region: Region) -> None:
    families = families_of(region)
    shown: set[str] = set()
    for scene in region.scenes:
        if scene.purpose != "S47_EMERG" or not scene.name.startswith("emergency-"):
            continue
        flagged = flags_about(scene, find_child(families, scene.child))
        (twin,) = [variation for variation in scene.variations if "child" in variation.but.keys]
        assert flags_about(scene, find_child(families, str(twin.but.child))) == set(), scene.name
        assert set(scene.before) == set(scene.expect) == set(twin.before), scene.name
        shown |= flagged
    assert shown == SHIELDED_BY_A_REFERRAL


def flags_about(scene: Scene, child: ScriptedChild) -> set[str]:
    """The flags of what is held of a child in the categories that a scene asks for."""
    asked = {category.partition(":")[0] for category in scene.categories}
    return {
        flag
        for held in child.held.values()
        for draft in held.drafts
        if draft.category in asked
        for flag in (*held.flags, *draft.flags)
    }


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
@pytest.mark.parametrize("purpose", ["COURT_ORDER", "SAR"])
def test_where_an_answer_is_compelled_held_hidden_and_unknown_look_alike_until_a_person_answers(
    region: Region, purpose: str
) -> None:
    assert BUNDLE["purposes"][purpose]["compelled"]["applies"]
    families = families_of(region)
    (scene,) = [scene for scene in region.scenes if scene.purpose == purpose]
    assert set(scene.before.values()) == {"referred"}
    alike = {str(one.but.child): one for one in scene.variations if one.alike}
    hidden, nobody = sorted(alike, key=lambda child: find_child(families, child).held == {})
    assert "WITNESS_PROT" in find_child(families, hidden).flags
    assert find_child(families, nobody).held == {}
    decided = {agency for one in alike.values() for agency in {decision.agency for decision in one.decide}}
    for agency in decided:
        outcomes = [one.expect[agency] for one in (scene, alike[hidden], alike[nobody])]
        assert outcomes == ["records", "refused", "nothing_held"], agency


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_each_region_shows_a_hold_on_each_limb_of_a_statute_and_none_where_it_has_ended(region: Region) -> None:
    families = families_of(region)
    literal = {record.nhs_number: {record.category} for plan in region.agencies for record in plan.records}
    shown: set[str] = set()
    for scene in region.scenes:
        if any("roll_hold:T0" in records for records in scene.records.values()) and scene.look_back_days == 1:
            child = find_child(families, scene.child)
            held = {draft.category for known in child.held.values() for draft in known.drafts}
            shown |= (held | literal.get(child.nhs_number.canonical(), set())) & HELD_AS_ONE
            assert any(set(one.expect.values()) == {"nothing_held"} for one in scene.variations), scene.name
    assert shown == HELD_AS_ONE


def test_every_alert_of_the_bundle_but_that_of_volume_reaches_somebody_in_a_scene() -> None:
    demanded = {code for code, row in BUNDLE["obligations"].items() if row["type"] == "alert"}
    expectations = [one for _, scene in SCENES for one in (scene, *scene.variations)]
    assert {alert.obligation for one in expectations for alert in one.alerts} == demanded - {"alert_volume"}
