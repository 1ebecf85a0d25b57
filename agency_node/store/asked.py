"""Reads and writes of the queries this node's own people put. Writes run inside the journal's transaction."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agency_node.store.children import core_table
from agency_node.store.tables import AskedQuery, AskedTarget, DecisionInput


class AskedState(StrEnum):
    """Where a query this node put stands."""

    OPEN = "open"
    CLOSED = "closed"
    REFUSED = "refused"
    FAILED = "failed"


QUERY, TARGET, DECISION = core_table(AskedQuery), core_table(AskedTarget), core_table(DecisionInput)

_OPEN = select(QUERY.c.query_id).where(QUERY.c.state == AskedState.OPEN.value)
_QUERY = select(QUERY).where(QUERY.c.query_id == bindparam("query_id"))
_RECENT = select(QUERY.c.user_id, QUERY.c.broke_glass, QUERY.c.asked_at).where(QUERY.c.asked_at > bindparam("since"))
_TARGETS = select(TARGET).where(TARGET.c.query_id == bindparam("query_id"))


async def insert_asked(
    connection: AsyncConnection,
    query: dict[str, Any],
    targets: Sequence[dict[str, Any]],
    decision_input: dict[str, Any],
) -> None:
    """Store a query with its targets and the encrypted input of the decision behind it."""
    await connection.execute(insert(QUERY), query)
    await connection.execute(insert(DECISION), decision_input)
    if targets:
        await connection.execute(insert(TARGET), list(targets))


async def change_query(connection: AsyncConnection, query_id: str, **values: Any) -> None:  # noqa: ANN401 - column values
    """Change columns of a query."""
    await connection.execute(update(QUERY).where(QUERY.c.query_id == query_id).values(**values))


async def change_target(
    connection: AsyncConnection,
    query_id: str,
    responder: str,
    **values: Any,  # noqa: ANN401 - column values
) -> None:
    """Change columns of one target."""
    await connection.execute(
        update(TARGET).where(TARGET.c.query_id == query_id, TARGET.c.responder == responder).values(**values)
    )


async def settle_targets(connection: AsyncConnection, query_id: str) -> None:
    """Nothing more can come from any target of a query."""
    await connection.execute(update(TARGET).where(TARGET.c.query_id == query_id).values(settled=True))


async def asked_since(engine: AsyncEngine, since: int) -> list[Any]:
    """User and time of every query put since, and whether it broke glass: the seed of the counters."""
    async with engine.connect() as connection:
        return list((await connection.execute(_RECENT, {"since": since})).all())


async def load_asked(engine: AsyncEngine, query_id: str) -> tuple[Row[Any], list[Row[Any]]] | None:
    """A query with its targets; None when there is none of this id."""
    async with engine.connect() as connection:
        query = (await connection.execute(_QUERY, {"query_id": query_id})).one_or_none()
        if query is None:
            return None
        return query, list((await connection.execute(_TARGETS, {"query_id": query_id})).all())


async def open_queries(engine: AsyncEngine) -> list[str]:
    """Ids of every query whose picture is not closed."""
    async with engine.connect() as connection:
        return [row.query_id for row in (await connection.execute(_OPEN)).all()]
