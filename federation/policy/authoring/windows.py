"""Where and when law is in force, compared by what it comes to and not by how its rows are cut. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, zip_longest
from typing import Any, Final

from federation.policy.authoring.change import Direction, Found, wider

EVERYWHERE: Final = "*"
NEVER: Final = date(9999, 12, 31)
"""Stands for "not in force": no date of ours makes it law."""

Rows = Sequence[Mapping[str, Any]]


def in_force(old: Rows, new: Rows) -> Found:
    """Areas and days on which something came into or went out of force."""
    everywhere = _spans(old, new, EVERYWHERE)
    for span in everywhere:
        yield span.told("everywhere that has no row of its own")
    for area in sorted({area for row in (*old, *new) for area in row["areas"]} - {EVERYWHERE}):
        spans = _spans(old, new, area)
        for span in spans if spans != everywhere else ():
            yield span.told(f"in {area}")
    if sorted(map(_words, old)) != sorted(map(_words, new)):
        yield Direction.OTHER, "source or verification changed"


@dataclass(frozen=True, slots=True)
class Span:
    """Days on which old and new differ; `until` is the first day after, None for no end."""

    first: date
    until: date | None
    holds: bool

    def told(self, where: str) -> tuple[Direction, str]:
        """In words."""
        last = f" to {(self.until - timedelta(1)).isoformat()}" if self.until else ""
        text = f"{'now' if self.holds else 'no longer'} in force {where} from {self.first.isoformat()}{last}"
        return wider(when=self.holds), text


def _spans(old: Rows, new: Rows, area: str) -> list[Span]:
    days = sorted({*_edges(old, area), *_edges(new, area)})
    runs = [
        (state, [day for day, _ in run])
        for state, run in groupby(
            ((day, (_holds(old, area, day), _holds(new, area, day))) for day in days), key=lambda item: item[1]
        )
    ]
    ends = [run[0] for _, run in runs[1:]]
    return [
        Span(run[0], until, holds=after) for ((before, after), run), until in zip_longest(runs, ends) if before != after
    ]


def _words(row: Mapping[str, Any]) -> str:
    return f"{row.get('source')} {row.get('verified')}"


def _edges(rows: Rows, area: str) -> Iterator[date]:
    """The days on which anything changes for an area."""
    for row in rows:
        if {area, EVERYWHERE} & set(row["areas"]):
            first = date.fromisoformat(row["effective_from"])
            if first < NEVER:
                yield first
            if row["effective_to"] is not None and (last := date.fromisoformat(row["effective_to"])) < NEVER:
                yield last + timedelta(1)


def _holds(rows: Rows, area: str, day: date) -> bool:
    return any(
        {area, EVERYWHERE} & set(row["areas"])
        and date.fromisoformat(row["effective_from"]) <= day
        and (row["effective_to"] is None or day <= date.fromisoformat(row["effective_to"]))
        for row in rows
    )
