"""Whether somebody is still a child. Pure."""

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from agency_node.sources.dates import latest_date, read_date
from agency_node.sources.mapping_sections import ChildrenSection
from agency_node.sources.mapping_values import ValueSpec
from agency_node.sources.rows import Row

OLDEST: Final = 120
"""Years. A longer life is a system's way to write that it has no date of birth (1900-01-01)."""


def is_grown_up(section: ChildrenSection, row: Row, today: dt.date) -> bool:
    """Whether a row is about somebody who has surely reached the section's `until_age`.

    A date of birth that is missing, cannot be read or is impossible leaves a child a child: nobody leaves the caseload
    by a typing error. Of a date that is only a year or a month, the last day counts. Of a dead person, the age at death
    counts: a review of a child's death may last beyond the eighteenth birthday that never came.

    Args:
        section: What the mapping says of the row.
        row: The row.
        today: The calendar date in England.
    """
    if section.born is None:
        return False
    born = _date(section.born, row, latest_date)
    if born is None or age(born, today) > OLDEST:
        return False
    died = _date(section.died, row, _first_date) if section.died is not None else None
    return age(born, min(died or today, today)) >= section.until_age


def age(born: dt.date, day: dt.date) -> int:
    """Whole years of life on a day; negative before birth. A birthday counts from its beginning.

    Source: Family Law Reform Act 1969 s.9.
    """
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _first_date(value: object, formats: tuple[str, ...]) -> dt.date | None:
    return read_date(value, formats, partial=True)


def _date(spec: ValueSpec, row: Row, read: Callable[[object, tuple[str, ...]], dt.date | None]) -> dt.date | None:
    for column in spec.columns():
        for value in row.values(column):
            with suppress(ValueError):
                if found := read(value, spec.formats):
                    return found
    return None
