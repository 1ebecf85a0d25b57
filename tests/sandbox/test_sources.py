import datetime as dt
import json
from pathlib import Path

import pytest

from agency_node.sources.mapping import load_mapping
from agency_node.sources.opening import SourceSettings, open_source
from agency_node.sources.record import SourceChild
from federation.errors import ErrorCode, WardgateError
from sandbox.generator.kinds import SHAPES
from sandbox.region import Region, parse_region
from sandbox.sources import break_source, mend_source, prepare_source, prepare_sources
from tests.support.documents import examples
from tests.support.source_files import children, datasets, records, rejected

TODAY = dt.date(2026, 11, 22)
(EXAMPLE,) = examples("region-file.md", "toml")


def region(text: str = EXAMPLE, folder: Path = Path("/nowhere")) -> Region:
    return parse_region(text.encode(), name="north.toml", folder=folder, today=TODAY)


def test_literal_records_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    found = region()
    plan = found.agency("north-hub")
    prepared = prepare_source(found, plan, plan.sources[0], tmp_path / "literal")
    assert prepared.written is not None
    rows = list(open_source(SourceSettings(**prepared.settings), today=lambda: TODAY, test_numbers=True).read())
    assert children(rows) == list(prepared.written.children)
    assert records(rows) == list(prepared.written.records)
    assert rejected(rows) == []
    assert prepared.written.records[1].flags == {"THIRD_PARTY"}
    assert prepared.written.records[1].relation == "parent"
    assert {child.flags for child in prepared.written.children} == {frozenset(), frozenset({"SENSITIVE_ADDRESS"})}


def test_a_small_region_without_children_still_has_its_sources(tmp_path: Path) -> None:
    found = region(EXAMPLE.replace("children = 200", "children = 0"))
    plan = found.agency("north-csc")
    (settings,) = prepare_sources(found, plan, tmp_path)
    rows = list(open_source(SourceSettings(**settings), today=lambda: TODAY, test_numbers=True).read())
    assert {(read.rows, read.fault) for read in datasets(rows).values()} == {(0, "")}
    assert len(rows) == len(datasets(rows))


def test_an_agency_that_holds_nothing_says_so_rather_than_looking_like_an_export_that_failed(tmp_path: Path) -> None:
    found = region()
    plan = found.agency("north-hub")
    nothing = plan.model_copy(update={"children": (), "records": ()})
    prepared = prepare_source(found, nothing, nothing.sources[0], tmp_path / "literal")
    settings = SourceSettings(**prepared.settings)
    rows = list(open_source(settings, today=lambda: TODAY, test_numbers=True).read())
    assert {name: (read.rows, read.fault) for name, read in datasets(rows).items()} == {
        "children": (0, ""),
        "records": (0, ""),
    }
    assert len(rows) == len(datasets(rows))
    mapping = load_mapping(Path(settings.mapping))
    assert {name for name, dataset in mapping.datasets.items() if dataset.may_be_empty} == {"children", "records"}


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_a_source_that_is_taken_away_is_unreadable_until_it_is_put_back(
    shipped: Region, tmp_path: Path, kind: str
) -> None:
    plan = next(plan for plan in shipped.agencies if plan.kind == kind)
    settings = prepare_sources(shipped, plan, tmp_path)[0]
    source = open_source(SourceSettings(**settings), today=lambda: TODAY, test_numbers=True)
    break_source(settings["location"])
    with pytest.raises(WardgateError) as refused:
        list(source.read())
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE
    mend_source(settings["location"])
    assert any(isinstance(row, SourceChild) for row in source.read())


def test_a_system_that_the_sandbox_did_not_write_is_left_alone() -> None:
    with pytest.raises(WardgateError) as refused:
        break_source("postgresql+asyncpg://somewhere/else")
    assert refused.value.code is ErrorCode.FILE_INVALID


def test_an_existing_system_is_pointed_at_from_the_regions_folder(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "children.jsonl").write_text('{"nhs_number": "9990000018"}\n', encoding="utf-8")
    record = {"nhs_number": "9990000018", "ref": "1", "category": "send", "type": "ehc_plan", "date": "2026-01-05"}
    (tmp_path / "exports" / "records.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    text = EXAMPLE.replace(
        'kind = "generated"', 'kind = "files"\nmapping = "wardgate-records"\nlocation = "exports"', 1
    )
    found = region(text, tmp_path)
    (settings,) = prepare_sources(found, found.agency("north-csc"), tmp_path / "run")
    rows = list(open_source(SourceSettings(**settings), today=lambda: TODAY, test_numbers=True).read())
    assert (len(children(rows)), len(records(rows)), rejected(rows)) == (1, 1, [])
    own = text.replace('mapping = "wardgate-records"', 'mapping = "own.toml"').replace('"exports"', '"sqlite:////x.db"')
    changed = region(own, tmp_path)
    (settings,) = prepare_sources(changed, changed.agency("north-csc"), tmp_path / "run")
    assert settings["mapping"] == str(tmp_path / "own.toml")
    assert settings["location"] == "sqlite:////x.db"


FAMILIES = """
[[families]]
name = "one"
title = "One"
[[families.children]]
name = "child"
nhs_number = "999 000 0034"
forename = "A"
surname = "B"
born = "today-5y"
[families.children.held.family_hub]
flags = ["VIP"]
records = [{ category = "early_help", type = "early_help_episode", date = "today-1d", flags = ["STALE"] }]
[[families.twins]]
name = "twin"
of = "child"
nhs_number = "999 000 0042"
forename = "C"
surname = "D"
nothing_held = true
"""


def test_a_literal_source_holds_what_the_families_say_of_its_kind(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(FAMILIES, encoding="utf-8")
    found = region(EXAMPLE.replace('families = "none"', 'families = "own.toml"'), tmp_path)
    plan = found.agency("north-hub")
    prepared = prepare_source(found, plan, plan.sources[0], tmp_path / "literal")
    assert prepared.written is not None
    rows = list(open_source(SourceSettings(**prepared.settings), today=lambda: TODAY, test_numbers=True).read())
    assert children(rows) == list(prepared.written.children)
    assert records(rows) == list(prepared.written.records)
    assert [child.child.canonical() for child in prepared.written.children] == [
        "9990000018",
        "9990000026",
        "9990000034",
    ]
    assert prepared.written.children[-1].flags == {"VIP"}
    assert prepared.written.records[-1].flags == {"STALE"}
    assert len(prepared.written.records) == len(plan.records) + 1


def test_the_first_agency_of_a_kind_alone_holds_the_families(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(FAMILIES, encoding="utf-8")
    found = region(EXAMPLE.replace('families = "none"', 'families = "own.toml"'), tmp_path)
    first = found.agency("north-hub")
    second = first.model_copy(update={"id": "south-hub"})
    both = found.model_copy(update={"agencies": (*found.agencies, second)})
    holdings = [prepare_source(both, plan, plan.sources[0], tmp_path / plan.id).written for plan in (first, second)]
    assert [len(written.children) for written in holdings if written] == [3, 2]
