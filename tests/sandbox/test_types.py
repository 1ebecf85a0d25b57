"""Where a category's types are a closed list, mappings, the generator and the regions use those of the list."""

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from agency_node.sources.mapping import load_mapping
from agency_node.sources.opening import SHIPPED_MAPPINGS
from agency_node.sources.source import SourceRow
from sandbox.region import SHIPPED_REGIONS, load_region
from sandbox.sources import families_of
from tests.support.source_files import records

TODAY = dt.date(2026, 11, 22)
CATEGORIES = json.loads(
    (Path(__file__).resolve().parents[2] / "policies" / "dist" / "data.json").read_text(encoding="utf-8")
)["reference"]["categories"]
LISTED = {name: set(row["types"]) for name, row in CATEGORIES.items() if row["types"]}
MAPPINGS = sorted(SHIPPED_MAPPINGS.glob("*.toml"))


def is_listed(category: str, kind: str) -> bool:
    """Whether it is on the category's list, or the category has none."""
    return kind in LISTED.get(category, {kind})


def test_a_shipped_mapping_gives_listed_types_alone() -> None:
    sections = [
        (str(category), section.type)
        for path in MAPPINGS
        for section in load_mapping(path).records
        for category in section.category.possible()
        if category in LISTED
    ]
    for category, kind in sections:
        possible = {str(value) for value in kind.possible()}
        assert possible, category
        assert possible <= LISTED[category], category
        assert kind.unmapped == "reject", category
    assert {category for category, _ in sections} >= {"police_incident", "offending"}


def test_the_generator_writes_listed_types_alone(rows: Mapping[str, list[SourceRow]]) -> None:
    found = {(record.category, record.type) for kind in rows for record in records(rows[kind])}
    assert {pair for pair in found if not is_listed(*pair)} == set()
    assert {category for category, _ in found} & set(LISTED)


@pytest.mark.parametrize("path", SHIPPED_REGIONS, ids=lambda path: path.stem)
def test_what_regions_and_families_hold_is_listed_but_for_what_is_never_shared(path: Path) -> None:
    region = load_region(path, today=TODAY)
    literal = {(record.category, record.type) for plan in region.agencies for record in plan.records}
    for family in families_of(region):
        for child in family.children:
            literal |= {(draft.category, draft.type) for held in child.held.values() for draft in held.drafts}
    never = {
        (category, kind)
        for category, kind in literal
        if any(word in kind.lower() for word in CATEGORIES[category]["never_types"])
    }
    assert {pair for pair in literal - never if not is_listed(*pair)} == set()
