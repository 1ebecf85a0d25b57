"""How fast one agency may put new queries: asked before policy is, so that what is denied costs too. Pure.

A bucket for each agency (ITU-T I.371, generic cell rate algorithm, in its token form): it holds `at_once` queries, and
`per_minute` flow back into it, evenly. The last quarter is kept for what is urgent or an emergency: a program that runs
wild with routine questions does not silence its own agency. A query that was admitted or refused before costs nothing
when it is put again, and what was not taken costs nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.errors import ErrorCode, WardgateError
from federation.query import QueryHeader
from federation.vocabulary import Urgency

RESERVE: Final = 1 / 4
"""Of a full bucket: for urgent queries and emergencies alone."""

MINUTE_S: Final = 60


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class QueryRates:
    """The buckets of all agencies.

    Args:
        per_minute: New queries that an agency may put a minute, for as long as it likes.
        at_once: So many it may put at once after a pause.
        clock: Seconds; one that is set back lets nothing flow until it has caught up.
    """

    def __init__(self, *, per_minute: int, at_once: int, clock: Callable[[], float]) -> None:
        self._per_s = per_minute / MINUTE_S
        self._size = float(at_once)
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, header: QueryHeader) -> None:
        """Let a new query in.

        Raises:
            WardgateError: `QUERIES_EXCEEDED`, with the seconds after which the next is taken.
        """
        bucket = self._filled(header.requester)
        is_urgent = header.urgency is not Urgency.ROUTINE or bool(header.break_glass)
        needed = 1.0 if is_urgent else 1.0 + self._size * RESERVE
        if bucket.left < needed:
            wait_s = math.ceil((needed - bucket.left) / self._per_s)
            raise WardgateError(ErrorCode.QUERIES_EXCEEDED, header.requester, told=f"taken again in {wait_s} s")
        bucket.left -= 1.0

    def _filled(self, agency: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(agency, _Bucket(self._size, now))
        bucket.left = min(self._size, bucket.left + max(0.0, now - bucket.at) * self._per_s)
        bucket.at = max(bucket.at, now)
        return bucket
