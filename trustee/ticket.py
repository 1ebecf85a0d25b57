"""Which points of a verified ticket are to be translated. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from federation import limits
from federation.errors import ErrorCode, WardgateError
from federation.query import Ticket, TicketPoint


@dataclass(frozen=True, slots=True)
class Chosen:
    """Points of one ticket in the order asked, and the same as a set of positions (bit n: the ticket's point n)."""

    points: tuple[TicketPoint, ...]
    mask: int


def choose_points(ticket: Ticket, responders: Sequence[str]) -> Chosen:
    """The points of `responders`, who must be targets of the ticket.

    A ticket whose points are not all different is refused: two targets that share a blind could compare what they were
    asked, and one of them with the gateway could uncover the other's pseudonym.

    Raises:
        WardgateError: `MESSAGE_MALFORMED` or `TARGET_UNKNOWN`.
    """
    if not 1 <= len(responders) <= limits.MAX_TARGETS or len(set(responders)) != len(responders):
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, f"{len(responders)} responders, or one stands twice")
    positions = {point.responder: at for at, point in enumerate(ticket.points)}
    if len(positions) != len(ticket.points):
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a responder stands twice in the ticket")
    if len({point.element for point in ticket.points}) != len(ticket.points):
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "two targets share a point")
    unknown = next((name for name in responders if name not in positions), None)
    if unknown is not None:
        raise WardgateError(ErrorCode.TARGET_UNKNOWN, "a responder is not a target of the ticket")
    chosen = tuple(ticket.points[positions[name]] for name in responders)
    return Chosen(chosen, sum(1 << positions[name] for name in responders))
