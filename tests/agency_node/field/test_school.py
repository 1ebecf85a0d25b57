"""A school's exports with the faults that such exports have: no fault becomes "nothing held"."""

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from federation.policy.evaluator import PolicyPoint
from federation.vocabulary import Outcome, ReadingState, Share
from tests.support.field import STRANGER, Field, a_field_node
from tests.support.node_house import number, url_of

PUPILS = "UPN,NHS Number,Handling Flags,Enrolment Status,Admission Number,Date of Admission,Date of Leaving,"
PUPILS += "Reason for Leaving,Destination\n"
ATTENDANCE = "Summary Id,UPN,Term Start,Attendance %,Unauthorised %,Pattern,Session Codes\n"
SUSPENSIONS = "Exclusion Id,UPN,Category,Start Date,Suspensions To Date,Reason,Handling Flags\n"
HOME = "Notice Id,UPN,Date Notified,Home Educated From,Last Visit,Home Educated Until,Attendance Order,"
HOME += "Correspondence,Handling Flags\n"
CHILDREN = [number(place).canonical() for place in range(700, 730)]
LOST = "9.99E+09"
"""What a spreadsheet makes of an NHS number in a narrow column."""


def upn(place: int) -> str:
    return f"A{place:012d}"


def pupils(numbers: Iterable[str] = CHILDREN, **flags: str) -> str:
    rows = [
        f"{upn(place)},{found},{flags.get(f'A{place}', '')},C,{place},01/09/2025,,,\n"
        for place, found in enumerate(numbers)
    ]
    return PUPILS + "".join(rows)


def attendance(percent: str = "93", *, places: Iterable[int] = range(30)) -> str:
    return ATTENDANCE + "".join(f"S{place},{upn(place)},01/09/2026,{percent},1,/,/\n" for place in places)


def suspension(place: int, *, flags: str = "", category: str = "SUSP") -> str:
    return f"E{place},{upn(place)},{category},05/10/2026,1,PP,{flags}\n"


def entry(place: int, **changes: Any) -> dict[str, Any]:
    usual = {
        "id": f"log-{place}",
        "pupil": {"upn": upn(place)},
        "dateOfEntry": "2026-11-05T09:30:00+00:00",
        "category": "physical",
        "basis": "Fact",
        "about": {"role": "pupil"},
        "text": f"Entry {place}.",
        "markers": [],
    }
    return {**usual, **changes}


def log(*entries: object) -> str:
    return json.dumps({"incidents": entries})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "exports"
    found.mkdir()
    (found / "pupils.csv").write_text(pupils())
    (found / "attendance.csv").write_text(attendance())
    return found


@pytest.fixture
async def school(tmp_path: Path, folder: Path, policy: PolicyPoint) -> AsyncIterator[Field]:
    async with a_field_node(
        url_of(tmp_path),
        policy,
        kind="school",
        mapping="school-mis",
        location=folder,
        categories=("attendance", "enrolment", "exclusion", "safeguarding_log", "elective_home_education"),
    ) as field:
        yield field


# -- two pupils under one number ------------------------------------------------------------------------------------


def large(numbers: dict[int, str] | None = None) -> list[str]:
    """Numbers of enough pupils for one pair of twins to be under 2 %."""
    return [(numbers or {}).get(place, number(800 + place).canonical()) for place in range(150)]


def twins() -> list[str]:
    return large({4: large()[3]})


@pytest.mark.parametrize("is_first", [True, False])
async def test_records_of_two_pupils_under_one_number_are_no_childs_for_certain(
    school: Field,
    folder: Path,
    is_first: bool,  # noqa: FBT001 - a column of the table
) -> None:
    (folder / "attendance.csv").write_text(attendance(places=range(150)))
    (folder / "pupils.csv").write_text(pupils(large()))
    if not is_first:
        await school.settle()
    (folder / "pupils.csv").write_text(pupils(twins()))

    await school.index()

    assert await school.faults() == {}
    assert await school.pointers(large()[3]) == {"attendance": {"UNREADABLE"}, "enrolment": {"UNREADABLE"}}
    assert await school.told(large()[3], "attendance_percent") == []
    assert await school.told(large()[5], "attendance_percent") == [(93,), (None,)]


