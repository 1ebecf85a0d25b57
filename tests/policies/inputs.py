"""Inputs for policy tests: the golden ones, and ways to change them."""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from federation.policy.engine import EntryPoint

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "policies"
DIST = POLICIES / "dist"

Json = Any
Place = tuple[str | int, ...]

REFERENCE: Mapping[str, Json] = json.loads((DIST / "data.json").read_text())["reference"]
GOLDEN: Mapping[str, Json] = {item["name"]: item for item in json.loads((DIST / "golden.json").read_text())}

TIERS = ("T0", "T1", "T2")


def golden_input(name: str) -> Json:
    """A fresh copy of a golden decision's input."""
    return copy.deepcopy(GOLDEN[name]["input"])


def permitted_golden() -> list[str]:
    """Names of the golden decisions that permit something."""
    return sorted(name for name, item in GOLDEN.items() if item["result"]["effect"] == "permit")


def entry_of(name: str) -> EntryPoint:
    """Entry point of a golden decision."""
    return EntryPoint(GOLDEN[name]["entry_point"])


def type_of(category: str) -> str:
    """A type of record that needs no person: the first of the category's closed list, or any where it has none."""
    return str(next(iter(REFERENCE["categories"][category]["types"]), category))


def places(value: Json, place: Place = ()) -> Iterator[Place]:
    """Every place of a document, the inner ones after those that hold them."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield (*place, step)
        yield from places(inner, (*place, step))


def value_at(document: Json, place: Place) -> Json:
    """The value at a place."""
    for step in place:
        document = document[step]
    return document


def without(document: Json, place: Place) -> Json:
    """A copy that lacks the value at a place."""
    changed = copy.deepcopy(document)
    del value_at(changed, place[:-1])[place[-1]]
    return changed


def replaced(document: Json, place: Place, value: Json) -> Json:
    """A copy with another value at a place."""
    changed = copy.deepcopy(document)
    value_at(changed, place[:-1])[place[-1]] = value
    return changed


def date(year: int, month: int, day: int) -> Json:
    """A calendar date as policy reads it."""
    return {"year": year, "month": month, "day": day}


EMPTY_OVERLAY: Mapping[str, Json] = {
    name: []
    for name in (
        "purposes_never",
        "purposes_refer",
        "roles_never",
        "categories_never",
        "categories_refer",
        "flags_never",
        "types_never",
        "fields_never",
        "tier_caps",
    )
}
