"""Group arithmetic beside the event loop: a little is done at once, more is handed to another thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Final, TypeVar

INLINE_TARGETS: Final = 4
"""So many targets' proofs (a third of a millisecond each) hold the loop up no longer than a policy decision does, and
cost less than the way to another thread and back on a busy machine."""

T = TypeVar("T")


async def for_targets(count: int, executor: Executor, work: Callable[[], T]) -> T:
    """Do `work`, which multiplies for `count` targets, here or in a thread of `executor`.

    Raises:
        Exception: Whatever `work` raises.
    """
    if count <= INLINE_TARGETS:
        return work()
    context = copy_context()  # so that it logs, and is timed, as the caller
    return await asyncio.get_running_loop().run_in_executor(executor, context.run, work)
