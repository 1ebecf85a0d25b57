"""Sliding counts of queries by user and agency, for policy to weigh. Seeded from the store when the process starts."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from federation.canonical import JsonObject

DAY_S: Final = 24 * 3600
HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class CounterView:
    """What policy sees of the recent past, this query not included."""

    user_queries_day: int
    agency_queries_hour: int
    break_glass_day: int

    def as_input(self) -> JsonObject:
        """The `counters` object of a policy input."""
        return {
            "user_queries_day": self.user_queries_day,
            "agency_queries_hour": self.agency_queries_hour,
            "break_glass_day": self.break_glass_day,
        }


class _Window:
    def __init__(self, length_s: int) -> None:
        self._length_s = length_s
        self._times: dict[str, deque[float]] = {}

    def add(self, key: str, at: float) -> None:
        self._times.setdefault(key, deque()).append(at)

    def remove(self, key: str) -> None:
        times = self._times.get(key)
        if times:
            times.pop()

    def count(self, key: str, now: float) -> int:
        times = self._times.get(key)
        if times is None:
            return 0
        while times and times[0] <= now - self._length_s:
            times.popleft()
        if not times:
            del self._times[key]
            return 0
        return len(times)


class Counters:
    """Counts of one service."""

    def __init__(self, *, clock: Callable[[], float], seed: Iterable[tuple[str, str, bool, int]] = ()) -> None:
        self._clock = clock
        self._users = _Window(DAY_S)
        self._agencies = _Window(HOUR_S)
        self._break_glass = _Window(DAY_S)
        for agency, user_ref, broke_glass, at in sorted(seed, key=lambda row: row[3]):
            self._add(agency, user_ref, at=at, broke_glass=broke_glass)

    def view(self, agency: str, user_ref: str) -> CounterView:
        """The counts as they stand."""
        now = self._clock()
        return CounterView(
            user_queries_day=self._users.count(f"{agency}/{user_ref}", now),
            agency_queries_hour=self._agencies.count(agency, now),
            break_glass_day=self._break_glass.count(agency, now),
        )

    def add(self, agency: str, user_ref: str, *, broke_glass: bool) -> None:
        """Count one query."""
        self._add(agency, user_ref, at=self._clock(), broke_glass=broke_glass)

    def take_back(self, agency: str, user_ref: str, *, broke_glass: bool) -> None:
        """Uncount the newest query: it was counted before it was decided, and nobody decided."""
        self._users.remove(f"{agency}/{user_ref}")
        self._agencies.remove(agency)
        if broke_glass:
            self._break_glass.remove(agency)

    def _add(self, agency: str, user_ref: str, *, at: float, broke_glass: bool) -> None:
        self._users.add(f"{agency}/{user_ref}", at)
        self._agencies.add(agency, at)
        if broke_glass:
            self._break_glass.add(agency, at)
