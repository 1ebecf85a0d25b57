"""Figures of whole queries, drawn from what was measured."""

from collections.abc import Mapping
from itertools import product
from typing import Final

from agency_node.answering.departure import DEFAULT_QUANTUM_MS, departure_s
from bench.critical import Step, critical_path, path_on_cores_s, path_s, responder_step
from bench.fan_out import Cells
from bench.indexing import Indexed, multiplications_per_child
from bench.measures import Measures
from bench.parts import Parts
from bench.phases import Taken
from bench.plan import CALLERS, PATH_TARGETS, PHASE_TARGETS, Plan
from bench.samples import MS_PER_S, US_PER_S, median, percentile
from bench.tally import Tally

WHOLE: Final = "whole query"
FLOOR: Final = "bare gRPC"
HTTP: Final = "JSON over aiohttp"
_SHORT: Final = {WHOLE: "query", FLOOR: "bare_grpc", HTTP: "aiohttp"}

ANSWER_AND_TRANSLATION: Final = 2
"""Signatures that the gateway verifies for each target: the trustee's and the responder's."""

LEG_GOAL: Final = 1.5
PATH_GOAL: Final = 1.5


def add_fan_out(measures: Measures, cells: Cells, plan: Plan) -> None:
    """Latency and throughput of whole query and floors; the floor of both others is the bare fan-out over gRPC."""
    one, many = CALLERS
    for (system, short), targets in product(_SHORT.items(), plan.targets):
        alone, floor = cells[system, targets, one].load, cells[FLOOR, targets, one].load
        busy, busy_floor = cells[system, targets, many].load, cells[FLOOR, targets, many].load
        has_floor = system != FLOOR
        name = f"{short}.n{targets}"
        for percent in (50, 99):
            least = percentile(floor.latencies_s, percent) * MS_PER_S if has_floor else None
            value = percentile(alone.latencies_s, percent) * MS_PER_S
            measures.add(f"{name}.c{one}.p{percent}", value, "ms", floor=least)
        measures.add(f"{name}.c{many}.rate", busy.per_s, "queries/s", floor=busy_floor.per_s if has_floor else None)


def add_answered(measures: Measures, tally: Tally, plan: Plan) -> None:
    """How many of the targets of whole queries were answered at all, and with anything but `error`."""
    for targets in plan.targets:
        measures.add(f"query.n{targets}.answered", tally.share(targets).percent, "%")


def add_legs(measures: Measures, cells: Cells, parts: Parts, plan: Plan) -> None:
    """Processor time of the gateway for one target, beside the sum of what cannot be avoided."""
    many = CALLERS[-1]
    for targets in plan.targets:
        bare = cells[FLOOR, targets, many].cpu_per_leg_s(targets)
        floor = {
            "bare_grpc": bare,
            "multiply": parts.multiply.cpu_s,
            "prove": parts.prove.cpu_s,
            "check": parts.check.cpu_s,
            "verify": ANSWER_AND_TRANSLATION * parts.verify.cpu_s,
            "policy_share": parts.gateway_policy[targets].cpu_s / targets,
            "append_share": parts.grouped_append_cpu_s[targets],
        }
        for name, seconds in floor.items():
            measures.add(f"leg.n{targets}.{name}", seconds * US_PER_S, "us")
        for callers in CALLERS:
            value = cells[WHOLE, targets, callers].cpu_per_leg_s(targets) * US_PER_S
            least = sum(floor.values()) * US_PER_S
            measures.add(f"leg.n{targets}.c{callers}.cpu", value, "us", floor=least, goal=LEG_GOAL)
        http = cells[HTTP, targets, many].cpu_per_leg_s(targets) * US_PER_S
        measures.add(f"leg.n{targets}.aiohttp", http, "us", floor=bare * US_PER_S)


def add_path(
    measures: Measures, cells: Cells, parts: Parts, *, hop_s: float, taken: Mapping[int, Taken], cores: int
) -> list[Step]:
    """The whole query beside its critical path, and what the interval of answers adds. Returns the path."""
    targets, one = PATH_TARGETS, CALLERS[0]
    fan_out = median(cells[FLOOR, targets, one].load.latencies_s)
    steps = critical_path(parts, targets=targets, hop_s=hop_s, fan_out_s=fan_out)
    whole = median(cells[WHOLE, targets, one].load.latencies_s) * MS_PER_S
    shared = path_on_cores_s(steps, responder_step(parts), targets=targets, cores=cores)
    name = f"path.n{targets}"
    measures.add(f"{name}.core_for_each", whole, "ms", floor=path_s(steps) * MS_PER_S, goal=PATH_GOAL)
    measures.add(f"{name}.{cores}_cores", whole, "ms", floor=shared * MS_PER_S, goal=PATH_GOAL)
    found = taken[PHASE_TARGETS]
    responder_s = sum(found.phase(phase) for phase in found.phases if phase.startswith("responder"))
    leaves_s = departure_s(0.0, responder_s, DEFAULT_QUANTUM_MS / MS_PER_S)
    measures.add("responder.answers_in", responder_s * MS_PER_S, "ms")
    measures.add(f"responder.quantum_{DEFAULT_QUANTUM_MS}ms_adds", (leaves_s - responder_s) * MS_PER_S, "ms")
    measures.add("phases.n1.whole", found.whole * MS_PER_S, "ms")
    for phase in found.phases:
        measures.add(f"phases.n1.{_slug(phase)}", found.phase(phase) * MS_PER_S, "ms")
    return steps


def _slug(phase: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in phase).split()
    return "_".join(words)


def add_indexing(measures: Measures, indexed: Indexed, parts: Parts) -> None:
    """Children a second, and processor time of all three parties for one, beside libsodium's."""
    count = multiplications_per_child()
    floor_s = count * parts.multiply.cpu_s
    measures.add("indexing.multiplications", count, "per child")
    measures.add("indexing.rate", indexed.per_s, "children/s", floor=1 / floor_s)
    measures.add("indexing.cpu", indexed.cpu_s / indexed.children * US_PER_S, "us/child", floor=floor_s * US_PER_S)
