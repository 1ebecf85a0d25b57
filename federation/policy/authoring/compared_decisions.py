"""Two decisions on one input compared: what more, and what less, the newer gives. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from federation.policy.authoring.change import Direction, Found
from federation.policy.authoring.comparators import (
    TIERS,
    alternatives,
    columns,
    members,
    number,
    rank,
    rows,
    switch,
    unclear,
    words,
)

Json = Any


def redactions(old: Sequence[str], new: Sequence[str]) -> Found:
    """Marks of fields taken out: one that appears tells something; what one that goes gave way to is seen elsewhere."""
    for name in sorted(set(new) - set(old)):
        yield Direction.UNCLEAR, f"field {name} is said to be redacted now"
    for name in sorted(set(old) - set(new)):
        yield Direction.OTHER, f"field {name} is not said to be redacted any more"


EFFECTS: Final = ("deny", "withhold", "refer", "permit")

LISTS: Final = {
    "reasons": members("reason {} is given", "reason {} is not given any more", more_is_wider=True),
    "obligations": members("obligation {} is laid down", "obligation {} falls away", more_is_wider=False),
    "fields": members("field {} is released", "field {} is no longer released", more_is_wider=True),
    "redactions": redactions,
    "grounds": words("grounds of what is released"),
    "processing": words("conditions of data protection law"),
    "parts": members("{} may be shown", "{} may no longer be shown", more_is_wider=True),
}

PART: Final = columns(
    {
        **LISTS,
        "effect": rank("effect", EFFECTS),
        "tier": rank("tier", TIERS),
        "shown_as": unclear("the name under which it is shown"),
        "categories": rows(
            (Direction.WIDENED, "category {} at {}"),
            (Direction.NARROWED, "category {} is gone"),
            rank("tier", TIERS),
        ),
    }
)

GONE: Final = (Direction.UNCLEAR, "{} is not decided on any more")
NEW: Final = (Direction.UNCLEAR, "{} is decided on now")

WHOLE: Final = columns(
    {
        **LISTS,
        "effect": rank("effect", EFFECTS),
        "existence": rank("existence", ("hidden", "visible")),
        "older": switch("something older is told of now", "nothing older is told of any more", on_is_wider=True),
        "person": columns(
            {
                "awaited": switch("a person answers first now", "no person answers first any more", on_is_wider=False),
                "people": number("people who must agree", higher_is_wider=False),
                "roles": alternatives("rights of those who decide"),
            }
        ),
        "absence_confirmed": unclear("whether absence is confirmed"),
        "expires_in_s": number("seconds for which it holds"),
        "targets": rows(NEW, GONE, PART, "target {}"),
        "records": rows(NEW, GONE, PART, "record {}"),
    }
)


def decisions(old: Mapping[str, Any], new: Mapping[str, Any]) -> Found:
    """How two results differ. A reason that comes or goes only explains: what it does is seen in the rest."""
    for direction, text in WHOLE(_keyed(old), _keyed(new)):
        is_reason = "reason " in text and text.endswith(("is given", "is not given any more"))
        yield Direction.OTHER if is_reason else direction, text


def _keyed(result: Mapping[str, Any]) -> dict[str, Any]:
    """Lists of objects as mappings by their names, and reasons as their codes."""
    shapes: Mapping[str, Callable[[list[Json]], Json]] = {
        "reasons": lambda items: [item["code"] for item in items],
        "obligations": lambda items: [_obligation(item) for item in items],
        "targets": lambda items: {item["agency"]: _keyed(item) for item in items},
        "records": lambda items: {item["ref"]: _keyed(item) for item in items},
        "categories": lambda items: {item["name"]: item["tier"] for item in items},
    }
    return {
        key: shapes[key](value) if key in shapes else value
        for key, value in result.items()
        if key not in {"agency", "ref"}
    }


def _obligation(item: Mapping[str, Any]) -> str:
    params = ", ".join(f"{key} {value}" for key, value in sorted(item["params"].items()))
    return f"{item['id']} ({params})" if params else str(item["id"])
