"""Counting and deleting rows whose time is up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.schema import Table

from trustee.quotas import Window
from trustee.store.tables import Alarm, Counter, SeenBatch, SeenTicket, table

_BATCH: Final = table(SeenBatch)
_TICKET: Final = table(SeenTicket)
_COUNTER: Final = table(Counter)
_ALARM: Final = table(Alarm)


@dataclass(frozen=True, slots=True)
class Limits:
    """For each kind of row the time before which it is forgotten, seconds since the epoch.

    Batches and tickets count by their expiry, counters and alarms by the start of their window. Counters of an epoch
    stay: an epoch's quota is for its whole life.
    """

    batches: int
    tickets: int
    counters: int
    alarms: int


def _conditions(limits: Limits) -> Mapping[str, tuple[Table, ColumnElement[bool]]]:
    return {
        "batches": (_BATCH, _BATCH.c.expires_at < limits.batches),
        "tickets": (_TICKET, _TICKET.c.expires_at < limits.tickets),
        "counters": (_COUNTER, (_COUNTER.c.period != Window.EPOCH) & (_COUNTER.c.start < limits.counters)),
        "alarms": (_ALARM, _ALARM.c.hour_start < limits.alarms),
    }


async def overdue(connection: AsyncConnection, limits: Limits) -> dict[str, int]:
    """How many rows of each kind are past their time."""
    counts = [
        select(func.count()).select_from(rows).where(condition).scalar_subquery().label(name)
        for name, (rows, condition) in _conditions(limits).items()
    ]
    return dict((await connection.execute(select(*counts))).mappings().one())


async def forget(connection: AsyncConnection, limits: Limits) -> None:
    """Delete those rows."""
    for rows, condition in _conditions(limits).values():
        await connection.execute(delete(rows).where(condition))
