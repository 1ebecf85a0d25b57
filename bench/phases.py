"""Where the time of one whole query goes, by party and phase.

The region runs in one process, one query at a time, with a stopwatch on the functions that each party spends its time
in. With one responder nothing runs at once, so the phases add up; what is left over is the way between the parties.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import agency_node.answering.weighing
import agency_node.asking.pursuit
import gateway.admitting
from agency_node.answering.desk import Answering
from agency_node.answering.intake import Intake
from agency_node.answering.weighing import Weighing
from agency_node.answering.worker import Worker
from agency_node.asking.desk import Asking
from agency_node.asking.own_pseudonyms import OwnPseudonyms
from agency_node.asking.pursuit import Pursuits
from agency_node.caseload.lookup import Lookup
from bench.floors import Sizes
from bench.one_process import OneProcess
from bench.samples import median, slope
from bench.stopwatch import Stopwatch, Watched, replaced
from federation.ledger.journal import Journal
from federation.wire.v1 import link_pb2, query_pb2
from gateway.admitting import Admitting
from gateway.answers import Answers
from gateway.dispatch import Links
from gateway.exchange import Exchange
from gateway.translation import Translator
from gateway.trustee_client import GrpcTrustee
from trustee.translation import Translator as TrusteeTranslator

PHASES: Final[Sequence[Watched]] = (
    Watched(Asking, "_decide", "asker: decide (policy)"),
    Watched(OwnPseudonyms, "pseudonym_of", "asker: own pseudonym"),
    Watched(Asking, "_compose", "asker: compose (blind, seal, sign)"),
    Watched(Asking, "_record", "asker: store query"),
    Watched(Pursuits, "_load", "asker: load query"),
    Watched(Admitting, "_verify", "gateway: verify"),
    Watched(Admitting, "_decide", "gateway: policy"),
    Watched(gateway.admitting, "admit", "gateway: sign admission"),
    Watched(Translator, "_halves", "gateway: multiply, prove"),
    Watched(GrpcTrustee, "translate", "gateway: trustee's call (its phases included)"),
    Watched(TrusteeTranslator, "_verify", "trustee: verify"),
    Watched(TrusteeTranslator, "_check", "trustee: check"),
    Watched(TrusteeTranslator, "_verify_halves", "trustee: verify proofs"),
    Watched(TrusteeTranslator, "_record", "trustee: record"),
    Watched(TrusteeTranslator, "_finish", "trustee: multiply, prove, sign"),
    Watched(Translator, "_verified", "gateway: verify proofs, signatures"),
    Watched(Translator, "translate", "gateway: translate, the rest"),
    Watched(Admitting, "_record_admission", "gateway: admission"),
    Watched(Links, "offer", "gateway: dispatch"),
    Watched(Pursuits, "_admission", "asker: admission"),
    Watched(Pursuits, "_target", "asker: target states"),
    Watched(Intake, "_verify", "responder: verify"),
    Watched(Intake, "examine", "responder: take in"),
    Watched(agency_node.answering.weighing, "open_question", "responder: unseal"),
    Watched(Lookup, "look", "responder: look up"),
    Watched(Weighing, "_reviews", "responder: human decisions"),
    Watched(agency_node.answering.weighing, "consider", "responder: decide (policy)"),
    Watched(Answering, "_sealed_answer", "responder: minimise, seal, sign"),
    Watched(Answering, "_disclose", "responder: store answer"),
    Watched(Answers, "_verify_answer", "gateway: verify answer"),
    Watched(Answers, "answered", "gateway: store answer"),
    Watched(agency_node.asking.pursuit, "read_answer", "asker: verify and open answer"),
    Watched(Pursuits, "_answer", "asker: store answer"),
    Watched(Exchange, "acknowledge", "gateway: acknowledge"),
    Watched(Pursuits, "_acknowledge", "asker: acknowledge (gateway's included)"),
    Watched(Pursuits, "_end", "asker: close"),
    Watched(Asking, "picture", "asker: picture"),
    Watched(Journal, "record", ": durable"),
)
"""What is watched, in the order in which it begins."""

NESTED: Final = frozenset(row.phase for row in PHASES if row.owner is TrusteeTranslator) | {
    "trustee: record: durable",
    "gateway: acknowledge",
    "gateway: acknowledge: durable",
}
"""Phases whose time is part of another party's call: not to be added to it."""

WARM_UP: Final = 3


@dataclass(slots=True)
class Taken:
    """Times of queries to one number of targets.

    Attributes:
        whole_s: Of each query.
        spent_s: Of each query, by phase.
        calls: Of the last query, by phase.
    """

    whole_s: list[float] = field(default_factory=list)
    spent_s: list[Mapping[str, float]] = field(default_factory=list)
    calls: Mapping[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> float:
        """Of the query in the middle, seconds."""
        return median(self.whole_s)

    def phase(self, name: str) -> float:
        """A phase's time in the middle, seconds."""
        return median([spent.get(name, 0.0) for spent in self.spent_s])

    @property
    def phases(self) -> list[str]:
        """Names of the phases there were, in the order of `PHASES`."""
        order = [row.phase for row in PHASES]
        return sorted(self.calls, key=lambda name: (order.index(name.removesuffix(": durable")), name))

    @property
    def between(self) -> float:
        """What no phase accounts for: gRPC, TLS, the event loop; seconds."""
        return self.whole - sum(self.phase(name) for name in self.calls if name not in NESTED)


async def take_phases(one: OneProcess, targets: int, count: int) -> Taken:
    """Ask, one question after another."""
    taken, watch = Taken(), Stopwatch()
    with watch.watching(PHASES):
        for number in range(WARM_UP + count):
            began = time.perf_counter()
            await one.ask(targets)
            whole, spent = time.perf_counter() - began, watch.take()
            if number >= WARM_UP:
                taken.whole_s.append(whole)
                taken.spent_s.append({name: seconds for name, (_, seconds) in spent.items()})
                taken.calls = {name: calls for name, (calls, _) in spent.items() if name[0] not in "-:"}
    return taken


async def take_sizes(one: OneProcess, targets: int) -> Sizes:
    """Bytes of the messages of one query."""
    seen: dict[str, int] = {}

    with (
        _seen(Exchange, "ask", query_pb2.AskRequest, seen),
        _seen(Worker, "deliver", link_pb2.Task, seen),
        _seen(Answers, "answered", query_pb2.SealedAnswer, seen),
    ):
        await one.ask(targets)
    return Sizes(ask=seen["ask"], task=seen["deliver"], answer=seen["answered"])


def sizes_of(targets: int, seen: Mapping[int, Sizes]) -> Sizes:
    """Sizes with so many targets: each target adds the same to question and task, and nothing to an answer."""

    def at(size: Callable[[Sizes], int]) -> int:
        growth, start = slope([(count, size(found)) for count, found in seen.items()])
        return round(start + growth * targets)

    return Sizes(
        ask=at(lambda found: found.ask), task=at(lambda found: found.task), answer=at(lambda found: found.answer)
    )


@contextmanager
def _seen(owner: Any, name: str, message: type[Any], seen: dict[str, int]) -> Iterator[None]:  # noqa: ANN401 - any class
    """Note the size of the message that a method is given."""
    original = getattr(owner, name)

    def noting(*args: Any) -> Any:  # noqa: ANN401 - whatever the method takes and gives
        seen[name] = next(argument.ByteSize() for argument in args if isinstance(argument, message))
        return original(*args)

    with replaced(owner, name, noting):
        yield
