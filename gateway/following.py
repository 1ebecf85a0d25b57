"""Sees that nothing in the store is without somebody who follows it, and that memory follows nothing else.

What is in doubt is read back within seconds of the database's return; the whole of what is open is compared every half
minute, for whatever no one had a doubt about.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from federation.errors import WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from gateway.queries import Queries

DOUBTS_EVERY_S: Final = 2.0
"""How soon after the database is back a commit of unknown outcome is known."""

SWEEP_EVERY_S: Final = 30.0
"""Half of the minute for which anything may be followed by nobody."""

_log = EventLog(__name__)


class Doubtful(Protocol):
    """Something that holds in memory what a commit of unknown outcome may have changed."""

    async def certain(self) -> None:
        """Compare with the store, if there is a doubt.

        Raises:
            WardgateError: It cannot be asked yet.
        """
        ...


class Following:
    """Holds memory to the store.

    Args:
        queries: Those in flight.
        others: What else may be in doubt.
    """

    def __init__(
        self,
        queries: Queries,
        others: Sequence[Doubtful],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._queries = queries
        self._others = others
        self._monotonic = monotonic
        self._sleep = sleep
        self._failing = False

    async def sweep(self) -> int:
        """Compare all that is open and mend what differs; returns how many queries were looked at more closely.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        differing = await self._queries.differing()
        for query_id in differing:
            await self._queries.reconcile(query_id)
        return len(differing)

    async def settle_doubts(self) -> None:
        """Compare what is in doubt with the store.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `STORE_UNAVAILABLE`.
        """
        await self._queries.settle_doubts()
        for other in self._others:
            await other.certain()

    async def run(self) -> None:
        """Do both, for ever. A database that is away is waited for; it is logged once each time."""
        swept_at = self._monotonic()
        while True:
            await self._sleep(DOUBTS_EVERY_S)
            try:
                await self.settle_doubts()
                if self._monotonic() - swept_at >= SWEEP_EVERY_S:
                    await self.sweep()
                    swept_at = self._monotonic()
            except WardgateError as error:
                if not self._failing:
                    _log.event(Event.RECONCILIATION_FAILED, error=error)
                self._failing = True
            else:
                self._failing = False
