"""When an answer leaves: on multiples of a set interval since its task arrived.

How long a look-up, a decision and the sealing take depends on what is held; when the answer is seen does not.
"""

import math
from collections.abc import Awaitable, Callable

DEFAULT_QUANTUM_MS = 50
"""Several times what an ordinary answer takes, so that nearly all leave on the first multiple."""


def departure_s(arrived_s: float, now_s: float, quantum_s: float) -> float:
    """The next multiple of the interval, in seconds of the same clock; at least one interval after arrival."""
    passed = max(now_s - arrived_s, 0.0)
    return arrived_s + max(math.ceil(passed / quantum_s), 1) * quantum_s


class Departure:
    """Holds answers back until their time.

    Args:
        quantum_ms: The interval; 0 lets answers leave at once (for measuring only).
        monotonic: Seconds that never go back.
        sleep: Waits so many seconds.
    """

    def __init__(
        self, *, quantum_ms: int, monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._quantum_s = quantum_ms / 1000
        self._monotonic = monotonic
        self._sleep = sleep

    def now(self) -> float:
        """Note the arrival of a task."""
        return self._monotonic()

    async def wait(self, arrived_s: float) -> None:
        """Return when what arrived then may leave."""
        if self._quantum_s <= 0:
            return
        left = departure_s(arrived_s, self._monotonic(), self._quantum_s) - self._monotonic()
        if left > 0:
            await self._sleep(left)
