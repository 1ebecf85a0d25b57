"""The node only ever narrows; every further mark, rule or doubt reveals less or the same. Over generated inputs."""

import calendar
import copy
from collections import Counter
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from federation.policy.engine import EntryPoint
from tests.policies.conftest import Decide
from tests.policies.generation import (
    FLAGS,
    UNKNOWN_FLAG,
    UNREADABLE,
    Generator,
    lose,
    node_input,
    node_inputs,
    overlay,
    randoms,
)
from tests.policies.inputs import EMPTY_OVERLAY, REFERENCE, TIERS, Json, golden_input
from tests.policies.questions import review_of

FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

OUTCOMES = REFERENCE["enquiry"]["outcomes"]

OPENNESS = {"withhold": 0, "refer": 1, "permit": 2}


def assert_no_wider(narrow: Json, wide: Json) -> None:
    """Nothing is more open in the first decision than in the second, record by record."""
    assert OPENNESS[effect(narrow)] <= OPENNESS[effect(wide)]
    assert narrow["older"] <= wide["older"]
    assert (narrow["existence"], wide["existence"]) != ("visible", "hidden")
    by_ref = {record["ref"]: record for record in wide["records"]}
    for record in narrow["records"]:
        other = by_ref[record["ref"]]
        assert OPENNESS[record["effect"]] <= OPENNESS[other["effect"]]
        if record["effect"] != "withhold":
            assert TIERS.index(record["tier"]) <= TIERS.index(other["tier"])
            assert set(record["fields"]) <= set(other["fields"])


def names_asked(document: Json) -> list[str]:
    return [item["name"] for item in document["query"]["categories"]]


def effect(decision: Json) -> str:
    return "permit" if decision["effect"] == "permit" else "withhold"


def test_generated_inputs_reach_every_outcome(decide: Decide) -> None:
    """Otherwise the properties below would hold of nothing."""
    rng, seen = Random(20261122), Counter[str]()
    for number in range(1000):
        document = node_input(rng)
        if number % 2:
            document["overlay"] = overlay(rng, names_asked(document))
        for record in decide(EntryPoint.NODE, document)["records"]:
            seen[record["effect"] + record["tier"]] += 1
            seen["redacted"] += bool(record["redactions"])
            seen["fields"] += bool(record["fields"])
            seen.update(reason["code"] for reason in record["reasons"])
    common = ["permitT0", "permitT1", "permitT2", "referT0", "referT1", "withholdT0", "redacted", "fields"]
    assert {name: seen[name] for name in common if seen[name] < 10} == {}
    about_records = {row["reason_code"] for row in REFERENCE["flags"].values()}
    narrowing = {code for code in about_records if REFERENCE["reasons"][code]["severity"] == "denial"}
    assert narrowing <= set(seen)


@FEW
@given(document=node_inputs, rng=randoms)
def test_no_record_is_more_open_than_gateway_category_and_flags_allow(
    document: Json, rng: Random, decide: Decide
) -> None:
    document["overlay"] = overlay(rng, names_asked(document)) if rng.random() < 0.5 else EMPTY_OVERLAY
    decision = decide(EntryPoint.NODE, document)
    assert [record["ref"] for record in decision["records"]] == [record["ref"] for record in document["records"]]
    allowed = {item["name"]: item["tier"] for item in document["gateway"]["categories"]}
    asked = {item["name"]: item["tier"] for item in document["query"]["categories"]}
    for record, decided in zip(document["records"], decision["records"], strict=True):
        assert set(decided["fields"]) | set(decided["redactions"]) <= set(record["fields"])
        assert not set(decided["fields"]) & set(decided["redactions"])
        if decided["effect"] == "withhold":
            assert (decided["tier"], decided["fields"], decided["redactions"]) == ("T0", [], [])
            continue
        category = record["category"]
        definitions = REFERENCE["categories"][category]
        ceiling = min(allowed[category], asked[category], definitions["highest_tier"])
        assert decided["tier"] <= ceiling
        assert all(definitions["fields"][field]["tier"] <= decided["tier"] for field in decided["fields"])
        assert UNKNOWN_FLAG not in record["flags"]


@FEW
@given(document=node_inputs, rng=randoms)
def test_an_overlay_only_narrows(document: Json, rng: Random, decide: Decide) -> None:
    plain = decide(EntryPoint.NODE, document)
    overlaid = decide(EntryPoint.NODE, {**document, "overlay": overlay(rng, names_asked(document))})
    assert_no_wider(overlaid, plain)


def test_a_further_flag_reveals_no_more(decide: Decide) -> None:
    """Every flag, upon whatever flags are there already, on any record."""
    rng, revealing = Random(20261122), 0
    for _ in range(100):
        document = node_input(rng)
        plain = decide(EntryPoint.NODE, document)
        revealing += plain["existence"] == "visible"
        for flag in (*FLAGS, UNKNOWN_FLAG) if document["records"] else ():
            flagged = copy.deepcopy(document)
            rng.choice(flagged["records"])["flags"].append(flag)
            assert_no_wider(decide(EntryPoint.NODE, flagged), plain)
    assert revealing > 30


