"""The verb "translate": points of one signed ticket, taken on from the gateway's half into each responder's scope.

The gateway has multiplied first. Its proof is verified against the ticket's own points and the gateway's published
ones, as this trustee's directory shows them, before anything is counted: nothing is multiplied that no node signed.

A ticket may be presented again until it expires, by a retry or by another replica of the gateway: it gives the same
elements, and each of its points is recorded and counted once. Another ticket for the same query is a replay.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from federation.directory import Agency
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import EntryKind
from federation.published import check_in_use
from federation.query import Ticket, TicketPoint, verify_ticket
from federation.telemetry import EventLog
from federation.threads import for_targets
from federation.translation import (
    OF_ONE_TARGET,
    HalfTranslation,
    Refused,
    Route,
    Statement,
    Translation,
    take_step,
    verify_step,
)
from keys.digest import sha256
from keys.pseudonym import HolderKeys
from keys.signing import SigningKey
from trustee.books import Act, AlarmReason, Books
from trustee.epochs import Epochs
from trustee.members import Members, is_newer, verify_signer
from trustee.points import check_points
from trustee.quotas import Quotas, translation_charges
from trustee.store.seen import AlreadyPresentedError, Presented, extend_ticket, mark_ticket
from trustee.ticket import Chosen, choose_points

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class _Presentation:
    """One ticket as it was presented just now."""

    ticket: Ticket
    digest: bytes
    chosen: Chosen


class Translator:
    """Translates the points of signed tickets.

    Args:
        keys: The trustee's half of every pseudonym key.
        signing_key: With which it signs what it makes.
        epochs: Those in use.
        members: The directory as the trustee verified it.
        books: Ledger, counters and alarms.
        quotas: The trustee's limits.
        gateway: The gateway's URI, the subject of an alarm about its proofs.
        executor: Where many targets are multiplied for.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        keys: HolderKeys,
        signing_key: SigningKey,
        epochs: Epochs,
        members: Members,
        books: Books,
        quotas: Quotas,
        gateway: str,
        executor: Executor,
        clock: Callable[[], float],
    ) -> None:
        self._keys = keys
        self._signing_key = signing_key
        self._epochs = epochs
        self._members = members
        self._books = books
        self._quotas = quotas
        self._gateway = gateway
        self._executor = executor
        self._clock = clock

    async def translate(
        self, ticket: bytes, signature: bytes, halves: Sequence[HalfTranslation]
    ) -> list[Translation | Refused]:
        """Translate a ticket's points for some of its targets.

        Args:
            ticket: As the requester signed it.
            signature: The requester's, domain `TICKET`.
            halves: The gateway's half for those it permits; it may come back with more of the same ticket later.

        Returns:
            In the order of `halves`. The elements and signatures are the same whenever the ticket is presented. A
            target whose own epoch or key cannot be used costs that target alone.

        Raises:
            WardgateError: `WIRE_VERSION_REFUSED`, `MESSAGE_*`, `AGENCY_UNKNOWN`, `TARGET_UNKNOWN`,
                `SIGNATURE_REJECTED`, `QUERY_EXPIRED`, `EPOCH_UNKNOWN`, `KEYRING_REJECTED`, `PROOF_REJECTED`,
                `REPLAYED`, `QUOTA_EXCEEDED` or `LEDGER_UNAVAILABLE`.
        """
        found = await self._verify(ticket, signature)
        ends = await self._check(found, choose_points(found, [half.responder for half in halves]))
        usable = [(end, half) for end, half in zip(ends, halves, strict=True) if isinstance(end, Route)]
        done = iter(await self._carry_out(found, sha256(ticket), usable) if usable else [])
        return [end if isinstance(end, Refused) else next(done) for end in ends]

    async def _carry_out(
        self, found: Ticket, digest: bytes, usable: Sequence[tuple[Route, HalfTranslation]]
    ) -> list[Translation]:
        routes, halves = [route for route, _ in usable], [half for _, half in usable]
        shown = _Presentation(found, digest, choose_points(found, [half.responder for half in halves]))
        if self._may_be_over(shown):
            await self._record(shown, only_try=True)  # whoever is over a quota is not worth two hundred proofs
        await self._verify_halves(shown, routes, halves)
        await self._record(shown)
        return await for_targets(len(routes), self._executor, lambda: self._finish(found, routes, halves))

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

    async def _check(self, ticket: Ticket, chosen: Chosen) -> list[Route | Refused]:
        """Between which keys each point goes, once both ends are in use, published and this trustee's own."""
        ends = [(ticket.requester, ticket.epoch), *((point.responder, point.epoch) for point in chosen.points)]
        if any(is_newer(self._members, self._epochs, scope, epoch) for scope, epoch in ends):
            await self._members.refresh()
        requester = self._members.directory.agency(ticket.requester)
        self._check_end(requester, ticket.epoch)
        check_points(b"".join(point.element for point in chosen.points))
        return [self._route(requester, ticket.epoch, point) for point in chosen.points]

    def _route(self, requester: Agency, epoch: int, point: TicketPoint) -> Route | Refused:
        responder = self._members.directory.agencies.get(point.responder)
        if responder is None:
            return Refused(ErrorCode.TARGET_UNKNOWN)
        try:
            self._check_end(responder, point.epoch)
        except WardgateError as error:
            if error.code not in OF_ONE_TARGET:
                raise
            _log.event(Event.TARGET_NOT_TRANSLATED, responder=point.responder, epoch=point.epoch, error=error)
            return Refused(error.code)
        return Route(requester, epoch, responder, point.epoch)

    def _check_end(self, agency: Agency, epoch: int) -> None:
        self._epochs.check(agency.descriptor.id, epoch)
        check_in_use(agency, epoch, self._keys)

    async def _verify_halves(
        self, shown: _Presentation, routes: Sequence[Route], halves: Sequence[HalfTranslation]
    ) -> None:
        def verify() -> None:
            for route, point, half in zip(routes, shown.chosen.points, halves, strict=True):
                verify_step("gateway", route, point.element, half.step)

        try:
            await for_targets(len(routes), self._executor, verify)
        except WardgateError as error:
            if error.code is ErrorCode.PROOF_REJECTED:
                body = {
                    "presented": "translation",
                    "query_sha256": shown.ticket.query_sha256.hex(),
                    "ticket_sha256": shown.digest.hex(),
                }
                await self._books.alarm(self._gateway, AlarmReason.PROOF_REJECTED, body)
            raise

    def _may_be_over(self, shown: _Presentation) -> bool:
        """Whether all of this presentation, if it is new, is known to pass a quota."""
        count, now = len(shown.chosen.points), self._clock()
        charges = translation_charges(points=count, first=True, now=now, quotas=self._quotas)
        return self._books.is_spent(shown.ticket.requester, charges)

    async def _record(self, shown: _Presentation, *, only_try: bool = False) -> None:
        """Record what is new in this presentation; nothing if all of it was recorded before."""
        before: Presented | None = None
        while (new := shown.chosen.mask & ~(before.translated if before else 0)) != 0:
            try:
                await self._record_new(shown, before, new, only_try=only_try)
            except AlreadyPresentedError as error:
                before = error.before
                await self._refuse_replay(shown, before)
            else:
                return

    async def _record_new(self, shown: _Presentation, before: Presented | None, new: int, *, only_try: bool) -> None:
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

        act = Act(EntryKind.TICKET_TRANSLATED, shown.ticket.requester, body, charges)
        await self._books.record(act, mark, only_try=only_try)

    async def _refuse_replay(self, shown: _Presentation, before: Presented) -> None:
        if before.digest != shown.digest:
            requester = shown.ticket.requester
            await self._books.alarm(requester, AlarmReason.REPLAYED, {"presented": "ticket"})
            raise WardgateError(ErrorCode.REPLAYED, f"{requester}: another ticket for a query")

    def _finish(self, ticket: Ticket, routes: Sequence[Route], halves: Sequence[HalfTranslation]) -> list[Translation]:
        found = []
        for route, half in zip(routes, halves, strict=True):
            step = take_step(self._keys, route, half.step.element)
            source, target = route.source, route.target
            statement = Statement(ticket.query_sha256, source.scope, target.scope, target.epoch, step.element)
            found.append(Translation(step, statement.sign(self._signing_key)))
        return found
