"""What each choice about a referral will say to whoever asked, in plain words, before it is made. Pure."""

from typing import Final

from agency_node.inbox.referral import ReferralContent

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


def would_say(content: ReferralContent, *, silent: bool, people: int, released: int) -> dict[str, str]:
    """What release and withholding will say, by decision.

    Args:
        content: What is referred.
        silent: Nothing outside may show that somebody decides.
        people: How many must agree to a release.
        released: How many have, this reader not counted.
    """
    wait = people - released - 1
    return {
        "release": f"{_first(people, wait)}{_release(content, silent=silent)}",
        "withhold": f"{_withhold(content, silent=silent)}{f' {ALONE}' if people > 1 else ''}",
    }


def _first(people: int, wait: int) -> str:
    if people == 1:
        return ""
    if wait > 0:
        return f"Nothing leaves yet: {people} people must release it, each for themselves. When they have: "
    return f"{people} people must release it, and you are the last of them. "


def _release(content: ReferralContent, *, silent: bool) -> str:
    if silent:
        return NEXT_TIME
    if content.records or not content.awaited:
        return LEAVES
    return KEPT_SHUT if content.withheld else NOTHING_HELD


def _withhold(content: ReferralContent, *, silent: bool) -> str:
    if silent:
        return STAYS_UNSEEN
    return REFUSES if content.awaited else REFUSES_SHOWN
