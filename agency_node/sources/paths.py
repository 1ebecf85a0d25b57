"""Where a value stands in a JSON object: dotted names, through lists, with filters. Pure.

`code.coding[system=http://snomed.info/sct].code` takes `code`, then every member of its list `coding` whose `system` is
that text, then their `code`. A step through a list goes through all of its members.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_STEP: Final = re.compile(r"([^.\[\]]+)(?:\[([^\[\]=]+)=([^\[\]]*)\])?(?:\.(?=.)|$)")
MAX_STEPS: Final = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A member's name and, where given, what one of its own members must be."""

    name: str
    where: tuple[str, str] | None


@lru_cache(maxsize=4096)
def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path.

    Raises:
        ValueError: It is not a path.
    """
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or len(steps) == MAX_STEPS:
            raise ValueError("not a path of dotted names")
        steps.append(Step(found[1], (found[2], found[3]) if found[2] is not None else None))
        at = found.end()
    if not steps:
        raise ValueError("an empty path")
    return tuple(steps)


def values_at(tree: object, steps: tuple[Step, ...]) -> Iterator[object]:
    """Every value at a path, lists opened; nothing where the path leads nowhere."""
    if isinstance(tree, list):
        for member in tree:
            yield from values_at(member, steps)
    elif not steps:
        if tree is not None:
            yield tree
    elif isinstance(tree, Mapping):
        step = steps[0]
        for member in _matching(tree.get(step.name), step.where):
            yield from values_at(member, steps[1:])


def _matching(value: object, where: tuple[str, str] | None) -> Iterator[object]:
    members = value if isinstance(value, list) else [value]
    for member in members:
        if where is None or (isinstance(member, Mapping) and member.get(where[0]) == where[1]):
            yield member
