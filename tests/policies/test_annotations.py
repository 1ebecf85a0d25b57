"""Rego and catalogue agree: each rule says which law it stands on, and each reason is spoken and catalogued."""

import json
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.policies.inputs import POLICIES, REFERENCE, Json
from tests.support.opa import opa_command, run_opa

pytestmark = pytest.mark.opa

WORD = re.compile(r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$|^[A-Z]{6,}$")
"""What a reason code looks like; so do legal classes, which are told apart by name."""
LEGAL_CLASSES = {"ARRANGED_PROVIDER"}
OF_A_ROW = {"FLAG_*", "LIMB_*"}


def sources() -> list[str]:
    return sorted(
        path.relative_to(POLICIES).as_posix()
        for path in (POLICIES / "wardgate").rglob("*.rego")
        if not path.name.endswith("_test.rego")
    )


@cache
def syntax(path: str) -> Json:
    return json.loads(
        run_opa(opa_command(), "parse", "--format", "json", "--json-include", "locations", POLICIES / path)
    )


def strings(tree: Json) -> Iterator[str]:
    if isinstance(tree, dict):
        if tree.get("type") == "string" and isinstance(tree.get("value"), str):
            yield tree["value"]
        for inner in tree.values():
            yield from strings(inner)
    elif isinstance(tree, list):
        for inner in tree:
            yield from strings(inner)


def codes_in(tree: Json) -> set[str]:
    return {text for text in strings(tree) if WORD.match(text)} - LEGAL_CLASSES


def heads(path: str) -> Iterator[tuple[str, Json, int]]:
    """Name, head and line of each rule."""
    for rule in syntax(path).get("rules", []):
        head = rule["head"]
        name = head.get("name") or head["ref"][0]["value"]
        yield name, head, rule["location"]["row"]


@cache
def annotations() -> list[Json]:
    found = json.loads(run_opa(opa_command(), "inspect", "--annotations", "--format", "json", POLICIES / "wardgate"))
    return [item for item in found["annotations"] if not item["location"]["file"].endswith("_test.rego")]


def reasons_of_limbs() -> set[str]:
    cells = (cell for row in REFERENCE["purposes"].values() for cell in row["categories"].values())
    return {limb["reason_code"] for cell in cells for limb in cell["limbs"]}


def test_every_reason_a_rule_speaks_is_in_the_catalogue_and_the_other_way_round() -> None:
    spoken = set().union(*(codes_in(syntax(path)) for path in sources()))
    by_rows = {row["reason_code"] for row in REFERENCE["flags"].values()} | reasons_of_limbs()
    catalogued = {code for code, row in REFERENCE["reasons"].items() if row["origin"] == "policy"}
    assert spoken | by_rows == catalogued


def test_no_rule_names_a_purpose_or_a_flag() -> None:
    """They are data: adding one must not touch a rule."""
    everything = set().union(*(set(strings(syntax(path))) for path in sources()))
    assert not everything & set(REFERENCE["purposes"])
    assert not everything & set(REFERENCE["flags"])
    assert not everything & set(REFERENCE["never_permitted"])


@pytest.mark.parametrize("path", sources())
def test_every_public_rule_is_annotated(path: str) -> None:
    described = {
        item["location"]["row"]: item["annotations"]["scope"]
        for item in annotations()
        if item["location"]["file"].endswith(path)
    }
    documented_names: set[str] = set()
    for name, head, row in heads(path):
        own = row in described
        if own and described[row] in {"document", "rule"}:
            documented_names.add(name)
        # A rule may continue one that is described, unless it gives a reason of its own.
        assert name.startswith("_") or name in documented_names, f"{path}:{row} {name}"
        assert own or name.startswith("_") or name == "decision" or not codes_in(head), f"{path}:{row} {name}"


def test_every_annotation_is_complete() -> None:
    found = annotations()
    assert len(found) > 100
    for item in found:
        where = f"{item['location']['file']}:{item['location']['row']}"
        text = item["annotations"]
        assert text.get("title"), where
        assert text.get("description"), where
        assert set(text["custom"]) == {"legal_basis", "reason_code"}, where
        assert all(text["custom"].values()), where


def test_an_annotation_names_the_reason_its_rule_gives() -> None:
    named = {
        (item["location"]["file"].split("policies/")[-1], item["location"]["row"]): item["annotations"]["custom"]
        for item in annotations()
    }
    checked = 0
    for path in sources():
        for _, head, row in heads(path):
            spoken = codes_in({key: value for key, value in head.items() if key != "value" or "key" not in head})
            custom = named.get((path, row))
            if custom and spoken:
                assert spoken == {custom["reason_code"]}, f"{path}:{row}"
                checked += 1
            elif custom:
                assert custom["reason_code"] in {"NONE", *OF_A_ROW, *REFERENCE["reasons"]}, f"{path}:{row}"
    assert checked > 50


def test_every_package_is_annotated_once() -> None:
    packages = [item["annotations"] for item in annotations() if item["annotations"]["scope"] == "package"]
    folders = {path.rpartition("/")[0] for path in sources()}
    libraries = [path for path in sources() if path.startswith("wardgate/lib/")]
    assert len(packages) == len(folders) - 1 + len(libraries)


def test_entry_points_are_marked() -> None:
    marked = {
        item["location"]["file"].split("/")[-2] for item in annotations() if item["annotations"].get("entrypoint")
    }
    assert marked == {"requester", "gateway", "node", "audit", "team"}


def negated(tree: Json) -> Iterator[Json]:
    if isinstance(tree, dict):
        if tree.get("negated"):
            yield tree
        for inner in tree.values():
            yield from negated(inner)
    elif isinstance(tree, list):
        for inner in tree:
            yield from negated(inner)


@pytest.mark.parametrize("path", sources())
def test_under_not_stands_a_named_helper_only(path: str) -> None:
    """What stands inside a negated call is evaluated before it: where that is undefined, so is the whole denial."""
    for expression in negated(syntax(path).get("rules", [])):
        where = f"{path}:{expression['location']['row']}"
        terms = expression["terms"]
        if isinstance(terms, list):
            function, *arguments = terms
            assert function["value"][0]["value"] not in {"internal", "equal", "count"}, where
            assert {argument["type"] for argument in arguments} == {"var"}, where


@pytest.mark.parametrize("path", sources())
def test_every_file_has_a_twin_with_its_tests(path: str) -> None:
    twin = POLICIES / path.replace(".rego", "_test.rego")
    assert twin.is_file()
    assert "\ntest_" in twin.read_text()


@pytest.mark.parametrize("path", sources())
def test_a_package_lies_where_its_name_says(path: str) -> None:
    package = [step["value"] for step in syntax(path)["package"]["path"]][1:]
    folder = path.removesuffix(".rego").split("/")
    assert package in (folder, folder[:-1])
