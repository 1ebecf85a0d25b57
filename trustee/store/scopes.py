"""Epochs of scopes and accepted caseloads: small tables, read whole."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from trustee.epochs import EpochRange
from trustee.store.dialect import insert_into
from trustee.store.tables import Caseload, ScopeEpochs, table

_CASELOAD: Final = table(Caseload)
_EPOCHS: Final = table(ScopeEpochs)


async def epoch_ranges(connection: AsyncConnection) -> dict[str, EpochRange]:
    """The epochs of every scope that has changed epochs."""
    rows = await connection.execute(select(_EPOCHS))
    return {row.scope: EpochRange(row.oldest, row.newest) for row in rows}


async def put_epoch_range(connection: AsyncConnection, scope: str, found: EpochRange) -> None:
    """Set the epochs of a scope."""
    values = {"oldest": found.oldest, "newest": found.newest}
    statement = insert_into(connection.dialect.name, _EPOCHS).values(scope=scope, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["scope"], set_=values))


async def caseloads(connection: AsyncConnection) -> dict[str, int]:
    """The caseload that counted for each agency before there was a register."""
    rows = await connection.execute(select(_CASELOAD))
    return {row.agency: row.children for row in rows}
