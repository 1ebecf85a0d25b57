"""Two parties compare their clocks over the messages they exchange anyway.

Each message says when it was sent, and gives back when the last one of the other side was sent and heard. From these
four times each side has the other's offset and how sure it is (RFC 5905, section 8): a message that was held up makes
the measurement less sure, never wrong. Pure: the time is passed in.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.wire.v1 import link_pb2 as wire

CLOCK_TOLERANCE_S: Final = 10
"""Machines under NTP are within a second of each other, and a signed time 30 seconds ahead is refused
(`federation.limits.MAX_CLOCK_SKEW_S`): a third of that is no accident, and is said before anything is refused."""

MAX_INSTANT_MS: Final = 2**40 * 1000
"""The bound of every time in a signed document, in milliseconds."""

REMEMBERED: Final = 8
"""Messages of one's own that may still be given back; a probe is answered before the next but one is sent."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far another party's clock is from ours.

    Attributes:
        ahead_ms: By how much it is ahead; negative where it is behind.
        within_ms: By how much that may be wrong: half of the time the two messages were on their way.
    """

    ahead_ms: int
    within_ms: int

    @property
    def ahead_s(self) -> int:
        """`ahead_ms` in whole seconds."""
        return round(self.ahead_ms / 1000)

    @property
    def differs(self) -> bool:
        """Whether the clocks surely differ by more than the tolerance."""
        return abs(self.ahead_ms) > CLOCK_TOLERANCE_S * 1000 + self.within_ms


def measure(*, sent_ms: int, heard_ms: int, replied_ms: int, received_ms: int) -> Offset | None:
    """The other party's offset, from one message there and one back; None where a clock was set in between.

    Args:
        sent_ms: By our clock, when ours went out.
        heard_ms: By theirs, when it came.
        replied_ms: By theirs, when the answer went out.
        received_ms: By our clock, when that came.
    """
    on_the_way = (received_ms - sent_ms) - (replied_ms - heard_ms)
    if on_the_way < 0:
        return None
    return Offset(((heard_ms - sent_ms) + (replied_ms - received_ms)) // 2, (on_the_way + 1) // 2)


class Pairing:
    """One side's half of the comparison with one other party.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sent: deque[int] = deque(maxlen=REMEMBERED)
        self._heard: tuple[int, int] = (0, 0)

    def reading(self) -> wire.ClockReading:
        """What goes out with the next message, which must leave at once."""
        now = self._now()
        self._sent.append(now)
        their, ours = self._heard
        return wire.ClockReading(sent_at_ms=now, echo_sent_at_ms=their, echo_heard_at_ms=ours)

    def hear(self, reading: wire.ClockReading) -> Offset | None:
        """Take what came with a message; the offset, where it gives back a message of ours.

        A party that lies here lies about its own clock alone.
        """
        now = self._now()
        if not 0 < reading.sent_at_ms <= MAX_INSTANT_MS or reading.echo_heard_at_ms > MAX_INSTANT_MS:
            return None  # an older version, or nonsense
        self._heard = (reading.sent_at_ms, now)
        if reading.echo_sent_at_ms not in self._sent:
            return None
        return measure(
            sent_ms=reading.echo_sent_at_ms,
            heard_ms=reading.echo_heard_at_ms,
            replied_ms=reading.sent_at_ms,
            received_ms=now,
        )

    def _now(self) -> int:
        return int(self._clock() * 1000)
