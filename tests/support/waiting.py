"""Waiting for what another task or process brings about."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

LONGEST_S = 60.0
STEP_S = 0.02


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return as soon as `holds` says so; fail after a minute."""
    async with asyncio.timeout(LONGEST_S):
        while True:
            found = holds()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(STEP_S)
