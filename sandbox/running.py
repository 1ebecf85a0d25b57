"""A sandbox's life: up, status, down. What runs is written to its folder at every step, so `down` always finds it."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from agency_node.settings import NodeSettings
from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from gateway.settings import GatewaySettings
from sandbox.bringup import (
    READY_WAIT_S,
    SLOW_LINE,
    choose_ports,
    enrol_all,
    introduce,
    prepare_node,
    start_opa,
    start_service,
    start_slow_line,
)
from sandbox.folder import SandboxFolder
from sandbox.local_calls import NodeCaller
from sandbox.processes import Started, stop
from sandbox.readiness import GatewayProbe, is_ready, until
from sandbox.region import AgencyPlan, Region
from sandbox.sources import break_source

Tell = Callable[[str], None]
OWN_FOLDERS: Final = ("auditor", "gateway", "logs", "nodes", "operators", "people", "policy", "trustee")
"""What `up` makes in its folder, and may remove before it begins anew."""
FIRST_READING: Final = "The first reading, compared with what the generator wrote."


def is_up(folder: SandboxFolder) -> bool:
    """Whether anything of a sandbox runs in this folder."""
    return folder.state_file.exists() and any(process.is_running() for process in processes_of(folder))


def processes_of(folder: SandboxFolder) -> list[Started]:
    """What `up` started."""
    return [Started(**item) for item in folder.read_state()["processes"]]


async def bring_up(region: Region, folder: SandboxFolder, tell: Tell) -> None:
    """Start a whole region and wait until every service says that it is usable.

    Raises:
        WardgateError: `FILE_INVALID` when something runs in the folder already, or whatever a step met; what was
            started is stopped again.
    """
    if is_up(folder):
        raise WardgateError(ErrorCode.FILE_INVALID, "a sandbox is up in this folder; take it down first")
    _clear(folder.root)
    running: list[Started] = []
    try:
        await _bring_up(region, folder, tell, running)
    except BaseException:
        await asyncio.to_thread(stop, running)
        raise


def _clear(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name in OWN_FOLDERS:
        shutil.rmtree(root / name, ignore_errors=True)


async def _bring_up(region: Region, folder: SandboxFolder, tell: Tell, running: list[Started]) -> None:
    ports = choose_ports(region)

    def note(process: Started) -> Started:
        running.append(process)
        folder.write_state(
            {
                "region": region.name,
                "agencies": [plan.id for plan in region.agencies],
                "offline": [plan.id for plan in region.agencies if plan.faults.offline],
                "ports": {"gateway": ports.gateway, "trustee": ports.trustee, "nodes": ports.nodes},
                "processes": [item.as_json() for item in running],
            }
        )
        return process

    introduce(region, folder, ports)
    if region.policy.engine == "server" and not region.policy.server_url:
        note(start_opa(ports.opa_url(region), folder))
    note(start_service(folder, "trustee"))
    gateway = note(start_service(folder, "gateway"))
    nodes = [prepare_node(region, plan, folder, ports) for plan in region.agencies]
    tell(f"{len(nodes)} agencies prepared, each with keys and source systems of its own")
    probe = GatewayProbe(GatewaySettings.load(folder.gateway_config))
    try:
        await until(probe.is_serving, what="gateway", process=gateway, log=folder.log("gateway"), wait_s=READY_WAIT_S)
    finally:
        await probe.aclose()
    tell("trustee and gateway are up")
    await enrol_all(region, folder, nodes, tell)
    online = [plan.id for plan in region.agencies if not plan.faults.offline]
    stewards = {plan.id: _steward(plan) for plan in region.agencies}
    failing = {plan.id for plan in region.agencies if plan.faults.source_failing}
    for plan in region.agencies:
        if plan.faults.slow_ms and not plan.faults.offline:
            note(start_slow_line(plan, folder, ports))
    started = {agency: note(start_service(folder, agency)) for agency in online}
    await asyncio.gather(
        *(
            _node_ready(
                node,
                started[node.agency],
                folder,
                tell,
                steward=stewards[node.agency],
                source_fails=node.agency in failing,
            )
            for node in nodes
            if node.agency in started
        )
    )


def _steward(plan: AgencyPlan) -> str:
    """Who accepts what an agency's sources look like; empty where nobody can."""
    return next((user.id for user in plan.users if not user.conflicted and user.employment_ends is None), "")


async def _node_ready(
    settings: NodeSettings, process: Started, folder: SandboxFolder, tell: Tell, *, steward: str, source_fails: bool
) -> None:
    """Wait for a node, and accept its first reading as its steward would.

    Then take its first source away, where the region says so: its last caseload stays in force.
    """
    caller = NodeCaller(settings)
    try:
        await until(
            lambda: is_ready(caller),
            what=settings.agency,
            process=process,
            log=folder.log(settings.agency),
            wait_s=READY_WAIT_S,
        )
        status = await caller.status()
        if steward:
            await caller.accept_sources(steward, FIRST_READING)
        if source_fails:
            break_source(settings.sources[0].location)
            await caller.index()
    finally:
        await caller.aclose()
    tell(f"{settings.agency}: {status['caseload']['last_run']['children']} children on its caseload, link up")


def take_down(folder: SandboxFolder) -> list[str]:
    """End everything that `up` started; returns the services that had to be killed."""
    killed = stop(processes_of(folder))
    state = folder.read_state()
    folder.write_state({**state, "processes": []})
    return killed


async def status_of(folder: SandboxFolder) -> JsonObject:
    """What runs and how it is, each service by its own word.

    Raises:
        WardgateError: `FILE_INVALID`: there is no sandbox in this folder.
    """
    state = folder.read_state()
    services: dict[str, Any] = {}
    for process in processes_of(folder):
        entry: dict[str, Any] = {"pid": process.pid, "running": process.is_running()}
        entry |= await _health(folder, process)
        services[process.service] = entry
    for agency in state["offline"]:
        services[agency] = {"pid": 0, "running": False, "fault": "offline"}
    up = bool(services) and all(item["running"] or "fault" in item for item in services.values())
    return {"region": state["region"], "up": up, "ports": state["ports"], "services": services}


async def _health(folder: SandboxFolder, process: Started) -> dict[str, Any]:
    if not process.is_running() or process.service in {"trustee", "opa"} or process.service.startswith(SLOW_LINE):
        return {}
    try:
        if process.service == "gateway":
            probe = GatewayProbe(GatewaySettings.load(folder.gateway_config))
            try:
                return {"components": await probe.components()}
            finally:
                await probe.aclose()
        node = NodeCaller(NodeSettings.load(folder.node_config(process.service)))
        try:
            return dict(await node.status())
        finally:
            await node.aclose()
    except WardgateError as error:
        return {"error": str(error.code)}
