"""The verb "prove": that one point of a ticket was translated with the published keys, asked for after the fact."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.published import check_published
from federation.query import Ticket, TicketPoint
from keys.digest import sha256
from keys.pseudonym import HolderKeys, ScopeEpoch
from trustee.books import Act, Books, no_mark
from trustee.epochs import Epochs
from trustee.members import Members
from trustee.store.seen import Presented
from trustee.ticket import choose_points

FindTicket = Callable[[str, bytes], Awaitable[Presented | None]]
"""The remembered ticket of an agency for a query's hash."""


@dataclass(frozen=True, slots=True)
class Proved:
    """A translated element and the proof of 64 bytes that the published keys made it of the ticket's."""

    element: bytes
    proof: bytes


class Proofs:
    """Proves translations that were made."""

    def __init__(
        self,
        *,
        keys: HolderKeys,
        epochs: Epochs,
        members: Members,
        books: Books,
        find_ticket: FindTicket,
        executor: Executor,
    ) -> None:
        self._keys = keys
        self._epochs = epochs
        self._members = members
        self._books = books
        self._find_ticket = find_ticket
        self._executor = executor

    async def prove(self, ticket: bytes, responder: str) -> Proved:
        """Prove the translation of one point.

        The ticket must be, byte for byte, one of which this point was translated. That is why its signature is not
        asked for again: it was verified then, and the agency may have changed its key since.

        Raises:
            WardgateError: `MESSAGE_*`, `TARGET_UNKNOWN`, `QUERY_UNKNOWN` when this point was never translated or is no
                longer remembered, `AGENCY_UNKNOWN`, `EPOCH_UNKNOWN`, `KEYRING_REJECTED` or `LEDGER_UNAVAILABLE`.
        """
        found = Ticket.parse(ticket)
        chosen = choose_points(found, [responder])
        digest = sha256(ticket)
        seen = await self._find_ticket(found.requester, found.query_sha256)
        if seen is None or seen.digest != digest or not seen.translated & chosen.mask:
            raise WardgateError(ErrorCode.QUERY_UNKNOWN, f"{found.requester}: no such translation")
        (point,) = chosen.points
        for scope, epoch in ((found.requester, found.epoch), (point.responder, point.epoch)):
            self._epochs.check(scope, epoch)
            check_published(self._members.directory.agency(scope), epoch, self._keys)
        body = {"use": "proof", "count": 1, "ticket_sha256": digest.hex(), "query_sha256": found.query_sha256.hex()}
        await self._books.record(Act(EntryKind.TRANSLATION_PROVED, found.requester, body), no_mark)
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._prove, found, point)

    def _prove(self, ticket: Ticket, point: TicketPoint) -> Proved:
        translation = self._keys.translation(
            ScopeEpoch(ticket.requester, ticket.epoch), ScopeEpoch(point.responder, point.epoch)
        )
        element = translation.apply(point.element)
        return Proved(element, translation.prove(point.element, element))
