"""Before a ledger goes on, the other holder is asked how far it had seen it.

A database that was put back to an older state together with its keyring is whole in itself. Who watched the ledger can
tell, and tells before the service writes anything that would contradict what others hold.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.checkpoint import verify_checkpoint
from federation.ledger.journal import Journal
from federation.telemetry import EventLog
from federation.transport.backoff import Backoff

_log = EventLog(__name__)


class AskedBeforeStart:
    """Asks once, and in the background again where there was no answer: the other holder may be starting too.

    Args:
        journal: The ledger's own.
        ask: The last checkpoint of it that the other holder verified; empty for none. Raises `WardgateError`.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        journal: Journal,
        ask: Callable[[], Awaitable[bytes]],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._journal: Final = journal
        self._ask: Final = ask
        self._sleep: Final = sleep
        self._is_answered = False
        self._is_said = False

    async def check(self) -> None:
        """Ask; where there is no answer, go on without one.

        Raises:
            WardgateError: `LEDGER_INVALID`: entries are missing that the other holder has seen; `STORE_UNAVAILABLE`.
        """
        try:
            note = await self._ask()
            seen = verify_checkpoint(note, self._journal.key) if note else None
        except WardgateError as error:  # out of reach, or it shows what this ledger never signed: both prove nothing
            if not self._is_said:
                _log.event(Event.LEDGER_NOT_COMPARED, error=error)
            self._is_said = True
            return
        self._is_answered = True
        if seen is not None and not await self._journal.holds(seen):
            size = await self._journal.reader.size()
            what = f"the other holder has seen {seen.size} entries, and this ledger of {size} does not extend them"
            raise WardgateError(ErrorCode.LEDGER_INVALID, f"{what}: put the newest copy back, or recover it")

    async def run(self) -> None:
        """Ask until there is an answer.

        Raises:
            WardgateError: `LEDGER_INVALID`, as `check`: the service must stop.
        """
        backoff = Backoff()
        while not self._is_answered:
            await self._sleep(backoff.next_s())
            await self.check()
