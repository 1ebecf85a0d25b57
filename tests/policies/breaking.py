"""Valid inputs with a value at every place the schema has, and every way to break one of them in one place."""

import functools
from collections.abc import Iterator
from random import Random
from typing import Any

from federation.policy.engine import EntryPoint
from tests.policies.conftest import Decide
from tests.policies.inputs import Json, Place, entry_of, golden_input, permitted_golden, places, replaced, value_at
from tests.policies.sampling import sample
from tests.policies.schema_paths import ITEM, MEMBER, Path, all_paths, at, path_of, validator, validator_at

OTHER_KINDS: tuple[Any, ...] = (None, True, 7.5, "7", [7], {"seven": 7})
TRIES = 2_000


def paths_in(entry: EntryPoint, document: Json) -> frozenset[Path]:
    """Every path at which the document has a value."""
    return frozenset(path_of(entry, place) for place in places(document))


def filled_input(entry: EntryPoint, decide: Decide) -> Json:
    """A permitted input that has a value at every path of its schema.

    It begins as the golden input that has most, and is given what is missing: any values that leave it permitted.
    """
    permitted = [golden_input(name) for name in permitted_golden() if entry_of(name) is entry]
    document = max(permitted, key=lambda candidate: len(paths_in(entry, candidate)))
    rng = Random(0)
    for path in sorted(all_paths(entry), key=lambda path: (len(path), path)):
        if path not in paths_in(entry, document):
            document = _with_path(document, entry, path, rng, decide)
    return document


def _with_path(document: Json, entry: EntryPoint, path: Path, rng: Random, decide: Decide) -> Json:
    holders = [place for place in places(document) if path_of(entry, place) == path[:-1]]
    for _ in range(TRIES):
        candidate = _extended(document, entry, rng.choice(holders), path, rng)
        if (
            path in paths_in(entry, candidate)
            and validator(entry).is_valid(candidate)
            and decide(entry, candidate)["effect"] == "permit"
        ):
            return candidate
    raise AssertionError(f"nothing found for {entry} {path} that leaves the input permitted")


def _extended(document: Json, entry: EntryPoint, holder: Place, path: Path, rng: Random) -> Json:
    value = value_at(document, holder)
    if path[-1] == ITEM and isinstance(value, list):
        return replaced(document, holder, [*value, sample(rng, entry, path)])
    if path[-1] == MEMBER and isinstance(value, dict):
        return replaced(document, holder, {**value, "member": sample(rng, entry, path)})
    return replaced(document, holder, sample(rng, entry, path[:-1]))


def required(document: Json, entry: EntryPoint) -> Iterator[tuple[Place, Path]]:
    """Every field that must be there."""
    for place in places(document):
        path = path_of(entry, place)
        if path[-1] not in {ITEM, MEMBER} and any(
            path[-1] in item.get("required", ()) for item in at(entry, path[:-1])
        ):
            yield place, path


def other_kinds(value: Json) -> list[Json]:
    """Values of other kinds than this one, what looks much like it among them."""
    return [*OTHER_KINDS, *_look_alikes(value)]


def _look_alikes(value: Json) -> list[Json]:
    match value:
        case bool():
            return [int(value)]
        case int():
            return [str(value), value + 0.5, [value]]
        case str():
            return [[value], {value: value}]
        case list():
            return [{str(number): item for number, item in enumerate(value)}]
        case dict():
            return [list(value.values())]
        case _:
            return []


@functools.cache
def _admits(entry: EntryPoint, path: Path) -> Any:
    return validator_at(entry, path).is_valid


def mistyped(document: Json, entry: EntryPoint) -> Iterator[tuple[Place, Path, Json]]:
    """Every place, with each value of another kind that the schema does not admit there."""
    for place in places(document):
        path, original = path_of(entry, place), value_at(document, place)
        for value in other_kinds(original):
            if type(value) is not type(original) and not _admits(entry, path)(value):
                yield place, path, value
