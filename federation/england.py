"""The calendar of England, by which every date here is meant. Pure."""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

ENGLAND: Final = ZoneInfo("Europe/London")


def date_in_england(now: float) -> date:
    """The calendar date at a moment, given in seconds since the epoch."""
    return datetime.fromtimestamp(now, UTC).astimezone(ENGLAND).date()


def time_in_england(now: float) -> str:
    """A moment for people, such as `22 November 2026, 10:59`, given in seconds since the epoch."""
    return f"{datetime.fromtimestamp(now, UTC).astimezone(ENGLAND):%-d %B %Y, %H:%M}"
