"""Not believing somebody: the alarm that is raised, in the log and in one's own ledger, whoever follows whom."""

from collections.abc import Callable
from typing import Final

from federation.actor import Actor
from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.witness import ForkedError
from federation.telemetry import EventLog
from federation.transport.correlation import correlation
from federation.transport.failures import RemoteError

ALARM_EVERY_S: Final = 3600
"""The same disbelief is an alarm once in this time, so that a party that insists does not fill the ledger."""

_log = EventLog(__name__)


def is_disbelief(error: WardgateError) -> bool:
    """Whether the other side showed something that does not prove itself.

    A call that it only refused is none, unless it says that its ledger is shorter than what was seen of it.
    """
    if isinstance(error, RemoteError) and error.code is not ErrorCode.LEDGER_FORKED:
        return False
    return error.spec.disbelief


def is_shut_out(error: WardgateError) -> bool:
    """Whether the other side says that this very party is revoked, or that others have its keys now."""
    return isinstance(error, RemoteError) and error.is_answer and error.code is ErrorCode.CERTIFICATE_REVOKED


class Disbelief:
    """Raises the alarm about one party that is followed.

    Args:
        event: The alarm's name.
        journal: That of who follows.
        clock: Seconds since the epoch.
        about: Which errors it is about.
    """

    def __init__(
        self,
        event: Event,
        *,
        journal: Journal,
        clock: Callable[[], float],
        about: Callable[[WardgateError], bool] = is_disbelief,
    ) -> None:
        self._event = event
        self._journal = journal
        self._clock = clock
        self._about = about
        self._alarmed: tuple[ErrorCode, str] | None = None
        self._alarmed_at = float("-inf")

    def ended(self) -> None:
        """The party is believed again: the next alarm is raised at once."""
        self._alarmed = None

    async def alarm(self, error: WardgateError, version: int) -> None:
        """Raise the alarm, where it is about this error; the same one again only after an hour.

        Args:
            error: What did not prove itself.
            version: Of what was verified last and stays in force.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`; the alarm is raised with the next look.
        """
        now, alarm = self._clock(), (error.code, error.detail)
        if not self._about(error) or (self._alarmed == alarm and now - self._alarmed_at < ALARM_EVERY_S):
            return
        _log.event(self._event, code=error.code, detail=error.detail)
        body: JsonObject = {
            "alarm": str(self._event),
            "error": str(error.code),
            "detail": error.detail[:200],
            "version": version,
        }
        if isinstance(error, ForkedError):
            body |= {"ours": error.ours.decode(), "theirs": error.theirs.decode()}
        entry = Entry(
            kind=EntryKind.ALARM_RAISED,
            at=int(now),
            actor=Actor.keeper(self._journal.key.name),
            correlation_id=correlation(),
            query_id=None,
            body=body,
        )
        await self._journal.record([entry])
        self._alarmed, self._alarmed_at = alarm, now
