"""Follows this agency's pseudonym epochs between runs: no child waits for the next reading of a source to be found.

Moving needs no source, only the numbers that are stored. What it comes to is told to the gateway, which keeps an old
epoch until it has heard that nobody is left in it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.caseload.update import Caseload
from agency_node.store import children as store
from federation.directory import Agency
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.store import reading, store_errors
from federation.telemetry import EventLog
from federation.transport.correlation import correlated

LOOK_EVERY_S: Final = 2.0
"""As often as the directory is looked at."""

AFTER_FAILURE_S: Final = 30.0
"""A holder that is away, or a quota that is used up, is not pressed."""

_log = EventLog(__name__)


class EpochFollower:
    """Moves the caseload when the directory shows a newer epoch, and knows how far it is.

    Args:
        caseload: What is moved.
        engine: The node's store.
        agency: This agency's entry in the trusted directory.
        ready: Waits until there is one.
        changed: Called when `oldest` has changed.
        sleep: Waits so many seconds.

    Attributes:
        oldest: The oldest epoch of a pseudonym on the caseload; of an empty one, the newest of the directory. 0 until
            it was looked at.
    """

    def __init__(
        self,
        caseload: Caseload,
        *,
        engine: AsyncEngine,
        agency: Callable[[], Agency],
        ready: Callable[[], Awaitable[None]],
        changed: Callable[[], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._caseload = caseload
        self._engine = reading(engine)
        self._agency = agency
        self._ready = ready
        self._changed = changed
        self._sleep = sleep
        self._followed: frozenset[int] = frozenset()
        self._failing: ErrorCode | None = None
        self.oldest = 0

    async def run(self) -> None:
        """Follow until cancelled. A failure is logged once, and tried again."""
        await self._ready()
        while True:
            try:
                await self.once()
            except WardgateError as error:
                if error.code is not self._failing:
                    _log.event(Event.CASELOAD_FAILED, code=error.code, detail=error.detail)
                self._failing = error.code
                await self._sleep(AFTER_FAILURE_S)
            else:
                self._failing = None
                await self._sleep(LOOK_EVERY_S)

    async def once(self) -> None:
        """Move what is of an older epoch, and forget what was kept for the overlap when that is over.

        Raises:
            WardgateError: As `Caseload.follow_epoch`; `AGENCY_UNKNOWN`: this agency is listed no more.
        """
        agency = self._agency()
        ended = self._followed - agency.epochs
        oldest = await self._oldest(agency.epoch)
        if oldest < agency.epoch or ended:
            with correlated():
                await self._caseload.follow_epoch()
            oldest = await self._oldest(agency.epoch)
        self._followed = frozenset(agency.epochs)
        if oldest != self.oldest:
            self.oldest = oldest
            await self._changed()

    async def _oldest(self, newest: int) -> int:
        async with store_errors("caseload"), self._engine.connect() as connection:
            found = await store.oldest_epoch(connection)
        return newest if found is None else found
