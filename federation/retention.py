"""How long things are kept beside a ledger: each service has one table of deletions, and this routine carries it out.

What is deleted, and before which time, stands in the ledger in the same transaction, so that nothing vanishes
unrecorded; nothing is ever taken out of a ledger. What is many goes in portions, so that nobody waits behind it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Table, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.actor import Actor
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.store import reading, store_errors
from federation.transport.correlation import correlation

DAY_S: Final = 24 * 3600
EVERY_S: Final = 3600.0
"""How often a service looks for what has served its time."""

PORTION: Final = 1_000
"""Most rows of one deletion in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """One thing that is deleted when its time is up.

    Attributes:
        what: Its name, in entries and documentation.
        text: What goes, and what stays, in a sentence.
        setting: Days to keep it: a field of the service's `[retention]`; empty where the time stands in the row.
        after_s: Seconds beyond that.
        table: Where it is.
        due: What is meant, from the moment (seconds since the epoch) before which it is not kept any more.
        values: What is put in its place; None to delete rows.
    """

    what: str
    text: str
    setting: str = ""
    after_s: int = 0
    table: Table
    due: Callable[[int], ColumnElement[bool]]
    values: Mapping[str, Any] | None = None

    def before(self, now: float, periods: object) -> int:
        """The moment before which it is not kept any more, seconds since the epoch."""
        days: int = getattr(periods, self.setting) if self.setting else 0
        return int(now) - days * DAY_S - self.after_s

    def count(self, before: int) -> Select[Any]:
        """How many are due, at most a portion."""
        return select(func.count()).select_from(self._due(before, PORTION).subquery())

    async def carry_out(self, connection: AsyncConnection, before: int, count: int) -> None:
        """Delete so many of those that are due."""
        key = tuple_(*self.table.primary_key.columns)
        chosen = key.in_(self._due(before, count))
        if self.values is None:
            await connection.execute(delete(self.table).where(chosen))
        else:
            await connection.execute(update(self.table).where(chosen).values(**self.values))

    def _due(self, before: int, count: int) -> Select[Any]:
        return select(*self.table.primary_key.columns).where(self.due(before)).limit(count)


class Retention:
    """Carries out one service's deletions.

    Args:
        engine: The service's store.
        journal: Its ledger.
        deletions: In an order in which nothing is deleted before what refers to it.
        periods: The service's `[retention]`.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        journal: Journal,
        deletions: Sequence[Deletion],
        periods: object,
        clock: Callable[[], float],
    ) -> None:
        self._engine = reading(engine)
        self._journal = journal
        self._deletions = deletions
        self._periods = periods
        self._clock = clock

    async def apply(self) -> dict[str, int]:
        """Delete everything that is due now; how many of each.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`: what is not in the ledger was not deleted.
        """
        total: dict[str, int] = {}
        while found := await self._portion():
            for what, count in found.items():
                total[what] = total.get(what, 0) + count
        return total

    async def run(self) -> None:
        """Delete what is due, every hour until cancelled. Raises as `apply`."""
        while True:
            await self.apply()
            await asyncio.sleep(EVERY_S)

    async def _portion(self) -> dict[str, int]:
        now = self._clock()
        before = {item.what: item.before(now, self._periods) for item in self._deletions}
        async with store_errors("retention"), self._engine.connect() as connection:
            counts = {
                item.what: int((await connection.execute(item.count(before[item.what]))).scalar_one())
                for item in self._deletions
            }
        found = {what: count for what, count in counts.items() if count}
        if not found:
            return {}

        async def apply(connection: AsyncConnection) -> None:
            for item in self._deletions:
                if item.what in found:
                    await item.carry_out(connection, before[item.what], found[item.what])

        entry = Entry(
            kind=EntryKind.RETENTION_APPLIED,
            at=int(now),
            actor=Actor.keeper(self._journal.key.name),
            correlation_id=correlation(),
            body={"rows": found, "before": {f"{what}_at": before[what] for what in found}},
        )
        await self._journal.record([entry], apply)
        return found
