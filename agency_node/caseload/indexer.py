"""Runs the caseload: at the start, on a schedule, and when an operator asks, with progress for whoever watches."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict

from agency_node.caseload.progress import Progress
from agency_node.caseload.update import Caseload, CaseloadReport
from federation.canonical import JsonObject
from federation.errors import WardgateError
from federation.events import Event
from federation.telemetry import EventLog

_log = EventLog(__name__)


def report_json(report: CaseloadReport) -> JsonObject:
    """What a run did, for the tools."""
    found = asdict(report)
    found["phase"] = "finished"
    found["complete"] = report.is_complete
    return found


class CaseloadRuns:
    """The caseload's runs; one at a time."""

    def __init__(self, caseload: Caseload, *, every_s: int, ready: Callable[[], Awaitable[None]]) -> None:
        self._caseload = caseload
        self._every_s = every_s
        self._ready = ready
        self.last: JsonObject = {}

    async def run_forever(self) -> None:
        """Run at the start and then on schedule; a run that fails is tried again at the next turn.

        Raises:
            WardgateError: The first run failed: whoever supervises starts again soon.
        """
        await self._ready()
        await self.run()
        while self._every_s:
            await asyncio.sleep(self._every_s)
            try:
                await self.run()
            except WardgateError as error:
                _log.event(Event.CASELOAD_FAILED, code=error.code, detail=error.detail)

    async def run(self) -> None:
        """Run once now.

        Raises:
            WardgateError: As `Caseload.update`.
        """
        self.last = report_json(await self._caseload.update())

    async def watch(self) -> AsyncIterator[JsonObject]:
        """Run once now; yields progress, then the report."""
        queue: asyncio.Queue[JsonObject] = asyncio.Queue()

        def told(progress: Progress) -> None:
            queue.put_nowait(progress.as_json())

        running = asyncio.create_task(self._caseload.update(on_progress=told))
        try:
            while not running.done():
                getting = asyncio.create_task(queue.get())
                done, _ = await asyncio.wait({running, getting}, return_when=asyncio.FIRST_COMPLETED)
                if getting in done:
                    yield getting.result()
                else:
                    getting.cancel()
            self.last = report_json(await running)
            yield self.last
        finally:
            running.cancel()
