"""Figures of what is measured by itself: small parts, policy decisions, the journal."""

from dataclasses import fields
from pathlib import Path
from typing import Final

from bench.deciding import GROWTH, RECORDS, TARGETS, Bundles, decide_often, points
from bench.journalling import a_journal, append_often, commit_each
from bench.load import Load
from bench.measures import Measures
from bench.parts import Part, Parts
from bench.plan import CALLERS, Plan
from bench.samples import MS_PER_S, US_PER_S, median, percentile
from federation.policy.engine import EntryPoint

APPEND_GOALS: Final = {16: 4.0}
GROWTH_GOAL: Final = 1.5
"""A second half of the way that costs so much more for each part than the first is no longer a straight line."""

_SIZES: Final = {EntryPoint.GATEWAY: TARGETS, EntryPoint.NODE: RECORDS}
_ROUNDS: Final = 4


def add_parts(measures: Measures, parts: Parts) -> None:
    """Each small part's processor time."""
    for part in fields(parts):
        found = getattr(parts, part.name)
        if isinstance(found, Part):
            measures.add(f"part.{part.name}", found.cpu_s * US_PER_S, "us")


async def add_policy(measures: Measures, bundles: Bundles, plan: Plan) -> None:
    """Both decisions on every engine there is, beside the empty policy; and whether they grow in a straight line."""
    async with points(bundles) as found:
        for (engine, bundle), point in found.items():
            if bundle != "real":
                continue
            for entry, size in _SIZES.items():
                real = await decide_often(point, entry, size, plan.decisions)
                empty = await decide_often(found[engine, "empty"], entry, size, plan.decisions)
                name = f"policy.{engine}.{_short(entry)}{size}"
                for percent in (50, 99):
                    value, floor = (percentile(taken.latencies_s, percent) * MS_PER_S for taken in (real, empty))
                    measures.add(f"{name}.p{percent}", value, "ms", floor=floor)
                measures.add(f"{name}.cpu", real.cpu_each_s * MS_PER_S, "ms", floor=empty.cpu_each_s * MS_PER_S)
        for entry, sizes in GROWTH.items():
            cpu = {
                size: (await decide_often(found["embedded", "real"], entry, size, plan.decisions)).cpu_each_s
                for size in sizes
            }
            for size, seconds in cpu.items():
                measures.add(f"policy.growth.{_short(entry)}{size}", seconds * MS_PER_S, "ms")
            first, _, middle, last = sizes
            early = (cpu[middle] - cpu[first]) / (middle - first) * US_PER_S
            late = (cpu[last] - cpu[middle]) / (last - middle) * US_PER_S
            measures.add(f"policy.growth.{_short(entry)}", late, "us/part", floor=early, goal=GROWTH_GOAL)


def _short(entry: EntryPoint) -> str:
    return entry.name.lower()


async def add_journal(measures: Measures, folder: Path, plan: Plan) -> None:
    """Durable entries a second, beside a bare database; the two take turns."""
    raw, loads = Load(), {callers: Load() for callers in CALLERS}
    async with a_journal(folder / "journal.db") as journal:
        for _ in range(_ROUNDS):
            commit_each(folder / "raw.db", plan.appends // _ROUNDS, raw)
            for callers, load in loads.items():
                await append_often(journal, callers=callers, count=plan.appends // _ROUNDS, into=load)
    measures.add("journal.raw_sqlite", raw.per_s, "entries/s")
    for callers, load in loads.items():
        goal = APPEND_GOALS.get(callers)
        measures.add(f"journal.c{callers}.rate", load.per_s, "entries/s", floor=raw.per_s, goal=goal)
        for percent, floor in ((50, median(raw.latencies_s)), (99, percentile(raw.latencies_s, 99))):
            value = percentile(load.latencies_s, percent) * MS_PER_S
            measures.add(f"journal.c{callers}.p{percent}", value, "ms", floor=floor * MS_PER_S)
