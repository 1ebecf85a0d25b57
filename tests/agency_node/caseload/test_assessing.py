"""What a reading of a source as a whole is worth, and what then stands of each dataset."""

import json
from dataclasses import replace

import pytest

from agency_node.caseload.assessing import MAX_DETAIL, Assessment, Found, assess, counts_of, counts_text
from agency_node.caseload.judging import Counts, DatasetFault
from agency_node.sources.source import DatasetPlan, DatasetRead
from agency_node.store.reading_rows import ANY_CATEGORY, DatasetRow
from federation.vocabulary import ReadingState

PEOPLE = DatasetPlan("people", identifies=True)
EVENTS = DatasetPlan("events", frozenset({"b", "a"}))
NOTES = DatasetPlan("notes", None, may_be_empty=True)
PLANS = (PEOPLE, EVENTS, NOTES)
AT = 1_000
SOUND, PARTIAL, FAILING = ReadingState.SOUND, ReadingState.PARTIAL, ReadingState.FAILING
READ = {
    "people": DatasetRead("people", 10, as_at=900),
    "events": DatasetRead("events", 20, as_at=800),
    "notes": DatasetRead("notes", 4),
}
FOUND = Found(READ, {"people": (0, 10), "events": (20, 8), "notes": (4, 2)}, 10, "", AT)


def with_read(name: str, **changes: object) -> Found:
    return replace(FOUND, reads={**READ, name: replace(READ[name], **changes)})  # type: ignore[arg-type]


def assessed(found: Found = FOUND, before: Assessment | None = None, *, accepted: bool = True) -> Assessment:
    rows = before.rows if before else ()
    stood = {row.dataset: replace(row, accepted_at=1 if accepted else 0) for row in rows}
    return assess(PLANS, found, stood, source_id="s")


def states(assessment: Assessment) -> dict[str, tuple[ReadingState, str]]:
    return {row.dataset: (row.state, row.fault) for row in assessment.rows}


def row_of(assessment: Assessment, name: str) -> DatasetRow:
    return next(row for row in assessment.rows if row.dataset == name)


def test_a_first_reading_is_partial_and_its_counts_are_the_baseline() -> None:
    first = assessed()
    assert states(first) == dict.fromkeys(("people", "events", "notes"), (PARTIAL, ""))
    assert not first.is_void
    assert first.failing == frozenset()
    events = row_of(first, "events")
    assert (events.source_id, events.tried_at, events.sound_at, events.as_at) == ("s", AT, AT, 800)
    assert counts_of(events.baseline) == counts_of(events.counts) == Counts(rows=20, children=8, records=20)
    assert json.loads(events.categories) == ["a", "b"]
    assert row_of(first, "notes").categories == ANY_CATEGORY
    assert row_of(first, "notes").as_at == AT


def test_the_children_of_a_dataset_that_identifies_are_those_of_the_source() -> None:
    found = replace(FOUND, by_dataset={"events": (20, 8)}, children=11)
    counts = counts_of(row_of(assessed(found), "people").counts)
    assert counts is not None
    assert counts.children == 11


def test_an_accepted_dataset_is_sound_and_one_row_that_could_not_be_read_makes_it_partial() -> None:
    assert set(states(assessed(before=assessed())).values()) == {(SOUND, "")}
    one = with_read("events", rows=100, unreadable=1)
    assert states(assessed(one, assessed()))["events"] == (PARTIAL, "")


def test_a_dataset_that_was_not_there_when_it_was_accepted_is_partial_once_it_comes() -> None:
    absent = assessed(with_read("notes", rows=0, is_absent=True))
    assert states(absent)["notes"] == (ReadingState.ABSENT, "")
    come = assessed(before=absent)
    assert states(come)["notes"] == (PARTIAL, "")
    assert row_of(come, "notes").accepted_at == 0
    assert row_of(come, "events").accepted_at == 1
    assert states(assessed(before=come, accepted=False))["notes"] == (PARTIAL, "")
    assert states(assessed(before=come))["notes"] == (SOUND, "")


def test_a_dataset_that_went_for_good_is_accepted_again_when_it_comes_back() -> None:
    gone = with_read("notes", rows=0, is_absent=True)
    missed = assessed(gone, assessed())
    assert states(missed)["notes"] == (FAILING, DatasetFault.EMPTY)
    let_go = [replace(row, baseline=row.counts, accepted_at=1) for row in missed.rows]
    away = assess(PLANS, gone, {row.dataset: row for row in let_go}, source_id="s")
    assert states(away)["notes"] == (ReadingState.ABSENT, "")
    back = assess(PLANS, FOUND, {row.dataset: row for row in away.rows}, source_id="s")
    assert states(back)["notes"] == (PARTIAL, "")


def test_an_export_from_the_future_was_made_now() -> None:
    assert row_of(assessed(with_read("events", as_at=AT + 1)), "events").as_at == AT
    assert row_of(assessed(with_read("events", as_at=AT - 1)), "events").as_at == AT - 1


def test_a_dataset_that_fails_keeps_when_it_was_last_sound_and_its_baseline() -> None:
    first = assessed()
    late = replace(with_read("events", fault="x" * 500), at=2_000)
    events = row_of(assessed(late, first), "events")
    assert (events.state, events.fault, events.detail) == (FAILING, DatasetFault.UNREADABLE, "x" * MAX_DETAIL)
    assert (events.tried_at, events.sound_at, events.as_at) == (2_000, AT, 800)
    assert events.baseline == row_of(first, "events").baseline
    assert states(assessed(late, first))["people"] == (SOUND, "")
    assert not assessed(late, first).is_void
    assert assessed(late, first).failing == {"events"}


