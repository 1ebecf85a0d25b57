"""Where decisions fail closed: in the log each time, in the ledger once an hour, in health while it lasts.

A decision that fails closed denies everything, and looks like a refusal to whoever asked. So a service is not healthy
until the entry point decides again, or nothing was asked of it for a while. An input that no schema lets through is the
asker's: it is logged and recorded, but no member can have a service reported as ill by sending one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.events import Event
from federation.policy.engine import EntryPoint, Failure
from federation.telemetry import EventLog

RECORDED_EVERY_S: Final = 3600.0
"""Least seconds between two ledger entries of one entry point and failure: an attack must not fill the ledger."""

SHOWN_S: Final = 300.0
"""Seconds for which an entry point counts as failing after its last failure, where nothing decides there since."""

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class FailedClosed:
    """A decision that became a denial although no policy said so.

    Attributes:
        entry_point: Which decision.
        failure: Why.
        decision_id: The decision's record.
        bundle: Digest of the bundle in force.
        detail: Names and numbers only.
        at: Seconds since the epoch.
    """

    entry_point: EntryPoint
    failure: Failure
    decision_id: str
    bundle: str
    detail: str
    at: float


class FailingClosed:
    """Remembers what fails closed. One for a service, shared by its decision points."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failing: dict[EntryPoint, FailedClosed] = {}
        self._recorded_at: dict[tuple[EntryPoint, Failure], float] = {}
        self._unrecorded: list[FailedClosed] = []
        self._begun = asyncio.Event()

    def failed(self, found: FailedClosed) -> None:
        """Log it, and put it down for the ledger where that has no such entry of the last hour."""
        _log.event(
            Event.POLICY_FAILED_CLOSED,
            entry_point=found.entry_point,
            reason_code=found.failure,
            decision_id=found.decision_id,
            bundle=found.bundle,
            detail=found.detail,
        )
        cause = (found.entry_point, found.failure)
        if found.at - self._recorded_at.get(cause, float("-inf")) >= RECORDED_EVERY_S:
            self._recorded_at[cause] = found.at
            self._unrecorded.append(found)
            self._begun.set()
        if found.failure is not Failure.INPUT_REJECTED:
            self._failing[found.entry_point] = found

    def decided(self, entry_point: EntryPoint) -> None:
        """The entry point gave a result that can be used."""
        self._failing.pop(entry_point, None)

    def now(self) -> frozenset[EntryPoint]:
        """The entry points that fail closed now."""
        since = self._clock() - SHOWN_S
        return frozenset(entry for entry, last in self._failing.items() if last.at > since)

    async def unrecorded(self) -> FailedClosed:
        """The first that is put down for the ledger and not written yet; waits until there is one."""
        while not self._unrecorded:
            self._begun.clear()
            await self._begun.wait()
        return self._unrecorded[0]

    def recorded(self) -> None:
        """What `unrecorded` gave last stands in the ledger."""
        del self._unrecorded[0]
