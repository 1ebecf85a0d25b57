"""Untrusted JSON of source systems: depth limited, ambiguous objects told apart, only `ValueError` raised. Pure."""

import json
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 32
"""The deepest FHIR resource is about 12; a parser bomb needs hundreds."""


class Ambiguous(dict[str, Any]):
    """An object in which a name stands twice: which value counts is not for a reader to guess."""


def read_json(content: str | bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON.

    Fractions become text (records hold none), and an object with a repeated name becomes `Ambiguous`, as does every
    object around it short of a list.

    Raises:
        ValueError: Not JSON (RFC 8259), not UTF-8, or nested too deeply.
    """
    try:
        found = json.loads(content, object_pairs_hook=_object, parse_constant=_refuse, parse_float=str)
        _check_depth(found, MAX_DEPTH)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs) or any(isinstance(value, Ambiguous) for value in found.values()):
        return Ambiguous(found)
    return found


def _refuse(_: str) -> NoReturn:
    raise ValueError("not a number of JSON")


def _check_depth(value: object, depth: int) -> None:
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            if isinstance(member, dict | list):
                _check_depth(member, depth - 1)
