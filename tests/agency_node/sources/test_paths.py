import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.sources.paths import parse_path, values_at

PATIENT = {
    "id": "7",
    "identifier": [
        {"system": "https://local", "value": "A1"},
        {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"},
    ],
    "code": {"coding": [{"system": "s", "code": "1"}, {"system": "s", "code": "2"}]},
    "empty": None,
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("id", ["7"]),
        ("identifier[system=https://fhir.nhs.uk/Id/nhs-number].value", ["9990000018"]),
        ("identifier.value", ["A1", "9990000018"]),
        ("code.coding[system=s].code", ["1", "2"]),
        ("code.coding[system=other].code", []),
        ("empty", []),
        ("id.deeper", []),
        ("nowhere.at.all", []),
    ],
)
def test_a_path_finds_every_value(path: str, expected: list[str]) -> None:
    assert list(values_at(PATIENT, parse_path(path))) == expected


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a[b]", "a[b=c", "a[=c]", "a.b.c.d.e.f.g.h.i"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
)


@given(_JSON, st.text(alphabet="ab.[]=", max_size=12))
def test_any_path_through_any_json_ends(tree: object, path: str) -> None:
    with contextlib.suppress(ValueError):
        assert None not in list(values_at(tree, parse_path(path)))
