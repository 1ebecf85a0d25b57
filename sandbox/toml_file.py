"""Reading region and family files: TOML, checked as a whole, a mistake named by table and key."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from federation.errors import ErrorCode, WardgateError

MAX_BYTES: Final = 8 * 1024 * 1024
_Model = TypeVar("_Model", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        WardgateError: `FILE_INVALID`.
    """
    return parse_toml(read_file(path), name=path.name)


def read_file(path: Path) -> bytes:
    """A file's content.

    Raises:
        WardgateError: `FILE_INVALID`: it is not there, or the path is none that could be (a NUL in it).
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise WardgateError(ErrorCode.FILE_INVALID, f"{path.name}: cannot be read") from error


def parse_toml(content: bytes, *, name: str) -> dict[str, Any]:
    """The tables of a file's content.

    Raises:
        WardgateError: `FILE_INVALID`.
    """
    if len(content) > MAX_BYTES:
        raise WardgateError(ErrorCode.FILE_INVALID, f"{name}: larger than {MAX_BYTES} bytes")
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        place = re.search(r"at (line \d+, column \d+|end of document)", str(error))
        what = place[0] if place else type(error).__name__
        raise WardgateError(ErrorCode.FILE_INVALID, f"{name}: not TOML: {what}") from error


def validate(model: type[_Model], raw: Mapping[str, Any], *, name: str, context: Mapping[str, Any]) -> _Model:
    """Check the tables of a file.

    Raises:
        WardgateError: `FILE_INVALID`, naming table and key of the first mistake, never a value.
    """
    try:
        return model.model_validate(raw, context=dict(context))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = _place(raw, first["loc"])
        raise WardgateError(ErrorCode.FILE_INVALID, f"{name}: {place}{first['msg']}") from None


def _place(raw: object, loc: tuple[int | str, ...]) -> str:
    """The place in the author's words: `agencies[2] (thornbury-school).users[0].role: `."""
    words = ""
    for step in loc:
        if isinstance(step, int):
            raw = raw[step] if isinstance(raw, list) and step < len(raw) else None
            words += f"[{step}]{_called(raw)}"
        else:
            raw = raw.get(step) if isinstance(raw, dict) else None
            words += f".{step}" if words else step
    return f"{words}: " if words else ""


def _called(table: object) -> str:
    found = (table.get("id") or table.get("name")) if isinstance(table, dict) else None
    return f" ({found})" if isinstance(found, str) and re.fullmatch(r"[a-z][a-z0-9.-]{0,62}", found) else ""
