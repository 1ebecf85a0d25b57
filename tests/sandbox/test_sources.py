import datetime as dt
import json
from pathlib import Path

import pytest

from agency_node.sources.opening import SourceSettings, open_source
from agency_node.sources.record import SourceChild, SourceRecord
from federation.errors import ErrorCode, WardgateError
from sandbox.generator.kinds import SHAPES
from sandbox.region import Region, parse_region
from sandbox.sources import break_source, mend_source, prepare_source, prepare_sources
from tests.support.documents import examples

TODAY = dt.date(2026, 11, 22)
(EXAMPLE,) = examples("region-file.md", "toml")


def region(text: str = EXAMPLE, folder: Path = Path("/nowhere")) -> Region:
    return parse_region(text.encode(), name="north.toml", folder=folder, today=TODAY)


def test_literal_records_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    found = region()
    plan = found.agency("north-hub")
    prepared = prepare_source(found, plan, plan.sources[0], tmp_path / "literal")
    assert prepared.written is not None
    rows = list(open_source(SourceSettings(**prepared.settings), today=lambda: TODAY).read())
    assert [row for row in rows if isinstance(row, SourceChild)] == list(prepared.written.children)
    assert [row for row in rows if isinstance(row, SourceRecord)] == list(prepared.written.records)
    assert len(rows) == len(prepared.written.children) + len(prepared.written.records)
    assert prepared.written.records[1].flags == {"THIRD_PARTY"}
    assert prepared.written.records[1].relation == "parent"
    assert {child.flags for child in prepared.written.children} == {frozenset(), frozenset({"SENSITIVE_ADDRESS"})}


def test_a_small_region_without_children_still_has_its_sources(tmp_path: Path) -> None:
    found = region(EXAMPLE.replace("children = 200", "children = 0"))
    plan = found.agency("north-csc")
    (settings,) = prepare_sources(found, plan, tmp_path)
    assert list(open_source(SourceSettings(**settings), today=lambda: TODAY).read()) == []


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_a_source_that_is_taken_away_is_unreadable_until_it_is_put_back(
    shipped: Region, tmp_path: Path, kind: str
) -> None:
    plan = next(plan for plan in shipped.agencies if plan.kind == kind)
    (settings,) = prepare_sources(shipped, plan, tmp_path)
    source = open_source(SourceSettings(**settings), today=lambda: TODAY)
    break_source(settings["location"])
    with pytest.raises(WardgateError) as refused:
        list(source.read())
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE
    mend_source(settings["location"])
    assert any(isinstance(row, SourceChild) for row in source.read())


def test_a_system_that_the_sandbox_did_not_write_is_left_alone() -> None:
    with pytest.raises(WardgateError) as refused:
        break_source("postgresql+asyncpg://somewhere/else")
    assert refused.value.code is ErrorCode.REGION_INVALID


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
    rows = list(open_source(SourceSettings(**settings), today=lambda: TODAY).read())
    assert [type(row) for row in rows] == [SourceChild, SourceRecord]
    own = text.replace('mapping = "wardgate-records"', 'mapping = "own.toml"').replace('"exports"', '"sqlite:////x.db"')
    changed = region(own, tmp_path)
    (settings,) = prepare_sources(changed, changed.agency("north-csc"), tmp_path / "run")
    assert settings["mapping"] == str(tmp_path / "own.toml")
    assert settings["location"] == "sqlite:////x.db"
