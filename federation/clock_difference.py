"""Two clocks that differ, as an error and a picture say it. Pure."""

import re
from dataclasses import dataclass
from typing import Final

_PARTY: Final = r"wardgate://[a-z]{1,16}/[a-z0-9-]{1,63}"
_CLOCK: Final = re.compile(rf"({_PARTY}) ({_PARTY}) (-?\d{{1,12}})(?: ({_PARTY}))?")


@dataclass(frozen=True, slots=True)
class ClockDifference:
    """Two clocks that differ: names of parties and a number, so that anybody may be told.

    Attributes:
        party: One of the two.
        other: The other one.
        ahead_s: How far the first is ahead of the second; negative where it is behind.
        wrong: Which of the two is wrong; empty where nobody knows.
    """

    party: str
    other: str
    ahead_s: int
    wrong: str = ""

    def __str__(self) -> str:
        way = "ahead of" if self.ahead_s > 0 else "behind"
        known = f"That of {self.wrong} is wrong." if self.wrong else "Whose is wrong is not known here."
        return f"The clock of {self.party} is about {abs(self.ahead_s)} seconds {way} that of {self.other}. {known}"

    def encoded(self) -> str:
        """For a header of a call."""
        return f"{self.party} {self.other} {self.ahead_s} {self.wrong}".rstrip()

    @classmethod
    def decoded(cls, text: str) -> "ClockDifference | None":
        """From a header of a call; None where it is not of that form."""
        found = _CLOCK.fullmatch(text)
        if found is None:
            return None
        party, other, ahead, wrong = found.groups()
        return cls(party, other, int(ahead), wrong or "") if wrong in (None, party, other) else None
