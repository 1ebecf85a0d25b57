import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.sources.ages import OLDEST, age, is_grown_up
from agency_node.sources.dates import latest_date, read_date
from agency_node.sources.mapping import parse_mapping
from agency_node.sources.mapping_sections import ChildrenSection
from agency_node.sources.rows import TreeRow
from federation.errors import WardgateError
from tests.support.source_files import ADA, CAY, TODAY, children, read_source, records, rejected

DAYS = st.dates(dt.date(1901, 1, 1), dt.date(2099, 12, 31))


def section(**more: object) -> ChildrenSection:
    return ChildrenSection.model_validate(
        {"dataset": "patients", "nhs_number": "n", "born": "born", "died": "died", **more}
    )


def grown_up(cells: Mapping[str, object], today: dt.date = TODAY, **more: object) -> bool:
    return is_grown_up(section(**more), TreeRow(1, cells), today)


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ("2008-11-22", True),  # eighteen today
        ("2008-11-23", False),  # tomorrow
        ("1980-02-01", True),
        ("2008-10", True),
        ("2008-11", False),  # may be the thirtieth
        ("2007", True),
        ("2008", False),
        ("2027-01-01", False),  # not born yet
        ("1900-01-01", False),  # a system's way to write that there is no date
        ("1905-11-23", True),
        ("0001-01-01", False),
        ("9999-12-31", False),
        ("unknown", False),
        ("", False),
        (None, False),
        (7, False),
        ({}, False),
    ],
)
def test_somebody_is_grown_up_from_the_birthday_on_and_only_if_that_is_sure(born: object, expected: bool) -> None:  # noqa: FBT001 - a table
    assert grown_up({"born": born}) is expected


@pytest.mark.parametrize(
    ("died", "expected"),
    [
        ("2024-11-22", True),
        ("2024-11-21", False),
        ("2024-11", False),
        ("2024", False),
        ("2030-01-01", True),
        ("?", True),
    ],
)
def test_the_dead_grow_no_older(died: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert grown_up({"born": "2006-11-22", "died": died}) is expected


def test_a_mapping_may_say_another_age_and_another_way_to_write_dates() -> None:
    assert grown_up({"born": "2004-01-01"}, until_age=22)
    assert not grown_up({"born": "2004-01-01"}, until_age=25)
    english = {"column": "born", "formats": ["%d/%m/%Y"]}
    assert grown_up({"born": "22/11/2008"}, born=english)
    assert not grown_up({"born": "23/11/2008"}, born=english)
    assert not is_grown_up(ChildrenSection(dataset="patients", nhs_number="n"), TreeRow(1, {"born": "1980"}), TODAY)


def test_an_age_without_a_date_of_birth_is_a_mistake() -> None:
    text = 'format = 1\ntitle = "x"\nkind = "files"\ndatasets = { a = { file = "a.csv" } }\n'
    text += '[[children]]\ndataset = "a"\nnhs_number = "n"\n'
    parse_mapping(f'{text}born = "b"\nuntil_age = 25\n'.encode(), name="m")
    for wrong in (
        "until_age = 25",
        'died = "d"',
        'born = "b"\nuntil_age = 0',
        'born = { column = "b", type = "text" }',
    ):
        with pytest.raises(WardgateError):
            parse_mapping(f"{text}{wrong}\n".encode(), name="m")


@given(DAYS, st.integers(-3, 130))
def test_an_age_changes_on_the_birthday(born: dt.date, years: int) -> None:
    birthday = (born.month, born.day)
    first = dt.date(born.year + years, *((3, 1) if birthday == (2, 29) else birthday))
    if first.month == 3 and birthday == (2, 29) and (born.year + years) % 4 == 0 and born.year + years != 1900:
        first = dt.date(born.year + years, 2, 29)
    if first.year < 2100:
        assert age(born, first) == years
        assert age(born, first - dt.timedelta(days=1)) == years - 1


@given(DAYS, DAYS, st.integers(1, 30))
def test_nobody_becomes_a_child_again(born: dt.date, today: dt.date, later: int) -> None:
    cells = {"born": born.isoformat()}
    if grown_up(cells, today) and age(born, today) + later <= OLDEST:
        assert grown_up(cells, today + dt.timedelta(days=365 * later))


@given(DAYS, st.sampled_from([4, 7, 10]))
def test_a_partial_date_means_no_day_after_its_last(day: dt.date, length: int) -> None:
    text = day.isoformat()[:length]
    last = latest_date(text)
    first = read_date(text, partial=True)
    assert first is not None
    assert last is not None
    assert first <= day <= last
    assert last.isoformat().startswith(text)
    assert not (last + dt.timedelta(days=1)).isoformat().startswith(text)


REGISTER = """
format = 1
title = "Register"
kind = "files"
[datasets.people]
file = "people.csv"
[datasets.visits]
file = "visits.csv"
[[children]]
dataset = "people"
key = "Id"
nhs_number = "NHS"
born = { column = "DOB", formats = ["%d/%m/%Y"] }
[[records]]
dataset = "visits"
category = "early_help"
type = "visit"
child = { key = "Id", nhs_number = "NHS" }
ref = "Visit"
date = "Day"
"""


def test_an_adults_rows_are_passed_over_and_a_child_under_an_adults_number_stays(tmp_path: Path) -> None:
    people = [f"1,{ADA},01/02/1980", "2,,01/02/1980", f"3,{CAY},01/02/1980", f"4,{CAY},"]
    (tmp_path / "people.csv").write_text("Id,NHS,DOB\n" + "\n".join(people) + "\n", encoding="utf-8")
    visits = ["a,1,", "b,2,", f"c,,{ADA}", f"d,,{CAY}", "e,3,", "f,4,", f"g,1,{CAY}"]
    lines = [f"{line},2026-03-01" for line in visits]
    (tmp_path / "visits.csv").write_text("Visit,Id,NHS,Day\n" + "\n".join(lines) + "\n", encoding="utf-8")
    found = read_source(tmp_path, REGISTER)
    # The plan for an unborn child stands under the mother's number: that row has no date of birth.
    assert [child.child.canonical() for child in children(found)] == [CAY]
    assert [row.source_ref for row in records(found)] == ["visits:d", "visits:f"]
    assert {(row.dataset, row.line, str(row.reason)) for row in rejected(found)} == {
        *(("people", line, "not_a_child") for line in (2, 3, 4)),
        *(("visits", line, "not_a_child") for line in (2, 3, 4, 6, 8)),
    }
