"""Makes valid input invalid: bytes, and the structure of JSON. The same seed gives the same mutations."""

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 10**400, 0.5),
    *("", " ", "\0", "\u202e", "\ud800", "A" * 5_000, "é" * 200, "00" * 32, "ff" * 32, "AAAA", "AAA="),
    *("9999-12-31", "0000-00-00", "T9", "emergency"),
    *([], {}, [[]], [{}], {"": ""}, {"__class__": "x"}),
)
"""Values that parsers stumble over, some of them of the right type."""


def mutated_bytes(content: bytes, random: Random) -> bytes:
    """Flip, cut, repeat, insert, or overwrite somewhere."""
    found = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randrange(len(found) + 1)
        match random.randrange(6):
            case 0 if found:
                found[at % len(found)] ^= 1 << random.randrange(8)
            case 1:
                del found[at : at + random.choice((1, 4, 64, len(found)))]
            case 2:
                found[at:at] = random.randbytes(random.choice((1, 2, 16)))
            case 3:
                end = at + random.choice((1, 8, 128))
                found[at:at] = found[at:end] * random.choice((1, 2, 30))
            case 4:
                found[at : at + 4] = random.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80" * 4, b"{[", b'"\\'))
            case _:
                found = found[:at]
    return bytes(found)


def mutated_json(content: bytes, random: Random) -> bytes:
    """Change, drop, rename, repeat, nest or swap values anywhere in a document."""
    document = json.loads(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        places: list[tuple[Any, Any]] = []
        _collect(document, places)
        if not places:
            break
        holder, key = random.choice(places)
        holder[key] = _changed(holder[key], random)
        _reshape(holder, key, random)
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def mutated(content: bytes, random: Random) -> bytes:
    """One of both: mostly structure, as that gets further."""
    way: Callable[[bytes, Random], bytes] = mutated_bytes if random.random() < 0.25 else mutated_json
    return way(content, random)


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        places.append((value, key))
        _collect(item, places)


def _changed(value: Any, random: Random) -> Any:
    if isinstance(value, str) and value and random.random() < 0.5:
        at = random.randrange(len(value))
        other = random.choice("0f9AZ/+=.-_ \0")
        replaced = value[:at] + other + value[at + 1 :]
        return random.choice((replaced, value[:at], value + other, value * 2, value.upper()))
    if isinstance(value, int) and not isinstance(value, bool) and random.random() < 0.5:
        return value + random.choice((-(2**40), -1, 1, 60, 86_400, 2**40))
    if isinstance(value, list) and value and random.random() < 0.5:
        return random.choice((value[1:], value * 2, value[::-1], value * (300 if len(value) < 8 else 2)))
    return deepcopy(random.choice(NASTY))


def _reshape(holder: Any, key: Any, random: Random) -> None:
    """Now and then drop or rename what was changed, or bury it."""
    chance = random.random()
    if isinstance(holder, dict) and chance < 0.1:
        value = holder.pop(key)
        if chance < 0.05:
            holder[str(key) + random.choice(("", "x", "\0"))] = value
    elif chance > 0.97:
        for _ in range(random.choice((2, 14, 60))):
            holder[key] = [holder[key]]
