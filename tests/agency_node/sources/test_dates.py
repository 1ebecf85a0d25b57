import contextlib
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agency_node.sources.dates import YEARS, read_date, resolve_date

TODAY = dt.date(2026, 11, 22)


@pytest.mark.parametrize(
    ("value", "formats", "expected"),
    [
        ("2026-03-01", (), dt.date(2026, 3, 1)),
        (" 2026-03-01 ", (), dt.date(2026, 3, 1)),
        ("2026-03-01 00:00:00", (), dt.date(2026, 3, 1)),
        ("01/03/2026", ("%d/%m/%Y",), dt.date(2026, 3, 1)),
        ("1 Mar 2026", ("%d/%m/%Y", "%d %b %Y"), dt.date(2026, 3, 1)),
        (dt.date(2026, 3, 1), (), dt.date(2026, 3, 1)),
        (dt.datetime(2026, 3, 1, 23, 59), (), dt.date(2026, 3, 1)),  # noqa: DTZ001 - as a driver yields it
        ("1900-01-02", (), dt.date(1900, 1, 2)),
        ("2100-12-31", (), dt.date(2100, 12, 31)),
    ],
)
def test_a_date_is_read_as_the_system_writes_it(value: object, formats: tuple[str, ...], expected: dt.date) -> None:
    assert read_date(value, formats) == expected


def test_an_instant_belongs_to_the_day_it_had_in_england() -> None:
    # British Summer Time: 23:30 UTC is half past midnight of the next day.
    assert read_date("2026-06-30T23:30:00Z") == dt.date(2026, 7, 1)
    assert read_date("2026-12-30T23:30:00Z") == dt.date(2026, 12, 30)


@pytest.mark.parametrize(
    "value", ["soon", "2026-13-01", "2026-02-29", "01/03/2026", "1899-12-29", "2101-01-01", "today", 5, None]
)
def test_what_is_no_plausible_date_is_refused_without_being_repeated(value: object) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is what is looked at
        read_date(value)
    assert not isinstance(value, str) or len(value) < 3 or value not in str(refused.value)


def test_a_partial_date_is_its_first_day_only_where_the_mapping_allows_it() -> None:
    assert read_date("2019", partial=True) == dt.date(2019, 1, 1)
    assert read_date("2019-05", partial=True) == dt.date(2019, 5, 1)
    assert read_date("2019", partial=True, latest=True) == dt.date(2019, 12, 31)
    assert read_date("2019-04", partial=True, latest=True) == dt.date(2019, 4, 30)
    assert read_date("2020-02", partial=True, latest=True) == dt.date(2020, 2, 29)
    assert read_date("2020-02-03", partial=True, latest=True) == dt.date(2020, 2, 3)
    for text in ("2019", "2019-05"):
        with pytest.raises(ValueError, match="ISO 8601"):
            read_date(text)


@given(
    st.one_of(
        st.text(alphabet="0123456789-:TZ+W. é"), st.integers(), st.floats(), st.datetimes(), st.none(), st.binary()
    )
)
def test_reading_any_value_gives_a_plausible_date_or_a_value_error(value: object) -> None:
    with contextlib.suppress(ValueError):
        for latest in (False, True):
            found = read_date(value, partial=True, latest=latest)
            assert found is None or found.year in YEARS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", TODAY),
        ("today-30d", dt.date(2026, 10, 23)),
        ("today+2w", dt.date(2026, 12, 6)),
        ("today-6m", dt.date(2026, 5, 22)),
        ("today-9m", dt.date(2026, 2, 22)),
        ("today+1y", dt.date(2027, 11, 22)),
        ("2025-01-31", dt.date(2025, 1, 31)),
    ],
)
def test_a_relative_date_counts_from_today(text: str, expected: dt.date) -> None:
    assert resolve_date(text, TODAY) == expected


def test_a_month_without_the_day_takes_its_last_one() -> None:
    assert resolve_date("today-1m", dt.date(2026, 3, 31)) == dt.date(2026, 2, 28)
    assert resolve_date("today-1y", dt.date(2024, 2, 29)) == dt.date(2023, 2, 28)


@pytest.mark.parametrize(
    "text", ["tomorrow", "today-", "today-3", "today 3d", "today-99999y", "today-200y", "today+99999d"]
)
def test_a_relative_date_of_another_form_or_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several texts
        resolve_date(text, TODAY)


@pytest.mark.parametrize(
    "value",
    [
        *("1900-01-01", "1900-01-01 00:00:00", "1899-12-30T00:00:00", "1899-12-31", "0001-01-01T00:00:00Z"),
        *("9999-12-31", "9999-12-31 23:59:59.9999999", "9999-12-31T23:59:59+01:00", "2999-12-31"),
        *("NULL", "null", "(null)", "N/A", "n/a", "-", "--", "none", "Nil", r"\N", "", "  "),
        *("0000-00-00", "0000-00-00 00:00:00"),
        dt.date(1900, 1, 1),
        dt.date(9999, 12, 31),
        dt.date(1, 1, 1),
        dt.datetime(1899, 12, 30, 4, 5),  # noqa: DTZ001 - as a driver yields it
        dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
    ],
)
def test_what_systems_write_for_no_date_is_none(value: object) -> None:
    assert read_date(value) is None


@pytest.mark.parametrize(
    "value", ["1900-01-02", "1900-12-31", "2100-12-31", "1999-12-31", "2999-12-30", "9999-12-30", "0001-01-02"]
)
def test_the_days_beside_them_are_dates_or_faults(value: str) -> None:
    if 1900 <= int(value[:4]) <= 2100:
        assert read_date(value) == dt.date.fromisoformat(value)
    else:
        with pytest.raises(ValueError, match="out of range"):
            read_date(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("05/11/2026", dt.date(2026, 11, 5)),
        ("05/11/2026 00:00:00", dt.date(2026, 11, 5)),
        ("05/11/2026 00:00", dt.date(2026, 11, 5)),
        ("05/11/2026 0:00:00", dt.date(2026, 11, 5)),
        ("05/11/2026T00:00:00.000", dt.date(2026, 11, 5)),
        ("05/11/2026 12:00:00 AM", dt.date(2026, 11, 5)),
        ("31/12/9999", None),
        ("31/12/9999 23:59:59", None),
        ("01/01/1900 00:00:00", None),
        ("01/01/0001", None),
        ("00/00/0000", None),
        ("NULL", None),
        ("-", None),
    ],
)
def test_a_date_in_the_mappings_format_may_have_midnight_behind_it(text: str, expected: dt.date | None) -> None:
    assert read_date(text, ("%d/%m/%Y",)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("05/11/2026 00:00:01", "05/11/2026 13:30", "05/11/2026 12:00:00 PM", "05/11/2026 12:00:00", "05/11/26"),
        *("2026-11-05 00:00:00", "05/11/2026 00:00:00 x", "00:00:00", "30/12/9999 00:00:00", "unknown", "ongoing"),
    ],
)
def test_any_other_time_or_format_is_a_fault(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several texts
        read_date(text, ("%d/%m/%Y",))


@pytest.mark.parametrize("text", ["", "NULL", "-", "1900-01-01"])
def test_configuration_has_no_word_for_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="no date"):
        resolve_date(text, TODAY)
