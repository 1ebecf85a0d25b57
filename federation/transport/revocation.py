"""Cuts calls that are already running when their party is revoked or its certificate expires.

A check at the start of a call is not enough for a link that lives for hours. Every running call is known here, and a
sweep every few seconds asks of each what was asked at its start.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.denylist import Denials
from federation.transport.identity import Peer

SWEEP_INTERVAL_S: Final = 2.0
"""Far inside the promised 60 seconds, and thousands of links take milliseconds."""

_log = EventLog(__name__)


@dataclass(slots=True, eq=False)
class RunningCall:
    """One call that is being served."""

    peer: Peer
    method: str
    task: asyncio.Task[Any]
    cut: WardgateError | None = None


class RevocationWatch:
    """The running calls of one server."""

    def __init__(self, denials: Denials, clock: Callable[[], float]) -> None:
        self._denials = denials
        self._clock = clock
        self._calls: set[RunningCall] = set()

    def __len__(self) -> int:
        return len(self._calls)

    def enter(self, peer: Peer, method: str) -> RunningCall:
        """Admit a call that begins in the current task.

        Raises:
            WardgateError: `NOT_AUTHENTICATED`, `CERTIFICATE_REVOKED` or `REVOCATION_UNKNOWN`.
        """
        self._check(peer)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is served in a task")
        call = RunningCall(peer, method, task)
        self._calls.add(call)
        return call

    def leave(self, call: RunningCall) -> None:
        """The call has ended."""
        self._calls.discard(call)

    def sweep(self) -> int:
        """Cut every call that would not be admitted now; returns how many.

        A call stays listed until it has really ended, so one that is slow to go is cut again at the next sweep.
        """
        count = 0
        for call in list(self._calls):
            try:
                self._check(call.peer)
            except WardgateError as error:
                call.cut = error
                call.task.cancel()
                count += 1
                _log.event(
                    Event.CALL_CUT, party=str(call.peer.party), serial=call.peer.serial, method=call.method, error=error
                )
        return count

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self.sweep()

    def _check(self, peer: Peer) -> None:
        if self._clock() >= peer.expires_at:
            raise WardgateError(ErrorCode.NOT_AUTHENTICATED, f"certificate of {peer.party} has expired")
        self._denials.check(peer)
