"""One id that ties together what one action caused on every side."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import structlog

from federation.correlation_id import CorrelationId

CORRELATION_KEY: Final = "wardgate-correlation-id"
"""Metadata key, both ways."""

_current: ContextVar[CorrelationId | None] = ContextVar("wardgate_correlation_id", default=None)


def current_correlation_id() -> CorrelationId | None:
    """The id of what is being done in this context; None when none was bound."""
    return _current.get()


def correlation() -> CorrelationId:
    """The id of what is being done in this context, or a fresh one where none was bound."""
    return _current.get() or CorrelationId.mint()


def bind(correlation_id: CorrelationId) -> None:
    """Set the id for this context and its log lines."""
    _current.set(correlation_id)
    structlog.contextvars.bind_contextvars(correlation_id=correlation_id)


@contextmanager
def correlated(correlation_id: str | None = None) -> Iterator[CorrelationId]:
    """Do something under an id: for work that no call started. Mints one when none is given.

    Raises:
        ValueError: The id given is not one (`CorrelationId`).
    """
    chosen = CorrelationId(correlation_id) if correlation_id else CorrelationId.mint()
    token = _current.set(chosen)
    try:
        with structlog.contextvars.bound_contextvars(correlation_id=chosen):
            yield chosen
    finally:
        _current.reset(token)


def adopt(metadata: Iterable[tuple[str, str | bytes]] | None) -> CorrelationId:
    """The caller's id where it sent exactly one of the right form, else a fresh one."""
    found = [value for key, value in metadata or () if key == CORRELATION_KEY]
    return CorrelationId.adopted(found[0] if len(found) == 1 and isinstance(found[0], str) else "")
