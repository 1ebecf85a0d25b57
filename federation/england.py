"""The calendar of England, by which every date here is meant. Pure."""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

ENGLAND: Final = ZoneInfo("Europe/London")


def iso_in_england(at: int) -> str:
    """A moment by the clocks of England, given in whole seconds since the epoch: ISO 8601 with its offset."""
    return datetime.fromtimestamp(at, UTC).astimezone(ENGLAND).isoformat()


def date_in_england(now: float) -> date:
    """The calendar date at a moment, given in seconds since the epoch."""
    return datetime.fromtimestamp(now, UTC).astimezone(ENGLAND).date()
