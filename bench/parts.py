"""The parts of a query that nothing can do without, each measured by itself: cryptography, policy, durable entries."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.deciding import Bundles, Decided, decide_often, embedded_point
from bench.journalling import a_journal, append_often, group_cpu_s
from bench.load import Load
from bench.plan import Plan
from bench.samples import median
from federation.policy.engine import EntryPoint
from keys import domains
from keys.envelope import SealingKey, seal
from keys.group import multiply, multiply_base, random_scalar
from keys.padding import pad
from keys.pseudonym import HolderKey, translation, unblind_element, verify_translation
from keys.secret import Secret
from keys.signing import SigningKey

HEADER_BYTES: Final = 1_500
QUESTION_BYTES: Final = 300
ANSWER_RECORDS: Final = 3
"""Records in one decision of a node: what a responder of the measured region holds of a child."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Attributes:
        cpu_s: Processor time.
        wall_s: Time in the middle.
    """

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Parts:
    """All of them.

    Attributes:
        prove: That one point was translated with the published keys.
        check: The same, by whoever is shown it.
    """

    multiply: Part
    prove: Part
    check: Part
    unblind: Part
    sign: Part
    verify: Part
    seal: Part
    open: Part
    append: Part
    asker_policy: Part
    node_policy: Part
    gateway_policy: dict[int, Part]
    grouped_append_cpu_s: dict[int, float]


def timed(work: Callable[[], object], count: int) -> Part:
    """Do something again and again."""
    work()
    latencies: list[float] = []
    cpu = time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        work()
        latencies.append(time.perf_counter() - began)
    return Part((time.process_time() - cpu) / count, median(latencies))


async def take_parts(plan: Plan, folder: Path) -> Parts:
    """Measure every part."""
    many, few = plan.repetitions, max(10, plan.repetitions // 10)
    scalar, point = random_scalar(), multiply_base(random_scalar())
    source, target = (HolderKey(Secret.random(), "gateway", scope, 1) for scope in ("floor-a", "floor-b"))
    moved = translation(source, target)
    proof = moved.prove(point, result := moved.apply(point))
    key, header = SigningKey.generate(), bytes(HEADER_BYTES)
    signature = key.sign(domains.QUERY, header)
    sealing, plaintext = SealingKey.generate(), pad(bytes(QUESTION_BYTES))
    sealed = seal(sealing.public, purpose="question", context=header, plaintext=plaintext)
    async with embedded_point(Bundles.install(folder / "bundles").real) as policy:
        asker = _part(await decide_often(policy, EntryPoint.REQUESTER, 0, plan.decisions))
        node = _part(await decide_often(policy, EntryPoint.NODE, ANSWER_RECORDS, plan.decisions))
        gateway = {
            size: _part(await decide_often(policy, EntryPoint.GATEWAY, size, plan.decisions)) for size in plan.targets
        }
    async with a_journal(folder / "parts.db") as journal:
        load, cpu = Load(), time.process_time()
        await append_often(journal, callers=1, count=plan.appends // 4, into=load)
        append = Part((time.process_time() - cpu) / len(load.latencies_s), median(load.latencies_s))
        grouped = {size: await group_cpu_s(journal, size=size, count=plan.appends) for size in plan.targets}
    return Parts(
        multiply=timed(lambda: multiply(scalar, point), many),
        prove=timed(lambda: moved.prove(point, result), many),
        check=timed(lambda: verify_translation(source.public, target.public, point, result, proof), many),
        unblind=timed(lambda: unblind_element(scalar, point), many),
        sign=timed(lambda: key.sign(domains.QUERY, header), many),
        verify=timed(lambda: key.verify_key.verify(signature, domains.QUERY, header), many),
        seal=timed(lambda: seal(sealing.public, purpose="question", context=header, plaintext=plaintext), few),
        open=timed(lambda: sealing.open(purpose="question", context=header, ciphertext=sealed), few),
        append=append,
        asker_policy=asker,
        node_policy=node,
        gateway_policy=gateway,
        grouped_append_cpu_s=grouped,
    )


def _part(decided: Decided) -> Part:
    return Part(decided.cpu_each_s, median(decided.latencies_s))