async def test_the_number_that_a_twin_lost_to_the_other_is_still_held(school: Field, folder: Path) -> None:
    (folder / "attendance.csv").write_text(attendance(places=range(150)))
    (folder / "pupils.csv").write_text(pupils(large()))
    await school.settle()
    (folder / "pupils.csv").write_text(pupils(twins()))

    await school.index()

    assert await school.pointers(large()[4]) == {"attendance": {"UNREADABLE"}, "enrolment": {"UNREADABLE"}}
    (folder / "pupils.csv").write_text(pupils(large()))
    await school.index()
    assert await school.pointers(large()[4]) == {}
    assert await school.told(large()[4], "attendance_percent") == [(93,), (None,)]


async def test_a_number_that_was_corrected_leaves_with_the_wrong_one(school: Field, folder: Path) -> None:
    await school.settle()
    right = number(750).canonical()
    (folder / "pupils.csv").write_text(pupils([right, *CHILDREN[1:]]))

    assert ("gone", CHILDREN[0], "") in await school.differences()
    await school.index()

    assert await school.outcome(CHILDREN[0]) is Outcome.NOTHING_HELD
    assert await school.outcome(right) is Outcome.RECORDS


async def test_a_flag_of_one_twin_protects_both(school: Field, folder: Path) -> None:
    (folder / "attendance.csv").write_text(attendance(places=range(150)))
    (folder / "pupils.csv").write_text(pupils(twins(), A4="WITNESS_PROT"))

    await school.index()

    assert await school.is_hidden(large()[3])
    assert await school.outcome(large()[5]) is Outcome.RECORDS


async def test_too_many_pupils_under_anothers_number_are_not_believed(school: Field, folder: Path) -> None:
    (folder / "pupils.csv").write_text(pupils([*CHILDREN[:3], CHILDREN[3], CHILDREN[3], *CHILDREN[5:]]))

    await school.index()

    faults = await school.faults()
    assert (faults["attendance"], faults["pupils"]) == ("too_many_unreadable", "too_many_unreadable")
    assert await school.outcome(CHILDREN[3]) is Outcome.ERROR
    assert await school.outcome(STRANGER) is Outcome.ERROR


# -- numbers that a spreadsheet has lost ----------------------------------------------------------------------------


async def test_a_first_export_whose_numbers_are_lost_says_what_share_of_its_rows_is_nobodys(
    school: Field, folder: Path
) -> None:
    (folder / "pupils.csv").write_text(pupils([LOST] * 13 + CHILDREN[13:]))

    await school.index()

    lost, stranger = await school.answer(CHILDREN[0]), await school.answer(STRANGER)
    assert lost.outcome is Outcome.NOTHING_HELD
    assert lost.reading == stranger.reading
    assert {(item.dataset, item.state, item.unidentified) for item in lost.reading if item.as_at} >= {
        ("source/pupils", ReadingState.PARTIAL, Share.UP_TO_50),
        ("source/attendance", ReadingState.PARTIAL, Share.UP_TO_50),
    }
    assert await school.outcome(CHILDREN[13]) is Outcome.RECORDS


async def test_numbers_lost_overnight_take_nobody_off_the_caseload(school: Field, folder: Path) -> None:
    await school.settle()
    (folder / "pupils.csv").write_text(pupils([LOST] * 13 + CHILDREN[13:]))

    await school.index()

    assert "pupils" in await school.faults()
    assert await school.told(CHILDREN[0], "attendance_percent") == [(93,), (None,)]
    assert await school.outcome(STRANGER) is Outcome.ERROR


async def test_a_pupil_whose_number_is_lost_among_many_is_held_without_detail(school: Field, folder: Path) -> None:
    (folder / "pupils.csv").write_text(pupils(large()))
    (folder / "attendance.csv").write_text(attendance(places=range(150)))
    await school.settle()
    (folder / "pupils.csv").write_text(pupils(large({0: LOST})))

    await school.index()

    assert await school.faults() == {}
    assert await school.pointers(large()[0]) == {"attendance": {"UNREADABLE"}, "enrolment": {"UNREADABLE"}}
    assert await school.outcome(STRANGER) is Outcome.NOTHING_HELD


async def test_lost_numbers_that_a_person_accepts_leave_their_children_held_without_detail(
    school: Field, folder: Path
) -> None:
    await school.settle()
    (folder / "pupils.csv").write_text(pupils([LOST] * 5 + CHILDREN[5:]))
    await school.index()
    assert await school.faults() != {}

    await school.accept()
    await school.index()

    # The rows are theirs by the UPN, whatever their numbers have become: acceptance makes nobody leave.
    assert await school.outcome(CHILDREN[0]) is not Outcome.NOTHING_HELD


