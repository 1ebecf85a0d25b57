"""Work that must not stop half way once it has begun: a commit together with what memory must know of it.

A journal's transaction goes on when its caller is cancelled (a client that hung up, a stream that was cut). Without
this, what follows the commit would not happen, and the process would go on with a state that its store contradicts.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from federation.events import Event
from federation.telemetry import EventLog

T = TypeVar("T")

_log = EventLog(__name__)
_running: set[asyncio.Task[Any]] = set()


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`; when the caller is cancelled meanwhile, `work` still runs to its end.

    What it raises after its caller has gone is logged, for nobody else hears of it.

    Raises:
        Exception: Whatever `work` raises.
    """
    task = asyncio.create_task(work)
    _running.add(task)  # the loop itself holds tasks only weakly
    task.add_done_callback(_running.discard)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_report)
        raise


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.event(Event.UNHANDLED_EXCEPTION, error=error)