def test_a_dataset_that_identifies_voids_the_reading_when_it_is_not_believed() -> None:
    first = assessed()
    shrunk = replace(with_read("people", rows=4), children=4)
    found = assessed(shrunk, first)
    assert found.is_void
    assert states(found) == {
        "people": (FAILING, DatasetFault.SHRUNK),
        "events": (FAILING, DatasetFault.SOURCE_UNREADABLE),
        "notes": (FAILING, DatasetFault.SOURCE_UNREADABLE),
    }
    half = replace(with_read("people", rows=5), children=5)
    assert not assessed(half, first).is_void


def test_a_dataset_with_a_fault_of_its_own_says_that_in_a_void_reading() -> None:
    found = replace(with_read("people", fault="gone"), reads={**with_read("people", fault="gone").reads})
    both = replace(found, reads={**found.reads, "events": replace(READ["events"], fault="cut")})
    assert states(assessed(both, assessed()))["events"] == (FAILING, DatasetFault.UNREADABLE)


@pytest.mark.parametrize(("children", "rows", "is_void"), [(0, 10, True), (1, 10, False), (0, 0, True)])
def test_a_reading_that_identifies_no_child_is_not_believed(children: int, rows: int, *, is_void: bool) -> None:
    found = assessed(replace(with_read("people", rows=rows), children=children))
    assert found.is_void is is_void
    expected = DatasetFault.NO_CHILD_IDENTIFIED if rows else DatasetFault.EMPTY
    assert states(found)["people"] == ((FAILING, expected) if is_void else (PARTIAL, ""))


def test_a_reading_that_broke_off_is_void_and_counted_nothing_that_could_be_accepted() -> None:
    first = assessed()
    broken = replace(FOUND, reads={}, by_dataset={}, children=0, error="SOURCE_UNREADABLE: people: gone", at=2_000)
    found = assessed(broken, first)
    assert found.is_void
    assert found.failing == {"people", "events", "notes"}
    for row in found.rows:
        before = row_of(first, row.dataset)
        assert (row.fault, row.detail) == (DatasetFault.SOURCE_UNREADABLE, broken.error)
        assert (row.counts, row.baseline, row.sound_at, row.tried_at) == ("", before.baseline, AT, 2_000)


def test_a_source_that_never_could_be_read_has_neither_counts_nor_baseline() -> None:
    broken = replace(FOUND, reads={}, by_dataset={}, children=0, error="gone")
    assert {(row.state, row.counts, row.baseline, row.sound_at) for row in assessed(broken).rows} == {
        (FAILING, "", "", 0)
    }


def test_a_baseline_goes_up_with_a_sound_reading_and_never_down() -> None:
    first = assessed()
    more = assessed(with_read("events", rows=30), first)
    assert counts_of(row_of(more, "events").baseline) == Counts(rows=30, children=8, records=20)
    less = assessed(with_read("events", rows=20), more)
    assert states(less)["events"] == (SOUND, "")
    assert counts_of(row_of(less, "events").baseline) == Counts(rows=30, children=8, records=20)
    assert counts_of(row_of(less, "events").counts) == Counts(rows=20, children=8, records=20)


def test_a_dataset_the_agency_does_not_have_is_absent_and_no_fault() -> None:
    found = replace(with_read("notes", rows=0, is_absent=True, as_at=None), by_dataset={"events": (20, 8)})
    assert states(assessed(found))["notes"] == (ReadingState.ABSENT, "")
    assert states(assessed(found, assessed()))["notes"] == (FAILING, DatasetFault.EMPTY)


def test_counts_are_kept_as_they_are() -> None:
    counts = Counts(1, 2, 3, 4, 5, 6)
    assert counts_of(counts_text(counts)) == counts
    assert counts_of("") is None


def test_a_dataset_that_the_mapping_names_no_more_fails_until_it_is_accepted_as_empty() -> None:
    stood = {row.dataset: row for row in assessed().rows}
    plans = (PEOPLE, NOTES)

    found = assess(plans, FOUND, stood, source_id="s")

    assert states(found)["events"] == (FAILING, "not_mapped")
    assert found.failing == {"events"}
    assert not found.is_void
    events = row_of(found, "events")
    assert (events.sound_at, events.as_at, counts_of(events.counts)) == (AT, 800, Counts())
    accepted = {"events": replace(events, baseline=events.counts)}
    assert "events" not in states(assess(plans, FOUND, {**stood, **accepted}, source_id="s"))


def test_a_dataset_that_said_who_there_is_voids_the_reading_when_the_mapping_names_it_no_more() -> None:
    stood = {row.dataset: row for row in assessed().rows}

    assert assess((EVENTS, NOTES), FOUND, stood, source_id="s").is_void


def test_a_dataset_that_the_agency_did_not_have_and_that_comes_empty_is_not_believed() -> None:
    absent = assessed(with_read("events", rows=0, is_absent=True))
    assert states(absent)["events"] == (ReadingState.ABSENT, "")

    come = assessed(with_read("events", rows=0), absent)

    assert states(come)["events"] == (FAILING, "empty")
