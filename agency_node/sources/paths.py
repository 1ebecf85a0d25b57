"""Where a value stands in a JSON object: dotted names, through lists, with filters. Pure.

    path    = [filters] step *( "." step )
    step    = name [filters]
    filters = 1*( "[" path ( "=" / "!=" ) text *( "|" text ) "]" )

`code.coding[system=http://snomed.info/sct].code` takes `code`, then every member of its list `coding` whose `system` is
that text, then their `code`. A step through a list goes through all of its members.

A filter chooses objects as `where` (`=`) and `unless` (`!=`) choose rows: some value at its path is among the texts, or
there is none and an empty text is among them. All filters of a step must hold; those before the first name are about
the row itself. No text holds `[`, `]` or `|`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MAX_STEPS: Final = 8
"""Of one path, a filter's included."""
MAX_FILTERS: Final = 8
"""Of one step."""
MAX_NESTING: Final = 3
"""Of filters inside filters."""

_NAME: Final = re.compile(r"[^.\[\]]+")
_INNER_NAME: Final = re.compile(r"[^.\[\]=!|]+")
_TEXTS: Final = re.compile(r"(!?=)([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which objects a step goes on with.

    Attributes:
        path: Where the object has what is compared.
        texts: What it may be; an empty text stands for nothing there.
        excludes: Whether the objects that match are left out, and not the others.
    """

    path: "Path"
    texts: tuple[str, ...]
    excludes: bool = False

    def takes(self, member: object) -> bool:
        """Whether the member is an object that the filter lets through."""
        if not isinstance(member, Mapping):
            return False
        found = [text for value in values_at(member, self.path) if (text := _text(value)) != ""]
        matches = any(text in self.texts for text in found) or (not found and "" in self.texts)
        return matches is not self.excludes


@dataclass(frozen=True, slots=True)
class Step:
    """A member's name and what its value must be; without a name, the row itself."""

    name: str
    filters: tuple[Filter, ...] = ()


Path = tuple[Step, ...]


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """The steps of a path.

    Raises:
        ValueError: It is not a path.
    """
    own, at = _filters(text, 0, 0)
    steps, at = _steps(text, at, 0)
    if at != len(text):
        raise ValueError("not a path of dotted names")
    return (Step("", own), *steps) if own else steps


def _steps(text: str, at: int, nesting: int) -> tuple[Path, int]:
    """The steps that begin at a position, and where they end."""
    name_of = _INNER_NAME if nesting else _NAME
    steps: list[Step] = []
    while True:
        found = name_of.match(text, at)
        if found is None or len(steps) == MAX_STEPS:
            raise ValueError("not a path of dotted names" if text else "an empty path")
        filters, at = _filters(text, found.end(), nesting)
        steps.append(Step(found[0], filters))
        if not text.startswith(".", at):
            return tuple(steps), at
        at += 1


def _filters(text: str, at: int, nesting: int) -> tuple[tuple[Filter, ...], int]:
    """The filters that begin at a position, none or several, and where they end."""
    filters: list[Filter] = []
    while text.startswith("[", at):
        if nesting == MAX_NESTING or len(filters) == MAX_FILTERS:
            raise ValueError("a path with too many filters")
        path, at = _steps(text, at + 1, nesting + 1)
        found = _TEXTS.match(text, at)
        if found is None:
            raise ValueError("a path with a filter that compares nothing")
        filters.append(Filter(path, tuple(found[2].split("|")), found[1] == "!="))
        at = found.end()
    return tuple(filters), at


def values_at(tree: object, path: Path) -> Iterator[object]:
    """Every value at a path, lists opened; nothing where the path leads nowhere."""
    if isinstance(tree, list):
        for member in tree:
            yield from values_at(member, path)
    elif not path:
        if tree is not None:
            yield tree
    elif isinstance(tree, Mapping):
        step = path[0]
        found = tree.get(step.name) if step.name else tree
        for member in found if isinstance(found, list) else [found]:
            if all(each.takes(member) for each in step.filters):
                yield from values_at(member, path[1:])


def _text(value: object) -> str | None:
    """A value as filters compare it; None for an object, which is there and equals no text."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else None
