"""Takes the time of functions while they are in use: puts a wrapper in their place, and takes it away again.

A function's time is its own: what another watched function took within it counts for that one. The time runs on while
an asynchronous function waits, so it means something only where one query runs at a time.
"""

import functools
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, value: object) -> Iterator[None]:  # noqa: ANN401 - any class or module
    """Put something in the place of an attribute within the block."""
    original = inspect.getattr_static(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


@dataclass(frozen=True, slots=True)
class Watched:
    """A function to watch.

    Attributes:
        owner: The class or module that has it.
        name: Its name there.
        phase: What its time counts for; a name that begins with a colon goes behind the phase that called it.
    """

    owner: Any
    name: str
    phase: str


@dataclass(slots=True)
class _Running:
    phase: str
    inner_s: float = 0.0


@dataclass(slots=True)
class Stopwatch:
    """Seconds and calls by phase, since the last `take`."""

    _spent: dict[str, tuple[int, float]] = field(default_factory=dict)
    _current: ContextVar[_Running | None] = field(default_factory=lambda: ContextVar("running", default=None))

    def take(self) -> dict[str, tuple[int, float]]:
        """Calls and seconds by phase; begins anew."""
        spent, self._spent = self._spent, {}
        return spent

    @contextmanager
    def watching(self, rows: Sequence[Watched]) -> Iterator[None]:
        """Watch functions within the block."""
        with ExitStack() as stack:
            for row in rows:
                original = inspect.getattr_static(row.owner, row.name)
                stack.enter_context(replaced(row.owner, row.name, self._wrapped(row, original)))
            yield

    def _wrapped(self, row: Watched, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes and gives
                with self._timed(row):
                    return await function(*args, **kwargs)
        else:

            @functools.wraps(function)
            def watched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes and gives
                with self._timed(row):
                    return function(*args, **kwargs)

        return watched

    @contextmanager
    def _timed(self, row: Watched) -> Iterator[None]:
        outer = self._current.get()
        caller = outer.phase if outer and row.phase.startswith(":") else ""
        running = _Running(caller + row.phase)
        token = self._current.set(running)
        began = time.perf_counter()
        try:
            yield
        finally:
            passed = time.perf_counter() - began
            self._current.reset(token)
            calls, spent = self._spent.get(running.phase, (0, 0.0))
            self._spent[running.phase] = (calls + 1, spent + passed - running.inner_s)
            if outer is not None:
                outer.inner_s += passed