@pytest.mark.parametrize("written", ["'{}", '"=""{}"""', "{}.0", "{}"])
async def test_what_spreadsheets_put_around_a_number_leaves_it_that_number(
    school: Field, folder: Path, written: str
) -> None:
    (folder / "pupils.csv").write_text(pupils(map(written.format, CHILDREN)))

    await school.index()

    assert await school.outcome(CHILDREN[0]) is Outcome.RECORDS


@pytest.mark.parametrize("placeholder", ["9876543210", "1234567881"])
async def test_numbers_that_were_never_issued_join_no_strangers(school: Field, folder: Path, placeholder: str) -> None:
    (folder / "pupils.csv").write_text(pupils([placeholder, placeholder, *CHILDREN[2:]]))

    report = await school.index()

    assert report.children == 28
    assert ("pupils", "nhs_number_never_issued") in await school.rejects()
    assert await school.outcome(placeholder) is Outcome.NOTHING_HELD
    assert await school.outcome(CHILDREN[2]) is Outcome.RECORDS


async def test_a_school_without_one_number_is_not_believed(school: Field, folder: Path) -> None:
    (folder / "pupils.csv").write_text(pupils([""] * 30))

    await school.index()

    assert (await school.faults())["pupils"] == "no_child_identified"
    assert await school.outcome(CHILDREN[0]) is Outcome.ERROR


# -- attendance and other values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "read"), [("93.4", "93.4"), ("93.4%", "93.4"), ("93%", 93), ("100", 100)])
async def test_attendance_is_read_with_decimals_and_with_a_sign(
    school: Field, folder: Path, written: str, read: str | int
) -> None:
    (folder / "attendance.csv").write_text(attendance(written))

    await school.index()

    assert await school.faults() == {}
    assert (read,) in await school.told(CHILDREN[0], "attendance_percent")


async def test_an_amount_that_is_none_costs_its_field_and_not_its_record(school: Field, folder: Path) -> None:
    (folder / "attendance.csv").write_text(attendance("excellent"))

    await school.index()

    assert await school.faults() == {}
    (term,) = [item for item in (await school.answer(CHILDREN[0])).records if item.category == "attendance"]
    assert (term.fields["unauthorised_percent"], term.fields_unreadable) == (1, ["attendance_percent"])


async def test_an_exclusion_of_an_unknown_kind_is_held_and_could_not_be_read(school: Field, folder: Path) -> None:
    rows = "".join(suspension(place) for place in range(1, 30))
    many = "".join(f"F{place},{upn(place % 30)},SUSP,05/10/2026,1,PP,\n" for place in range(30, 90))
    (folder / "suspensions.csv").write_text(SUSPENSIONS + suspension(0, category="OFFSITE") + rows + many)

    await school.index()

    assert await school.faults() == {}
    assert "exclusion" in await school.pointers(CHILDREN[0])


# -- a child's pupil row ----------------------------------------------------------------------------------------------


async def test_a_flag_on_a_second_row_of_a_pupil_protects_the_pupil(school: Field, folder: Path) -> None:
    (folder / "pupils.csv").write_text(pupils() + f"{upn(0)},,WITNESS_PROT,,,,,,\n")

    await school.index()

    assert await school.is_hidden(CHILDREN[0])
    assert await school.outcome(CHILDREN[1]) is Outcome.RECORDS


async def test_a_flag_on_a_suspension_protects_the_child_though_the_row_stands_twice(
    school: Field, folder: Path
) -> None:
    rows = suspension(0) + suspension(0, flags="WITNESS_PROT") + suspension(1)
    (folder / "suspensions.csv").write_text(SUSPENSIONS + rows)

    await school.index()

    assert await school.is_hidden(CHILDREN[0])


async def test_a_pupil_row_cut_short_stops_the_reading_because_it_may_protect_somebody(
    school: Field, folder: Path
) -> None:
    await school.settle()
    (folder / "pupils.csv").write_text(pupils().replace(f"{upn(2)},", f"{upn(2)}\n", 1))

    await school.index()

    assert (await school.faults())["pupils"] == "source_unreadable"
    assert await school.told(CHILDREN[2], "attendance_percent") == [(93,), (None,)]
    assert await school.outcome(STRANGER) is Outcome.ERROR


