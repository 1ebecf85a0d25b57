"""A difference between two bundles, said in words, and which way it goes. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Direction(StrEnum):
    """Which way a difference goes, the one that matters most first."""

    WIDENED = "widened"
    UNCLEAR = "may widen"
    NARROWED = "narrowed"
    OTHER = "otherwise changed"


ORDER: Final = tuple(Direction)

Found = Iterator[tuple[Direction, str]]
Comparator = Callable[[Any, Any], Found]
"""Compares two values of one column; an unchanged column gives nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        direction: Which way it goes.
        subject: What it is about, such as `purpose S47_ENQ`.
        text: What is different.
    """

    direction: Direction
    subject: str
    text: str


def wider(*, when: bool) -> Direction:
    """Widened or narrowed."""
    return Direction.WIDENED if when else Direction.NARROWED
