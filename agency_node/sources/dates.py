"""Calendar dates as source systems write them, and dates relative to today as configuration writes them. Pure."""

import calendar
import datetime as dt
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

ENGLAND: Final = ZoneInfo("Europe/London")
YEARS: Final = range(1900, 2101)
"""Outside, a date is a typing error or a system's "never"."""

_RELATIVE: Final = re.compile(r"today(?:([+-])([0-9]{1,5})([dwmy]))?")
_PARTIAL: Final = re.compile(r"[0-9]{4}(-[0-9]{2})?")


def read_date(value: object, formats: Sequence[str] = (), *, partial: bool = False) -> dt.date:
    """A calendar date in England.

    Args:
        value: A date, a date-time (an aware one is moved to England's time zone), or text.
        formats: `strptime` formats of text, tried in order; none means ISO 8601.
        partial: Take `YYYY` and `YYYY-MM` as their first day.

    Raises:
        ValueError: It is none, or outside `YEARS`. The text never holds the value.
    """
    if isinstance(value, dt.datetime):
        found = value
    elif isinstance(value, dt.date):
        return _plausible(value)
    elif isinstance(value, str):
        found = _read_text(value.strip(), tuple(formats), partial=partial)
    else:
        raise ValueError("not a date")  # noqa: TRY004 - one exception for every text that is no date
    _plausible(found.date())
    return _plausible(found.astimezone(ENGLAND).date() if found.tzinfo else found.date())


@lru_cache(maxsize=16_384)
def _read_text(text: str, formats: tuple[str, ...], *, partial: bool) -> dt.datetime:
    if partial and _PARTIAL.fullmatch(text):
        text = f"{text}-01"[:10] if len(text) > len("YYYY") else f"{text}-01-01"
    for layout in formats:
        try:
            return dt.datetime.strptime(text, layout)  # noqa: DTZ007 - the formats may or may not name a zone
        except ValueError:
            continue
    if formats:
        raise ValueError("in none of the mapping's date formats")
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 date") from None


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
        return read_date(value)
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
