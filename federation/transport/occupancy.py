"""Who has how many calls open on one port, and what that may be: no caller may take a server for itself. Pure.

A caller is a party, or on the port that is open to strangers the address a call comes from. Every call counts from
before its body is read until it has ended.
"""

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from urllib.parse import unquote

from federation.errors import ErrorCode, WardgateError


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """What is granted on one port.

    Attributes:
        calls: Open calls of all callers together. A caller that holds as many as are free is let in no further: whoever
            holds many leaves room for others.
        per_caller: Open calls of one caller.
        streams_per_caller: Of those, calls whose requests come one after another for as long as they last.
        connections_per_caller: Connections over which one caller has calls open.
        reading_per_caller: Requests of one caller that are read at the same time; others wait for their turn, and what
            they have sent so far is no more than a window of HTTP/2.
        request_s: How long a request may take to come, its turn included, seconds.
    """

    calls: int
    per_caller: int
    streams_per_caller: int
    connections_per_caller: int
    reading_per_caller: int
    request_s: float


def network_of(peer: str) -> str:
    """Whom to take a stranger for: an IPv4 address, or the /64 network that one subscriber has for itself (RFC 6177).

    Args:
        peer: As gRPC names the other end of a connection: `ipv4:192.0.2.1:40000`, `ipv6:%5B2001:db8::1%5D:40000`.
    """
    kind, _, rest = peer.partition(":")
    host = unquote(rest.rpartition(":")[0]).strip("[]")
    if kind != "ipv6":
        return host
    try:
        return str(IPv6Network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


@dataclass(slots=True)
class _Held:
    calls: int = 0
    streams: int = 0
    connections: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Place:
    """What one open call takes."""

    caller: str
    connection: str
    is_stream: bool


class Occupancy:
    """The open calls of one port."""

    def __init__(self, limits: CallLimits) -> None:
        self.limits = limits
        self._callers: dict[str, _Held] = {}
        self._calls = 0

    def __len__(self) -> int:
        return self._calls

    def enter(self, place: Place) -> None:
        """Let a call in.

        Raises:
            WardgateError: `CALLS_EXCEEDED`.
        """
        held = self._callers.get(place.caller) or _Held()
        what = self._exceeded(place, held)
        if what:
            raise WardgateError(ErrorCode.CALLS_EXCEEDED, f"{place.caller}: {what}")
        self._callers[place.caller] = held
        self._calls += 1
        held.calls += 1
        held.streams += place.is_stream
        held.connections[place.connection] += 1

    def leave(self, place: Place) -> None:
        """A call that was let in has ended."""
        held = self._callers[place.caller]
        self._calls -= 1
        held.calls -= 1
        held.streams -= place.is_stream
        held.connections[place.connection] -= 1
        if not held.connections[place.connection]:
            del held.connections[place.connection]
        if not held.calls:
            del self._callers[place.caller]

    def _exceeded(self, place: Place, held: _Held) -> str:
        limits = self.limits
        if held.calls >= limits.per_caller:
            return f"{held.calls} calls"
        if held.calls >= limits.calls - self._calls:
            return f"{held.calls} calls of {self._calls}"
        if place.is_stream and held.streams >= limits.streams_per_caller:
            return f"{held.streams} streams"
        if place.connection not in held.connections and len(held.connections) >= limits.connections_per_caller:
            return f"{len(held.connections)} connections"
        return ""
