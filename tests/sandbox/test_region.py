import contextlib
import datetime as dt
import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agency_node.settings import NodeSettings
from agency_node.users import Users
from federation.errors import ErrorCode, WardgateError
from federation.toml_text import to_toml
from sandbox.families import find_child, load_families
from sandbox.generator.kinds import SHAPES
from sandbox.region import SHIPPED_REGIONS, Region, load_region, parse_region
from sandbox.region_scenes import Scene
from sandbox.sources import families_of, prepare_sources
from tests.support.documents import examples

TODAY = dt.date(2026, 11, 22)
ROOT = Path(__file__).resolve().parents[2]
BUNDLE = json.loads((ROOT / "policies" / "dist" / "data.json").read_text(encoding="utf-8"))["reference"]
(EXAMPLE,) = examples("region-file.md", "toml")


def parse(text: str, today: dt.date | None = TODAY, folder: Path = Path("/nowhere")) -> Region:
    return parse_region(text.encode(), name="north.toml", folder=folder, today=today)


def refusal(text: str) -> str:
    with pytest.raises(WardgateError) as refused:
        parse(text)
    assert refused.value.code is ErrorCode.FILE_INVALID
    return refused.value.detail


def test_the_documents_example_is_a_region() -> None:
    region = parse(EXAMPLE)
    assert [plan.id for plan in region.agencies] == ["north-csc", "north-hub"]
    hub = region.agency("north-hub")
    assert hub.contract_from == dt.date(2025, 11, 22)
    assert hub.descriptor().contract_to == "2027-11-22"
    assert hub.faults.slow_ms == 200
    assert hub.records[0].date == dt.date(2026, 8, 22)
    assert hub.records[0].fields["earl_episode_start_date"] == "2026-08-22"
    assert region.agency("north-csc").users[0].training_expires == dt.date(2027, 5, 21)


def test_every_key_of_the_format_is_documented() -> None:
    text = (ROOT / "docs" / "region-file.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[a-z_]+", text[: text.index("## A whole example")]))
    found = models(Region, set())
    assert len(found) > 12
    for model in found:
        assert set(model.model_fields) - {"folder"} <= named, model.__name__


