"""What was presented before. Marks are set in the transaction that counts and records the act itself."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.batch import BatchHeader
from federation.query import Ticket
from trustee.store.dialect import insert_new
from trustee.store.tables import SeenBatch, SeenTicket, table

_BATCH: Final = table(SeenBatch)
_TICKET: Final = table(SeenTicket)

_FIND_BATCH: Final = select(_BATCH.c.header_sha256).where(
    _BATCH.c.agency == bindparam("agency"), _BATCH.c.batch_id == bindparam("batch_id")
)
_FIND_TICKET: Final = select(_TICKET.c.ticket_sha256, _TICKET.c.translated, _TICKET.c.expires_at).where(
    _TICKET.c.agency == bindparam("agency"), _TICKET.c.query_sha256 == bindparam("query")
)
_EXTEND: Final = (
    update(_TICKET)
    .where(
        _TICKET.c.agency == bindparam("for_agency"),
        _TICKET.c.query_sha256 == bindparam("for_query"),
        _TICKET.c.translated == bindparam("before"),
    )
    .values(translated=bindparam("after"))
)


@dataclass(frozen=True, slots=True)
class Presented:
    """What stands under a name already: the digest of what was signed and, of a ticket, the points translated."""

    digest: bytes
    translated: int = 0


class AlreadyPresentedError(Exception):
    """The transaction must not go on: this name has been presented before, or has moved on since it was read."""

    def __init__(self, before: Presented) -> None:
        super().__init__("presented before")
        self.before = before


async def mark_batch(connection: AsyncConnection, header: BatchHeader, digest: bytes) -> None:
    """Remember a batch.

    Raises:
        AlreadyPresentedError: A batch with this id was evaluated for this agency before.
    """
    key = {"agency": header.agency, "batch_id": header.batch_id}
    row = key | {"header_sha256": digest, "expires_at": header.expires_at}
    if (await connection.execute(insert_new(connection.dialect.name, _BATCH), row)).rowcount == 0:
        found = (await connection.execute(_FIND_BATCH, key)).one()
        raise AlreadyPresentedError(Presented(found.header_sha256))


async def mark_ticket(connection: AsyncConnection, ticket: Ticket, digest: bytes, translated: int) -> None:
    """Remember a ticket and which of its points are translated.

    Raises:
        AlreadyPresentedError: A ticket of this agency for this query was presented before.
    """
    row = {
        "agency": ticket.requester,
        "query_sha256": ticket.query_sha256,
        "ticket_sha256": digest,
        "translated": f"{translated:x}",
        "expires_at": ticket.expires_at,
    }
    if (await connection.execute(insert_new(connection.dialect.name, _TICKET), row)).rowcount == 0:
        raise AlreadyPresentedError(await _presented(connection, ticket))


async def extend_ticket(connection: AsyncConnection, ticket: Ticket, before: Presented, translated: int) -> None:
    """Mark more points of a remembered ticket as translated.

    Raises:
        AlreadyPresentedError: Somebody else marked points since `before` was read.
    """
    row = {
        "for_agency": ticket.requester,
        "for_query": ticket.query_sha256,
        "before": f"{before.translated:x}",
        "after": f"{translated:x}",
    }
    if (await connection.execute(_EXTEND, row)).rowcount == 0:
        raise AlreadyPresentedError(await _presented(connection, ticket))


async def _presented(connection: AsyncConnection, ticket: Ticket) -> Presented:
    row = (await connection.execute(_FIND_TICKET, {"agency": ticket.requester, "query": ticket.query_sha256})).one()
    return Presented(row.ticket_sha256, int(row.translated, 16))
