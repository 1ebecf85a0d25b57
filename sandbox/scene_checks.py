"""Compares what a scene's question brought with what the region file says must come back. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from federation.canonical import JsonObject
from sandbox.region_scenes import Expectation, Expected, SceneDecision, ShownRecord

ALIKE: Final = ("effect", "completeness", "missing", "warnings", "cautions", "reasons", "obligations", "chronology")
"""What must be equal in two pictures that look alike, besides each target."""


def differences(expected: Expectation, picture: JsonObject) -> list[str]:
    """What did not end as the region file says; empty when all did."""
    return [*_outcomes(expected.expect, picture), *_whole(expected, picture), *_records(expected, picture)]


def differences_before(expected: Expectation, picture: JsonObject) -> list[str]:
    """What was not as the region file says before anybody decided."""
    return [f"before anybody decides, {fault}" for fault in _outcomes(expected.before, picture)]


def differences_then(decision: SceneDecision, picture: JsonObject) -> list[str]:
    """Whether a decision did not lead to what the region file says of it."""
    wanted = {} if decision.then is None else {decision.agency: decision.then}
    return [f"after {decision.user}'s decision, {fault}" for fault in _outcomes(wanted, picture)]


def unlike(first: JsonObject, second: JsonObject) -> list[str]:
    """In what two pictures that must look exactly alike differ, but for the moment of each answer."""
    one, other = _looks(first), _looks(second)
    agencies = [agency for agency in sorted({*one, *other}) if one.get(agency) != other.get(agency)]
    keys = [key for key in ALIKE if first[key] != second[key]]
    return [*(f"{agency} does not look exactly alike" for agency in agencies), *(f"{key} differs" for key in keys)]


def _looks(picture: JsonObject) -> dict[str, JsonObject]:
    return {target["agency"]: _timeless(target) for target in picture["targets"]}


def _timeless(target: Mapping[str, Any]) -> JsonObject:
    answer = target["answer"] and {key: value for key, value in target["answer"].items() if key != "answered_at"}
    return {**target, "answer": answer}


def summary(picture: JsonObject) -> JsonObject:
    """What came back, as `expect`, `completeness`, `records`, `obligations` and `reasons` say it."""
    return {
        "effect": picture["effect"],
        "expect": outcomes(picture),
        "completeness": picture["completeness"],
        "records": {agency: sorted(_tiers(records)) for agency, records in _by_agency(picture).items() if records},
        "obligations": sorted(_obligations(picture)),
        "reasons": sorted(reason["code"] for reason in picture["reasons"]),
    }


def outcomes(picture: JsonObject) -> dict[str, str]:
    """An answer's outcome by agency, or the target's state where there is no answer."""
    return {target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]}


def _outcomes(expected: Mapping[str, Expected], picture: JsonObject) -> Iterator[str]:
    found = outcomes(picture)
    for agency, outcome in expected.items():
        if found.get(agency) != outcome:
            yield f"{agency} should be {outcome}, is {found.get(agency)}"


def _whole(expected: Expectation, picture: JsonObject) -> Iterator[str]:
    if expected.completeness is not None and picture["completeness"] != expected.completeness:
        yield f"picture should be {expected.completeness}, is {picture['completeness']}"
    reasons = sorted(reason["code"] for reason in picture["reasons"])
    if expected.reasons is not None and reasons != sorted(expected.reasons):
        yield f"reasons should be {_listed(expected.reasons)}, are {_listed(reasons)}"
    given = _obligations(picture)
    if missing := set(expected.obligations) - given:
        yield f"obligations lack {_listed(missing)}"
    if surplus := set(expected.without_obligations) & given:
        yield f"obligations should not hold {_listed(surplus)}"


def _records(expected: Expectation, picture: JsonObject) -> Iterator[str]:
    by_agency = _by_agency(picture)
    for agency, wanted in expected.records.items():
        found = _tiers(by_agency.get(agency, []))
        if found != set(wanted):
            yield f"{agency} should show {_listed(wanted)}, shows {_listed(found)}"
    contacts = {target["agency"]: bool((target["answer"] or {}).get("contact")) for target in picture["targets"]}
    for agency, wanted_contact in expected.contact.items():
        if contacts.get(agency) is not wanted_contact:
            yield f"{agency} should {'' if wanted_contact else 'not '}say how it can be reached"
    for shown in expected.shows:
        records = [record for record in by_agency.get(shown.agency, []) if record["category"] == shown.category]
        if not records:
            yield f"{shown.agency} shows no {shown.category}"
        for record in records:
            yield from _shown(shown, record)


def _shown(shown: ShownRecord, record: Mapping[str, Any]) -> Iterator[str]:
    what = f"{shown.agency}: {shown.category}"
    if missing := set(shown.fields) - set(record["fields"]):
        yield f"{what} lacks {_listed(missing)}"
    if surplus := set(shown.without) & set(record["fields"]):
        yield f"{what} should not say {_listed(surplus)}"
    if untold := set(shown.flags) - set(record["flags"]):
        yield f"{what} does not carry {_listed(untold)}"
    if shown.redactions is not None and set(record["redactions"]) != set(shown.redactions):
        yield f"{what} should say that {_listed(shown.redactions)} were taken out, says {_listed(record['redactions'])}"


def _by_agency(picture: JsonObject) -> dict[str, list[JsonObject]]:
    return {target["agency"]: (target["answer"] or {}).get("records", []) for target in picture["targets"]}


def _tiers(records: list[JsonObject]) -> set[str]:
    return {f"{record['category']}:{record['tier']}" for record in records}


def _obligations(picture: JsonObject) -> set[str]:
    found = {item["id"] for item in picture["obligations"]}
    for target in picture["targets"]:
        found |= {item["id"] for item in target["obligations"]}
        found |= {item["id"] for item in (target["answer"] or {}).get("obligations", [])}
    return found


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
