"""Tables for people."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from bench.critical import Step
from bench.fan_out import Cells
from bench.measures import Measures
from bench.phases import NESTED, Taken
from bench.plan import CALLERS, Plan
from bench.samples import MS_PER_S, US_PER_S, median, percentile
from bench.tally import Tally


def fan_out_table(cells: Cells, plan: Plan) -> Table:
    """Whole query beside the floors."""
    table = Table(title="Whole query beside bare fan-outs (taking turns)")
    for name in ("targets", "callers", "", "p50 ms", "p99 ms", "a second", "gateway CPU us a leg", "calls"):
        table.add_column(name, justify="left" if not name else "right")
    for targets in plan.targets:
        for callers in CALLERS:
            for (name, of_targets, of_callers), cell in cells.items():
                if (of_targets, of_callers) == (targets, callers):
                    latencies = cell.load.latencies_s
                    table.add_row(
                        str(targets),
                        str(callers),
                        name,
                        f"{median(latencies) * MS_PER_S:.2f}",
                        f"{percentile(latencies, 99) * MS_PER_S:.2f}",
                        f"{cell.load.per_s:.1f}",
                        f"{cell.cpu_per_leg_s(targets) * US_PER_S:.0f}",
                        str(len(latencies)),
                    )
            table.add_section()
    return table


def spent_table(cells: Cells, plan: Plan, whole: str) -> Table:
    """Who uses how much processor time for one whole query."""
    names = list(cells[whole, plan.targets[0], CALLERS[-1]].cpu_s)
    table = Table(title=f"Processor time of one whole query, ms, {CALLERS[-1]} callers")
    for name in ("targets", *names):
        table.add_column(name, justify="right")
    for targets in plan.targets:
        cell = cells[whole, targets, CALLERS[-1]]
        count = len(cell.load.latencies_s)
        table.add_row(str(targets), *(f"{cell.cpu_s[name] / count * MS_PER_S:.1f}" for name in names))
    return table


def phases_table(taken: Mapping[int, Taken]) -> Table:
    """Where the time of one query goes."""
    first, *others = taken
    table = Table(
        title="Where the time of one query goes: own time of each phase, ms, one process, one query at a time",
        caption=f"Phases add up for {first} target. With more, responders and gateway wait for each other in one "
        "process: only what comes before the dispatch can be compared.\nIndented: within the call above it.",
    )
    table.add_column("phase")
    for targets in taken:
        table.add_column(f"calls, {targets}", justify="right")
        table.add_column("ms", justify="right")
    for name in taken[first].phases:
        cells = [(str(taken[size].calls.get(name, 0)), f"{taken[size].phase(name) * MS_PER_S:.2f}") for size in taken]
        table.add_row(f"  {name}" if name in NESTED else name, *(text for pair in cells for text in pair))
    table.add_section()
    blanks = [text for _ in others for text in ("", "")]
    table.add_row("between the parties", "", f"{taken[first].between * MS_PER_S:.2f}", *blanks)
    wholes = [text for size in taken for text in ("", f"{taken[size].whole * MS_PER_S:.2f}")]
    table.add_row("whole", *wholes)
    return table


def path_table(steps: Sequence[Step], title: str) -> Table:
    """A critical path."""
    table = Table(title=title)
    table.add_column("step")
    table.add_column("ms", justify="right")
    for step in steps:
        table.add_row(step.name, f"{step.wall_s * MS_PER_S:.2f}")
    table.add_section()
    table.add_row("all", f"{sum(step.wall_s for step in steps) * MS_PER_S:.2f}")
    return table


def measures_table(measures: Measures) -> Table:
    """Every figure with its floor."""
    table = Table(title="Figures")
    table.add_column("measure")
    for name in ("value", "floor", "unit", "ratio", "goal"):
        table.add_column(name, justify="left" if name == "unit" else "right")
    for name in measures:
        found = measures[name]
        table.add_row(
            name,
            f"{found.value:,.2f}",
            "" if found.floor is None else f"{found.floor:,.2f}",
            found.unit,
            "" if found.ratio is None else f"{found.ratio:.2f}",
            "" if found.goal is None else f"{found.goal:g}",
        )
    return table


def unanswered_tables(tallies: Iterable[Tally]) -> list[Table]:
    """One table of every target that gave no answer in time, or `error`; none where there was no such target."""
    found = [item for tally in tallies for item in tally.unanswered()]
    if not found:
        return []
    table = Table(title="Not answered in time, or with `error`")
    for name in ("targets", "agency", "state", "outcome", "fault", "later"):
        table.add_column(name)
    for item in found:
        table.add_row(str(item.targets), item.agency, item.state, item.outcome, item.fault, item.later)
    return [table]


def show(*tables: Table) -> None:
    """Print tables, one below the other."""
    console = Console()
    for table in tables:
        console.print(table)
        console.print()
