"""One run: found the region, watch it in one process, measure it in many beside the floors, and the parts alone."""

import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import bare_grpc, bare_http
from bench.bringup import Up, found_region, region_up
from bench.deciding import Bundles
from bench.fan_out import Cells, System, take_turns
from bench.figures import FLOOR, HTTP, WHOLE, add_answered, add_fan_out, add_indexing, add_legs, add_path
from bench.figures_alone import add_journal, add_parts
from bench.floors import Sizes, running_floor
from bench.indexing import Indexed, index_once
from bench.load import Load, run_load
from bench.measures import Measures
from bench.one_process import one_process
from bench.parts import take_parts
from bench.phases import Taken, sizes_of, take_phases, take_sizes
from bench.pki import make_certificates
from bench.plan import Plan
from bench.policy_figures import add_policy
from bench.region import bench_region, responder
from bench.report import (
    fan_out_table,
    measures_table,
    path_table,
    phases_table,
    show,
    spent_table,
    unanswered_tables,
)
from bench.samples import median
from bench.tally import Tally, write_unanswered
from bench.whole import WholeQuery
from federation.telemetry import configure_logging

CORES: Final = len(os.sched_getaffinity(0))
HOPS: Final = 200
LOOK_AGAIN_S: Final = 60
"""How long answers are waited for that did not come by their query's deadline."""


class Diary:
    """Says what is going on, with the time since the start; keeps what became of the queries that were put."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.tallies: list[Tally] = []

    def __call__(self, text: str) -> None:
        """Say it."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)


@dataclass(frozen=True, slots=True)
class _InMany:
    """What was measured with a process for each party."""

    cells: Cells
    hop_s: float
    indexed: Indexed


async def run(plan: Plan, out: Path, *, policy_only: bool = False) -> None:
    """Measure, print and write.

    Args:
        plan: How much.
        out: Where the figures are written.
        policy_only: Measure the decisions of policy and nothing else.

    Raises:
        WardgateError: A service did not come up, or a part that is measured alone was refused. What had been measured
            is printed and written all the same.
    """
    tell, measures = Diary(), Measures()
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=out.parent.resolve()) as scratch:
            root = Path(scratch)
            configure_logging(service="bench", destination=root / "bench.log")
            if policy_only:
                await add_policy(measures, Bundles.install(root / "bundles"), plan)
            else:
                await _measure(plan, root, measures, tell)
    finally:
        measures.write(out)
        show(measures_table(measures), *unanswered_tables(tell.tallies))
        tell(f"written to {out} and {write_unanswered(out, tell.tallies)}")


async def _measure(plan: Plan, root: Path, measures: Measures, tell: Diary) -> None:
    parts = await take_parts(plan, root / "parts")
    tell("parts measured by themselves")
    await add_policy(measures, Bundles.install(root / "bundles"), plan)
    tell("policy decisions measured")
    await add_journal(measures, root, plan)
    tell("journal measured")
    region = bench_region(sorted({*plan.phase_sizes, *plan.targets}), indexed=plan.indexed)
    up = await found_region(region, root / "region", own_processes=plan.own_processes, tell=tell)
    taken, sizes = await _watch(up, plan, tell)
    tell("phases taken, in one process")
    async with region_up(up, tell):
        tell(_who_runs(up))
        found = await _in_many(up, plan, sizes, root / "floors", tell)
    add_fan_out(measures, found.cells, plan)
    add_answered(measures, tell.tallies[-1], plan)
    add_legs(measures, found.cells, parts, plan)
    steps = add_path(measures, found.cells, parts, hop_s=found.hop_s, taken=taken, cores=CORES)
    add_indexing(measures, found.indexed, parts)
    add_parts(measures, parts)
    show(
        fan_out_table(found.cells, plan),
        spent_table(found.cells, plan, WHOLE),
        phases_table(taken),
        path_table(steps, f"Critical path of a query to {plan.targets[0]} agencies, its parts measured alone"),
    )


async def _watch(up: Up, plan: Plan, tell: Diary) -> tuple[dict[int, Taken], dict[int, Sizes]]:
    """Phases, and the sizes of messages, with the whole region in this process."""
    async with one_process(up.folder, [responder(number + 1) for number in range(max(plan.phase_sizes))]) as one:
        tell.tallies.append(one.tally)
        taken = {targets: await take_phases(one, targets, plan.phase_queries) for targets in plan.phase_sizes}
        seen = {targets: await take_sizes(one, targets) for targets in plan.phase_sizes}
    return taken, {targets: sizes_of(targets, seen) for targets in plan.targets}


async def _in_many(up: Up, plan: Plan, sizes: dict[int, Sizes], folder: Path, tell: Diary) -> _InMany:
    make_certificates(folder)
    most = max(plan.targets)
    async with (
        _asking(up) as whole,
        running_floor(bare_grpc.MODULE, folder, most) as grpc_floor,
        running_floor(bare_http.MODULE, folder, most) as http_floor,
    ):
        tell.tallies.append(whole.tally)
        bare, http = bare_grpc.GrpcFanOut(folder, grpc_floor.port), bare_http.HttpFanOut(folder, http_floor.port)
        try:
            cells = await take_turns(
                [
                    System(WHOLE, whole.ask, {name: process.pid for name, process in up.processes.items()}),
                    System(FLOOR, lambda n: bare.ask(n, sizes[n]), grpc_floor.pids, plan.floor_factor),
                    System(HTTP, lambda n: http.ask(n, sizes[n]), http_floor.pids, plan.floor_factor),
                ],
                plan,
                tell,
            )
            await whole.look_again(LOOK_AGAIN_S)
            hops = Load()
            await run_load(bare.ping, callers=1, count=HOPS, into=hops)
        finally:
            await bare.aclose()
            await http.aclose()
        indexed = await index_once(up)
        tell(f"caseload of {indexed.children} children read")
    return _InMany(cells, median(hops.latencies_s), indexed)


@asynccontextmanager
async def _asking(up: Up) -> AsyncIterator[WholeQuery]:
    whole = WholeQuery(up)
    try:
        yield whole
    finally:
        await whole.aclose()


def _who_runs(up: Up) -> str:
    alone = [name for name in up.processes if name != "many-nodes"]
    shared = f"; one process holds {len(up.shared)} responders" if up.shared else ""
    return f"{CORES} cores; a process each: {', '.join(alone)}{shared}"
