"""How a service's process runs: one event loop, signals, an orderly end.

A service hands `run` its `serve` coroutine function, which builds the service, starts it, waits on
`supervisor.until_stopped()` and stops it. SIGTERM and SIGINT ask it to stop; a second one ends it at once.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final

from federation.events import Event
from federation.supervision import OnCrash, Supervisor
from federation.telemetry import EventLog

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

Serve = Callable[[Supervisor], Coroutine[Any, Any, None]]

_log = EventLog(__name__)


def run(serve: Serve, *, service: str) -> None:
    """Run a service until it ends.

    Args:
        serve: Builds, starts and stops the service.
        service: Its name in the log.

    Raises:
        WardgateError: What stopped the service; `INTERNAL` for anything unforeseen, which stands in the log.
    """
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread
    asyncio.run(_main(serve, service))


async def _main(serve: Serve, service: str) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_unretrieved)
    supervisor = Supervisor()
    _log.event(Event.SERVICE_STARTED, service=service)
    serving = supervisor.start(service, lambda: serve(supervisor), on_crash=OnCrash.STOP)

    def on_signal(received: signal.Signals) -> None:
        if supervisor.is_stopping:
            serving.cancel()
            return
        _log.event(Event.SERVICE_STOPPING, service=service, signal=received.name)
        supervisor.request_stop()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        await asyncio.wait([serving])
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        await supervisor.aclose()
        _log.event(Event.SERVICE_STOPPED, service=service)
    supervisor.raise_failure()


def _log_unretrieved(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # asyncio's own handler prints the representation of tasks and exceptions, which may hold anything.
    error = context.get("exception")
    _log.event(Event.UNHANDLED_EXCEPTION, error=error if isinstance(error, BaseException) else None)


def _log_uncaught(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    _log.event(Event.UNHANDLED_EXCEPTION, error=error)


def _log_thread(given: threading.ExceptHookArgs) -> None:
    _log.event(Event.UNHANDLED_EXCEPTION, error=given.exc_value)
