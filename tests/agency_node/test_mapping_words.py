"""Words of a mapping that the bundle does not know are named before they hide, or hold up, anybody's records."""

from pathlib import Path

import pytest

from agency_node.mapping_words import unknown_words
from agency_node.sources.mapping import MappingFile, load_mapping, parse_mapping
from agency_node.sources.opening import SHIPPED_MAPPINGS
from federation.policy.evaluator import PolicyPoint

OWN = """
format = 1
title = "Own"
kind = "files"
[datasets.log]
file = "log.csv"
[[children]]
dataset = "log"
key = "id"
nhs_number = "nhs"
flags = [{flag}]
[[records]]
dataset = "log"
category = "{category}"
type = "{kind}"
child = {{ key = "id" }}
ref = "ref"
date = {{ column = "day", formats = ["%d/%m/%Y"] }}
flags = [{{ column = "mark", values = {{ S = "{mark}", N = "" }} }}]
"""


def words(policy: PolicyPoint, **changes: str) -> list[str]:
    given = {
        "flag": '"WITNESS_PROT"',
        "category": "custody",
        "kind": "detention",
        "mark": "SENSITIVE_ADDRESS",
        **changes,
    }
    return list(unknown_words(mapping_of(OWN.format(**given)), policy.catalogue))


def mapping_of(text: str) -> MappingFile:
    return parse_mapping(text.encode(), name="own.toml")


def test_a_mapping_in_words_of_the_bundle_is_not_spoken_of(policy: PolicyPoint) -> None:
    assert words(policy) == []


def test_a_misspelt_flag_is_named_wherever_it_stands(policy: PolicyPoint) -> None:
    for changes in ({"flag": '"WITNES_PROT"'}, {"mark": "SENSITIVE_ADRESS"}):
        (said,) = words(policy, **changes)
        assert said.endswith("is unknown to the bundle: everything of a child that carries it would be withheld")


def test_a_type_outside_a_closed_list_is_named_and_any_type_elsewhere_is_not(policy: PolicyPoint) -> None:
    assert words(policy, kind="print") == [
        "type print is not on the list of custody: a person would decide on each such record"
    ]
    assert words(policy, category="enrolment", kind="print") == []


def test_an_unknown_category_is_named(policy: PolicyPoint) -> None:
    assert words(policy, category="custodyy") == [
        "category custodyy is unknown to the bundle: nothing of it could ever be asked for"
    ]


@pytest.mark.parametrize("path", sorted(SHIPPED_MAPPINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_mappings_use_words_of_the_bundle(path: Path, policy: PolicyPoint) -> None:
    assert list(unknown_words(load_mapping(path), policy.catalogue)) == []
