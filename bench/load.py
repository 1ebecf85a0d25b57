"""A closed loop of callers: each asks again as soon as it has its answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Once = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Load:
    """What came of a number of calls.

    Attributes:
        latencies_s: Of each call.
        elapsed_s: From the first call's start to the last one's end, all runs added.
    """

    latencies_s: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Calls a second."""
        return len(self.latencies_s) / self.elapsed_s


async def run_load(once: Once, *, callers: int, count: int, into: Load) -> None:
    """Make `count` calls, at most `callers` at a time.

    Raises:
        Exception: What a call raised; the others are given up.
    """
    left = count

    async def call() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            began = time.perf_counter()
            await once()
            into.latencies_s.append(time.perf_counter() - began)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(callers, count)):
            group.create_task(call())
    into.elapsed_s += time.perf_counter() - began
