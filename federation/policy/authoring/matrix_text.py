"""A matrix as people read it in a terminal: for each purpose, those who may ask alike side by side. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from federation.policy.authoring.matrix import NOTHING, Cell, Matrix, Row


@dataclass(frozen=True, slots=True)
class Group:
    """Askers of one purpose who are permitted exactly the same.

    Attributes:
        rows: One for each of them.
    """

    rows: tuple[Row, ...]

    @property
    def refused(self) -> tuple[str, ...]:
        """Reasons against all of them."""
        return self.rows[0].refused

    def cell(self, category: str) -> Cell:
        """What they are permitted of a category."""
        return self.rows[0].cells.get(category, Cell(NOTHING, NOTHING))

    def roles(self) -> dict[str, list[str]]:
        """Roles with the kinds of agency in which they are meant."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            found.setdefault(row.asker.role, []).append(row.asker.kind)
        return found


def grouped(matrix: Matrix) -> dict[str, list[Group]]:
    """Groups by purpose."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in matrix.rows:
        alike = repr((sorted(row.cells.items(), key=lambda item: item[0]), row.refused))
        found.setdefault(row.asker.purpose, {}).setdefault(alike, []).append(row)
    return {purpose: [Group(tuple(rows)) for rows in alike.values()] for purpose, alike in found.items()}


def shown(matrix: Matrix, groups: Iterable[Group]) -> list[str]:
    """Categories of which any group is permitted anything."""
    return [name for name in matrix.categories if any(group.cell(name) != Cell(NOTHING, NOTHING) for group in groups)]


def heading(matrix: Matrix) -> str:
    """Which bundle, where and when."""
    return f"bundle revision {matrix.revision}, area {matrix.setting.area}, {matrix.setting.day.isoformat()}"


def period(matrix: Matrix, purpose: str) -> str:
    """How far back a question of a purpose goes by itself."""
    return f"without a start of its own, a question covers the last {matrix.years[purpose]} years"


def lines(matrix: Matrix) -> Iterator[str]:
    """For a terminal."""
    yield heading(matrix)
    yield "The gateway's answer, the most that any responder may be asked for; a responder may only give less."
    yield "T1 is given at once, T1+T2 is T2 on further conditions, +T1 is given on further conditions only, - is never."
    for purpose, groups in grouped(matrix).items():
        yield ""
        yield f"{purpose}: {matrix.titles['purposes'][purpose]}; {period(matrix, purpose)}"
        for number, group in enumerate(groups, 1):
            askers = "; ".join(f"{role} in {', '.join(kinds)}" for role, kinds in group.roles().items())
            yield f"  [{number}] {askers}"
            if group.refused:
                yield f"      refused: {', '.join(group.refused)}"
        yield from _table(matrix, groups)


def _table(matrix: Matrix, groups: list[Group]) -> Iterator[str]:
    names = shown(matrix, groups)
    if not names:
        return
    width = max(len(name) for name in names)
    yield f"  {'':{width}}  " + " ".join(f"{f'[{number}]':6}" for number in range(1, len(groups) + 1)).rstrip()
    for name in names:
        yield f"  {name:{width}}  " + " ".join(f"{short(group.cell(name)):6}" for group in groups).rstrip()


def short(cell: Cell) -> str:
    """A cell in at most five characters."""
    if cell.usual == cell.most:
        return cell.usual or "-"
    return f"{cell.usual}+{cell.most}"
