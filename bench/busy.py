"""The same questions on a machine that has something else to do: is every target answered before its query expires?

Busy loops, plain processes that compute and nothing else, run beside the region while the questions are put. What
a question needs then takes longer, and nothing of it may be given up: who waits for a policy engine, a store or a place
is served later.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.table import Table

from bench.bringup import Tell, found_region, region_up
from bench.load import Load, run_load
from bench.measures import Measures
from bench.region import bench_region
from bench.report import show, unanswered_tables
from bench.samples import median
from bench.tally import Tally, write_unanswered
from bench.whole import WholeQuery
from federation.telemetry import configure_logging

GOAL_PERCENT: Final = 99
LOOP: Final = "while True: pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyPlan:
    """How much is asked.

    Attributes:
        loops: Busy loops beside the region.
        callers: Questions under way at a time.
        queries: Questions, by number of targets.
        own_processes: Responders that run as a process of their own; the others share one.
        look_again_s: How long answers are waited for that did not come by the deadline.
    """

    loops: int = 4
    callers: int = 16
    queries: Mapping[int, int] = field(default_factory=lambda: {20: 64, 100: 32})
    own_processes: int = 5
    look_again_s: float = 600


@contextmanager
def busy_loops(count: int) -> Iterator[list[int]]:
    """So many processes that compute for as long as the block lasts; their process ids."""
    loops: list[subprocess.Popen[bytes]] = []
    try:
        loops.extend(subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(count))  # noqa: S603 - our own command
        yield [loop.pid for loop in loops]
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


async def run_busy(plan: BusyPlan, out: Path, tell: Tell) -> Tally:
    """Ask beside busy loops, print and write what came of it, whatever that is.

    Raises:
        WardgateError: A service did not come up.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    tally, loads = Tally(), dict[int, Load]()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=out.parent.resolve()) as scratch:
            root = Path(scratch)
            configure_logging(service="bench", destination=root / "bench.log")
            region = bench_region(sorted(plan.queries), indexed=8)
            up = await found_region(region, root / "region", own_processes=plan.own_processes, tell=tell)
            async with region_up(up, tell):
                whole = WholeQuery(up)
                tally = whole.tally
                try:
                    await _ask(whole, plan, loads, tell)
                finally:
                    await whole.aclose()
    finally:
        _conclude(plan, tally, loads, out, tell)
    return tally


async def _ask(whole: WholeQuery, plan: BusyPlan, loads: dict[int, Load], tell: Tell) -> None:
    with busy_loops(plan.loops) as pids:
        tell(f"{len(pids)} busy loops run beside the region")
        for targets, count in plan.queries.items():
            loads[targets] = Load()
            await run_load(
                lambda targets=targets: whole.ask(targets),  # type: ignore[misc]  # the default binds the loop's value
                callers=plan.callers,
                count=count,
                into=loads[targets],
            )
            tell(f"{count} questions to {targets} agencies put")
        async with asyncio.timeout(plan.look_again_s + 60):
            await whole.look_again(plan.look_again_s)


def _conclude(plan: BusyPlan, tally: Tally, loads: Mapping[int, Load], out: Path, tell: Tell) -> None:
    measures = Measures()
    table = Table(title=f"Beside {plan.loops} busy loops, {plan.callers} questions at a time")
    for name in ("targets", "queries", "p50 s", "asked", "in time", "later", "error", "lost", "%"):
        table.add_column(name, justify="right")
    for targets, load in loads.items():
        share, seconds = tally.share(targets), load.latencies_s
        middle = f"{median(seconds):.1f}" if seconds else ""
        counts = (share.asked, share.in_time, share.later, share.errors, share.lost)
        table.add_row(str(targets), str(len(seconds)), middle, *map(str, counts), f"{share.percent:.2f}")
        name = f"busy.n{targets}.c{plan.callers}"
        measures.add(f"{name}.answered", share.percent, "%", goal=GOAL_PERCENT)
        measures.add(f"{name}.error", share.errors, "targets", goal=0)
        measures.add(f"{name}.lost", share.lost, "targets", goal=0)
        if seconds:
            measures.add(f"{name}.p50", median(seconds), "s")
    show(table, *unanswered_tables([tally]))
    measures.write(out)
    tell(f"written to {out} and {write_unanswered(out, [tally])}")
