"""How far the clocks of attached agencies are from the gateway's, and whose is likely to be wrong.

One that differs from a clock which most others agree with is wrong. With fewer than two others to ask nobody can say.
"""

from collections.abc import Callable, Iterable
from typing import Final

from federation.clock_difference import ClockDifference
from federation.clocks import Offset, Pairing
from federation.events import Event
from federation.limits import MAX_CLOCK_SKEW_S
from federation.telemetry import EventLog
from federation.transport.identity import Party, PartyKind
from federation.wire.v1 import link_pb2 as wire

LEAST_OTHERS: Final = 2
"""One other clock that differs says that two differ, and not which is wrong."""

_log = EventLog(__name__)


class Clocks:
    """The clocks of every agency that was attached since the start, as measured last.

    Args:
        own: This gateway.
        clock: Seconds since the epoch.
    """

    def __init__(self, *, own: Party, clock: Callable[[], float]) -> None:
        self._own = own
        self._clock = clock
        self._pairings: dict[str, Pairing] = {}
        self._offsets: dict[str, Offset] = {}

    def reading(self, agency: str) -> wire.ClockReading:
        """What goes out to an agency with the next message."""
        found = self._pairing(agency).reading()
        found.wrong = self._wrong(agency)
        return found

    def hear(self, agency: str, reading: wire.ClockReading) -> None:
        """Take what came from an agency."""
        measured = self._pairing(agency).hear(reading)
        if measured is None:
            return
        before = self._offsets.get(agency)
        self._offsets[agency] = measured
        if measured.differs != (before is not None and before.differs):
            event = Event.CLOCK_DIFFERS if measured.differs else Event.CLOCK_AGREES
            _log.event(event, party=Party(PartyKind.NODE, agency).uri, offset_s=measured.ahead_s)

    def own_is_right(self) -> bool:
        """False where most of the agencies that can be compared with say that this gateway's clock is wrong."""
        return not self._contradicted(self._offsets.values())

    def ahead_s(self, agency: str) -> int:
        """How far an agency's clock is ahead, where it differs and this gateway's is not the one that is wrong."""
        measured = self._offsets.get(agency)
        if measured is None or not measured.differs or self._wrong(agency) == wire.CLOCK_SIDE_GATEWAY:
            return 0
        return measured.ahead_s

    def difference(self, agency: str, issued_at: int) -> ClockDifference | None:
        """Why a query of an agency is out of its time, where it is for a clock.

        Args:
            agency: The requester.
            issued_at: When it was put, by the requester's clock, as it signed.
        """
        measured, ahead_s = self._offsets.get(agency), int(issued_at - self._clock())
        if measured is not None and measured.differs:
            ahead_s = measured.ahead_s
        elif ahead_s <= MAX_CLOCK_SKEW_S:
            return None
        node = Party(PartyKind.NODE, agency).uri
        wrong = {wire.CLOCK_SIDE_NODE: node, wire.CLOCK_SIDE_GATEWAY: self._own.uri}.get(self._wrong(agency), "")
        _log.event(Event.CLOCK_DIFFERS, party=node, offset_s=ahead_s)
        return ClockDifference(party=node, other=self._own.uri, ahead_s=ahead_s, wrong=wrong)

    def _wrong(self, agency: str) -> "wire.ClockSide.ValueType":
        others = [offset for name, offset in self._offsets.items() if name != agency]
        if len(others) < LEAST_OTHERS:
            return wire.CLOCK_SIDE_UNSPECIFIED
        return wire.CLOCK_SIDE_GATEWAY if self._contradicted(others) else wire.CLOCK_SIDE_NODE

    def _contradicted(self, offsets: Iterable[Offset]) -> bool:
        found = list(offsets)
        differing = [offset.ahead_ms > 0 for offset in found if offset.differs]
        most = max(differing.count(True), differing.count(False))  # of those that differ the same way
        return most >= LEAST_OTHERS and 2 * most > len(found)

    def _pairing(self, agency: str) -> Pairing:
        return self._pairings.setdefault(agency, Pairing(self._clock))
