"""Which datasets stand behind an answer: a matter of the categories asked about, and of nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.caseload.assessing import counts_text
from agency_node.caseload.judging import Counts
from agency_node.caseload.reading_states import categories_of, dataset_json, readings_behind
from agency_node.store.reading_rows import ANY_CATEGORY, DatasetRow
from federation.answer import DatasetReading
from federation.vocabulary import ReadingState, Share

SOUND, PARTIAL, FAILING, ABSENT = (
    ReadingState.SOUND,
    ReadingState.PARTIAL,
    ReadingState.FAILING,
    ReadingState.ABSENT,
)


def dataset(
    name: str,
    *categories: str,
    source: str = "s",
    state: ReadingState = SOUND,
    sound_at: int = 100,
    identifies: bool = False,
    counts: Counts | None = None,
) -> DatasetRow:
    kept = ANY_CATEGORY if categories == (ANY_CATEGORY,) else json.dumps(sorted(categories))
    text = counts_text(counts) if counts else ""
    return DatasetRow(source, name, kept, identifies, state, sound_at=sound_at, as_at=90, counts=text)


def behind(
    states: list[DatasetRow], *asked: str, sources: tuple[str, ...] = ("s",), oldest: int = 50
) -> tuple[DatasetReading, ...]:
    return readings_behind(states, asked, source_ids=sources, oldest=oldest)


def told(found: tuple[DatasetReading, ...]) -> list[tuple[str, list[str], ReadingState]]:
    return [(item.dataset, item.categories, item.state) for item in found]


PEOPLE = dataset("people", identifies=True)


def test_a_dataset_stands_behind_those_of_its_categories_that_are_asked_about() -> None:
    states = [dataset("one", "a", "b"), dataset("two", "c")]
    assert told(behind(states, "a")) == [("s/one", ["a"], SOUND)]
    assert told(behind(states, "b", "a", "c")) == [("s/one", ["a", "b"], SOUND), ("s/two", ["c"], SOUND)]
    assert told(behind(states)) == []


def test_a_dataset_whose_rows_may_be_of_any_category_stands_behind_all() -> None:
    assert told(behind([dataset("one", ANY_CATEGORY)], "a", "z")) == [("s/one", ["a", "z"], SOUND)]


def test_who_there_is_stands_behind_everything_its_source_says_and_nothing_else() -> None:
    states = [PEOPLE, dataset("one", "a"), dataset("other", "b", source="t")]
    sources = ("s", "t")
    assert told(behind(states, "a", sources=sources)) == [("s/one", ["a"], SOUND), ("s/people", ["a"], SOUND)]
    assert told(behind(states, "b", sources=sources)) == [("t/other", ["b"], SOUND)]


def test_a_dataset_that_identifies_and_has_records_is_told_of_once() -> None:
    states = [dataset("people", "a", identifies=True), dataset("one", "b")]
    assert [name for name, *_ in told(behind(states, "a", "b"))].count("s/people") == 1
    assert told(behind(states, "b")) == [("s/one", ["b"], SOUND), ("s/people", ["b"], SOUND)]


def test_who_there_is_says_nothing_of_a_category_that_its_source_does_not_have() -> None:
    gone = dataset("gone", "a", state=ABSENT)
    assert told(behind([PEOPLE, gone], "a")) == [("s/gone", ["a"], ABSENT)]
    assert told(behind([PEOPLE, dataset("one", "b")], "a")) == [("", ["a"], ABSENT)]


def test_a_dataset_that_identifies_and_has_some_of_the_records_stands_behind_the_others_too() -> None:
    states = [dataset("people", "a", identifies=True, state=PARTIAL), dataset("one", "b")]
    assert ("s/people", ["a", "b"], PARTIAL) in told(behind(states, "a", "b"))


def test_categories_that_no_dataset_has_are_absent() -> None:
    assert told(behind([dataset("one", "a")], "a", "x", "y")) == [("", ["x", "y"], ABSENT), ("s/one", ["a"], SOUND)]
    (absent,) = behind([dataset("one", "a")], "x")
    assert (absent.as_at, absent.unreadable, absent.unidentified) == (0, Share.NONE, Share.NONE)


def test_an_absent_dataset_is_told_of_only_where_no_other_has_its_category() -> None:
    gone = dataset("gone", "a", "b", state=ABSENT)
    assert told(behind([gone], "a")) == [("s/gone", ["a"], ABSENT)]
    assert told(behind([gone, dataset("one", "a")], "a")) == [("s/one", ["a"], SOUND)]
    assert ("s/gone", ["a", "b"], ABSENT) in told(behind([gone, dataset("one", "a")], "a", "b"))


def test_a_source_that_was_never_read_fails_behind_every_category() -> None:
    found = behind([dataset("one", "a")], "a", "b", sources=("s", "t"))
    assert ("t", ["a", "b"], FAILING) in told(found)
    assert ABSENT not in {item.state for item in found}


@pytest.mark.parametrize(
    ("sound_at", "state", "expected"),
    [
        (50, SOUND, SOUND),
        (49, SOUND, FAILING),
        (49, PARTIAL, FAILING),
        (0, FAILING, FAILING),
        (50, FAILING, FAILING),
        (49, ABSENT, ABSENT),
    ],
)
def test_what_was_last_sound_too_long_ago_is_not_believed(
    sound_at: int, state: ReadingState, expected: ReadingState
) -> None:
    assert told(behind([dataset("one", "a", sound_at=sound_at, state=state)], "a")) == [("s/one", ["a"], expected)]


def test_who_there_is_can_be_too_old_as_well() -> None:
    states = [dataset("people", identifies=True, sound_at=49), dataset("one", "a")]
    assert ("s/people", ["a"], FAILING) in told(behind(states, "a"))


def test_shares_are_told_in_bands() -> None:
    counts = Counts(rows=1_000, unreadable=1, unidentified=400)
    (found,) = behind([dataset("one", "a", counts=counts)], "a")
    assert (found.unreadable, found.unidentified, found.as_at) == (Share.UP_TO_2, Share.UP_TO_50, 90)
    (alike,) = behind([dataset("one", "a", counts=Counts(rows=999, unreadable=2, unidentified=300))], "a")
    assert alike == found


def test_categories_are_read_back() -> None:
    assert categories_of(dataset("one", "b", "a")) == frozenset({"a", "b"})
    assert categories_of(dataset("one", ANY_CATEGORY)) is None
    assert categories_of(dataset("one")) == frozenset()


def test_an_operator_is_told_of_counts() -> None:
    found = dataset_json(dataset("one", "a", counts=Counts(5, 4, 3, 2, 1, 0)))
    assert [found[name] for name in ("rows", "children", "records", "unreadable", "unidentified", "unclaimed")] == [
        *(5, 4, 3, 2, 1, 0)
    ]
    assert (found["state"], found["accepted"]) == ("sound", False)


_CATEGORIES = st.lists(st.sampled_from("abc"), max_size=3)
_ROWS = st.lists(
    st.builds(
        lambda name, categories, source, state, identifies, sound_at: dataset(
            name, *categories, source=source, state=state, identifies=identifies, sound_at=sound_at
        ),
        st.sampled_from(["one", "two", "three"]),
        _CATEGORIES | st.just([ANY_CATEGORY]),
        st.sampled_from(["s", "t"]),
        st.sampled_from(list(ReadingState)),
        st.booleans(),
        st.sampled_from([49, 50]),
    ),
    max_size=4,
    unique_by=lambda row: (row.source_id, row.dataset),
)


@given(_ROWS, st.lists(st.sampled_from("abcd"), min_size=1, unique=True))
def test_every_category_asked_about_stands_on_something_in_whatever_order(
    states: list[DatasetRow], asked: list[str]
) -> None:
    found = behind(states, *asked, sources=("s", "t"))
    assert {category for item in found for category in item.categories} == set(asked)
    assert all(item.categories for item in found)
    assert behind(list(reversed(states)), *reversed(asked), sources=("t", "s")) == found
    whole = {(item.dataset, item.state) for item in found}
    for category in asked:
        one = behind(states, category, sources=("s", "t"))
        assert {item.state for item in one if item.dataset} <= {state for _, state in whole} | {ABSENT}