def models(annotation: object, seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        for field in annotation.model_fields.values():
            models(field.annotation, seen)
    for part in get_args(annotation):
        models(part, seen)
    return seen


def test_relative_dates_count_from_the_day_it_is_brought_up_or_the_day_it_pins() -> None:
    later = parse(EXAMPLE, TODAY + dt.timedelta(days=1))
    assert later.agency("north-hub").records[0].date == dt.date(2026, 8, 23)
    pinned = parse("today = 2020-03-01\n" + EXAMPLE, TODAY)
    assert pinned.today == dt.date(2020, 3, 1)
    assert pinned.agency("north-hub").records[0].date == dt.date(2019, 12, 1)
    assert parse('today = "2020-03-01"\n' + EXAMPLE).today == dt.date(2020, 3, 1)
    assert abs((parse(EXAMPLE, None).today - dt.datetime.now(dt.UTC).date()).days) <= 1


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("seed = 7\n", "", "seed: Field required"),
        ("seed = 7", "sead = 7\nseed = 7", "sead"),
        ("seed = 7", 'seed = "7"', "seed"),
        ("seed = 7", 'seed = 7\nfolder = "/tmp"', "folder"),
        ("seed = 7", 'seed = 7\ntoday = "today"', "today: a calendar date"),
        ("seed = 7", "seed = 7\ntoday = 5", "today: a calendar date"),
        ("format = 1", "format = 2", "format"),
        ("children = 200", "children = 60000", "population.children"),
        ("children = 200", "childs = 200", "population.childs"),
        ('engine = "embedded"', 'engine = "rego"', "policy.engine"),
        ('database_url = ""', 'database_url = "mysql://x"', "gateway.database_url"),
        ("quantum_ms = 50", "quantum_ms = 2000", "nodes.quantum_ms"),
        ("urgent_deadline_s = 5", "urgent_deadline = 5", "nodes.times.urgent_deadline"),
        ('id = "north-hub"', 'id = "North Hub"', "agencies[1].id"),
        ('id = "north-hub"', 'id = "north-csc"', "agencies: north-csc stands twice"),
        ('legal_class = "S11_1"', 'legal_class = "S11"', "agencies[0] (north-csc).legal_class"),
        (
            'arranged_by = "north-csc"',
            'arranged_by = "south-csc"',
            "agencies (north-hub).arranged_by: no agency south-csc",
        ),
        ('contract_from = "today-1y"', 'contract_from = "last year"', "agencies[1] (north-hub).contract_from"),
        ("slow_ms = 200", "slow_ms = -1", "agencies[1] (north-hub).faults.slow_ms"),
        ("slow_ms = 200", "slow = 200", "agencies[1] (north-hub).faults.slow"),
        ('categories_never = ["camhs"]', 'categories_always = ["camhs"]', "agencies[1] (north-hub).overlay"),
        ('training_expires = "today+180d"\n', "", "agencies[0] (north-csc).users[0] (a.lee).training_expires"),
        ('training_expires = "today+180d"', 'training_expires = "soon"', "users[0] (a.lee).training_expires"),
        ('role = "mash_manager"', 'role = "mash manager"', "agencies[0] (north-csc).users[0] (a.lee).role"),
        ('kind = "literal"', 'kind = "sql"', "mapping and location belong to sql, files and fhir"),
        ('kind = "literal"', 'kind = "generated"', "nothing is generated for family_hub"),
        ('kind = "generated"', 'kind = "generated"\nmapping = "x"', "mapping and location belong"),
        (
            'nhs_number = "999 000 0026"',
            'nhs_number = "999 000 0027"',
            "agencies[1] (north-hub).children[1].nhs_number",
        ),
        ('flags = ["SENSITIVE_ADDRESS"]', 'flag = ["SENSITIVE_ADDRESS"]', "agencies[1] (north-hub).children[1].flag"),
        ('assertion = "professional_opinion"', 'assertion = "rumour"', "agencies[1] (north-hub).records[1].assertion"),
        ('relation = "parent"', 'relation = "mother"', "agencies[1] (north-hub).records[1].relation"),
        ('user = "a.lee"', 'user = "b.lee"', "scenes (who-helps): north-csc has no user b.lee"),
        ("expect = { north-hub", "expect = { south-hub", "scenes (who-helps): no agency south-hub"),
        ("expect = { north-hub", 'before = { south-hub = "referred" }\nexpect = { north-hub', "no agency south-hub"),
        ('"early_help:T1", ', '"early_help:T3", ', "scenes[0] (who-helps).categories[0]"),
        ('urgency = "urgent"', 'urgency = "now"', "scenes[0] (who-helps).urgency"),
        ('completeness = "complete"', 'completeness = "whole"', "scenes[0] (who-helps).completeness"),
        (
            'records = { north-hub = ["early',
            'records = { south-hub = ["early',
            "scenes (who-helps): no agency south-hub",
        ),
        ("but = { attestations = [] }", 'but = { user = "b.lee" }', "scenes (who-helps): north-csc has no user b.lee"),
        ("but = { attestations = [] }", 'but = { grants = ["X"] }', "scenes[0] (who-helps).variations[0].but.grants"),
        (
            'completeness = "nothing_permitted"\nreasons = ["ATTESTATION_MISSING"]',
            "",
            "scenes[0] (who-helps): Value error, variations[0] says nothing",
        ),
        ("seed = 7", 'seed = 7\nstory = ["who-asks"]', "story: no scene who-asks"),
        ("seed = 7", 'seed = 7\nscene_files = "more.toml"', "scene_files"),
    ],
)
def test_a_mistake_is_named_by_table_and_key(old: str, new: str, named: str) -> None:
    assert old in EXAMPLE
    detail = refusal(EXAMPLE.replace(old, new, 1))
    assert detail.startswith("north.toml: ")
    assert named in detail
    assert "999 000 0027" not in detail


def test_records_need_a_source_that_shows_them() -> None:
    without = EXAMPLE.replace('[[agencies.sources]]\nname = "records"\nkind = "literal"\n', "")
    assert "need a source of kind literal" in refusal(without)


def test_a_failing_source_needs_a_source() -> None:
    start = EXAMPLE.index('[[agencies.sources]]\nname = "case-system"')
    end = EXAMPLE.index("[[agencies.users]]")
    without = EXAMPLE[:start] + "[agencies.faults]\nsource_failing = true\n\n" + EXAMPLE[end:]
    assert "faults.source_failing" in refusal(without)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WardgateError) as refused:
        load_region(tmp_path / "gone.toml")
    assert refused.value.code is ErrorCode.FILE_INVALID


