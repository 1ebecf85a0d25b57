"""This node's clock beside the gateway's, as the link measures it."""

from collections.abc import Callable

from federation.clock_difference import ClockDifference
from federation.clocks import Offset, Pairing
from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.identity import Party
from federation.wire.v1 import link_pb2 as wire

_log = EventLog(__name__)


class GatewayClock:
    """What is known of the two clocks.

    Args:
        own: This node.
        gateway: The gateway.
        clock: Seconds since the epoch.
    """

    def __init__(self, *, own: Party, gateway: Party, clock: Callable[[], float]) -> None:
        self._own = own
        self._gateway = gateway
        self._pairing = Pairing(clock)
        self._offset: Offset | None = None
        self._wrong = wire.CLOCK_SIDE_UNSPECIFIED

    def reading(self) -> wire.ClockReading:
        """What goes out with the next message."""
        return self._pairing.reading()

    def hear(self, reading: wire.ClockReading) -> None:
        """Take what came with a message of the gateway."""
        measured = self._pairing.hear(reading)
        if measured is None:
            return
        before, self._offset = self._offset, measured
        self._wrong = reading.wrong
        if measured.differs != (before is not None and before.differs):
            event = Event.CLOCK_DIFFERS if measured.differs else Event.CLOCK_AGREES
            _log.event(event, party=self._gateway.uri, offset_s=measured.ahead_s)

    def agrees(self) -> bool:
        """Whether the clocks are within the tolerance, as far as that was measured."""
        return self._offset is None or not self._offset.differs

    def difference(self) -> ClockDifference | None:
        """By how much they differ, and whose the gateway takes to be wrong; None while they agree."""
        if self._offset is None or not self._offset.differs:
            return None
        own, gateway = self._own.uri, self._gateway.uri
        wrong = {wire.CLOCK_SIDE_NODE: own, wire.CLOCK_SIDE_GATEWAY: gateway}.get(self._wrong, "")
        return ClockDifference(party=own, other=gateway, ahead_s=-self._offset.ahead_s, wrong=wrong)
