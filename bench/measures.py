"""Figures with a name, and the file they are written to. Pure but for `write`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure.

    Attributes:
        value: The figure.
        unit: Of `value` and `floor`.
        floor: The same for what cannot be avoided, measured in the same run; None where there is none.
        ratio: `value` over `floor`.
        goal: What `ratio` should be: at most this for costs, at least this for rates. None where none was set.
    """

    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    goal: float | None = None


class Measures:
    """Figures by name, in the order they were taken."""

    def __init__(self) -> None:
        self._found: dict[str, Measure] = {}

    def add(
        self, name: str, value: float, unit: str, *, floor: float | None = None, goal: float | None = None
    ) -> Measure:
        """Take a figure down.

        Raises:
            ValueError: There is one of this name.
        """
        if name in self._found:
            raise ValueError(f"{name} was measured already")
        ratio = value / floor if floor else None
        measure = self._found[name] = Measure(value, unit, floor, ratio, goal)
        return measure

    def __getitem__(self, name: str) -> Measure:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def as_json(self) -> Mapping[str, Mapping[str, float | str | None]]:
        """Every figure by name."""
        return {name: asdict(measure) for name, measure in self._found.items()}

    def write(self, path: Path) -> None:
        """Write every figure, in the place of what was there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")
