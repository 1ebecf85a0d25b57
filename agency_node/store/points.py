"""Reads and writes of pinned points. Prebuilt Core statements; writes run inside the journal's transaction."""

from collections.abc import Iterable, Mapping

from sqlalchemy import bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.store.children import core_table
from agency_node.store.tables import PinnedPoint
from federation.seen import PointKey

POINT = core_table(PinnedPoint)

_OF_SCOPE = select(POINT).where(POINT.c.scope == bindparam("b_scope"))
_INSERT = insert(POINT)

Points = Mapping[PointKey, bytes]


async def points_of(connection: AsyncConnection, scope: str) -> Points:
    """The pinned points of one scope."""
    rows = (await connection.execute(_OF_SCOPE, {"b_scope": scope})).all()
    return {PointKey(row.scope, row.epoch, row.holder): bytes(row.public) for row in rows}


async def pin(connection: AsyncConnection, points: Iterable[tuple[PointKey, bytes]], now: int) -> None:
    """Pin points that are not pinned yet."""
    rows = [
        {"scope": key.scope, "epoch": key.epoch, "holder": key.holder, "public": public, "pinned_at": now}
        for key, public in points
    ]
    if rows:
        await connection.execute(_INSERT, rows)
