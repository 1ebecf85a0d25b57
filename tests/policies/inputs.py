"""Inputs for policy tests: the golden ones, changed; and Hypothesis strategies over the bundle's own vocabulary."""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

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


dates = st.dates().map(lambda found: date(min(max(found.year, 1900), 2199), found.month, min(found.day, 28)))
near_dates = st.builds(date, st.integers(2018, 2027), st.integers(1, 12), st.integers(1, 28))
tiers = st.sampled_from(TIERS)
flags = st.one_of(st.sampled_from(sorted(REFERENCE["flags"])), st.just("UNHEARD_OF"))


def some_of(values: Sequence[str], at_most: int) -> st.SearchStrategy[list[str]]:
    """A few of these, each once."""
    return st.lists(st.sampled_from(sorted(values)), max_size=at_most, unique=True)


@st.composite
def records(draw: st.DrawFn, categories: Sequence[str], ref: str) -> Json:
    """One record's descriptor, mostly of these categories."""
    category = draw(st.sampled_from(sorted(categories)))
    fields = sorted(REFERENCE["categories"][category]["fields"])
    return {
        "ref": ref,
        "category": category,
        "type": draw(st.sampled_from([category, "pnd", "ppn"])),
        "date": draw(near_dates),
        "flags": draw(st.lists(flags, max_size=2, unique=True)) if draw(st.booleans()) else [],
        "fields": draw(st.permutations([*fields, "unknown_field"]))[: draw(st.integers(0, len(fields) + 1))],
        "assertion": draw(st.sampled_from(["fact", "professional_opinion", "third_party_allegation"])),
        "relation": draw(st.sampled_from(["subject", "subject", "household", "parent", "other"])),
        "contact_level": draw(st.sampled_from(["none", "supervised", "regular", "lives_with", "unknown"])),
        "handling_code": draw(st.sampled_from(["", "", "", "P", "C", "3", "5", "Z"])),
    }


@st.composite
def overlays(draw: st.DrawFn, categories: Sequence[str]) -> Json:
    """An agency's own narrowing, often of something that is asked for."""
    fields = [field for name in categories for field in REFERENCE["categories"][name]["fields"]] or ["none"]
    caps = st.builds(lambda name, tier: {"category": name, "tier": tier}, st.sampled_from(sorted(categories)), tiers)
    return {
        "purposes_never": draw(some_of([*REFERENCE["purposes"], "OTHER"], 1)),
        "purposes_refer": draw(some_of(REFERENCE["purposes"], 1)),
        "roles_never": draw(some_of(REFERENCE["roles"], 1)),
        "categories_never": draw(some_of(categories, 1)),
        "categories_refer": draw(some_of(categories, 1)),
        "flags_never": draw(some_of(REFERENCE["flags"], 1)),
        "types_never": draw(some_of(["ppn", "s47"], 1)),
        "fields_never": draw(some_of(fields, 2)),
        "tier_caps": draw(st.lists(caps, max_size=2)),
    }


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

NODE_GOLDEN = sorted(name for name in permitted_golden() if entry_of(name) is EntryPoint.NODE)


@st.composite
def node_inputs(draw: st.DrawFn) -> Json:
    """A node's input: a valid query of one of the purposes, with other records, permission and review."""
    document = golden_input(draw(st.sampled_from(NODE_GOLDEN)))
    query = document["query"]
    reach = REFERENCE["purposes"][query["purpose"]]["categories"]
    kept = [name for name in reach if document["responder"]["kind"] in REFERENCE["categories"][name]["agency_kinds"]]
    names = draw(st.permutations(kept or sorted(reach)))[: draw(st.integers(1, 6))]
    query["categories"] = [{"name": name, "tier": draw(tiers)} for name in names]
    document["gateway"]["categories"] = [
        {"name": name, "tier": draw(tiers)} for name in names if draw(st.integers(0, 9))
    ]
    query["urgency"] = draw(st.sampled_from(REFERENCE["purposes"][query["purpose"]]["urgencies"]))
    query["period"]["from"] = date(draw(st.integers(2018, 2026)), 11, 22)
    query["attestations"] += draw(st.sampled_from([[], ["sensitive_consent"]]))
    query["approvals"] += draw(st.sampled_from([[], [{"role": "lcpp", "kind": "second_person", "user_ref": "d" * 32}]]))
    refs = [f"r{number}" for number in range(draw(st.integers(0, 6)))]
    document["records"] = [draw(records([*names, *names, "cin", "police_incident"], ref)) for ref in refs]
    reviewed = draw(st.lists(st.sampled_from(refs), max_size=3)) if refs else []
    document["review"] = [
        {"ref": ref, "decision": draw(st.sampled_from(["release", "release", "withhold"]))} for ref in reviewed
    ]
    return document
