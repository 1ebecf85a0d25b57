"""Reading a caseload: children a second, and multiplications for each beside what libsodium needs for as many."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import keys.group
from agency_node.app import compose
from agency_node.foundation import lay_foundation
from agency_node.settings import NodeSettings
from bench.bringup import Up
from bench.cpu import cpu_seconds
from bench.region import INDEXER
from bench.stopwatch import replaced
from keys.pseudonym import HolderKey, blind_identifiers, unblind, verify_evaluation
from keys.secret import Secret
from keys.sodium import Sodium, sodium

COUNTED_BATCH: Final = 256
_MULTIPLY: Final = "crypto_scalarmult_ristretto255"
_HOLDERS: Final = ("gateway", "trustee")


@dataclass(frozen=True, slots=True)
class Indexed:
    """What reading a caseload took.

    Attributes:
        cpu_s: Of the node, and of both holders.
    """

    children: int
    elapsed_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Children a second."""
        return self.children / self.elapsed_s


async def index_once(up: Up) -> Indexed:
    """Read the caseload of a new node in this process; both holders are processes of their own.

    Raises:
        AssertionError: Not every child was read.
    """
    settings: NodeSettings = up.node(INDEXER)
    async with lay_foundation(settings) as base:
        await base.following.gateway.refresh()
        node = await compose(base)
        holders = sum(cpu_seconds(up.pid(holder)) for holder in _HOLDERS)
        own, began = time.process_time(), time.perf_counter()
        async for _ in node.runs.watch():
            pass
        elapsed = time.perf_counter() - began
        cpu = time.process_time() - own + sum(cpu_seconds(up.pid(holder)) for holder in _HOLDERS) - holders
        report = node.runs.last
        if not report["complete"] or not report["evaluated"]:
            raise AssertionError(f"caseload: {report}")
        return Indexed(report["evaluated"], elapsed, cpu)


def multiplications_per_child() -> float:
    """Count them: one batch through node and holders, as they do it, with a counter on libsodium's function."""
    gateway, trustee = (HolderKey(Secret.random(), role, "bench", 1) for role in ("gateway", "trustee"))
    identifiers = [f"child {number}".encode() for number in range(COUNTED_BATCH)]
    with _counting() as counted:
        blinds, blinded = blind_identifiers(identifiers)
        halfway, trustee_proof = trustee.evaluate(blinded)
        whole, gateway_proof = gateway.evaluate(halfway)
        verify_evaluation(trustee.public, blinded, halfway, trustee_proof)
        verify_evaluation(gateway.public, halfway, whole, gateway_proof)
        unblind(blinds, whole)
    return counted[0] / COUNTED_BATCH


class _CountingLibrary:
    """libsodium, whose multiplications are counted."""

    def __init__(self, library: Any, counted: list[int]) -> None:  # noqa: ANN401 - a C library has no static type
        self._library = library
        self._counted = counted

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a C function has no static type
        function = getattr(self._library, name)
        if name != _MULTIPLY:
            return function

        def counting(*args: Any) -> Any:  # noqa: ANN401 - C data
            self._counted[0] += 1
            return function(*args)

        return counting


@contextmanager
def _counting() -> Iterator[list[int]]:
    counted, opened = [0], sodium()
    watched = Sodium(opened.ffi, _CountingLibrary(opened.lib, counted))
    with replaced(keys.group, "sodium", lambda: watched):
        yield counted
