"""No input the schema admits reaches an error of a built-in, and the work grows with the input, not with its square."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.limits import MAX_RECORDS_PER_DECISION, MAX_TARGETS
from federation.policy.authoring.opa import Opa
from federation.policy.authoring.source import PolicySource, to_json
from federation.policy.engine import EntryPoint
from tests.policies.conftest import Decide
from tests.policies.inputs import (
    DIST,
    GOLDEN,
    POLICIES,
    Json,
    golden_input,
    places,
    replaced,
    value_at,
    without,
)
from tests.policies.questions import review_of
from tests.support.opa import opa_command, run_opa

ODD_WORDS = ["", "T9", "*", "UNHEARD_OF", "é😀", "-", "0"]


def many_records(number: int) -> Json:
    document = golden_input("node_s47")
    some = document["records"]
    document["records"] = [
        {**copy.deepcopy(some[index % len(some)]), "ref": f"r{index}", "flags": ["THIRD_PARTY"] if index % 3 else []}
        for index in range(number)
    ]
    document["review"] = [review_of(f"r{index}", "release", document) for index in range(0, number, 2)]
    return document


def many_targets(number: int) -> Json:
    document = golden_input("gateway_s47")
    some = document["targets"]
    document["targets"] = [{**some[index % len(some)], "id": f"target-{index}"} for index in range(number)]
    return document


def test_the_largest_inputs_are_decided(decide: Decide) -> None:
    node = decide(EntryPoint.NODE, many_records(MAX_RECORDS_PER_DECISION))
    assert len(node["records"]) == MAX_RECORDS_PER_DECISION
    gateway = decide(EntryPoint.GATEWAY, many_targets(MAX_TARGETS))
    assert len(gateway["targets"]) == MAX_TARGETS
    assert (node["effect"], gateway["effect"]) == ("permit", "permit")


@pytest.mark.opa
@pytest.mark.parametrize(("make", "entry"), [(many_records, EntryPoint.NODE), (many_targets, EntryPoint.GATEWAY)])
def test_work_grows_linearly(make: Callable[[int], Json], entry: EntryPoint, tmp_path: Path) -> None:
    """Counted in expressions evaluated by OPA's profiler: a number that does not depend on the machine."""
    PolicySource(POLICIES).stage(tmp_path / "bundle", tests=False)

    def work(number: int) -> int:
        given_input = tmp_path / f"{number}.json"
        given_input.write_text(json.dumps(make(number)))
        where = ("--bundle", tmp_path / "bundle", "--input", given_input, "--format", "json")
        query = f"data.{entry.value.replace('/', '.')}"
        out = run_opa(opa_command(), "eval", *where, "--profile", "--profile-limit", "100000", query)
        profile = json.loads(out)["profile"]
        return sum(item["num_eval"] + item["num_redo"] for item in profile)

    small, middle, large = work(50), work(100), work(200)
    assert middle - small > 1000
    # Twice the step costs twice the work: nothing grows with the square.
    assert (large - middle) < 2.2 * (middle - small)


@pytest.mark.opa
def test_valid_and_broken_inputs_reach_no_error_and_both_engines_agree(decide: Decide) -> None:
    opa = Opa(opa_command())
    for entry in EntryPoint:
        inputs = [item["input"] for item in GOLDEN.values() if item["entry_point"] == entry.value]
        document = inputs[0]
        for place in places(document):
            if isinstance(place[-1], str):
                inputs.append(without(document, place))
            if isinstance(value_at(document, place), str):
                inputs += [replaced(document, place, word) for word in ODD_WORDS]
        results = opa.evaluate(DIST / "bundle.tar.gz", entry.value.split("/")[1], inputs)
        for given_input, result in zip(inputs, results, strict=True):
            assert to_json(decide(entry, given_input)) == to_json(result)


def test_rules_use_no_floats_or_sets_in_results() -> None:
    """Canonical JSON carries integers; a set would come out in another order from each engine."""
    for item in GOLDEN.values():
        text = to_json(item["result"])
        assert json.loads(text, parse_float=pytest.fail) == item["result"]


def test_the_bundle_for_servers_holds_no_tests() -> None:
    assert not [name for name in PolicySource(POLICIES).bundle_files(tests=False) if name.endswith("_test.rego")]