def test_an_unknown_agency_is_named() -> None:
    with pytest.raises(WardgateError) as refused:
        parse(EXAMPLE).agency("south")
    assert refused.value.code is ErrorCode.FILE_INVALID


@pytest.mark.parametrize("content", [b"\xff", b"", b"a = [", b"format = 1", b"[" * 3_000, b"#" * (9 * 1024 * 1024)])
def test_what_is_no_region_is_refused(content: bytes) -> None:
    with pytest.raises(WardgateError) as refused:
        parse_region(content, name="x.toml", folder=Path("/nowhere"), today=TODAY)
    assert refused.value.code is ErrorCode.FILE_INVALID


@given(st.binary(max_size=300))
def test_any_bytes_are_a_region_or_a_named_mistake(content: bytes) -> None:
    with contextlib.suppress(WardgateError):
        parse_region(content, name="x.toml", folder=Path("/nowhere"), today=TODAY)


def paths(value: object, here: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(path for key, member in children for path in paths(member, (*here, key)))]


@given(st.data())
def test_any_value_put_anywhere_is_a_region_or_a_named_mistake(data: st.DataObject) -> None:
    raw = tomllib.loads(EXAMPLE)
    path = data.draw(st.sampled_from(paths(raw)[1:]))
    junk = data.draw(st.sampled_from([1, -1, 1.5, True, "", "x", "today", [], {}, [{}], [1], {"x": 1}, "a" * 300]))
    inside = raw
    for step in path[:-1]:
        inside = inside[step]  # type: ignore[index]
    inside[path[-1]] = junk  # type: ignore[index]
    with contextlib.suppress(WardgateError, TypeError):
        # A TypeError is the writer's: TOML text that this helper cannot make.
        parse_region(to_toml(raw).encode(), name="x.toml", folder=Path("/nowhere"), today=TODAY)


# The shipped region


@pytest.mark.parametrize("path", SHIPPED_REGIONS, ids=lambda path: path.stem)
def test_a_shipped_region_speaks_the_bundles_words(path: Path) -> None:
    region = load_region(path, today=TODAY)
    for plan in region.agencies:
        assert plan.kind in BUNDLE["agency_kinds"]
        assert set(plan.agreements) <= set(BUNDLE["agreements"])
        for user in plan.users:
            kinds = BUNDLE["roles"][user.role]["agency_kinds"]
            assert plan.kind in kinds or kinds == ["*"], user.id
            powers = {*BUNDLE["grants"], BUNDLE["audit"]["grant"]}
            assert set(user.grants) - powers <= set(BUNDLE["purposes"]), user.id
    for scene in region.scenes:
        for asked in (scene, *(scene.varied(variation) for variation in scene.variations)):
            assert asked.purpose in {*BUNDLE["purposes"], *BUNDLE["never_permitted"]}
            assert set(asked.attestations) <= set(BUNDLE["attestations"])
            assert {name.partition(":")[0] for name in asked.categories} <= set(BUNDLE["categories"])
            assert asked.break_glass in {"", *BUNDLE["break_glass"]}
        for expected in (scene, *scene.variations):
            assert {*expected.obligations, *expected.without_obligations} <= set(BUNDLE["obligations"])
            assert set(expected.reasons or ()) <= set(BUNDLE["reasons"])
            for shown in expected.shows:
                assert {*shown.fields, *shown.without} <= fields_of(scene, shown.category), (scene.name, shown.category)
                assert set(shown.flags) <= set(BUNDLE["flags"])
            assert {one.obligation for one in (*expected.alerts, *expected.without_alerts)} <= set(
                BUNDLE["obligations"]
            )
            assert {decision.ground for decision in expected.decide} <= {"", *BUNDLE["review_reasons"]}


def fields_of(scene: Scene, category: str) -> set[str]:
    """The fields of a category, or of all those that the scene's purpose shows under that name."""
    cells = BUNDLE["purposes"][scene.purpose]["categories"].items()
    names = {name for name, cell in cells if category in {name, cell["shown_as"]}}
    return {field for name in names for field in BUNDLE["categories"][name]["fields"]}


SCENE = """
[[scenes]]
name = "more"
title = "More"
agency = "north-csc"
user = "a.lee"
child = "999 000 0018"
purpose = "FRONT_DOOR"
categories = ["early_help:T1"]
completeness = "complete"
"""