@FEW
@given(document=node_inputs, rng=randoms)
def test_a_lower_permission_of_the_gateway_reveals_no_more(document: Json, rng: Random, decide: Decide) -> None:
    lowered = copy.deepcopy(document)
    for item in lowered["gateway"]["categories"]:
        item["tier"] = rng.choice(TIERS[: TIERS.index(item["tier"]) + 1])
    del lowered["gateway"]["categories"][: rng.randint(0, 2)]
    assert_no_wider(decide(EntryPoint.NODE, lowered), decide(EntryPoint.NODE, document))


@FEW
@given(document=node_inputs, position=st.integers(0, 5))
def test_a_person_who_withholds_is_obeyed(document: Json, position: int, decide: Decide) -> None:
    if position >= len(document["records"]):
        return
    held = copy.deepcopy(document)
    ground = "legal_restriction" if compels(document) else "more_detrimental"
    held["review"].append({**review_of(f"r{position}", "withhold", document), "reason": ground})
    decision = decide(EntryPoint.NODE, held)
    assert decision["records"][position]["effect"] == "withhold"
    assert_no_wider(decision, decide(EntryPoint.NODE, document))


@FEW
@given(document=node_inputs, year=st.integers(2019, 2026))
def test_a_shorter_period_reveals_no_more(document: Json, year: int, decide: Decide) -> None:
    shorter = copy.deepcopy(document)
    shorter["query"]["period"]["from"]["year"] = max(year, document["query"]["period"]["from"]["year"])
    assert_no_wider(decide(EntryPoint.NODE, shorter), decide(EntryPoint.NODE, document))


@FEW
@given(document=node_inputs, rng=randoms)
def test_what_could_not_be_read_reveals_no_more_than_that_it_is_held(
    document: Json, rng: Random, decide: Decide
) -> None:
    """Whatever of a record is lost: of it no more shows than a pointer, and of the others nothing changes."""
    if not document["records"]:
        return
    lost = copy.deepcopy(document)
    position = rng.randrange(len(lost["records"]))
    lose(lost["records"][position], rng.sample(UNREADABLE, rng.randint(1, 3)))
    plain, decision = decide(EntryPoint.NODE, document), decide(EntryPoint.NODE, lost)
    found = decision["records"].pop(position)
    assert decision["records"] == [record for number, record in enumerate(plain["records"]) if number != position]
    assert (found["tier"], found["fields"], found["redactions"]) == ("T0", [], [])
    rings = "ring_duty_desk" in {obligation["id"] for obligation in found["obligations"]}
    said = "UNREADABLE" in {reason["code"] for reason in found["reasons"]}
    assert rings == said == (found["effect"] == "permit")


@FEW
@given(document=node_inputs, position=st.integers(0, 15))
def test_a_statement_left_out_reveals_no_more(document: Json, position: int, decide: Decide) -> None:
    silent = copy.deepcopy(document)
    statements = silent["query"]["attestations"]
    del statements[position % len(statements)]
    assert_no_wider(decide(EntryPoint.NODE, silent), decide(EntryPoint.NODE, document))


@FEW
@given(document=node_inputs, position=st.integers(0, 5))
def test_detriment_withholds_nothing_that_must_be_answered(document: Json, position: int, decide: Decide) -> None:
    """And releases nothing: what it was said of waits for a person as before."""
    if position >= len(document["records"]) or not compels(document):
        return
    held = copy.deepcopy(document)
    held["review"].append({**review_of(f"r{position}", "withhold", document), "reason": "more_detrimental"})
    assert decide(EntryPoint.NODE, held) == decide(EntryPoint.NODE, document)


@FEW
@given(document=node_inputs)
def test_nothing_that_must_be_answered_leaves_before_a_person_answers(document: Json, decide: Decide) -> None:
    decision = decide(EntryPoint.NODE, document)
    awaited = decision["person"]["awaited"]
    assert not awaited or compels(document)
    assert not awaited or "permit" not in {record["effect"] for record in decision["records"]}
    assert not (decision["absence_confirmed"] and (awaited or not compels(document)))
    assert not decision["absence_confirmed"] or {record["effect"] for record in decision["records"]} <= {"withhold"}


@FEW
@given(document=node_inputs)
def test_until_a_person_answers_held_and_unknown_await_them_alike(document: Json, decide: Decide) -> None:
    asked = {**document, "review": []}
    held, unknown = decide(EntryPoint.NODE, asked), decide(EntryPoint.NODE, {**asked, "records": [], "child_flags": []})
    assert held["effect"] == unknown["effect"]
    assert held["person"]["awaited"] == unknown["person"]["awaited"]
    assert held["person"]["awaited"] == (compels(document) and held["effect"] == "permit")


def compels(document: Json) -> bool:
    """Whether the purpose compels an answer."""
    return bool(REFERENCE["purposes"].get(document["query"]["purpose"], {}).get("compelled", {}).get("applies"))


def outside(decision: Json) -> dict[str, Any]:
    """What of a decision does not speak of single records, nor of who decides on them."""
    kept = {key: value for key, value in decision.items() if key not in {"records", "absence_confirmed"}}
    return kept | {"person": decision["person"]["awaited"]}


