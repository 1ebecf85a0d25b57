"""The books: an act's ledger entry, its counters and its replay mark, in one transaction, before the act has an effect.

If the journal cannot write, nothing is counted, nothing is marked and nothing is evaluated.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn

from sqlalchemy.ext.asyncio import AsyncConnection

from federation.actor import Actor
from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.telemetry import EventLog
from federation.transport.correlation import correlation
from trustee.quotas import Charge, CounterKind, Totals, Window, exceeded, hour_of
from trustee.store.alarms import AlreadyAlarmedError, mark_alarm
from trustee.store.usage import add_charges

_log = EventLog(__name__)

_ASKED_FOR: Final = frozenset(
    {
        EntryKind.BATCH_EVALUATED,
        EntryKind.TICKET_TRANSLATED,
    }
)
"""What an agency has the trustee do: the agency is the actor. Everything else the trustee does by itself."""

Mark = Callable[[AsyncConnection], Awaitable[None]]
"""Sets the replay mark of an act inside its transaction; raises to stop it."""


class AlarmReason(StrEnum):
    """Why an alarm is raised."""

    QUOTA_EXCEEDED = "quota_exceeded"
    REPLAYED = "replayed"
    SIGNATURE_REJECTED = "signature_rejected"
    PROOF_REJECTED = "proof_rejected"


async def no_mark(_: AsyncConnection) -> None:
    """For acts that may be repeated."""


@dataclass(frozen=True, slots=True)
class Act:
    """What the trustee does, for an agency or by itself: the entry's kind and body, and what it costs.

    Attributes:
        kind: Of the entry.
        agency: For whom; where the trustee acts by itself, whom it is about.
        body: Hashes and counts only.
        charges: What it costs the agency.
    """

    kind: EntryKind
    agency: str
    body: JsonObject
    charges: tuple[Charge, ...] = ()


class _QuotaPassedError(Exception):
    def __init__(self, charge: Charge, totals: Totals) -> None:
        super().__init__(charge.kind)
        self.charge = charge
        self.used = totals[charge.counter] - charge.count


class _TriedError(Exception):
    """The transaction is to be undone: it was only to be seen whether it would hold."""


class Books:
    """Writes acts and alarms through the service's one journal."""

    def __init__(self, *, journal: Journal, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._clock = clock
        self._raised: set[tuple[str, AlarmReason, int]] = set()
        self._used: dict[tuple[str, CounterKind, Window], tuple[int, int]] = {}

    def is_spent(self, agency: str, charges: Sequence[Charge]) -> bool:
        """Whether these charges are known here to pass a limit: what was seen counted in a window only grows. No I/O.

        False does not say that there is room: another replica may have counted, or this one before a restart.
        """
        totals: dict[tuple[CounterKind, Window, int], int] = {}
        for charge in charges:
            start, used = self._used.get((agency, charge.kind, charge.window), (charge.start, 0))
            totals[charge.counter] = charge.count + (used if start == charge.start else 0)
        return exceeded(charges, totals) is not None

    async def settle(self) -> None:
        """See `federation.ledger.journal.Journal.settle`."""
        await self._journal.settle()

    async def record(self, act: Act, mark: Mark, *, only_try: bool = False, before: Sequence[Entry] = ()) -> None:
        """Record one act durably, count it and mark it as seen; or do none of these.

        Args:
            act: What is done.
            mark: Its replay mark.
            only_try: Find out whether it would be refused, and leave everything as it is.
            before: Entries that stand before its own, in the same transaction.

        Raises:
            WardgateError: `QUOTA_EXCEEDED` or `LEDGER_UNAVAILABLE`.
            Exception: Whatever `mark` raised.
        """

        async def apply(connection: AsyncConnection) -> Totals:
            await mark(connection)
            if not act.charges:
                return {}
            totals = await add_charges(connection, act.agency, act.charges)
            over = exceeded(act.charges, totals)
            if over is not None:
                raise _QuotaPassedError(over, totals)
            if only_try:
                raise _TriedError
            return totals

        try:
            entries = [*before, self._entry(act.kind, act.agency, act.body)]
            totals = (await self._journal.record(entries, apply)).result
        except _TriedError:
            return
        except _QuotaPassedError as error:
            self._remember(act.agency, error.charge, error.used)
            await self._refuse(act.agency, error.charge, error.used)
        for charge in act.charges:
            self._remember(act.agency, charge, totals[charge.counter])

    def _remember(self, agency: str, charge: Charge, used: int) -> None:
        place = (agency, charge.kind, charge.window)
        self._used[place] = max(self._used.get(place, (0, 0)), (charge.start, used))

    async def alarm(self, subject: str, reason: AlarmReason, body: JsonObject) -> None:
        """Record an alarm, once for each subject, reason and hour, so that an attack does not fill the ledger.

        Args:
            subject: The agency whose quota, signature or name it is about, or the gateway.
            reason: Why.
            body: Counts, limits and codes.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`.
        """
        hour = hour_of(self._clock())
        if (subject, reason, hour) in self._raised:
            return

        async def apply(connection: AsyncConnection) -> None:
            await mark_alarm(connection, subject, reason, hour)

        entry = self._entry(EntryKind.ALARM_RAISED, subject, body | {"reason": reason, "subject": subject})
        with suppress(AlreadyAlarmedError):  # another replica, or this one before a restart, raised it in this hour
            await self._journal.record([entry], apply)
        self._raised = {raised for raised in self._raised if raised[2] == hour} | {(subject, reason, hour)}
        _log.event(Event.ALARM_RAISED, agency=subject, reason_code=reason)

    async def refused(self, kind: EntryKind, agency: str, code: str, body: JsonObject) -> None:
        """Record that something presented for an agency was refused, once for each agency, code and hour.

        The agency is whom it claimed to be from: the trustee is the actor, since nobody else is known to have acted.

        Args:
            kind: `batch_refused` or `ticket_refused`.
            agency: As it claimed, where the directory lists it.
            code: Why.
            body: Hashes.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`.
        """
        hour = hour_of(self._clock())

        async def apply(connection: AsyncConnection) -> None:
            await mark_alarm(connection, agency, f"{kind.removesuffix('_refused')}/{code}", hour)

        with suppress(AlreadyAlarmedError):
            await self._journal.record([self._entry(kind, agency, body | {"agency": agency, "code": code})], apply)

    async def _refuse(self, agency: str, charge: Charge, used: int) -> NoReturn:
        await self.alarm(
            agency, AlarmReason.QUOTA_EXCEEDED, {"counter": charge.kind, "window": charge.window, "limit": charge.limit}
        )
        raise WardgateError(
            ErrorCode.QUOTA_EXCEEDED,
            f"{agency}: {charge.kind} {used} + {charge.count}, at most {charge.limit} per {charge.window}",
        )

    def _entry(self, kind: EntryKind, agency: str, body: JsonObject) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=Actor.agency(agency) if kind in _ASKED_FOR else Actor.keeper(self._journal.key.name),
            correlation_id=correlation(),
            query_id=None,
            body=body,
        )