async def test_a_row_of_empty_cells_among_the_others_may_be_the_row_that_is_missing(
    school: Field, folder: Path
) -> None:
    await school.settle()
    text = attendance()
    (folder / "attendance.csv").write_text(text.replace(f"S4,{upn(4)},01/09/2026,93,1,/,/", ",,,,,,"))

    await school.index()

    assert await school.faults() == {}
    assert "attendance" in await school.pointers(CHILDREN[4])
    assert await school.told(CHILDREN[5], "attendance_percent") == [(93,), (None,)]


async def test_a_second_row_that_is_emptied_on_another_day_is_another_row(school: Field, folder: Path) -> None:
    await school.settle()
    one = attendance().replace(f"S4,{upn(4)},01/09/2026,93,1,/,/", ",,,,,,")
    (folder / "attendance.csv").write_text(one)
    await school.index()
    (folder / "attendance.csv").write_text(one.replace(f"S9,{upn(9)},01/09/2026,93,1,/,/", ",,,,,,"))

    await school.index()

    assert "attendance" in await school.pointers(CHILDREN[4])
    assert "attendance" in await school.pointers(CHILDREN[9])


async def test_rows_of_empty_cells_behind_the_last_row_are_nothing(school: Field, folder: Path) -> None:
    (folder / "attendance.csv").write_text(attendance() + ",,,,,,\n" * 200)

    await school.index()

    assert await school.rejects() == []
    assert {item.unidentified for item in (await school.answer(CHILDREN[0])).reading} == {Share.NONE}


# -- the safeguarding log, which is JSON ---------------------------------------------------------------------------


async def test_a_log_that_is_half_written_is_not_believed(school: Field, folder: Path) -> None:
    path = folder / "safeguarding-log.json"
    path.write_text(log(*map(entry, range(30))))
    await school.settle()
    path.write_text(log(*map(entry, range(30)))[:-200])

    await school.index()

    assert await school.faults() == {"log": "unreadable"}
    assert ("Entry 7.",) in await school.told(CHILDREN[7], "entry_text")
    assert await school.outcome(STRANGER) is Outcome.ERROR


async def test_a_log_whose_entries_are_named_otherwise_is_not_believed(school: Field, folder: Path) -> None:
    path = folder / "safeguarding-log.json"
    path.write_text(log(*map(entry, range(30))))
    await school.settle()
    path.write_text(json.dumps({"entries": [entry(place) for place in range(30)]}))

    await school.index()

    assert await school.faults() == {"log": "unreadable"}


async def test_log_entries_whose_pupil_is_named_otherwise_are_not_believed(school: Field, folder: Path) -> None:
    path = folder / "safeguarding-log.json"
    path.write_text(log(*map(entry, range(30))))
    await school.settle()
    path.write_text(log(*(entry(place, pupil={"id": upn(place)}) for place in range(30))))

    await school.index()

    assert await school.faults() == {"log": "shrunk"}
    assert ("Entry 7.",) in await school.told(CHILDREN[7], "entry_text")


async def test_an_entry_that_is_no_object_may_be_the_entry_that_is_missing(school: Field, folder: Path) -> None:
    path = folder / "safeguarding-log.json"
    entries: list[object] = [entry(place % 30, id=f"log-{place}") for place in range(90)]
    path.write_text(log(*entries[:30], *entries[60:]))
    await school.settle()
    path.write_text(log(*entries[:7], "see paper file", *entries[8:30], *entries[60:67], *entries[68:]))

    await school.index()

    # Whatever stood there may have been an entry of any of them, with a marker: nothing is told of who misses one.
    assert await school.faults() == {}
    assert await school.is_hidden(CHILDREN[7])
    assert {item.dataset: item.unreadable for item in (await school.answer(STRANGER)).reading}["source/log"] is (
        Share.UP_TO_2
    )
    assert ("Entry 8.",) in await school.told(CHILDREN[8], "entry_text")


async def test_a_marker_of_the_log_that_no_list_has_protects(school: Field, folder: Path) -> None:
    entries = [entry(0, markers=["ask Mrs Bell first"]), *map(entry, range(1, 30))]
    (folder / "safeguarding-log.json").write_text(log(*entries))

    await school.index()

    assert await school.is_hidden(CHILDREN[0])
    assert await school.outcome(CHILDREN[1]) is Outcome.RECORDS


