"""What stands beside the ledger is forgotten when its time is up, and that is recorded."""

import asyncio
from collections.abc import Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.ledger.entry import EntryKind
from federation.limits import MAX_CLOCK_SKEW_S
from federation.store import store_errors
from trustee.books import Act, Books
from trustee.quotas import DAY_S, HOUR_S
from trustee.settings import Retention
from trustee.store.retention import Limits, forget, overdue

INTERVAL_S: Final = HOUR_S


def limits_at(now: float, retention: Retention) -> Limits:
    """Before which times rows are forgotten.

    A batch or ticket is forgotten a little after it is refused as expired: replicas' clocks may differ as far as
    signers' may.
    """
    return Limits(
        batches=int(now) - MAX_CLOCK_SKEW_S,
        tickets=int(now) - MAX_CLOCK_SKEW_S,
        counters=int(now) - retention.counters_days * DAY_S,
        alarms=int(now) - DAY_S,
    )


class Forgetting:
    """Deletes rows whose time is up."""

    def __init__(
        self, *, engine: AsyncEngine, books: Books, retention: Retention, actor: str, clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._books = books
        self._retention = retention
        self._actor = actor
        self._clock = clock

    async def once(self) -> int:
        """Forget what is overdue now; returns how many rows.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE` or `STORE_UNAVAILABLE`; nothing was deleted.
        """
        limits = limits_at(self._clock(), self._retention)
        async with store_errors("retention"), self._engine.connect() as connection:
            counts = await overdue(connection, limits)
        if not any(counts.values()):
            return 0

        async def apply(connection: AsyncConnection) -> None:
            await forget(connection, limits)

        await self._books.record(Act(EntryKind.RETENTION_APPLIED, self._actor, {"rows": counts}), apply)
        return sum(counts.values())

    async def run(self) -> None:
        """Forget every hour until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(INTERVAL_S)
