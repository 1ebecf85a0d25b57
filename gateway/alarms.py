"""Alarms that the gateway raises itself: about a key holder whose translation does not prove itself."""

from collections.abc import Callable
from typing import Final

from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.counters import HOUR_S
from federation.errors import WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.query import VerifiedQuery
from federation.telemetry import EventLog
from federation.transport.failures import RemoteError

NOT_PROVED: Final = "TRANSLATION_NOT_PROVED"

GATEWAY, TRUSTEE = "gateway", "trustee"

_log = EventLog(__name__)


class Alarms:
    """Raises alarms: in the log each time, in the ledger once an hour, so that a broken holder does not fill it."""

    def __init__(self, *, journal: Journal, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._clock = clock
        self._raised: set[tuple[str, int]] = set()

    async def not_proved(self, query: VerifiedQuery, error: WardgateError, correlation_id: CorrelationId) -> None:
        """A translation was refused for its proof or signature: the trustee's by this gateway, or the other way.

        Args:
            query: Of which it was; nothing of it is dispatched.
            error: The refusal; one that came over the wire is the trustee's.
            correlation_id: Of the call.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`.
        """
        accused = GATEWAY if isinstance(error, RemoteError) else TRUSTEE
        _log.event(Event.TRANSLATION_NOT_PROVED, query_id=query.header.query_id, party=accused, error=error)
        now = int(self._clock())
        hour = now // HOUR_S
        if (accused, hour) in self._raised:
            return
        entry = Entry(
            kind=EntryKind.ALARM_RAISED,
            at=now,
            actor=Actor.keeper(self._journal.key.name),
            correlation_id=correlation_id,
            query_id=query.header.query_id,
            body={
                "alarm": NOT_PROVED,
                "holder": accused,
                "error": str(error.code),
                "requester": query.header.requester,
                "query_sha256": query.digest.hex(),
            },
        )
        await self._journal.record([entry])
        self._raised = {raised for raised in self._raised if raised[1] == hour} | {(accused, hour)}