def test_scenes_may_stand_in_files_of_their_own(tmp_path: Path) -> None:
    region = EXAMPLE.replace("seed = 7", 'seed = 7\nstory = ["more"]\nscene_files = ["more.toml"]', 1)
    (tmp_path / "more.toml").write_text(SCENE, encoding="utf-8")
    assert [scene.name for scene in parse(region, folder=tmp_path).scenes] == ["who-helps", "more"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "more.toml: cannot be read"),
        ("scenes = 1\n", "more.toml: holds [[scenes]] and nothing else"),
        (SCENE + '[[agencies]]\nid = "x"\n', "more.toml: holds [[scenes]] and nothing else"),
        (SCENE.replace('"a.lee"', '"b.lee"'), "scenes (more): north-csc has no user b.lee"),
        (SCENE.replace('completeness = "complete"', ""), "scenes[1] (more)"),
        (SCENE.replace('"more"', '"who-helps"'), "scenes: who-helps stands twice"),
    ],
)
def test_a_mistake_in_a_file_of_scenes_is_named(tmp_path: Path, content: str | None, named: str) -> None:
    region = EXAMPLE.replace("seed = 7", 'seed = 7\nscene_files = ["more.toml"]', 1)
    if content is not None:
        (tmp_path / "more.toml").write_text(content, encoding="utf-8")
    with pytest.raises(WardgateError) as refused:
        parse(region, folder=tmp_path)
    assert refused.value.code is ErrorCode.FILE_INVALID
    assert named in refused.value.detail


def test_a_file_of_scenes_with_a_name_that_no_file_has_is_a_mistake_like_any(tmp_path: Path) -> None:
    region = EXAMPLE.replace("seed = 7", 'seed = 7\nscene_files = ["more\\u0000.toml"]', 1)
    with pytest.raises(WardgateError) as refused:
        parse(region, folder=tmp_path)
    assert refused.value.code is ErrorCode.FILE_INVALID


def test_every_agency_of_the_shipped_region_has_people_who_ask_and_people_who_decide(shipped: Region) -> None:
    assert {plan.kind for plan in shipped.agencies if plan.sources[0].kind == "generated"} == set(SHAPES)
    for plan in shipped.agencies:
        assert any(user.grants for user in plan.users)
        assert any("decide_referrals" in user.grants for user in plan.users)
    people = [user for plan in shipped.agencies for user in plan.users]
    assert any(user.conflicted for user in people)
    assert any(user.supervised for user in people)
    assert any(not user.is_trained(TODAY) for user in people)
    assert any(not user.is_employed(TODAY) for user in people)


@pytest.mark.parametrize("path", SHIPPED_REGIONS, ids=lambda path: path.stem)
def test_every_scene_asks_about_a_child_that_is_there(path: Path) -> None:
    region = load_region(path, today=TODAY)
    families = families_of(region)
    for scene in region.scenes:
        for asked in (scene, *(scene.varied(variation) for variation in scene.variations)):
            find_child(families, asked.child)


def test_the_people_are_a_users_file(shipped: Region) -> None:
    for plan in shipped.agencies:
        text = to_toml({"user": [user.as_settings() for user in plan.users]})
        found = Users.parse(text.encode(), name="users.toml")
        assert {user.id for user in plan.users} == set(found.by_id)
        for user in plan.users:
            assert found.get(user.id).model_dump() == user.model_dump()


def test_the_nodes_settings_take_sources_and_times(shipped: Region, tmp_path: Path) -> None:
    plan = shipped.agency("thornbury-yjs")
    sources = prepare_sources(shipped, plan, tmp_path)
    fields = NodeSettings.model_fields
    assert set(shipped.times) == set(type(shipped.nodes.times).model_fields)
    assert fields["sources"].annotation is not None
    for source in sources:
        assert set(source) == {"name", "mapping", "location", "values"}
        assert Path(source["location"]).exists()


def test_families_come_from_a_file_of_the_regions_own_or_not_at_all(shipped: Region, tmp_path: Path) -> None:
    assert families_of(shipped) == load_families(TODAY)
    none = shipped.model_copy(update={"population": shipped.population.model_copy(update={"families": "none"})})
    assert families_of(none) == ()
    missing = shipped.model_copy(
        update={"folder": tmp_path, "population": shipped.population.model_copy(update={"families": "own.toml"})}
    )
    with pytest.raises(WardgateError) as refused:
        families_of(missing)
    assert refused.value.code is ErrorCode.FILE_INVALID
