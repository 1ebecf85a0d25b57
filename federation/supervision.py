"""Background tasks that cannot die unnoticed."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any, Final

from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.backoff import Backoff

HEALTHY_AFTER_S: Final = 60.0
"""A task that ran this long before it failed begins again with the shortest pause."""

_log = EventLog(__name__)


class OnCrash(StrEnum):
    """What to do when a task raises."""

    RESTART = "restart"
    """Log it and start again after a full-jitter pause: for work that can only be late."""
    STOP = "stop"
    """Log it and stop the service: for work without which it would be wrong to go on."""


class Supervisor:
    """Starts tasks, watches them, and says when the service must stop. Lives inside one event loop."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._monotonic = monotonic
        self._failure: WardgateError | None = None

    def start(
        self, name: str, work: Callable[[], Coroutine[Any, Any, None]], *, on_crash: OnCrash
    ) -> asyncio.Task[None]:
        """Run `work` until it returns, is stopped, or fails as `on_crash` says."""
        runner = self._restarting(name, work) if on_crash is OnCrash.RESTART else self._once(name, work)
        task = asyncio.create_task(runner, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def request_stop(self) -> None:
        """Ask the service to finish what it has begun and end."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    async def until_stopped(self) -> None:
        """Wait for a signal, or for a task without which the service cannot go on.

        Raises:
            WardgateError: What the task failed with; `INTERNAL`, naming the task, for anything unforeseen.
        """
        await self._stop.wait()
        self.raise_failure()

    def raise_failure(self) -> None:
        """Say so if a task failed that the service cannot do without.

        Raises:
            WardgateError: What it failed with; `INTERNAL`, naming the task, for anything unforeseen.
        """
        if self._failure is not None:
            raise self._failure

    async def aclose(self) -> None:
        """Cancel every task but the calling one and wait until all are gone."""
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _once(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the supervisor is where a failed task is noticed
            if error is not self._failure:  # else one task reports what another has failed with already
                _log.event(Event.TASK_CRASHED, task=name, error=error)
                unforeseen = WardgateError(ErrorCode.INTERNAL, f"task {name} failed")
                self._failure = error if isinstance(error, WardgateError) else unforeseen
            self._stop.set()

    async def _restarting(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        backoff = Backoff()
        while True:
            began = self._monotonic()
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - the supervisor is where a failed task is noticed
                if self._monotonic() - began >= HEALTHY_AFTER_S:
                    backoff.reset()
                pause_s = backoff.next_s()
                _log.event(
                    Event.TASK_RESTARTED,
                    task=name,
                    attempt=backoff.attempt,
                    delay_ms=round(pause_s * 1000),
                    error=error,
                )
                await asyncio.sleep(pause_s)
            else:
                return
