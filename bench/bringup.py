"""Brings the measured region up: gateway, trustee, the asking node and the first five responders as real processes.

Keys, settings, introductions and enrolment are the sandbox's own; the other responders share one process.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from agency_node.settings import NodeSettings
from bench.region import ASKER, INDEXER
from gateway.settings import GatewaySettings
from sandbox.bringup import choose_ports, enrol_all, introduce, prepare_node, start_service
from sandbox.folder import SandboxFolder
from sandbox.local_calls import NodeCaller
from sandbox.processes import Started, start_program, stop
from sandbox.readiness import GatewayProbe, is_ready, until
from sandbox.region import Region

READY_WAIT_S: Final = 180.0
"""A hundred nodes start within a quarter of this on an idle machine of two cores."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Up:
    """A region.

    Attributes:
        own: Responders that run as a process of their own.
        processes: What of it runs, by service: `gateway`, `trustee`, `asker`, a responder, or `many-nodes`.
        shared: Responders in the process `many-nodes`.
    """

    folder: SandboxFolder
    processes: dict[str, Started]
    own: tuple[str, ...]
    shared: tuple[str, ...]

    def pid(self, service: str) -> int:
        """Process id of a service."""
        return self.processes[service].pid

    def node(self, agency: str) -> NodeSettings:
        """Settings of a node."""
        return NodeSettings.load(self.folder.node_config(agency))


async def found_region(region: Region, root: Path, *, own_processes: int, tell: Tell) -> Up:
    """Make everybody's keys, settings and sources, and enrol every agency; nothing runs afterwards.

    Args:
        region: The region.
        root: A folder for it.
        own_processes: So many responders are to run as a process of their own; the others will share one.
        tell: Is told how far it is.

    Raises:
        WardgateError: Whatever a step met.
    """
    responders = [plan.id for plan in region.agencies if plan.id not in {ASKER, INDEXER}]
    up = Up(SandboxFolder(root), {}, tuple(responders[:own_processes]), tuple(responders[own_processes:]))
    folder, ports = up.folder, choose_ports(region)
    introduce(region, folder, ports)
    async with _running(up):
        nodes = [prepare_node(region, plan, folder, ports) for plan in region.agencies]
        tell(f"{len(nodes)} agencies prepared")
        await _start_centre(up)
        await enrol_all(region, folder, nodes, lambda _: None)
        tell(f"{len(nodes)} agencies enrolled")
    return up


@asynccontextmanager
async def region_up(up: Up, tell: Tell) -> AsyncIterator[None]:
    """Run a region that was founded, for as long as the block lasts.

    Raises:
        WardgateError: Whatever a step met; what was started is stopped again.
    """
    async with _running(up):
        await _start_centre(up)
        await _start_nodes(up, [ASKER, *up.own])
        tell("every node has its link")
        yield


@asynccontextmanager
async def _running(up: Up) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.to_thread(stop, up.processes.values())
        up.processes.clear()


async def _start_centre(up: Up) -> None:
    for service in ("trustee", "gateway"):
        up.processes[service] = start_service(up.folder, service)
    probe = GatewayProbe(GatewaySettings.load(up.folder.gateway_config))
    try:
        await _until(up, "gateway", probe.is_serving)
    finally:
        await probe.aclose()


async def _start_nodes(up: Up, own: Sequence[str]) -> None:
    ready = up.folder.root / "many-nodes.ready"
    ready.unlink(missing_ok=True)
    if up.shared:
        command = [sys.executable, "-m", "bench.many_nodes", str(up.folder.root), str(ready), *up.shared]
        up.processes["many-nodes"] = start_program("many-nodes", command, log=up.folder.log("many-nodes.out"))
    for agency in own:
        up.processes[agency] = start_service(up.folder, agency)
    for agency in own:
        node = NodeCaller(up.node(agency))
        try:
            await _until(up, agency, partial(is_ready, node))
        finally:
            await node.aclose()
    if up.shared:

        async def is_written() -> bool:
            return ready.exists()

        await _until(up, "many-nodes", is_written)


async def _until(up: Up, service: str, check: Callable[[], Awaitable[bool]]) -> None:
    process = up.processes[service]
    await until(check, what=service, process=process, log=up.folder.log(service), wait_s=READY_WAIT_S)
