"""Writes settings files, which the standard library only reads; a sandbox writes strings, numbers and tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def to_toml(content: Mapping[str, Any]) -> str:
    """TOML text of nested tables, lists of tables included; None values are left out."""
    lines: list[str] = []
    _table(content, (), lines)
    return "\n".join(lines) + "\n"


def _table(content: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {key: value for key, value in content.items() if not _is_table(value) and value is not None}
    lines.extend(f"{key} = {_value(value)}" for key, value in plain.items())
    for key, value in content.items():
        if isinstance(value, Mapping):
            lines.append(f"\n[{'.'.join((*path, key))}]")
            _table(value, (*path, key), lines)
        elif _is_table(value):
            for item in value:
                lines.append(f"\n[[{'.'.join((*path, key))}]]")
                _table(item, (*path, key), lines)


def _is_table(value: object) -> bool:
    if isinstance(value, Mapping):
        return True
    if isinstance(value, str) or not isinstance(value, Sequence):
        return False
    return bool(value) and all(isinstance(item, Mapping) for item in value)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (str, Path)):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} has no place in a settings file")
