"""Who is given a responder's next free place: the urgent first, and nobody so many that others find none. Pure.

A responder works on so many tasks at once: it has that many places. The rule, asked anew for every place:

* emergencies (and whoever breaks glass) go before what is urgent, that before routine;
* within one urgency, the requester that holds the fewest places goes first, then the one served longest ago;
* a requester whose tasks of this urgency or above hold as many places as are free, or more, waits, and whoever comes
  next is looked at. So one alone takes half of the places with one urgency, three take a quarter each, and a place is
  left for whoever comes next, whatever one other sends (Choudhury and Hahne, "Dynamic queue length thresholds for
  shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998, with a factor of one).

What a requester holds in a lower urgency does not count against its emergency.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from federation.vocabulary import Urgency

T = TypeVar("T")

_RANK: Final = {Urgency.ROUTINE: 0, Urgency.URGENT: 1, Urgency.EMERGENCY: 2}


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants a place, or holds one, and how urgent it is.

    Attributes:
        requester: The agency that asks.
        rank: 0 routine, 1 urgent, 2 emergency.
    """

    requester: str
    rank: int

    @classmethod
    def of(cls, requester: str, urgency: Urgency, *, broke_glass: bool) -> "Claim":
        """As a query's header says; whoever breaks glass says that it is an emergency."""
        return cls(requester, _RANK[Urgency.EMERGENCY if broke_glass else urgency])


def held_by(claim: Claim, held: Collection[Claim]) -> int:
    """Places that tasks of this requester hold which are as urgent, or more."""
    return sum(other.requester == claim.requester and other.rank >= claim.rank for other in held)


def may_take(claim: Claim, held: Collection[Claim], free: int) -> bool:
    """Whether the rule grants a free place.

    Args:
        claim: Who wants it.
        held: Who holds the others.
        free: Places that nobody holds.
    """
    return held_by(claim, held) < free


class Waiting(Generic[T]):
    """What waits for a place, in a line for each urgency and requester. A choice looks at requesters, not at tasks."""

    def __init__(self) -> None:
        self._lines: tuple[dict[str, deque[T]], ...] = tuple({} for _ in _RANK)

    def __len__(self) -> int:
        return sum(len(line) for lines in self._lines for line in lines.values())

    def add(self, item: T, claim: Claim) -> None:
        """Put something at the end of its line."""
        self._lines[claim.rank].setdefault(claim.requester, deque()).append(item)

    def items(self) -> list[T]:
        """Everything that waits, the most urgent first."""
        return [item for lines in reversed(self._lines) for line in lines.values() for item in line]

    def take(self, held: Collection[Claim], free: int) -> T | None:
        """Take out what the rule gives the next place to; None when it gives it to nobody."""
        for rank in reversed(range(len(self._lines))):
            lines = self._lines[rank]
            claims = [claim for requester in lines if may_take(claim := Claim(requester, rank), held, free)]
            if claims:
                first = min(claims, key=lambda claim: held_by(claim, held))  # of equals, the one served longest ago
                return self._serve(lines, first.requester)
        return None

    def _serve(self, lines: dict[str, deque[T]], requester: str) -> T:
        line = lines.pop(requester)
        item = line.popleft()
        if line:
            lines[requester] = line
        return item
