"""What the two floors have in common: sizes, the processes they run in, and how a question is framed."""

import asyncio
import signal
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.errors import ErrorCode, WardgateError
from sandbox.processes import Started, free_ports, start_program, stop

READY_WAIT_S: Final = 30.0
_FRAME: Final = struct.Struct("!III")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of the messages of one whole query, so that a floor carries the same.

    Attributes:
        ask: The requester's question.
        task: What goes down to one responder.
        answer: What comes up from one responder, and on to the requester.
    """

    ask: int
    task: int
    answer: int


@dataclass(frozen=True, slots=True)
class Order:
    """What a floor's gateway is to do: ask so many nodes, with messages of these sizes."""

    targets: int
    task: int
    answer: int

    def frame(self, size: int) -> bytes:
        """As a message of `size` bytes."""
        return _FRAME.pack(self.targets, self.task, self.answer).ljust(size, b"\0")

    @classmethod
    def read(cls, message: bytes) -> "Order":
        """The order in a message."""
        return cls(*_FRAME.unpack_from(message))


@dataclass(frozen=True, slots=True)
class Floor:
    """One floor's processes: its gateway, and one that plays every node."""

    port: int
    gateway: Started
    nodes: Started

    @property
    def pids(self) -> dict[str, int]:
        """Their ids by name."""
        return {"gateway": self.gateway.pid, "nodes": self.nodes.pid}


@asynccontextmanager
async def running_floor(module: str, folder: Path, most: int) -> AsyncIterator[Floor]:
    """Run a floor with so many nodes for as long as the block lasts.

    Raises:
        WardgateError: `PEER_UNAVAILABLE`, naming the log to read.
    """
    gateway_port, nodes_port = free_ports(2)

    def begin(role: str) -> Started:
        ports = [str(gateway_port), str(nodes_port)]
        command = [sys.executable, "-m", f"bench.{module}", role, str(folder), *ports, str(most)]
        return start_program(f"{module}-{role}", command, log=folder / f"{module}-{role}.log")

    floor = Floor(gateway_port, begin("gateway"), begin("nodes"))
    try:
        await _until_ready(floor, folder, module)
        yield floor
    finally:
        await asyncio.to_thread(stop, [floor.nodes, floor.gateway])


async def _until_ready(floor: Floor, folder: Path, module: str) -> None:
    end = time.monotonic() + READY_WAIT_S
    for role, process in (("gateway", floor.gateway), ("nodes", floor.nodes)):
        while not ready_file(folder, module, role).exists():
            if not process.is_running() or time.monotonic() > end:
                raise WardgateError(ErrorCode.PEER_UNAVAILABLE, f"see {folder / f'{module}-{role}.log'}")
            await asyncio.sleep(0.05)


def ready_file(folder: Path, module: str, role: str) -> Path:
    """Written by a floor's process when it is ready."""
    return folder / f"{module}-{role}.ready"


async def until_told(ready: Path) -> None:
    """Say that this process is ready, and wait until it is asked to end."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    _touch(ready)
    await ended.wait()


def _touch(path: Path) -> None:
    path.touch()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a floor's process finds things.

    Attributes:
        folder: Certificates, logs, and what says that a process is ready.
        port: The gateway's.
        nodes_port: Of the process that plays every node, where that is called.
        most: Nodes to play.
    """

    folder: Path
    port: int
    nodes_port: int
    most: int


Role = Callable[[Place], Awaitable[None]]


def play(roles: dict[str, Role]) -> None:
    """Run what the command line names: `ROLE FOLDER PORT NODES_PORT MOST`."""
    role, folder, *numbers = sys.argv[1:]

    async def run() -> None:
        await roles[role](Place(Path(folder), *(int(number) for number in numbers)))

    asyncio.run(run())
