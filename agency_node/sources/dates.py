"""Calendar dates as source systems write them, and dates relative to today as configuration writes them. Pure."""

import calendar
import datetime as dt
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from agency_node.sources.spellings import is_nothing

ENGLAND: Final = ZoneInfo("Europe/London")
YEARS: Final = range(1900, 2101)
"""Outside, a date is a typing error."""

NO_DATES: Final = frozenset(
    {
        dt.date(1, 1, 1),  # the smallest date of .NET, and of SQL Server's datetime2
        dt.date(1899, 12, 30),  # day 0 of Excel, Access and OLE automation
        dt.date(1899, 12, 31),  # day 0 of other spreadsheets
        dt.date(1900, 1, 1),  # what SQL Server makes of an empty text
        dt.date(2999, 12, 31),
        dt.date(9999, 12, 31),  # "for ever": the largest date of SQL Server, Oracle and PostgreSQL's exports
    }
)
"""Days, at any time of day, by which systems say that there is no date. No record of a child is about one of them."""

_ZERO_DATE: Final = re.compile(r"0000-00-00|00/00/0000")
"""MySQL's zero date, which is no day at all."""
_TIME: Final = re.compile(r"(.*[0-9])[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?: ?[AaPp][Mm])?")
_MIDNIGHT: Final = re.compile(
    r".*[0-9][ T](?:0{1,2}:00(?::00(?:\.0+)?)?(?: ?[Aa][Mm])?|12:00(?::00(?:\.0+)?)? ?[Aa][Mm])"
)

_RELATIVE: Final = re.compile(r"today(?:([+-])([0-9]{1,5})([dwmy]))?")
_PARTIAL: Final = re.compile(r"[0-9]{4}(-[0-9]{2})?")


def read_date(
    value: object, formats: Sequence[str] = (), *, partial: bool = False, latest: bool = False
) -> dt.date | None:
    """A calendar date in England; None where the system says that there is none.

    Args:
        value: A date, a date-time (an aware one is moved to England's time zone), or text.
        formats: `strptime` formats of text, tried in order; none means ISO 8601. Behind a date without time an export
            may write midnight, and nothing else.
        partial: Take `YYYY` and `YYYY-MM` as their first day.
        latest: Take them as their last day.

    Raises:
        ValueError: It is none, or outside `YEARS`. The text never holds the value.
    """
    if isinstance(value, dt.datetime):
        found = value
    elif isinstance(value, dt.date):
        return None if value in NO_DATES else _plausible(value)
    elif isinstance(value, str):
        text = value.strip()
        if not text or says_no_date(text):
            return None
        found = _read_text(text, tuple(formats), partial=partial, latest=latest)
    else:
        raise ValueError("not a date")  # noqa: TRY004 - one exception for every text that is no date
    if found.date() in NO_DATES:
        return None
    _plausible(found.date())
    return _plausible(found.astimezone(ENGLAND).date() if found.tzinfo else found.date())


def says_no_date(text: str) -> bool:
    """Whether a text in a date's place is a word for no date; `NO_DATES` are read as dates first."""
    return is_nothing(text) or _ZERO_DATE.match(text) is not None


def latest_date(value: object, formats: Sequence[str] = ()) -> dt.date | None:
    """The last calendar date that a value may mean: `2019` may be 31 December 2019, `2019-05` 31 May.

    Raises:
        ValueError: As `read_date`.
    """
    return read_date(value, formats, partial=True, latest=True)


@lru_cache(maxsize=16_384)
def _read_text(text: str, formats: tuple[str, ...], *, partial: bool, latest: bool) -> dt.datetime:
    if partial and _PARTIAL.fullmatch(text):
        text = _whole(text, latest=latest)
    if formats:
        return _read_formatted(text, formats)
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 date") from None


def _read_formatted(text: str, formats: tuple[str, ...]) -> dt.datetime:
    if found := _first_of(text, formats):
        return found
    timed = _TIME.fullmatch(text)
    found = _first_of(timed[1], formats) if timed else None
    if found and (_MIDNIGHT.fullmatch(text) or found.date() in NO_DATES):
        return found
    raise ValueError("in none of the mapping's date formats")


def _first_of(text: str, formats: tuple[str, ...]) -> dt.datetime | None:
    for layout in formats:
        try:
            return dt.datetime.strptime(text, layout)  # noqa: DTZ007 - the formats may or may not name a zone
        except ValueError:
            continue
    return None


def _whole(text: str, *, latest: bool) -> str:
    """The first or the last day of a year or a month.

    Raises:
        ValueError: There is no such month.
    """
    year, _, month = text.partition("-")
    month = month or ("12" if latest else "01")
    day = calendar.monthrange(int(year), int(month))[1] if latest else 1
    return f"{year}-{month}-{day:02d}"


def _plausible(found: dt.date) -> dt.date:
    if found.year not in YEARS:
        raise ValueError("year out of range")
    return found


def resolve_date(value: dt.date | str, today: dt.date) -> dt.date:
    """A date of configuration: a calendar date, ISO text, or `today`, `today-30d`, `+2w`, `-6m`, `-5y` from today.

    Months and years keep the day of the month, or take the last one of a shorter month.

    Raises:
        ValueError: Not of that form, or out of range.
    """
    if isinstance(value, dt.datetime):
        raise ValueError("a date, not a date-time")  # noqa: TRY004 - as any other value that is no date
    if isinstance(value, dt.date):
        return _plausible(value)
    found = _RELATIVE.fullmatch(value)
    if found is None:
        if (day := read_date(value)) is None:
            raise ValueError("no date")
        return day
    if found[2] is None:
        return today
    number = int(found[2]) * (-1 if found[1] == "-" else 1)
    return _plausible(_shifted(today, number, found[3]))


def _shifted(start: dt.date, number: int, unit: str) -> dt.date:
    try:
        if unit in "dw":
            return start + dt.timedelta(days=number * (7 if unit == "w" else 1))
        months = start.year * 12 + start.month - 1 + number * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        return dt.date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))
    except (ValueError, OverflowError):
        raise ValueError("date out of range") from None
