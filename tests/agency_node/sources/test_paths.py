import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.sources.paths import MAX_FILTERS, MAX_NESTING, MAX_STEPS, Filter, Path, Step, parse_path, values_at

NHS = "https://fhir.nhs.uk/Id/nhs-number"
PATIENT = {
    "id": "7",
    "active": False,
    "count": 3,
    "identifier": [
        {"system": "https://local", "value": "A1"},
        {"system": NHS, "use": "official", "value": "9990000018", "status": {"coding": [{"code": "01"}]}},
        {"system": NHS, "use": "old", "value": "9990000026"},
        {"system": NHS, "value": "9990000034", "status": {"coding": [{"code": "03"}, {"code": "x", "system": "y"}]}},
    ],
    "code": {"coding": [{"system": "s", "code": "1"}, {"system": "s", "code": "2"}]},
    "names": ["plain", {"use": "old", "text": "former"}],
    "empty": None,
    "blank": " ",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("id", ["7"]),
        ("identifier[system=https://local].value", ["A1"]),
        ("identifier.value", ["A1", "9990000018", "9990000026", "9990000034"]),
        ("code.coding[system=s].code", ["1", "2"]),
        ("code.coding[system=other].code", []),
        ("code.coding[system=other|s].code", ["1", "2"]),
        ("code.coding[code=2|3].code", ["2"]),
        ("code.coding[code!=2|3].code", ["1"]),
        ("empty", []),
        ("id.deeper", []),
        ("nowhere.at.all", []),
        # Several filters: each must hold.
        (f"identifier[system={NHS}][use=official].value", ["9990000018"]),
        (f"identifier[system={NHS}][use!=old].value", ["9990000018", "9990000034"]),
        (f"identifier[system={NHS}][use=old][use!=old].value", []),
        # An empty text stands for nothing there.
        ("identifier[use=].value", ["A1", "9990000034"]),
        ("identifier[use!=].value", ["9990000018", "9990000026"]),
        ("identifier[use=official|].value", ["A1", "9990000018", "9990000034"]),
        ("[blank=]id", ["7"]),
        ("[empty=]id", ["7"]),
        # Nested members, an object among them, and filters inside filters.
        ("identifier[status.coding.code=01|].value", ["A1", "9990000018", "9990000026"]),
        ("identifier[status=].value", ["A1", "9990000026"]),
        ("identifier[status.coding[system=y].code=x].value", ["9990000034"]),
        ("identifier[status[coding.code!=01]=].value", ["A1", "9990000018", "9990000026"]),
        # The row itself.
        ("[active=false]id", ["7"]),
        ("[active!=false]id", []),
        ("[count=3][identifier.use=old]identifier[use=old].value", ["9990000026"]),
        # What is no object passes no filter.
        ("names[use!=old]", []),
        ("id[x!=y]", []),
    ],
)
def test_a_path_finds_every_value(path: str, expected: list[str]) -> None:
    assert list(values_at(PATIENT, parse_path(path))) == expected


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "a.", ".a", "a..b", "a[b]", "a[b=c", "a[=c]", "a[!=c]", "a.b.c.d.e.f.g.h.i"),
        *("[a=b]", "[a=b].c", "a[b=c]d", "a]", "a[b=c]]", "a[b!c]", "a[b|c=d]", "a[b.=c]", "a[[b=c]d=e]", "a[b==[c]"),
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(path)


def test_steps_filters_and_nesting_have_a_limit_each() -> None:
    parse_path(".".join("a" * MAX_STEPS))
    parse_path("a" + "[b=c]" * MAX_FILTERS)
    parse_path("a[" * MAX_NESTING + "b=c]" + "=c]" * (MAX_NESTING - 1))
    with pytest.raises(ValueError, match="path"):
        parse_path("a" + "[b=c]" * (MAX_FILTERS + 1))
    with pytest.raises(ValueError, match="path"):
        parse_path("a[" * (MAX_NESTING + 1) + "b=c]" + "=c]" * MAX_NESTING)


def test_a_column_of_a_table_may_have_almost_any_name() -> None:
    for name in ("NHS No", "Attendance %", "a=b", "a!=b|c", "!"):
        assert parse_path(name) == (Step(name),)


def _written(path: Path) -> str:
    return ".".join(step.name + "".join(map(_bracketed, step.filters)) for step in path if step.name)


def _bracketed(each: Filter) -> str:
    return f"[{_written(each.path)}{'!=' if each.excludes else '='}{'|'.join(each.texts)}]"


_TEXT = st.text(alphabet="ab=!.:/ ", max_size=4)


def _steps(nesting: int) -> st.SearchStrategy[Path]:
    name = st.text(alphabet="ab @-" if nesting else "ab @-=!|", min_size=1, max_size=4)
    filters = st.just(()) if nesting == MAX_NESTING else st.lists(_filters(nesting + 1), max_size=2).map(tuple)
    return st.lists(st.builds(Step, name, filters), min_size=1, max_size=3).map(tuple)


def _filters(nesting: int) -> st.SearchStrategy[Filter]:
    return st.builds(
        Filter, st.deferred(lambda: _steps(nesting)), st.lists(_TEXT, min_size=1, max_size=3).map(tuple), st.booleans()
    )


@given(st.lists(_filters(1), max_size=2).map(tuple), _steps(0))
def test_every_path_is_read_as_it_was_written(own: tuple[Filter, ...], steps: Path) -> None:
    text = "".join(map(_bracketed, own)) + _written(steps)
    assert parse_path(text) == ((Step("", own), *steps) if own else steps)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.text(alphabet="ab ", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
)


@given(_JSON, st.text(alphabet="ab.[]=!|", max_size=12))
def test_any_path_through_any_json_ends(tree: object, path: str) -> None:
    with contextlib.suppress(ValueError):
        assert None not in list(values_at(tree, parse_path(path)))


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b"]), _JSON, max_size=2), max_size=4), _filters(1))
def test_a_filter_and_its_opposite_divide_the_objects(members: list[dict[str, object]], each: Filter) -> None:
    opposite = Filter(each.path, each.texts, not each.excludes)
    assert [each.takes(member) for member in members] == [not opposite.takes(member) for member in members]
    steps = (Step("all", (each,)),), (Step("all", (opposite,)),)
    assert sum(len(list(values_at({"all": members}, path))) for path in steps) == len(members)
