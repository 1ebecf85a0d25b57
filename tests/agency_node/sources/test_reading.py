"""What a reading owes: nobody and no flag is lost, and what cannot be told for certain is said to be so."""

import datetime as dt
import json
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agency_node.sources.record import UNRECOGNISED_FLAG, SourceRecord, Unreadable
from agency_node.sources.source import Rejected, RejectionKind, RejectionReason, SourceLimits, SourceRow
from federation.errors import ErrorCode, WardgateError
from keys.nhs_number import NhsNumber
from tests.support.source_files import (
    ADA,
    BEN,
    CAY,
    Remembered,
    children,
    datasets,
    read_source,
    records,
    rejected,
)

REASON = RejectionReason
SOUND: frozenset[Unreadable] = frozenset()
BAD = "9990000027"
"""Its check digit is wrong."""

MAPPING = """
format = 1
title = "A case system"
kind = "files"
[datasets.people]
file = "people.csv"
[datasets.marks]
file = "marks.csv"
[datasets.events]
file = "events.csv"
[datasets.notes]
file = "notes.csv"
[[children]]
dataset = "people"
key = "id"
nhs_number = "nhs"
same_person = ["born", "name"]
flags = [{ column = "marks", split = ";" }]
[[marks]]
dataset = "marks"
child = { key = "id", nhs_number = "nhs" }
flags = [{ column = "flag" }]
record = { dataset = { column = "table", values = { E = "events" } }, id = "event" }
[[records]]
dataset = "events"
category = { column = "category", values = { D = "domestic_abuse", P = "police_incident" } }
type = { column = "type", values = { c = "crime", i = "incident" } }
where = { state = ["", "open"] }
child = { key = "id", nhs_number = "nhs" }
ref = "event"
date = "date"
started_on = { column = "start", required = false }
ended_on = "end"
relation = { column = "whom", values = { s = "subject", p = "parent" }, default = "subject" }
contact_level = { column = "contact", values = { l = "lives_with" }, default = "unknown" }
handling_code = { column = "code", default = "" }
flags = [{ column = "marks", split = ";" }]
[records.fields]
told = "told"
visits = { column = "visits", type = "integer" }
[[records]]
dataset = "notes"
category = { column = "category", values = { N = "safeguarding_log" }, unmapped = "keep" }
type = "note"
child = { key = "id" }
ref = "note"
date = "date"
[records.fields]
told = "told"
"""
PEOPLE = "id,nhs,born,name,marks"
MARKS = "id,nhs,table,event,flag"
EVENTS = "event,id,nhs,category,type,state,date,start,end,whom,contact,code,marks,told,visits"
NOTES = "note,id,category,date,told"
EVENT = {"event": "1", "id": "A", "category": "P", "type": "c", "date": "2026-03-01", "told": "a secret"}
PERSON = {"born": "2015-01-01", "name": "X"}


