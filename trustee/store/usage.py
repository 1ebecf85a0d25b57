"""Counters in the database: added up and read back in one statement, inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from trustee.quotas import Charge, CounterKind, Totals, Window
from trustee.store.dialect import insert_into
from trustee.store.tables import Counter, table

_COUNTER: Final = table(Counter)
_KEY: Final = ("agency", "kind", "period", "start")
_HOUR: Final = (
    select(_COUNTER.c.agency, _COUNTER.c.kind, _COUNTER.c.total)
    .where(_COUNTER.c.period == Window.HOUR, _COUNTER.c.start == bindparam("hour_start"))
    .order_by(_COUNTER.c.agency, _COUNTER.c.kind)
)


@dataclass(frozen=True, slots=True)
class Count:
    """One agency's total of one kind in one hour."""

    agency: str
    kind: CounterKind
    total: int


@lru_cache
def _addition(dialect: str) -> ReturningInsert[tuple[str, str, int, int]]:
    adding = insert_into(dialect, _COUNTER)
    return adding.on_conflict_do_update(
        index_elements=_KEY, set_={"total": _COUNTER.c.total + adding.excluded.total}
    ).returning(_COUNTER.c.kind, _COUNTER.c.period, _COUNTER.c.start, _COUNTER.c.total)


async def add_charges(connection: AsyncConnection, agency: str, charges: Sequence[Charge]) -> Totals:
    """Add charges to an agency's counters; returns each counter's new value.

    The rows stay locked until the transaction ends: two replicas cannot both take the last of a quota.
    """
    rows = await connection.execute(
        _addition(connection.dialect.name),
        [
            {"agency": agency, "kind": item.kind, "period": item.window, "start": item.start, "total": item.count}
            for item in charges
        ],
    )
    return {(CounterKind(row.kind), Window(row.period), row.start): row.total for row in rows}


async def counts_of_hour(connection: AsyncConnection, hour_start: int) -> list[Count]:
    """What every agency used in one hour, by agency and kind."""
    rows = await connection.execute(_HOUR, {"hour_start": hour_start})
    return [Count(row.agency, CounterKind(row.kind), row.total) for row in rows]
