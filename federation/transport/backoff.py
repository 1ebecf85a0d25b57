"""Full jitter: how long to wait before the next attempt, so that many who failed together do not return together."""

import random
from collections.abc import Callable
from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 30.0


class Backoff:
    """Pauses drawn evenly from zero up to a ceiling that doubles from 0.5 to 30 seconds.

    Args:
        uniform: Draws a number between its two arguments; replaced in tests.
    """

    def __init__(
        self,
        *,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._uniform = uniform
        self._ceiling_s = first_s
        self.attempt = 0

    def next_s(self) -> float:
        """The pause after one more failure, in seconds."""
        self.attempt += 1
        pause = self._uniform(0.0, self._ceiling_s)
        self._ceiling_s = min(self._longest_s, self._ceiling_s * 2)
        return pause

    def reset(self) -> None:
        """An attempt succeeded: begin again at the shortest."""
        self._ceiling_s = self._first_s
        self.attempt = 0
