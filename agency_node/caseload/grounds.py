"""On what a claim of absence rests. Pure."""

from dataclasses import dataclass
from typing import Final

from federation.answer import DatasetReading
from federation.vocabulary import ReadingState


@dataclass(frozen=True, slots=True)
class Grounds:
    """On what a claim of absence would rest.

    Attributes:
        reading: The datasets behind the categories asked about; the same for every child.
        failing: What keeps the node from claiming absence of anything.
    """

    reading: tuple[DatasetReading, ...]
    failing: tuple[str, ...] = ()

    @property
    def are_failing(self) -> bool:
        """Whether absence cannot be claimed."""
        return bool(self.failing) or any(item.state is ReadingState.FAILING for item in self.reading)


NO_DOUBT: Final = Grounds(())
"""Nothing stands against a claim of absence, and no dataset behind it is named."""