async def test_a_log_that_says_on_two_entries_of_one_id_what_differs_is_held_and_could_not_be_read(
    school: Field, folder: Path
) -> None:
    entries = [*map(entry, range(30)), entry(0, basis="Allegation")]
    (folder / "safeguarding-log.json").write_text(log(*entries, *(entry(place, id=f"x{place}") for place in range(30))))

    await school.index()

    assert await school.faults() == {}
    assert "safeguarding_log" in await school.pointers(CHILDREN[0])


# -- exports that come and go -----------------------------------------------------------------------------------------


async def test_an_export_that_the_school_never_had_is_said_to_be_absent(school: Field) -> None:
    await school.settle()

    states = {item.dataset: item.state for item in (await school.answer(CHILDREN[0])).reading}

    assert states["source/log"] is ReadingState.ABSENT
    assert states["source/attendance"] is ReadingState.SOUND
    assert await school.outcome(STRANGER) is Outcome.NOTHING_HELD


async def test_an_export_that_is_gone_overnight_is_missed_and_comes_back(school: Field, folder: Path) -> None:
    await school.settle()
    (folder / "attendance.csv").rename(folder / "attendance.old")

    await school.index()

    assert await school.faults() == {"attendance": "empty"}
    assert await school.outcome(STRANGER) is Outcome.ERROR
    assert await school.told(CHILDREN[0], "attendance_percent") == [(93,), (None,)]
    (folder / "attendance.old").rename(folder / "attendance.csv")
    await school.index()
    assert await school.faults() == {}
    assert await school.outcome(STRANGER) is Outcome.NOTHING_HELD


async def test_a_notice_of_home_education_may_be_the_last_one(school: Field, folder: Path) -> None:
    (folder / "home-education.csv").write_text(HOME + f"H0,{upn(0)},01/10/2026,,,,,Letter,\n")
    await school.settle()
    (folder / "home-education.csv").write_text(HOME)

    assert await school.differences() == [("gone", CHILDREN[0], "home_education:H0")]
    await school.index()

    assert await school.faults() == {}
    states = {item.dataset: item.state for item in (await school.answer(CHILDREN[0])).reading}
    assert states["source/home_education"] is ReadingState.SOUND


async def test_more_than_half_of_the_pupils_do_not_leave_in_one_night_until_a_person_says_so(
    school: Field, folder: Path
) -> None:
    await school.settle()
    (folder / "pupils.csv").write_text(pupils(CHILDREN[:14]))

    await school.index()

    assert (await school.faults())["pupils"] == "shrunk"
    assert await school.outcome(CHILDREN[29]) is Outcome.RECORDS
    (folder / "attendance.csv").write_text(attendance(places=range(14)))
    await school.index()
    await school.accept()
    await school.index()
    assert await school.faults() == {}
    assert await school.outcome(CHILDREN[29]) is Outcome.NOTHING_HELD
    assert await school.outcome(CHILDREN[0]) is Outcome.RECORDS


async def test_a_pupil_whose_row_is_gone_and_whose_key_is_still_named_is_held_without_detail(
    school: Field, folder: Path
) -> None:
    await school.settle()
    (folder / "pupils.csv").write_text(pupils(CHILDREN[:29]))

    assert ("kept", CHILDREN[29], "") in await school.differences()
    for _ in range(2):
        await school.index()
        assert await school.pointers(CHILDREN[29]) == {"attendance": {"UNREADABLE"}, "enrolment": {"UNREADABLE"}}
    # A person has seen that the row of attendance is one of a pupil who left.
    assert await school.dismiss("child_unknown") == 1
    await school.index()
    assert await school.outcome(CHILDREN[29]) is Outcome.NOTHING_HELD


async def test_pupils_who_leave_a_few_at_a_time_are_counted_against_what_was_accepted(
    school: Field, folder: Path
) -> None:
    await school.settle()
    for left in (22, 16):
        (folder / "pupils.csv").write_text(pupils(CHILDREN[:left]))
        (folder / "attendance.csv").write_text(attendance(places=range(left)))
        await school.index()
        assert await school.faults() == {}
    (folder / "pupils.csv").write_text(pupils(CHILDREN[:14]))
    (folder / "attendance.csv").write_text(attendance(places=range(14)))

    await school.index()

    faults = await school.faults()
    assert (faults["attendance"], faults["pupils"]) == ("shrunk", "shrunk")
    assert await school.outcome(CHILDREN[15]) is Outcome.RECORDS
