"""Repeatable chance: the same seed gives the same region on every machine."""

import datetime as dt
import random
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")
_DAYS: Final = 365


class Dice:
    """Chance of one purpose. Two purposes never share one, so that a new record here changes nothing there.

    Args:
        seed: The region's seed.
        purpose: What the chance is for, such as `police:7`.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        self._random = random.Random(f"{seed}/{purpose}")  # noqa: S311 - synthetic data must be repeatable

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self._random.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of some things, each as likely."""
        return choices[self._random.randrange(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, float]]) -> T:
        """One of some things, each with its weight."""
        return self._random.choices([choice for choice, _ in choices], [weight for _, weight in choices])[0]

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self._random.randint(low, high)

    def some(self, choices: Sequence[T], number: int) -> list[T]:
        """So many different ones."""
        return self._random.sample(choices, number)

    def day_before(self, day: dt.date, years: float = 1.0, *, at_least: int = 1) -> dt.date:
        """A day at least so many days before another and at most so many years."""
        return day - dt.timedelta(days=self.between(at_least, max(at_least, round(years * _DAYS))))
