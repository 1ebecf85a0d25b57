"""How far long work has come: rate and time left, told at most a few times a second."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from federation.canonical import JsonObject

INTERVAL_S: Final = 0.25
"""Faster than the eye follows is only work."""


class Phase(StrEnum):
    """What a caseload run is doing."""

    EPOCH = "epoch"
    READ = "read"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Attributes:
        source: The source at hand; empty when none is.
        done: Rows or children so far.
        total: Of how many; 0 when not known, as in a source's first reading.
        rate: A second.
        seconds_left: At this rate; None when not known.
    """

    phase: Phase
    source: str
    done: int
    total: int
    rate: int
    seconds_left: int | None

    def as_json(self) -> JsonObject:
        """For canonical JSON."""
        return {
            "phase": self.phase.value,
            "source": self.source,
            "done": self.done,
            "total": self.total,
            "rate": self.rate,
            "seconds_left": self.seconds_left,
        }


ProgressCallback = Callable[[Progress], None]


@dataclass(slots=True)
class ProgressMeter:
    """Measures one phase and tells a callback.

    Attributes:
        monotonic: Seconds that never go back.
    """

    phase: Phase
    source: str
    total: int
    on_progress: ProgressCallback
    monotonic: Callable[[], float]
    done: int = 0
    _began: float = field(init=False)
    _told: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._began = self.monotonic()

    def add(self, count: int) -> None:
        """So many more are done."""
        self.at(self.done + count)

    def at(self, done: int) -> None:
        """So many are done in all."""
        self.done = done
        now = self.monotonic()
        if self._told is None or now - self._told >= INTERVAL_S or done == self.total:
            self._told = now
            self.on_progress(self._progress(now))

    def _progress(self, now: float) -> Progress:
        passed = now - self._began
        rate = self.done / passed if passed > 0 else 0.0
        # A source may have grown since the last reading: a total that was passed is no total.
        total = self.total if self.total >= self.done else 0
        left = round((total - self.done) / rate) if total and rate else None
        return Progress(self.phase, self.source, self.done, total, round(rate), left)
