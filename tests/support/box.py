"""A whole small region in separate processes, for tests that ask, kill, stop and look."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agency_node.asking.question import QuestionDocument
from agency_node.settings import NodeSettings
from agency_node.teams.leading import TeamWish
from federation.ledger.entry import EntryKind
from federation.ledger.reader import Criteria, Reader
from federation.store import open_engine, sqlite_url
from federation.vocabulary import FamilyInformed
from gateway.operating import SETTINGS
from sandbox.bringup import start_service
from sandbox.folder import SandboxFolder
from sandbox.local_calls import NodeCaller
from sandbox.operating import INVITES
from sandbox.processes import Started
from sandbox.region import Region, parse_region
from sandbox.running import bring_up, processes_of, status_of, take_down

REGION = Path(__file__).parent.parent / "system" / "region.toml"

KNOWN = "999 000 0018"
"""Held by all but youth justice."""
PROTECTED = "999 000 0026"
"""Held by police under witness protection."""
NOBODY = "999 000 0042"
"""Held by nobody."""
LONG_KNOWN = "999 000 0077"
"""Known for six years to children's services, school and youth justice."""
KNOWN_BEFORE = "999 000 0085"
"""On a plan that ended six years ago."""
KNOWN_BEFORE_SEALED = "999 000 0093"
"""The same, from before an adoption."""

CATEGORIES = ("police_incident", "police_known", "attendance", "gp_registration", "youth_justice")

FRONT_DOOR = [
    "--purpose", "FRONT_DOOR", "--urgency", "routine", "--family-informed", "unsafe",
    "--category", "police_incident:T1", "--category", "police_known:T1", "--category", "attendance:T1",
    "--category", "gp_registration:T1", "--category", "youth_justice:T1",
    "--attest", "threshold_decision_needed", "--attest", "partner_most_relevant",
    "--justification", "A contact that needs a decision.",
]  # fmt: skip


LONGEST_RETURN_S = 120
"""A node may wait two pauses of its link (30 s each, exchange.md) and gRPC's own pause before it is attached again."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output as JSON."""
        return json.loads(self.out)


class Box:
    """One sandbox that is up."""

    def __init__(self, region: Region, folder: SandboxFolder) -> None:
        self.region = region
        self.folder = folder

    def wardgate(self, *arguments: str, timeout_s: float = 60) -> Finished:
        """Run the command as a person would."""
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=timeout_s)
        return Finished(process.returncode, out, err)

    def operate(self, verb: str, *arguments: str, operator: str = INVITES) -> Finished:
        """Run a command as one of the gateway's operators would."""
        own = str(self.folder.operator(operator) / SETTINGS)
        return self.wardgate("gateway", verb, "--as", own, *arguments, "--json")

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the command and go on."""
        return subprocess.Popen(
            [sys.executable, "-m", "wardgate", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def asking(
        self, child: str, *, agency: str = "small-csc", user: str = "hub", more: Sequence[str] = ()
    ) -> list[str]:
        """Arguments of a front-door question."""
        return [
            "node", "ask", "--dir", str(self.folder.root), "--agency", agency, "--user", user, "--child", child,
            *FRONT_DOOR, *more, "--json",
        ]  # fmt: skip

    def ask(
        self, child: str, *, agency: str = "small-csc", user: str = "hub", categories: Sequence[str] = CATEGORIES
    ) -> Any:
        """A front-door question's picture, asked on the node's local port as its tools do."""
        question = QuestionDocument(
            user=user,
            purpose="FRONT_DOOR",
            child=child,
            categories=[f"{name}:T1" for name in categories],
            attestations=["threshold_decision_needed", "partner_most_relevant"],
            family_informed=FamilyInformed.UNSAFE,
            justification="A contact that needs a decision.",
        )
        return self._call(agency, lambda caller: caller.ask(question))

    def picture(self, query_id: str, *, agency: str = "small-csc", user: str = "hub") -> Any:
        """A picture as it stands now."""
        return self._call(agency, lambda caller: caller.picture(query_id, user))

    def order_team(self, wish: TeamWish, *, agency: str = "small-csc") -> Any:
        """What a lead wants done to a team, and how it stands afterwards."""
        return self._call(agency, lambda caller: caller.order_team(wish))

    def user_ref(self, agency: str, user: str) -> str:
        """How other agencies name somebody."""
        return str(self._call(agency, lambda caller: caller.user_ref(user)))

    def _call(self, agency: str, call: Callable[[NodeCaller], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            caller = NodeCaller(NodeSettings.load(self.folder.node_config(agency)))
            try:
                return await call(caller)
            finally:
                await caller.aclose()

        return asyncio.run(run())

    def process(self, service: str) -> Started:
        """The running process of a service."""
        found = [item for item in processes_of(self.folder) if item.service == service]
        return found[-1]

    def kill(self, service: str) -> None:
        """Kill a service without a word, as a power cut would."""
        process = self.process(service)
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not process.is_running())

    def pause(self, service: str) -> None:
        """Stop a service where it stands."""
        os.kill(self.process(service).pid, signal.SIGSTOP)

    def resume(self, service: str) -> None:
        """Let it go on."""
        os.kill(self.process(service).pid, signal.SIGCONT)

    def restart(self, service: str) -> None:
        """Start a service that was killed."""
        started = start_service(self.folder, service)
        state = self.folder.read_state()
        others = [item for item in state["processes"] if item["service"] != service]
        self.folder.write_state({**state, "processes": [*others, started.as_json()]})

    def wait_up(self, *services: str, wait_s: float = LONGEST_RETURN_S) -> None:
        """Wait until services say that they are usable."""

        def usable() -> bool:
            status = asyncio.run(status_of(self.folder))["services"]
            return all(_is_usable(status[service]) for service in services)

        until(usable, wait_s=wait_s, pause_s=0.3)

    def entries(self, service: str, *, kind: EntryKind | None = None, query_id: str | None = None) -> list[Any]:
        """Entries of a service's ledger."""
        name = {"gateway": "gateway", "trustee": "trustee"}.get(service, "node")
        path = self.folder.service_data(service) / f"{name}.db"

        async def read() -> list[Any]:
            engine = open_engine(sqlite_url(path))
            try:
                found = await Reader(engine).search(Criteria(kind=kind, query_id=query_id))
            finally:
                await engine.dispose()
            return [json.loads(entry.content) for entry in found]

        return asyncio.run(read())


def _is_usable(status: Any) -> bool:
    if "error" in status or not status["running"]:
        return False
    components = status.get("components", {})
    attached = status.get("link", {"attached": True})["attached"]
    return all(components.values()) and attached


def until(check: Any, *, wait_s: float = 60, pause_s: float = 0.05) -> None:
    """Wait until something is so; fail when it does not come true."""
    end = time.monotonic() + wait_s
    while not check():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(pause_s)


@contextmanager
def box(root: Path, *, changes: Sequence[tuple[str, str]] = ()) -> Iterator[Box]:
    """Bring the small region up, with textual changes to its file, and take it down at the end."""
    text = REGION.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    region = parse_region(text.encode(), name="region.toml", folder=root)
    folder = SandboxFolder(root)
    asyncio.run(bring_up(region, folder, lambda _: None))
    try:
        yield Box(region, folder)
    finally:
        for process in processes_of(folder):
            if process.is_running():
                os.kill(process.pid, signal.SIGCONT)
        take_down(folder)
