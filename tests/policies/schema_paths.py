"""The schemas of policy inputs, place by place: which places there are, and what may stand there."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator

from federation.policy.engine import EntryPoint
from federation.policy.schema import SCHEMAS
from tests.policies.inputs import DIST, Json, Place

Path = tuple[str, ...]

ITEM = "[]"
"""Stands for any position of an array."""
MEMBER = "*"
"""Stands for any name in an object that is open to names."""


@functools.cache
def schema(entry: EntryPoint) -> Json:
    """What the published bundle demands of an input."""
    return json.loads((DIST / SCHEMAS[entry]).read_text())


@functools.cache
def validator(entry: EntryPoint) -> Draft202012Validator:
    """The same, ready to use."""
    return Draft202012Validator(schema(entry))


@functools.cache
def validator_at(entry: EntryPoint, path: Path) -> Draft202012Validator:
    """What is demanded of the value at a path alone."""
    return Draft202012Validator({"anyOf": list(at(entry, path)), "$defs": schema(entry).get("$defs", {})})


def at(entry: EntryPoint, path: Path) -> tuple[Json, ...]:
    """The schemas that may hold at a path; several where there are alternatives, none where there is no such place."""
    found = tuple(_alternatives(entry, schema(entry)))
    for step in path:
        found = tuple(inner for item in found for inner in _step(entry, item, step))
    return found


@functools.cache
def all_paths(entry: EntryPoint) -> frozenset[Path]:
    """Every path below the whole input."""
    return frozenset(_below(entry, schema(entry), ()))


def path_of(entry: EntryPoint, place: Place) -> Path:
    """The path of a place in a document."""
    path: Path = ()
    for step in place:
        name = ITEM if isinstance(step, int) else step
        path += (name if at(entry, (*path, name)) else MEMBER,)
    return path


def is_open(path: Path) -> bool:
    """Whether the path leads through names that the schema leaves free: no rule reads what it cannot name."""
    return MEMBER in path


def _below(entry: EntryPoint, node: Json, path: Path) -> Iterator[Path]:
    for item in _alternatives(entry, node):
        for name, inner in _steps(item).items():
            yield (*path, name)
            yield from _below(entry, inner, (*path, name))


def _step(entry: EntryPoint, node: Json, step: str) -> Iterator[Json]:
    if step in (steps := _steps(node)):
        yield from _alternatives(entry, steps[step])


def _steps(node: Json) -> Mapping[str, Json]:
    found: dict[str, Any] = dict(node.get("properties", {}))
    if isinstance(node.get("items"), dict):
        found[ITEM] = node["items"]
    if isinstance(node.get("additionalProperties"), dict):
        found[MEMBER] = node["additionalProperties"]
    return found


def _alternatives(entry: EntryPoint, node: Json) -> Iterator[Json]:
    if "$ref" in node:
        yield from _alternatives(entry, schema(entry)["$defs"][node["$ref"].removeprefix("#/$defs/")])
    elif "anyOf" in node or "oneOf" in node:
        for item in node.get("anyOf", node.get("oneOf")):
            yield from _alternatives(entry, item)
    else:
        yield node