class System:
    """A case system's folder, and its readings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("people", PEOPLE, f"A,{ADA},,,", f"B,{BEN},,,")
        self.write("marks", MARKS)
        self.write("events", EVENTS)
        self.write("notes", NOTES)

    def write(self, name: str, header: str, *lines: str) -> None:
        (self.folder / f"{name}.csv").write_bytes("\n".join((header, *lines, "")).encode())

    def people(self, *lines: str) -> "System":
        self.write("people", PEOPLE, *lines)
        return self

    def marks(self, *lines: str) -> "System":
        self.write("marks", MARKS, *lines)
        return self

    def events(self, *changes: dict[str, str]) -> "System":
        rows = [{**dict.fromkeys(EVENTS.split(","), ""), **EVENT, **change} for change in changes or ({},)]
        self.write("events", EVENTS, *(",".join(row.values()) for row in rows))
        return self

    def notes(self, *lines: str) -> "System":
        self.write("notes", NOTES, *lines)
        return self

    def read(self, memory: Remembered | None = None, limits: SourceLimits | None = None) -> list[SourceRow]:
        return read_source(self.folder, MAPPING, memory=memory, limits=limits or SourceLimits())


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def flags_of(rows: list[SourceRow], number: str) -> set[str]:
    """Flags of a child as such."""
    return {flag for row in children(rows) if row.child == NhsNumber(number) for flag in row.flags}


def whose(rows: list[SourceRow]) -> list[tuple[str, str, bool]]:
    """Reference and child of every record, and whether the child is certain."""
    return [(row.source_ref, row.child.canonical(), Unreadable.CHILD not in row.unreadable) for row in records(rows)]


def named(rows: list[SourceRow]) -> set[str]:
    return {row.child.canonical() for row in children(rows)} | {row.child.canonical() for row in records(rows)}


def only(rows: list[SourceRow]) -> SourceRecord:
    (found,) = records(rows)
    return found


def fault(rows: list[SourceRow]) -> Rejected:
    (found,) = rejected(rows)
    return found


# -- who is who -------------------------------------------------------------------------------------------------------


def test_one_number_under_one_key_is_certain(system: System) -> None:
    found = system.people(f"A,{ADA},,,VIP", f"A,{ADA},,,MAPPA").events().read()
    assert whose(found) == [("events:1", ADA, True)]
    assert flags_of(found, ADA) == {"VIP", "MAPPA"}
    assert rejected(found) == []


def test_two_numbers_under_one_key_are_two_uncertain_children_with_the_flags_of_both(system: System) -> None:
    found = system.people(f"A,{ADA},,,VIP", f"A,{BEN},,,MAPPA", f"C,{CAY},,,").events({}, {"event": "2", "id": "C"})
    rows = found.read()
    assert whose(rows) == [("events:1", ADA, False), ("events:1#2", BEN, False), ("events:2", CAY, True)]
    assert flags_of(rows, ADA) == flags_of(rows, BEN) == {"VIP", "MAPPA"}
    assert flags_of(rows, CAY) == set()
    assert [dict(row.fields) for row in records(rows)] == [{}, {}, {"told": "a secret"}]
    assert [(row.reason, row.is_attributed) for row in rejected(rows)] == [(REASON.CHILD_AMBIGUOUS, True)] * 2
    assert datasets(rows)["events"].unreadable == 1


def test_every_record_of_an_uncertain_child_is_unreadable_under_whatever_key(system: System) -> None:
    rows = system.people(f"A,{ADA},,,", f"A,{BEN},,,", f"B,{BEN},,,").events({"id": "B"}).read()
    assert whose(rows) == [("events:1", BEN, False)]


@pytest.mark.parametrize(
    ("first", "second", "is_certain"),
    [
        ("2015-01-01,X", "2015-01-01,X", True),
        ("2015-01-01,X", "2015-01-01,Y", False),
        ("2015-01-01,X", "2015-01-02,X", False),
        ("2015-01-01,", "2015-01-01,", False),
        (",", ",", False),
        ("2015-01-01,X", "2015-01-01,a\x00b", False),
        ("2015-01-01,a\x00b", "2015-01-01,X", False),
    ],
)
def test_two_keys_under_one_number_are_one_child_only_if_all_that_tells_persons_apart_is_there_and_equal(
    system: System, first: str, second: str, *, is_certain: bool
) -> None:
    rows = system.people(f"A,{ADA},{first},VIP", f"B,{ADA},{second},MAPPA").events({}, {"event": "2", "id": "B"}).read()
    assert whose(rows) == [("events:1", ADA, is_certain), ("events:2", ADA, is_certain)]
    assert flags_of(rows, ADA) == {"VIP", "MAPPA"}


def test_without_a_way_to_tell_persons_apart_two_keys_under_one_number_are_uncertain(system: System) -> None:
    system.people(f"A,{ADA},2015-01-01,X,", f"B,{ADA},2015-01-01,X,").events()
    rows = read_source(system.folder, MAPPING.replace('same_person = ["born", "name"]\n', ""))
    assert whose(rows) == [("events:1", ADA, False)]


def test_a_row_that_names_a_child_by_key_and_another_by_number_is_uncertain_on_both(system: System) -> None:
    system.people(f"A,{ADA},,,VIP", f"B,{BEN},,,")
    assert whose(system.events({"nhs": ADA}).read()) == [("events:1", ADA, True)]
    assert whose(system.events({"nhs": BAD}).read()) == [("events:1", ADA, True)]
    rows = system.events({"nhs": BEN}).read()
    assert whose(rows) == [("events:1", ADA, False), ("events:1#2", BEN, False)]
    assert flags_of(rows, BEN) == {"VIP"}


def test_a_row_whose_key_cannot_be_read_is_uncertain_by_its_number(system: System) -> None:
    assert whose(system.events({"id": "", "nhs": ADA}).read()) == [("events:1", ADA, True)]
    assert whose(system.events({"id": "a\x00b", "nhs": ADA}).read()) == [("events:1", ADA, False)]
    lost = fault(system.events({"id": "a\x00b"}).read())
    assert (lost.reason, lost.column, lost.counted_as, lost.is_attributed, lost.has_flags) == (
        REASON.VALUE_INVALID,
        "id",
        RejectionKind.UNREADABLE,
        False,
        False,
    )


# -- numbers that are lost --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["", BAD, "1111111111", "a\x00b"])
def test_a_key_whose_number_is_lost_is_recalled_and_uncertain(system: System, number: str) -> None:
    system.people(f"A,{number},,,VIP", f"B,{BEN},,,").events({}, {"event": "2", "id": "B"})
    rows = system.read(Remembered(A=ADA))
    assert whose(rows) == [("events:1", ADA, False), ("events:2", BEN, True)]
    assert flags_of(rows, ADA) == {"VIP"}
    lost = rejected(rows)[0]
    assert (lost.dataset, lost.is_attributed, lost.has_flags, lost.identity) == ("people", True, True, "A")
    assert [child.keys for child in children(rows) if child.child == NhsNumber(ADA)] == [{"A"}]


def test_a_key_whose_number_is_lost_and_that_nobody_remembers_names_nobody(system: System) -> None:
    rows = system.people(f"A,{BAD},,,", f"B,{BEN},,,").events().read(Remembered(B=CAY))
    assert named(rows) == {BEN}
    assert [(row.dataset, row.reason, row.is_attributed) for row in rejected(rows)] == [
        ("people", REASON.NHS_NUMBER_INVALID, True),
        ("events", REASON.CHILD_UNKNOWN, True),
    ]


def test_a_row_of_a_key_that_no_child_has_may_be_anybodys(system: System) -> None:
    lost = fault(system.events({"id": "Z", "marks": "VIP"}).read())
    assert (lost.reason, lost.is_attributed, lost.has_flags, lost.identity) == (
        REASON.CHILD_UNKNOWN,
        False,
        True,
        "events:1",
    )


def test_a_key_that_names_somebody_else_by_another_row_does_not_forget_whom_it_named(system: System) -> None:
    system.people(f"A,{BAD},,,VIP", f"A,{BEN},,,").events()
    assert whose(system.read(Remembered(A=BEN))) == [("events:1", BEN, True)]
    rows = system.read(Remembered(A=[ADA, BEN]))
    assert whose(rows) == [("events:1", BEN, False), ("events:1#2", ADA, False)]
    assert flags_of(rows, ADA) == flags_of(rows, BEN) == {"VIP"}


def test_a_key_of_which_every_number_is_there_is_not_asked_about(system: System) -> None:
    rows = system.events().read(Remembered(A=CAY))
    assert whose(rows) == [("events:1", ADA, True)]
    assert CAY not in named(rows)


# -- flags ------------------------------------------------------------------------------------------------------------


def test_flags_of_a_row_without_number_protect_whoever_else_has_its_key(system: System) -> None:
    rows = system.people("A,,,,VIP", f"A,{ADA},,,", f"B,{BEN},,,").read()
    assert flags_of(rows, ADA) == {"VIP"}
    assert flags_of(rows, BEN) == set()


def test_flags_of_a_row_without_number_protect_a_record_under_its_key_and_that_records_child(system: System) -> None:
    rows = system.people("A,,,,VIP", f"B,{BEN},,,").events({"nhs": CAY}, {"event": "2", "id": "B"}).read()
    assert [(row.child.canonical(), row.flags) for row in records(rows)] == [(CAY, {"VIP"}), (BEN, frozenset())]
    assert flags_of(rows, CAY) == {"VIP"}


@pytest.mark.parametrize("line", [f",{BAD},,,VIP", ",,,,VIP", f"a\x00b,{BAD},,,VIP", ",,,,a\x00b"])
def test_flags_of_a_row_without_key_and_number_void_the_reading(system: System, line: str) -> None:
    with pytest.raises(WardgateError) as refused:
        system.people(f"A,{ADA},,,", line).read()
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE
    assert "line 3" in refused.value.detail
    without = line.rpartition(",")[0] + ","
    assert named(system.people(f"A,{ADA},,,", without).read()) == {ADA}


def test_flags_that_cannot_be_read_protect(system: System) -> None:
    rows = system.people(f"A,{ADA},,,a\x00b", f"B,{BEN},,,").events({"marks": "a\x00b"}).read()
    assert flags_of(rows, ADA) == {UNRECOGNISED_FLAG}
    assert only(rows).flags == {UNRECOGNISED_FLAG}
    assert [(row.dataset, row.counted_as, row.is_attributed) for row in rejected(rows)] == [
        ("people", RejectionKind.UNREADABLE, True),
        ("events", RejectionKind.UNREADABLE, True),
    ]
    assert rejected(rows)[0].has_flags


def test_a_row_that_is_none_void_a_reading_where_its_flags_protect_children(system: System) -> None:
    with pytest.raises(WardgateError) as refused:
        system.people(f"A,{ADA},,,", "B").read()
    assert "line 3" in refused.value.detail


def test_a_row_that_is_none_may_have_had_the_flags_of_its_section(system: System) -> None:
    system.write("events", EVENTS, "1")
    system.notes("1")
    assert [(row.dataset, row.is_attributed, row.has_flags) for row in rejected(system.read())] == [
        ("events", False, True),
        ("notes", False, False),
    ]


# -- marks ------------------------------------------------------------------------------------------------------------


def test_a_mark_that_matches_a_record_stands_on_it_alone(system: System) -> None:
    rows = system.marks("A,,E,1,VIP").events({}, {"event": "2"}).read()
    assert [row.flags for row in records(rows)] == [{"VIP"}, frozenset()]
    assert flags_of(rows, ADA) == set()
    assert rejected(rows) == []


def test_a_mark_that_matches_no_record_stands_on_its_child(system: System) -> None:
    rows = system.marks("A,,E,9,VIP", "A,,E,9,MAPPA").events().read()
    assert only(rows).flags == frozenset()
    assert flags_of(rows, ADA) == {"VIP", "MAPPA"}
    assert flags_of(rows, BEN) == set()
    lost = fault(rows)
    assert (lost.dataset, lost.line, lost.reason, lost.has_flags) == ("marks", 2, REASON.MARK_UNMATCHED, True)
    assert lost.counted_as is RejectionKind.FIELD


def test_a_mark_that_matches_a_record_of_another_child_stands_on_both(system: System) -> None:
    rows = system.marks("B,,E,1,VIP").events().read()
    assert only(rows).flags == {"VIP"}
    assert flags_of(rows, BEN) == {"VIP"}
    assert fault(rows).reason is REASON.MARK_UNMATCHED


def test_a_mark_on_a_record_that_could_not_be_identified_stands_on_its_child(system: System) -> None:
    rows = system.marks("A,,E,1,VIP").events({"id": "Z"}).read()
    assert flags_of(rows, ADA) == {"VIP"}


def test_a_mark_of_a_child_nobody_knows_is_told_and_protects_by_its_key(system: System) -> None:
    mapping = MAPPING.replace(
        'child = { key = "id", nhs_number = "nhs" }\nflags = [{ column = "flag" }]',
        'child = { key = "id" }\nflags = [{ column = "flag" }]',
    )
    system.marks("Z,,,,VIP").events({}, {"event": "2", "id": "Z", "nhs": CAY})
    rows = read_source(system.folder, mapping)
    lost = fault(rows)
    assert (lost.dataset, lost.reason, lost.has_flags, lost.is_attributed) == (
        "marks",
        REASON.CHILD_UNKNOWN,
        True,
        False,
    )
    assert [(row.child.canonical(), row.flags) for row in records(rows)] == [(ADA, frozenset()), (CAY, {"VIP"})]
    assert (flags_of(rows, ADA), flags_of(rows, CAY)) == (set(), {"VIP"})


def test_a_mark_on_an_uncertain_child_stands_on_everybody_it_may_be(system: System) -> None:
    rows = system.people(f"A,{ADA},,,", f"A,{BEN},,,", f"C,{CAY},,,").marks("A,,,,VIP").read()
    assert (flags_of(rows, ADA), flags_of(rows, BEN), flags_of(rows, CAY)) == ({"VIP"}, {"VIP"}, set())


@pytest.mark.parametrize("line", [",,,,VIP", f",{BAD},,,VIP", "A,,E,1,a\x00b", "A,,T,1,VIP", "A", "a\x00b,,,,VIP"])
def test_a_mark_that_cannot_be_read_or_told_whose_voids_the_reading(system: System, line: str) -> None:
    with pytest.raises(WardgateError) as refused:
        system.marks(line).events().read()
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE
    assert "line 2" in refused.value.detail


def test_a_row_of_marks_without_a_flag_is_none(system: System) -> None:
    assert rejected(system.marks("B,,,,", "A,,T,1,").read()) == []
    assert rejected(system.marks("A,,T,1,", ",,,,").read()) == []


def test_an_empty_row_among_marks_is_told_and_stops_nothing(system: System) -> None:
    (found,) = rejected(system.marks(",,,,", "A,,T,1,").read())
    assert (found.line, found.reason, found.counted_as, found.has_flags) == (
        2,
        REASON.ROW_EMPTY,
        RejectionKind.UNIDENTIFIED,
        False,
    )


# -- repeated rows ----------------------------------------------------------------------------------------------------


def test_a_row_repeated_for_its_child_is_yielded_again_with_the_flags_of_all(system: System) -> None:
    rows = system.events({"marks": "VIP"}, {"marks": "MAPPA"}).read()
    assert whose(rows) == [("events:1", ADA, True)] * 2
    assert frozenset().union(*(row.flags for row in records(rows))) == {"VIP", "MAPPA"}
    again = fault(rows)
    assert (again.line, again.reason, again.counted_as, again.is_attributed) == (
        3,
        REASON.REF_REPEATED,
        RejectionKind.REPEATED,
        True,
    )
    assert datasets(rows)["events"].unreadable == 0


def test_a_row_repeated_for_another_child_is_uncertain_on_both_with_the_flags_of_all(system: System) -> None:
    rows = system.events({"marks": "VIP"}, {"id": "B"}).read()
    by_child = {number: [row for row in records(rows) if row.child == NhsNumber(number)] for number in (ADA, BEN)}
    for found in by_child.values():
        assert any(Unreadable.CHILD in row.unreadable for row in found)
        assert frozenset().union(*(row.flags for row in found)) == {"VIP"}
    assert len({row.source_ref for row in by_child[BEN]}) == 1
    assert by_child[BEN][0].source_ref != by_child[ADA][0].source_ref
    assert datasets(rows)["events"].unreadable == 1


OF_SEVERAL = """
format = 1
title = "Meetings"
kind = "files"
[datasets.people]
file = "people.csv"
[datasets.meetings]
file = "meetings.json"
[[children]]
dataset = "people"
key = "id"
nhs_number = "nhs"
[[records]]
dataset = "meetings"
category = "meeting"
type = "meeting"
child = { key = "who" }
ref = "id"
date = "date"
"""


@pytest.mark.parametrize(
    ("first", "second", "is_certain"),
    [
        (["A", "B"], ["A", "B"], True),
        (["A", "B"], ["B", "A"], True),
        (["A"], ["A", "B"], False),
        (["A", "B"], ["A"], False),
    ],
)
def test_a_row_of_several_children_is_certain_as_long_as_it_names_the_same(
    system: System, first: list[str], second: list[str], *, is_certain: bool
) -> None:
    meetings = [{"id": 1, "date": "2026-03-01", "who": who} for who in (first, second)]
    (system.folder / "meetings.json").write_text(json.dumps(meetings), encoding="utf-8")
    found = whose(read_source(system.folder, OF_SEVERAL))
    assert {number for _, number, _ in found} == {ADA, BEN}
    for number in (ADA, BEN):
        assert all(certain for _, child, certain in found if child == number) is is_certain


def test_two_sections_make_two_records_of_one_row(tmp_path: Path) -> None:
    second = MAPPING.replace('dataset = "notes"\ncategory', 'dataset = "events"\ncategory').replace(
        'ref = "note"', 'ref = "event"'
    )
    second = second.replace('[datasets.notes]\nfile = "notes.csv"\n', "")
    System(tmp_path).events({}, {"event": "2"})
    rows = read_source(tmp_path, second)
    assert [row.source_ref for row in records(rows)] == ["events:1", "events:1+1", "events:2", "events:2+1"]
    assert rejected(rows) == []


# -- references -------------------------------------------------------------------------------------------------------


def test_a_row_without_reference_has_one_made_of_what_stands_in_it(system: System) -> None:
    lost = {"event": ""}
    first = only(system.events(lost).read())
    moved = records(system.events({}, lost, {"event": "2"}).read())[1]
    other = only(system.events({**lost, "told": "else"}).read())
    assert first.source_ref == moved.source_ref != other.source_ref
    assert first.source_ref.startswith("events:!")
    assert first.unreadable == SOUND
    assert "secret" not in first.source_ref


@pytest.mark.parametrize(("length", "is_kept"), [(200, True), (201, False)])
def test_a_reference_over_its_length_is_made_of_the_row(system: System, length: int, *, is_kept: bool) -> None:
    rows = system.events({"event": "x" * length}).read()
    assert (only(rows).source_ref == f"events:{'x' * length}") is is_kept
    assert [row.reason for row in rejected(rows)] == ([] if is_kept else [REASON.VALUE_TOO_LONG])


# -- what policy reads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "unreadable", "reason"),
    [
        ({"date": ""}, {Unreadable.DATE}, REASON.DATE_MISSING),
        ({"date": "9999-12-31"}, {Unreadable.DATE}, REASON.DATE_MISSING),
        ({"date": "1.3.2026"}, {Unreadable.DATE}, REASON.DATE_INVALID),
        ({"start": "soon"}, {Unreadable.STARTED_ON}, REASON.DATE_INVALID),
        ({"end": "soon"}, {Unreadable.ENDED_ON}, REASON.DATE_INVALID),
        (
            {"start": "2026-03-02", "end": "2026-03-01"},
            {Unreadable.STARTED_ON, Unreadable.ENDED_ON},
            REASON.DATES_REVERSED,
        ),
        ({"type": "x"}, {Unreadable.TYPE}, REASON.VALUE_UNMAPPED),
        ({"type": ""}, {Unreadable.TYPE}, REASON.VALUE_MISSING),
        ({"code": "C C"}, {Unreadable.HANDLING_CODE}, REASON.VALUE_INVALID),
        ({"code": "C" * 65}, {Unreadable.HANDLING_CODE}, REASON.VALUE_INVALID),
        ({"whom": "x"}, {Unreadable.RELATION}, REASON.VALUE_UNMAPPED),
        ({"contact": "x"}, {Unreadable.CONTACT_LEVEL}, REASON.VALUE_UNMAPPED),
        ({"state": "a\x00b"}, {Unreadable.ROW}, REASON.VALUE_INVALID),
    ],
)
def test_what_policy_reads_and_cannot_be_read_is_named(
    system: System, change: dict[str, str], unreadable: AbstractSet[Unreadable], reason: RejectionReason
) -> None:
    rows = system.events(change).read()
    found = only(rows)
    assert (found.child, found.source_ref, found.unreadable) == (NhsNumber(ADA), "events:1", unreadable)
    assert found.fields == {"told": "a secret"}
    assert (fault(rows).reason, fault(rows).counted_as) == (reason, RejectionKind.UNREADABLE)
    assert datasets(rows)["events"].unreadable == 1


@pytest.mark.parametrize(
    "change",
    [
        {"start": "", "end": ""},
        {"start": "2026-03-01", "end": "2026-03-01"},
        {"end": "-"},
        {"end": "9999-12-31"},
        {"code": ""},
        {"code": "C"},
        {"whom": "p"},
        {"contact": ""},
        {"state": "open"},
        {"visits": "3"},
    ],
)
def test_what_can_be_read_leaves_the_record_sound(system: System, change: dict[str, str]) -> None:
    rows = system.events(change).read()
    assert (only(rows).unreadable, only(rows).fields_unreadable) == (SOUND, frozenset())
    assert rejected(rows) == []
    assert datasets(rows)["events"].unreadable == 0


def test_a_record_has_the_days_of_its_columns(system: System) -> None:
    found = only(system.events({"start": "2026-02-01", "end": "2026-03-31"}).read())
    assert (found.started_on, found.date, found.ended_on) == (
        dt.date(2026, 2, 1),
        dt.date(2026, 3, 1),
        dt.date(2026, 3, 31),
    )
    assert only(system.events().read()).ended_on is None


def test_a_column_of_an_end_that_is_not_there_is_a_fault_and_not_an_open_end(system: System) -> None:
    system.write("events", EVENTS.replace(",end,", ",ende,"))
    assert "no column end" in datasets(system.read())["events"].fault


def test_a_row_that_its_condition_excludes_is_no_record(system: System) -> None:
    rows = system.events({"state": "draft"}).read()
    assert records(rows) == []
    assert (fault(rows).reason, fault(rows).has_flags) == (REASON.ROW_UNCLAIMED, False)
    assert fault(system.events({"state": "draft", "marks": "VIP"}).read()).has_flags
    assert datasets(rows)["events"].unclaimed == 1


def test_a_field_that_cannot_be_read_is_dropped_and_named(system: System) -> None:
    rows = system.events({"visits": "many"}).read()
    found = only(rows)
    assert (found.unreadable, found.fields_unreadable, found.fields) == (
        SOUND,
        frozenset({"visits"}),
        {"told": "a secret"},
    )
    assert fault(rows).counted_as is RejectionKind.FIELD
    assert datasets(rows)["events"].unreadable == 0


def test_a_row_with_several_faults_counts_once(system: System) -> None:
    rows = system.events({"type": "x", "code": "C C", "date": "", "visits": "many"}, {"event": "2", "type": "x"}).read()
    assert len(rejected(rows)) == 5
    assert datasets(rows)["events"].unreadable == 2


# -- categories -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("category", ["X", "", "a\x00b"])
def test_a_category_of_a_closed_list_that_cannot_be_read_is_an_unreadable_record_of_each(
    system: System, category: str
) -> None:
    rows = system.events({"category": category}).read()
    assert [(row.source_ref, row.category, row.unreadable) for row in records(rows)] == [
        ("events:1", "domestic_abuse", frozenset({Unreadable.ROW})),
        ("events:1~police_incident", "police_incident", frozenset({Unreadable.ROW})),
    ]
    assert datasets(rows)["events"].unreadable == 1


@pytest.mark.parametrize("category", ["", "a b", "x" * 65])
def test_a_category_of_an_open_list_that_cannot_be_read_fails_its_dataset_alone(system: System, category: str) -> None:
    system.events().notes("1,A,N,2026-03-01,x", f"2,A,{category},2026-03-01,x")
    rows = system.read()
    told = datasets(rows)
    assert told["notes"].fault == "a-source: dataset notes: line 3: column category: a record of no known category"
    assert [told[name].fault for name in ("people", "marks", "events")] == [""] * 3
    assert "events:1" in {row.source_ref for row in records(rows)}


def test_a_category_that_an_open_list_keeps_is_read(system: System) -> None:
    rows = system.notes("1,A,other_kind,2026-03-01,x", "2,A,N,2026-03-01,x").read()
    assert [row.category for row in records(rows)] == ["other_kind", "safeguarding_log"]


# -- datasets ---------------------------------------------------------------------------------------------------------


def test_every_dataset_is_told_of_once_at_the_end(system: System) -> None:
    rows = system.events().notes("1,A,N,2026-03-01,x").read()
    assert list(datasets(rows).values()) == rows[-4:]
    assert {name: read.rows for name, read in datasets(rows).items()} == {
        "people": 2,
        "marks": 0,
        "events": 1,
        "notes": 1,
    }


@pytest.mark.parametrize("failing", ["events", "notes"])
def test_a_dataset_that_fails_midway_fails_alone(system: System, failing: str) -> None:
    system.events({}, {"event": "2"}).notes("1,A,N,2026-03-01,x", "2,A,N,2026-03-01,x")
    path = system.folder / f"{failing}.csv"
    path.write_bytes(path.read_bytes() + b'9,"A')
    told = datasets(system.read())
    assert [name for name, read in told.items() if read.fault] == [failing]
    assert "A" not in told[failing].fault.partition(".csv")[2]


@pytest.mark.parametrize("failing", ["people", "marks"])
def test_a_dataset_that_others_depend_on_voids_the_reading(system: System, failing: str) -> None:
    path = system.folder / f"{failing}.csv"
    path.write_bytes(path.read_bytes() + b'9,"A')
    with pytest.raises(WardgateError) as refused:
        system.events().read()
    assert refused.value.code is ErrorCode.SOURCE_UNREADABLE


def test_the_plan_says_which_datasets_identify_and_which_categories_they_have(system: System) -> None:
    from agency_node.sources.opening import SourceSettings, open_source
    from tests.support.source_files import TODAY

    (system.folder / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    settings = SourceSettings("a-source", str(system.folder / "mapping.toml"), str(system.folder))
    plans = open_source(settings, today=lambda: TODAY).datasets
    assert [(plan.name, plan.identifies, plan.categories) for plan in plans] == [
        ("people", True, frozenset()),
        ("marks", True, frozenset()),
        ("events", False, {"domestic_abuse", "police_incident"}),
        ("notes", False, None),
    ]


# -- any damage -------------------------------------------------------------------------------------------------------

_WHOLE = {
    "people": (PEOPLE, f"A,{ADA},2015-01-01,X,", f"B,{BEN},2016-01-01,Y,VIP", f"C,{CAY},,,"),
    "marks": (MARKS, "C,,,,MAPPA", "A,,E,1,VIP"),
    "events": (
        EVENTS,
        "1,A,,P,c,,2026-03-01,,,,,,,x,1",
        f"2,B,{BEN},D,i,,2026-03-01,,,,,,MAPPA,x,2",
        f"3,,{CAY},D,i,open,2026-03-01,2026-03-01,2026-04-01,s,l,C,,x,",
    ),
    "notes": (NOTES, "1,A,N,2026-03-01,x", "2,C,N,2026-03-02,y"),
}
_MEMORY = Remembered(A=ADA, B=BEN, C=CAY)
_CELLS = [
    (name, line, column)
    for name, (header, *lines) in _WHOLE.items()
    for line in range(len(lines))
    for column in range(len(header.split(",")))
]
_DAMAGE = st.sampled_from(
    ["", "A", "Z", "-", "NULL", BAD, ADA, BEN, '"', 'x"y', "a\x00b", "a,b", "2026-13-01"]
) | st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)


_IDENTITIES = {("people", 0), ("people", 1), ("marks", 0), ("marks", 1), ("events", 1), ("events", 2), ("notes", 1)}
_FLAG_CELLS = {("people", 4), ("marks", 4), ("events", 12)}


def protected(rows: list[SourceRow], number: str) -> set[str]:
    """Flags of a child as such, and of any of its records."""
    return flags_of(rows, number).union(*(row.flags for row in records(rows) if row.child == NhsNumber(number)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.sampled_from(_CELLS), _DAMAGE)
def test_whatever_happens_to_one_cell_no_child_no_record_and_no_flag_vanishes_without_a_word(
    tmp_path: Path, cell: tuple[str, int, int], damage: str
) -> None:
    name, line, column = cell
    system = System(tmp_path)
    for each, lines in _WHOLE.items():
        system.write(each, *lines)
    before = system.read(_MEMORY)
    changed = list(_WHOLE[name])
    cells = changed[line + 1].split(",")
    cells[column] = damage
    changed[line + 1] = ",".join(cells)
    system.write(name, *changed)
    try:
        rows = system.read(_MEMORY)
    except WardgateError:
        return  # the reading is void: everything stays as it was
    if (name, column) in _IDENTITIES and damage.strip() in {"A", "B", "C", ADA, BEN, CAY}:
        return  # a well-formed row of somebody else
    failing = {each for each, read in datasets(rows).items() if read.fault}
    hidden = {row.dataset for row in rejected(rows) if not row.is_attributed} | failing
    flagged = {row.dataset for row in rejected(rows) if not row.is_attributed and row.has_flags} | failing
    assert named(before) <= named(rows) or "people" in hidden
    for was in records(before):
        assert was.dataset in hidden or any(
            (row.child, row.dataset) == (was.child, was.dataset) for row in records(rows)
        )
    if (name, column) not in _FLAG_CELLS:
        for number in (ADA, BEN, CAY):
            assert protected(before, number) <= protected(rows, number) or flagged
