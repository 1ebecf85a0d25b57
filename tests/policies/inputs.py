"""Inputs for policy tests: the golden ones, changed; and generated ones in the bundle's own vocabulary."""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
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


flags = st.one_of(st.sampled_from(sorted(REFERENCE["flags"])), st.just("UNHEARD_OF"))

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


def some_of(rng: Random, values: Iterable[str], at_most: int) -> list[str]:
    """None to a few of these, each once."""
    found = sorted(values)
    return rng.sample(found, min(len(found), rng.randint(0, at_most)))


def record(rng: Random, categories: Sequence[str], ref: str) -> Json:
    """One record's descriptor: mostly one that nothing stands against, or little."""
    category = rng.choice(sorted(categories))
    fields = [*REFERENCE["categories"][category]["fields"], "unknown_field"]
    return {
        "ref": ref,
        "category": category,
        "type": rng.choice([category] * 9 + ["pnd"]),
        "date": date(rng.randint(2020, 2026), rng.randint(1, 11), rng.randint(1, 28)),
        "flags": some_of(rng, [*REFERENCE["flags"], "UNHEARD_OF"], 2) if rng.random() < 0.3 else [],
        "fields": rng.sample(fields, rng.randint(0, len(fields))),
        "assertion": rng.choice(["fact", "professional_opinion", "third_party_allegation"]),
        "relation": rng.choice(["subject"] * 7 + ["household", "parent", "other", "alleged_perpetrator"]),
        "contact_level": rng.choice(["none", "supervised", "regular", "lives_with", "unknown"]),
        "handling_code": rng.choice([""] * 20 + ["P", "C", "5", "Z"]),
        "barred_users": rng.choice([[], [], ["e" * 32], ["a" * 32]]),
        "permitted_users": rng.choice([[], [], ["e" * 32], ["a" * 32]]),
    }


def overlay(rng: Random, categories: Sequence[str]) -> Json:
    """An agency's own narrowing, often of something that is asked for."""
    fields = [field for name in categories for field in REFERENCE["categories"][name]["fields"]]
    narrowed = [rng.choice(sorted(categories)) for _ in range(rng.randint(0, 2))]
    return {
        "purposes_never": some_of(rng, REFERENCE["purposes"], 1) if rng.random() < 0.2 else [],
        "purposes_refer": some_of(rng, REFERENCE["purposes"], 2),
        "roles_never": some_of(rng, REFERENCE["roles"], 1),
        "categories_never": some_of(rng, categories, 1),
        "categories_refer": some_of(rng, categories, 1),
        "flags_never": some_of(rng, REFERENCE["flags"], 3),
        "types_never": some_of(rng, categories, 1),
        "fields_never": some_of(rng, fields, 3),
        "tier_caps": [{"category": name, "tier": rng.choice(TIERS)} for name in narrowed],
    }


def review(ref: str, decision: str) -> Json:
    """What a person decided of a record, in force for every golden input's time."""
    reason = {"release": "considered", "withhold": "more_detrimental"}[decision]
    return {"ref": ref, "decision": decision, "reason": reason, "reviewer": "reviewer", "expires_at": 4_000_000_000}


def node_input(rng: Random) -> Json:
    """A node's input: a valid query of one of the purposes, with other records, permission and review."""
    document = golden_input(rng.choice(NODE_GOLDEN))
    query = document["query"]
    purpose = REFERENCE["purposes"][query["purpose"]]
    kind = document["responder"]["kind"]
    kept = [name for name in purpose["categories"] if kind in REFERENCE["categories"][name]["agency_kinds"]]
    names = rng.sample(sorted(kept), min(len(kept), rng.randint(1, 8)))
    query["categories"] = [{"name": name, "tier": rng.choice(["T0", "T1", "T2", "T2"])} for name in names]
    document["gateway"]["categories"] = [
        {"name": name, "tier": rng.choice(["T0", "T1", "T2", "T2", "T2"])} for name in names if rng.random() < 0.9
    ]
    query["period"]["from"] = date(rng.randint(2016, 2025), 11, 22)
    query["attestations"] += rng.choice([[], ["sensitive_consent"]])
    query["approvals"] += rng.choice([[], [{"role": "lcpp", "kind": "second_person", "user_ref": "d" * 32}]])
    if "shielded_person" in purpose["break_glass"]["codes"]:
        query["break_glass"] = rng.choice(["", "shielded_person"])
    refs = [f"r{number}" for number in range(rng.randint(0, 8))]
    document["records"] = [record(rng, [*names, *names, *names, "immigration"], ref) for ref in refs]
    document["review"] = [review(ref, rng.choice(["release", "release", "withhold"])) for ref in some_of(rng, refs, 3)]
    return document


# Drawn through a seeded generator: Hypothesis' own choices favour the simplest value of each field so strongly that
# hardly any record would be released, and narrowing nothing proves nothing.
randoms = st.randoms(use_true_random=True)
node_inputs = randoms.map(node_input)
