"""Figures of what is measured by itself: small parts and the journal."""

from dataclasses import fields
from pathlib import Path
from typing import Final

from bench.journalling import a_journal, append_often, commit_each
from bench.load import Load
from bench.measures import Measures
from bench.parts import Part, Parts
from bench.plan import CALLERS, Plan
from bench.samples import MS_PER_S, US_PER_S, median, percentile

APPEND_GOALS: Final = {16: 4.0}
_ROUNDS: Final = 4


def add_parts(measures: Measures, parts: Parts) -> None:
    """Each small part's processor time."""
    for part in fields(parts):
        found = getattr(parts, part.name)
        if isinstance(found, Part):
            measures.add(f"part.{part.name}", found.cpu_s * US_PER_S, "us")


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
