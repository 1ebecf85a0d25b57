"""Figures of policy decisions: what one costs on each engine, beside an empty policy, and how it grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.deciding import GROWTH, RECORDS, TARGETS, Bundles, decide_often, points
from bench.measures import Measures
from bench.plan import Plan
from bench.samples import MS_PER_S, US_PER_S, median, percentile, residual, slope
from federation.policy.engine import EntryPoint
from federation.policy.evaluator import PolicyPoint

GROWTH_GOAL: Final = 1.5
"""A second half of the way that costs so much more for each part than the first is no longer a straight line."""

_SIZES: Final = {EntryPoint.GATEWAY: TARGETS, EntryPoint.NODE: RECORDS}
_ROUNDS: Final = 5
"""Sizes take turns, so that a busy minute of the machine bends no line."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """One kind of decision on one engine.

    Attributes:
        real: By the rules.
        empty: By a policy that permits everything at once.
        entry: Which decision.
    """

    real: PolicyPoint
    empty: PolicyPoint
    entry: EntryPoint

    @property
    def short(self) -> str:
        """The entry point in the name of a figure."""
        return self.entry.name.lower()


async def add_policy(measures: Measures, bundles: Bundles, plan: Plan) -> None:
    """Both decisions on every engine there is, beside the empty policy, and how they grow."""
    async with points(bundles) as found:
        for engine in dict.fromkeys(engine for engine, _ in found):
            for entry in _SIZES:
                compared = _Compared(found[engine, "real"], found[engine, "empty"], entry)
                await _add_decision(measures, f"policy.{engine}", compared, plan)
                await _add_growth(measures, f"policy.{engine}.growth", compared, plan)


async def _add_decision(measures: Measures, prefix: str, compared: _Compared, plan: Plan) -> None:
    size = _SIZES[compared.entry]
    name = f"{prefix}.{compared.short}{size}"
    taken = await decide_often(compared.real, compared.entry, size, plan.decisions)
    least = await decide_often(compared.empty, compared.entry, size, plan.decisions)
    for percent in (50, 99):
        value, floor = (percentile(decided.latencies_s, percent) * MS_PER_S for decided in (taken, least))
        measures.add(f"{name}.p{percent}", value, "ms", floor=floor)
    # A server's own processor time is not in it.
    measures.add(f"{name}.cpu", taken.cpu_each_s * MS_PER_S, "ms", floor=least.cpu_each_s * MS_PER_S)


async def _add_growth(measures: Measures, prefix: str, compared: _Compared, plan: Plan) -> None:
    """The line through the middle times of every size: its slope, and how far the times are from it."""
    name = f"{prefix}.{compared.short}"
    times = await _times(compared.real, compared.entry, plan)
    least = await _times(compared.empty, compared.entry, plan)
    for (size, seconds), (_, floor) in zip(times, least, strict=True):
        measures.add(f"{name}{size}", seconds * MS_PER_S, "ms", floor=floor * MS_PER_S)
    for_each, for_each_least = slope(times)[0], slope(least)[0]
    measures.add(f"{name}.slope", for_each * US_PER_S, "us/part", floor=for_each_least * US_PER_S)
    measures.add(f"{name}.residual", residual(times) * 100, "% of the largest")
    half = len(times) // 2
    early, late = _rise(times[: half + 1]), _rise(times[half:])
    measures.add(f"{name}.late_slope", late * US_PER_S, "us/part", floor=early * US_PER_S, goal=GROWTH_GOAL)


def _rise(part: Sequence[tuple[int, float]]) -> float:
    (first, begins), (last, ends) = part[0], part[-1]
    return (ends - begins) / (last - first)


async def _times(point: PolicyPoint, entry: EntryPoint, plan: Plan) -> list[tuple[int, float]]:
    """Sizes, each with the middle time of a decision, seconds."""
    latencies: dict[int, list[float]] = {size: [] for size in GROWTH[entry]}
    rounds = min(_ROUNDS, max(2, plan.decisions // _ROUNDS))
    count = max(2, plan.decisions // (2 * rounds))
    for _ in range(rounds):
        for size in latencies:
            latencies[size] += (await decide_often(point, entry, size, count)).latencies_s
    return [(size, median(found)) for size, found in latencies.items()]
