"""Values that the schemas admit, dense where policy looks: real codes and unknown ones, days on which law changes."""

import copy
import datetime as dt
import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random

from federation.policy.engine import EntryPoint
from tests.policies.inputs import GOLDEN, REFERENCE, Json, date, places, value_at
from tests.policies.schema_paths import ITEM, MEMBER, Path, at, path_of

UNKNOWN = ("UNHEARD_OF", "T9", "0", "-")
DATE_STEPS = {"year", "month", "day"}
PLENTY = 1 << 40

ODD_DAYS = (
    date(2024, 2, 29),
    date(2028, 2, 29),
    date(2000, 2, 29),
    date(2100, 2, 28),
    date(2027, 2, 28),
    date(2027, 3, 1),
    date(2026, 12, 31),
    date(2027, 1, 1),
    date(1900, 1, 1),
    date(2199, 12, 31),
)
NO_DAYS = (date(2027, 2, 29), date(2100, 2, 29), date(2026, 4, 31), date(2026, 2, 30))
"""The schema bounds year, month and day one by one; that they are a day is for the policy to say."""


def windows(node: Json = REFERENCE) -> Iterator[Json]:
    """Every row of the data that says from when to when it applies."""
    if isinstance(node, dict):
        if "effective_from" in node:
            yield node
        for inner in node.values():
            yield from windows(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from windows(inner)


@functools.cache
def turning_days() -> tuple[dt.date, ...]:
    """The first day of each window, and the first one after it."""
    firsts = {row["effective_from"] for row in windows()}
    lasts = {row["effective_to"] for row in windows() if row["effective_to"] is not None}
    days = {dt.date.fromisoformat(day) for day in firsts}
    days |= {dt.date.fromisoformat(day) + dt.timedelta(days=1) for day in lasts if day < "9999"}
    return tuple(sorted(day for day in days if 1900 <= day.year < 2200))


def as_date(day: dt.date) -> Json:
    """A day as policy reads it."""
    return date(day.year, day.month, day.day)


@functools.cache
def interesting_days() -> tuple[Json, ...]:
    """Real days at which a decision may change."""
    edges = [day + dt.timedelta(days=shift) for day in turning_days() for shift in (-1, 0)]
    return tuple(as_date(day) for day in edges if day.year >= 1900) + ODD_DAYS


@functools.cache
def vocabularies() -> Sequence[frozenset[str]]:
    """Sets of words that the reference data uses alike: codes of a table, and what stands under one name."""
    found: dict[str, set[str]] = defaultdict(set)
    for table, rows in REFERENCE.items():
        if isinstance(rows, dict):
            found[f"table {table}"] |= set(rows)
        for place in places(rows):
            value = value_at(rows, place)
            name = next((str(step) for step in reversed(place) if isinstance(step, str)), "")
            if isinstance(value, str):
                found[f"values {name}"].add(value)
            elif isinstance(value, dict):
                found[f"members {name}"] |= set(value)
    return tuple(frozenset(words) for words in found.values())


@functools.cache
def pools(entry: EntryPoint) -> Mapping[Path, tuple[Json, ...]]:
    """By path, the simple values of golden inputs, and the data's words of the same kind."""
    seen: dict[Path, set[Json]] = defaultdict(set)
    for item in GOLDEN.values():
        if item["entry_point"] == entry.value:
            for place in places(item["input"]):
                value = value_at(item["input"], place)
                if isinstance(value, str | int):
                    seen[path_of(entry, place)].add(value)
    return {path: tuple(sorted(_akin(values), key=str)) for path, values in seen.items()}


def _akin(values: set[Json]) -> set[Json]:
    named = {value for value in values if isinstance(value, str) and value}
    akin = [words for words in vocabularies() if 2 * len(words & named) > len(named)]
    return values.union(*akin) - {"*"}


@functools.cache
def known_objects() -> Mapping[frozenset[str], Sequence[Json]]:
    """Objects of the golden inputs and results by the names of their members: what one party says, another is asked."""
    found: dict[frozenset[str], list[Json]] = defaultdict(list)
    for item in GOLDEN.values():
        for document in (item["input"], item["result"]):
            for value in (value_at(document, place) for place in places(document)):
                if isinstance(value, dict) and value not in found[frozenset(value)]:
                    found[frozenset(value)].append(value)
    return found


def sample(rng: Random, entry: EntryPoint, path: Path) -> Json:
    """A value for a path: nearly always one the schema admits there."""
    options = at(entry, path)
    if {name for item in options for name in item.get("properties", {})} == DATE_STEPS:
        nothing = [None] if any(item.get("type") == "null" for item in options) else []
        return rng.choice([*interesting_days() * 3, *NO_DAYS, *nothing * 10])
    return _sample_one(rng, entry, path, rng.choice(options))


def _sample_one(rng: Random, entry: EntryPoint, path: Path, option: Json) -> Json:
    if "const" in option or "enum" in option:
        return rng.choice(option.get("enum", [option.get("const")]))
    kinds: Mapping[str, Callable[[Random, EntryPoint, Path, Json], Json]] = {
        "object": _an_object,
        "array": _an_array,
        "integer": _a_number,
        "boolean": lambda rng, *_: rng.random() < 0.5,
        "null": lambda *_: None,
        "string": _a_word,
    }
    return kinds[option["type"]](rng, entry, path, option)


def _a_number(rng: Random, entry: EntryPoint, path: Path, option: Json) -> Json:
    known = [value for value in pools(entry).get(path, ()) if isinstance(value, int)]
    near = [value + shift for value in known for shift in (-1, 0, 1)]
    return max(option.get("minimum", 0), min(rng.choice([*near, 0, 1, PLENTY]), option.get("maximum", PLENTY)))


def _a_word(rng: Random, entry: EntryPoint, path: Path, _: Json) -> Json:
    words = [word for word in pools(entry).get(path, ()) if isinstance(word, str)]
    return rng.choice(words if words and rng.random() < 0.9 else UNKNOWN)


def _an_array(rng: Random, entry: EntryPoint, path: Path, option: Json) -> Json:
    length = max(rng.choice([0, 1, 1, 2, 3, 8]), option.get("minItems", 0))
    return [sample(rng, entry, (*path, ITEM)) for _ in range(min(length, option.get("maxItems", length)))]


def _an_object(rng: Random, entry: EntryPoint, path: Path, option: Json) -> Json:
    if "properties" not in option:
        return {word: sample(rng, entry, (*path, MEMBER)) for word in rng.sample(UNKNOWN, rng.randint(0, 2))}
    known = known_objects().get(frozenset(option["properties"]), ())
    if known and rng.random() < 0.5:
        return copy.deepcopy(rng.choice(known))
    return {name: sample(rng, entry, (*path, name)) for name in option["properties"]}
