"""One id that ties together what one action caused on every side."""

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import structlog

CORRELATION_KEY: Final = "wardgate-correlation-id"
"""Metadata key, both ways."""

_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,63}")
_current: ContextVar[str] = ContextVar("wardgate_correlation_id", default="")


def mint() -> str:
    """A fresh id: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def current_correlation_id() -> str:
    """The id of what is being done in this context; empty when none was bound."""
    return _current.get()


def bind(correlation_id: str) -> None:
    """Set the id for this context and its log lines."""
    _current.set(correlation_id)
    structlog.contextvars.bind_contextvars(correlation_id=correlation_id)


@contextmanager
def correlated(correlation_id: str | None = None) -> Iterator[str]:
    """Do something under an id: for work that no call started. Mints one when none is given.

    Raises:
        ValueError: The id given is not 8 to 64 letters, digits and hyphens.
    """
    chosen = correlation_id or mint()
    if not _FORM.fullmatch(chosen):
        raise ValueError("a correlation id is 8 to 64 letters, digits and hyphens")
    token = _current.set(chosen)
    try:
        with structlog.contextvars.bound_contextvars(correlation_id=chosen):
            yield chosen
    finally:
        _current.reset(token)


def adopt(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The caller's id where it sent exactly one of the right form, else a fresh one."""
    found = [value for key, value in metadata or () if key == CORRELATION_KEY]
    if len(found) == 1 and isinstance(found[0], str) and _FORM.fullmatch(found[0]):
        return found[0]
    return mint()
