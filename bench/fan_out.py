"""Whole query and floors, taking turns, with one caller and with sixteen."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import product

from bench.cpu import metered
from bench.load import Load, run_load
from bench.plan import CALLERS, Plan

Ask = Callable[[int], Awaitable[None]]
WARM_UP = 2


@dataclass(frozen=True, slots=True)
class System:
    """Something that fans out.

    Attributes:
        ask: Asks so many agencies.
        pids: Processes whose time is taken, by name; `gateway` is one of them.
        factor: So many times as many calls as of the whole query.
    """

    name: str
    ask: Ask
    pids: Mapping[str, int]
    factor: int = 1


@dataclass(slots=True)
class Cell:
    """What came of one system, one number of targets and one number of callers."""

    load: Load = field(default_factory=Load)
    cpu_s: dict[str, float] = field(default_factory=dict)

    def cpu_per_leg_s(self, targets: int) -> float:
        """Processor time of the gateway for one target of one query."""
        return self.cpu_s["gateway"] / (len(self.load.latencies_s) * targets)


Cells = dict[tuple[str, int, int], Cell]
"""By system, targets and callers."""


async def take_turns(systems: list[System], plan: Plan, tell: Callable[[str], None]) -> Cells:
    """Measure every system with every number of targets and callers, one after the other, round by round."""
    cells: Cells = {
        (system.name, targets, callers): Cell() for system, targets, callers in product(systems, plan.targets, CALLERS)
    }
    for targets in plan.targets:
        for system in systems:
            for _ in range(WARM_UP):
                await system.ask(targets)
        for turn, callers in product(range(plan.rounds), CALLERS):
            start = turn % len(systems)
            for system in (*systems[start:], *systems[:start]):
                cell = cells[system.name, targets, callers]
                with metered(system.pids, cell.cpu_s):
                    await _run(system, targets, callers, plan.whole[targets, callers] * system.factor, cell.load)
        tell(f"{targets} targets measured")
    return cells


async def _run(system: System, targets: int, callers: int, count: int, into: Load) -> None:
    async def once() -> None:
        await system.ask(targets)

    await run_load(once, callers=callers, count=count, into=into)
