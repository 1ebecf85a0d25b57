"""Reads of misuse that was refused, and the write that the journal makes durable with its entry."""

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.ledger.writes import Write
from federation.store import store_errors
from gateway.store.tables import MisuseRow, table

MISUSE = table(MisuseRow)

_INSERT = insert(MISUSE)
_CONTENT = select(MISUSE.c.content).where(MISUSE.c.notice_id == bindparam("notice_id"))
_SINCE = select(func.count()).where(
    MISUSE.c.agency == bindparam("agency"),
    MISUSE.c.refused_by == bindparam("refused_by"),
    MISUSE.c.reported_at > bindparam("since"),
)
_EACH_SINCE = (
    select(MISUSE.c.agency, func.count().label("many"))
    .where(MISUSE.c.reported_at > bindparam("since"))
    .group_by(MISUSE.c.agency)
)


def misuse_stored(
    notice_id: str, *, agency: str, refused_by: str, reported_at: int, content: bytes = b"", signature: bytes = b""
) -> Write:
    """One misuse; `IntegrityError` where its notice came before."""
    row = {"notice_id": notice_id, "agency": agency, "refused_by": refused_by, "reported_at": reported_at}
    return Write.one(_INSERT, {**row, "content": content, "signature": signature})


async def stored_content(engine: AsyncEngine, notice_id: str) -> bytes | None:
    """What is kept of a notice; None where there is none of this id."""
    async with store_errors("misuse"), engine.connect() as connection:
        found: bytes | None = (await connection.execute(_CONTENT, {"notice_id": notice_id})).scalar_one_or_none()
        return found


async def count_since(engine: AsyncEngine, agency: str, refused_by: str, since: int) -> int:
    """How many of an agency were recorded since."""
    values = {"agency": agency, "refused_by": refused_by, "since": since}
    async with store_errors("misuse"), engine.connect() as connection:
        return int((await connection.execute(_SINCE, values)).scalar_one())


async def counts_since(engine: AsyncEngine, since: int) -> dict[str, int]:
    """How many were recorded since, by agency."""
    async with store_errors("misuse"), engine.connect() as connection:
        return {row.agency: row.many for row in (await connection.execute(_EACH_SINCE, {"since": since})).all()}
