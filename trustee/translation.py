"""The verb "translate": points of one signed ticket, multiplied from the requester's scope to each responder's.

A ticket may be presented again until it expires, by a retry or by another replica of the gateway: it gives the same
elements, and each of its points is recorded and counted once. Another ticket for the same query is a replay.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from federation.directory import Agency
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.published import check_published
from federation.query import Ticket, TicketPoint, verify_ticket
from keys.digest import sha256
from keys.pseudonym import HolderKeys, ScopeEpoch
from trustee.books import Act, AlarmReason, Books
from trustee.epochs import Epochs
from trustee.members import Members, verify_signer
from trustee.points import check_points
from trustee.quotas import Quotas, translation_charges
from trustee.store.seen import AlreadyPresentedError, Presented, extend_ticket, mark_ticket
from trustee.ticket import Chosen, choose_points

INLINE_POINTS: Final = 16
"""Up to so many multiplications (44 microseconds each) cost less than handing them to another thread and back."""


@dataclass(frozen=True, slots=True)
class _Presentation:
    """One ticket as it was presented just now."""

    ticket: Ticket
    digest: bytes
    chosen: Chosen


class Translator:
    """Translates the points of signed tickets."""

    def __init__(
        self,
        *,
        keys: HolderKeys,
        epochs: Epochs,
        members: Members,
        books: Books,
        quotas: Quotas,
        executor: Executor,
        clock: Callable[[], float],
    ) -> None:
        self._keys = keys
        self._epochs = epochs
        self._members = members
        self._books = books
        self._quotas = quotas
        self._executor = executor
        self._clock = clock

    async def translate(self, ticket: bytes, signature: bytes, responders: Sequence[str]) -> list[bytes]:
        """Translate a ticket's points for some of its targets.

        Args:
            ticket: As the requester signed it.
            signature: The requester's, domain `TICKET`.
            responders: Those the gateway permits; it may come back with more of the same ticket later.

        Returns:
            Elements of 32 bytes in the order of `responders`.

        Raises:
            WardgateError: `MESSAGE_*`, `AGENCY_UNKNOWN`, `TARGET_UNKNOWN`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`,
                `EPOCH_UNKNOWN`, `KEYRING_REJECTED`, `REPLAYED`, `QUOTA_EXCEEDED` or `LEDGER_UNAVAILABLE`.
        """
        found = await self._verify(ticket, signature)
        chosen = choose_points(found, responders)
        await self._check(found, chosen)
        await self._record(_Presentation(found, sha256(ticket), chosen))
        if len(chosen.points) <= INLINE_POINTS:
            return self._multiply(found, chosen.points)
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._multiply, found, chosen.points)

    async def _verify(self, content: bytes, signature: bytes) -> Ticket:
        claimed = Ticket.parse(content)
        try:
            _, found = await verify_signer(
                self._members,
                claimed.requester,
                lambda key: verify_ticket(content, signature, key=key, now=self._clock()),
            )
        except WardgateError as error:
            if error.code is ErrorCode.SIGNATURE_REJECTED:
                await self._books.alarm(claimed.requester, AlarmReason.SIGNATURE_REJECTED, {"presented": "ticket"})
            raise
        return found

    async def _check(self, ticket: Ticket, chosen: Chosen) -> None:
        if any(point.responder not in self._members.directory.agencies for point in chosen.points):
            await self._members.refresh()
        agencies = self._members.directory.agencies
        for point in chosen.points:
            if point.responder not in agencies:
                raise WardgateError(ErrorCode.TARGET_UNKNOWN, point.responder)
            self._check_key(agencies[point.responder], point.epoch)
        self._check_key(self._members.directory.agency(ticket.requester), ticket.epoch)
        check_points(b"".join(point.element for point in chosen.points))

    def _check_key(self, agency: Agency, epoch: int) -> None:
        self._epochs.check(agency.descriptor.id, epoch)
        check_published(agency, epoch, self._keys)

    async def _record(self, shown: _Presentation) -> None:
        """Record what is new in this presentation; nothing if all of it was recorded before."""
        before: Presented | None = None
        while (new := shown.chosen.mask & ~(before.translated if before else 0)) != 0:
            try:
                await self._record_new(shown, before, new)
            except AlreadyPresentedError as error:
                before = error.before
                await self._refuse_replay(shown, before)
            else:
                return

    async def _record_new(self, shown: _Presentation, before: Presented | None, new: int) -> None:
        count = new.bit_count()
        charges = translation_charges(points=count, first=before is None, now=self._clock(), quotas=self._quotas)
        body = {
            "use": "query",
            "count": count,
            "epoch": shown.ticket.epoch,
            "query_sha256": shown.ticket.query_sha256.hex(),
            "ticket_sha256": shown.digest.hex(),
        }

        async def mark(connection: AsyncConnection) -> None:
            if before is None:
                await mark_ticket(connection, shown.ticket, shown.digest, new)
            else:
                await extend_ticket(connection, shown.ticket, before, before.translated | new)

        await self._books.record(Act(EntryKind.TICKET_TRANSLATED, shown.ticket.requester, body, charges), mark)

    async def _refuse_replay(self, shown: _Presentation, before: Presented) -> None:
        if before.digest != shown.digest:
            requester = shown.ticket.requester
            await self._books.alarm(requester, AlarmReason.REPLAYED, {"presented": "ticket"})
            raise WardgateError(ErrorCode.REPLAYED, f"{requester}: another ticket for a query")

    def _multiply(self, ticket: Ticket, points: Sequence[TicketPoint]) -> list[bytes]:
        source = ScopeEpoch(ticket.requester, ticket.epoch)
        return [
            self._keys.translation(source, ScopeEpoch(point.responder, point.epoch)).apply(point.element)
            for point in points
        ]
