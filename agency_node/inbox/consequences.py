"""What each choice about a referral will say to whoever asked, in plain words, before it is made. Pure."""

from dataclasses import dataclass
from typing import Final

LEAVES: Final = "The records shown leave, as far as policy lets them."
NOTHING_HELD: Final = "Your agency says that nothing is held, on your word."
KEPT_SHUT: Final = (
    "Your agency refuses: something is held that policy keeps shut. If all of that lies outside what was asked, your "
    "agency says that nothing is held, on your word."
)
NEXT_TIME: Final = (
    "Nothing leaves now: the question was answered as if none of this were held. The records shown leave when the same "
    "agency next asks for this purpose, as far as policy lets them."
)
REFUSES: Final = "Your agency refuses; it is not said why."
REFUSES_SHOWN: Final = "Your agency refuses the records shown; it is not said why."
STAYS_UNSEEN: Final = "Nobody outside hears of it: what was asked stays answered as if none of this were held."
ALONE: Final = "One who withholds is enough."


@dataclass(frozen=True, slots=True)
class Matter:
    """What a choice is about.

    Attributes:
        shown: There are records to release.
        withheld: There are others that policy withholds.
        awaited: The question itself waits for a person, whatever is held.
        silent: Nothing outside may show that somebody decides.
    """

    shown: bool
    withheld: bool = False
    awaited: bool = False
    silent: bool = False


def would_say(matter: Matter, *, people: int, released: int) -> dict[str, str]:
    """What release and withholding will say, by decision.

    Args:
        matter: What is referred.
        people: How many must agree to a release.
        released: How many have, this reader not counted.
    """
    wait = people - released - 1
    return {
        "release": f"{_first(people, wait)}{_release(matter)}",
        "withhold": f"{_withhold(matter)}{f' {ALONE}' if people > 1 else ''}",
    }


def _first(people: int, wait: int) -> str:
    if people == 1:
        return ""
    if wait > 0:
        return f"Nothing leaves yet: {people} people must release it, each for themselves. When they have: "
    return f"{people} people must release it, and you are the last of them. "


def _release(matter: Matter) -> str:
    if matter.silent:
        return NEXT_TIME
    if matter.shown or not matter.awaited:
        return LEAVES
    return KEPT_SHUT if matter.withheld else NOTHING_HELD


def _withhold(matter: Matter) -> str:
    if matter.silent:
        return STAYS_UNSEEN
    return REFUSES if matter.awaited else REFUSES_SHOWN
