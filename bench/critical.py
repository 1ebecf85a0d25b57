"""The parts of a whole query that must follow one another, and how long they take at least. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.parts import Part, Parts

AUDIT_ENVELOPES = 1
SIGNATURES_OF_A_QUERY = 2
"""The query's and the ticket's."""
SIGNATURES_OF_A_TASK = 3
"""A responder verifies the query's, the admission's and the trustee's."""


@dataclass(frozen=True, slots=True)
class Step:
    """Some parts in a row.

    Attributes:
        wall_s: How long they take.
        cpu_s: Of this, what keeps a core busy.
    """

    name: str
    wall_s: float
    cpu_s: float


def _step(name: str, *parts: tuple[int, Part]) -> Step:
    return Step(name, sum(n * part.wall_s for n, part in parts), sum(n * part.cpu_s for n, part in parts))


def critical_path(parts: Parts, *, targets: int, hop_s: float, fan_out_s: float) -> list[Step]:
    """What one query to so many agencies consists of, from the asker's tool to the whole picture.

    Counted is what the promises call for and nothing twice: one durable entry for each decision that must stand before
    the next step, one verification of each signature and proof by each party that must believe it. Responders work at
    once: the path leads through one of them.

    Args:
        parts: Measured by themselves.
        targets: Agencies asked.
        hop_s: One call to another process and back.
        fan_out_s: One bare fan-out to so many nodes and back to whoever asked.
    """
    p = parts
    return [
        Step("the tool's call", hop_s, 0.0),
        _step("asker: policy", (1, p.asker_policy)),
        _step(
            "asker: blind, seal, sign",
            (targets, p.multiply),
            (targets + AUDIT_ENVELOPES, p.seal),
            (SIGNATURES_OF_A_QUERY, p.sign),
        ),
        _step("asker: durable", (1, p.append)),
        Step("fan-out over gRPC", fan_out_s, 0.0),
        _step("gateway: verify", (1, p.verify)),
        _step("gateway: policy", (1, p.gateway_policy[targets])),
        _step("gateway: multiply, prove", (targets, p.multiply), (targets, p.prove)),
        Step("trustee's call", hop_s, 0.0),
        _step("trustee: verify, check proofs, durable", (1, p.verify), (targets, p.check), (1, p.append)),
        _step("trustee: multiply, prove, sign", *((targets, part) for part in (p.multiply, p.prove, p.sign))),
        _step("gateway: check proofs, verify", (targets, p.check), (targets, p.verify)),
        _step("gateway: sign, durable", (1, p.sign), (1, p.append)),
        responder_step(p),
        _step("gateway: verify, durable", (1, p.verify), (1, p.append)),
        _step("asker: verify, open, durable", (1, p.verify), (1, p.open), (1, p.append)),
    ]


def responder_step(parts: Parts) -> Step:
    """What each responder does."""
    p = parts
    return _step(
        "responder: verify, open, unblind, policy, seal, sign, durable",
        (SIGNATURES_OF_A_TASK, p.verify),
        (1, p.open),
        (1, p.unblind),
        (1, p.node_policy),
        (1, p.seal),
        (1, p.sign),
        (1, p.append),
    )


def path_s(steps: Sequence[Step]) -> float:
    """Length of the path with a core for everybody, seconds."""
    return sum(step.wall_s for step in steps)


def path_on_cores_s(steps: Sequence[Step], responder: Step, *, targets: int, cores: int) -> float:
    """The same where all responders share so many cores: work that finds no core waits."""
    waiting = max(0.0, responder.cpu_s * (targets / cores - 1))
    return path_s(steps) + waiting