def assert_tells_nothing_hidden(document: Json, decide: Decide) -> bool:
    """Whether existence is hidden; then nothing but the records' own part tells it from a child nobody knows."""
    decision = decide(EntryPoint.NODE, document)
    answers = [entry for entry in document["review"] if not entry["ref"]] if compels(document) else []
    if any(entry["decision"] == "release" for entry in answers):
        return False  # a person has answered: from here on it may be told
    nothing = decide(EntryPoint.NODE, {**document, "records": [], "review": answers})
    assert nothing["existence"] == "hidden"
    assert not nothing["older"]
    assert not decision["older"] or older_records(document, decision)
    shown = outside(decision) | {"older": False}
    if decision["existence"] == "visible":
        assert shown == {**outside(nothing), "existence": "visible", "enquiry": shown["enquiry"]}
        assert OUTCOMES.index(shown["enquiry"]["outcome"]) >= OUTCOMES.index(nothing["enquiry"]["outcome"])
        return False
    assert shown == outside(nothing)
    assert all(record["effect"] != "permit" for record in decision["records"])
    return True


def older_records(document: Json, decision: Json) -> list[str]:
    """Records before the purpose's own period against which nothing else stands: all that `older` may rest on."""
    day = document["time"]["date"]
    years = REFERENCE["purposes"][document["query"]["purpose"]]["default_period_years"]
    start = (day["year"] - years, day["month"], day["day"])
    return [
        record["ref"]
        for record, decided in zip(document["records"], decision["records"], strict=True)
        if (last := record["ended_on"] or record["started_on"] or record["date"])
        and (last["year"], last["month"], last["day"]) < start
        and {reason["code"] for reason in decided["reasons"] if reason["severity"] == "denial"} <= {"OUTSIDE_PERIOD"}
        and decided["effect"] != "refer"
    ]


@FEW
@given(document=node_inputs)
def test_hidden_looks_like_nothing_held(document: Json, decide: Decide) -> None:
    assert_tells_nothing_hidden(document, decide)


def test_hidden_looks_like_nothing_held_whatever_is_odd_about_the_question(decide: Decide) -> None:
    """But for records that no store can hold: two of one reference, of a day there never was, or that lack what they
    do not call unreadable, are malformed."""
    generator = Generator(Random(20261122))
    documents = [generator.input(EntryPoint.NODE) for _ in range(1_000)]
    held = [document for document in documents if document["records"] and could_be_held(document["records"])]
    hidden = sum(assert_tells_nothing_hidden(document, decide) for document in held)
    assert len(held) > 600
    assert 300 < hidden < len(held)


def could_be_held(records: list[Json]) -> bool:
    days = [day for record in records for day in map(record.get, ("date", "started_on", "ended_on")) if day is not None]
    real = all(day["day"] <= calendar.monthrange(day["year"], day["month"])[1] for day in days)
    return real and all(map(says_what_it_lacks, records)) and len({record["ref"] for record in records}) == len(records)


def says_what_it_lacks(record: Json) -> bool:
    lacking = {name for name in ("date", "assertion", "relation", "contact_level") if not record[name]}
    return "row" in record["unreadable"] or lacking <= set(record["unreadable"])


@FEW
@given(document=node_inputs)
def test_a_reason_about_a_record_is_for_auditors_alone_but_that_it_could_not_be_read(
    document: Json, decide: Decide
) -> None:
    for record in decide(EntryPoint.NODE, document)["records"]:
        told = {reason["code"] for reason in record["reasons"] if reason["audience"] != "auditor"}
        assert told <= {"UNREADABLE"}
        assert not told or record["effect"] == "permit"


@FEW
@given(document=node_inputs)
def test_no_reason_is_given_for_a_release_in_full_and_one_for_everything_else(document: Json, decide: Decide) -> None:
    for record in decide(EntryPoint.NODE, document)["records"]:
        assert record["reasons"] or record["effect"] == "permit"


@FEW
@given(
    wanted=st.lists(st.sampled_from(TIERS), min_size=7, max_size=7),
    order=st.permutations(range(7)),
    kept=st.integers(1, 7),
)
def test_a_target_is_decided_by_itself(wanted: list[str], order: list[int], kept: int, decide: Decide) -> None:
    document = golden_input("gateway_s47")
    for item, tier in zip(document["query"]["categories"], wanted, strict=False):
        item["tier"] = tier
    together = {target["agency"]: target for target in decide(EntryPoint.GATEWAY, document)["targets"]}
    some = [document["targets"][number] for number in order][:kept]
    decision = decide(EntryPoint.GATEWAY, {**document, "targets": some})
    asked = {item["name"]: item["tier"] for item in document["query"]["categories"]}
    assert [target["agency"] for target in decision["targets"]] == [target["id"] for target in some]
    for target in decision["targets"]:
        assert target == together[target["agency"]]
        assert all(item["tier"] <= asked[item["name"]] for item in target["categories"])
    assert decision["effect"] == (
        "permit" if any(target["effect"] == "permit" for target in decision["targets"]) else "deny"
    )
