"""Inputs of policy decisions of any size, grown from the bundle's own golden ones."""

import copy
import json
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any, Final

from bench.empty_policy import DIST
from federation.canonical import JsonObject
from federation.policy.engine import EntryPoint

_NAMES: Final[Mapping[EntryPoint, str]] = {
    EntryPoint.REQUESTER: "requester_front_door",
    EntryPoint.GATEWAY: "gateway_front_door",
    EntryPoint.NODE: "node_front_door",
}
_PARTS: Final[Mapping[EntryPoint, tuple[str, str]]] = {
    EntryPoint.GATEWAY: ("targets", "id"),
    EntryPoint.NODE: ("records", "ref"),
}
"""What there may be many of in an input, and what tells them apart."""


def policy_input(entry_point: EntryPoint, count: int = 0) -> JsonObject:
    """A question at the front door, with so many targets or records."""
    golden = json.loads((DIST / "golden.json").read_text(encoding="utf-8"))
    found: JsonObject = copy.deepcopy(next(item["input"] for item in golden if item["name"] == _NAMES[entry_point]))
    if entry_point in _PARTS:
        part, name = _PARTS[entry_point]
        found[part] = _grown(found[part], name, count)
    return found


def _grown(parts: Sequence[Mapping[str, Any]], name: str, count: int) -> list[JsonObject]:
    return [{**part, name: f"{part[name]}-{number}"} for number, part in enumerate(islice(cycle(parts), count))]
