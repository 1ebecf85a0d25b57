"""A policy server is stopped and started again: what was asked meanwhile is decided afterwards, refused to nobody."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from federation.ledger.entry import EntryKind
from sandbox.bringup import start_opa
from sandbox.processes import Started, free_ports
from tests.support.box import KNOWN, Box, box, until
from tests.support.opa import opa_command
from tests.system.test_faults import WHOLE, assert_told_once, final_picture

pytestmark = [pytest.mark.system, pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(240)]

PARTIES = ("small-csc", "gateway", "small-police")
SERVER_URL = re.compile(r"http://127\.0\.0\.1:\d+(?=\")")


@dataclass
class OwnServer:
    """One party's own OPA server."""

    region: Box
    url: str
    running: Started | None = None

    def start(self) -> None:
        self.running = start_opa(self.url, self.region.folder)

    def stop(self) -> None:
        process, self.running = self.running, None
        if process is not None:
            os.kill(process.pid, signal.SIGKILL)
            until(lambda: not process.is_running())

    def has_bundle(self) -> bool:
        try:
            with urlopen(f"{self.url}/health?bundles=true", timeout=2) as answer:  # on the loopback interface
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


def config_of(region: Box, party: str) -> Path:
    return region.folder.gateway_config if party == "gateway" else region.folder.node_config(party)


def decide_by(region: Box, party: str, url: str) -> None:
    """Let a party ask another server from its next start on."""
    config = config_of(region, party)
    lines = config.read_text().splitlines(keepends=True)
    (at,) = [number for number, line in enumerate(lines) if line.startswith("server_url")]
    lines[at], count = SERVER_URL.subn(url, lines[at])
    assert count == 1
    config.write_text("".join(lines))


@contextmanager
def own_servers(region: Box) -> Iterator[dict[str, OwnServer]]:
    """Each of the parties decides by a server of its own."""
    ports = free_ports(len(PARTIES))
    own = {party: OwnServer(region, f"http://127.0.0.1:{port}") for party, port in zip(PARTIES, ports, strict=True)}
    try:
        for party, server in own.items():
            server.start()
            until(server.has_bundle)
            decide_by(region, party, server.url)
            region.kill(party)
            region.restart(party)
        region.wait_up(*PARTIES)
        yield own
    finally:
        for server in own.values():
            server.stop()


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Box, dict[str, OwnServer]]]:
    opa_command()
    changes = [("[nodes]\n", '[policy]\nengine = "server"\n\n[nodes]\n')]
    with box(tmp_path_factory.mktemp("away"), changes=changes) as up, own_servers(up) as servers:
        yield up, servers


def nobody_refused(region: Box, query_id: str) -> None:
    for party in (*PARTIES, *WHOLE):
        kinds = {entry["kind"] for entry in region.entries(party, query_id=query_id)}
        assert EntryKind.QUERY_REFUSED not in kinds


@pytest.mark.parametrize("party", ["gateway", "small-police"])
def test_a_query_put_while_a_partys_server_is_off_is_decided_when_it_is_back(
    region: tuple[Box, dict[str, OwnServer]], party: str
) -> None:
    box, servers = region
    servers[party].stop()
    try:
        picture = box.ask(KNOWN)
    finally:
        servers[party].start()

    states = {target["agency"]: (target["state"], target["outcome"]) for target in picture["targets"]}
    assert states["small-police"] == ("waiting" if party == "gateway" else "delivered", None)
    assert (picture["completeness"], picture["effect"]) == ("incomplete", "permit")
    assert "denial" not in {reason["severity"] for reason in picture["reasons"]}
    if party == "gateway":
        assert any("Nothing was refused" in warning for warning in picture["warnings"])
    assert final_picture(box, picture["query_id"]) == WHOLE
    assert_told_once(box, picture["query_id"])
    nobody_refused(box, picture["query_id"])


def test_a_question_whose_own_policy_comes_back_in_time_is_answered_as_if_nothing_had_been(
    region: tuple[Box, dict[str, OwnServer]],
) -> None:
    box, servers = region
    servers["small-csc"].stop()
    asking = box.begin(*box.asking(KNOWN))
    time.sleep(2)
    servers["small-csc"].start()
    out, err = asking.communicate(timeout=60)
    assert asking.returncode == 0, err
    assert '"effect": "permit"' in out
    assert '"completeness": "complete"' in out


def test_a_question_that_own_policy_could_not_decide_is_told_so_and_recorded_as_refused_to_nobody(
    region: tuple[Box, dict[str, OwnServer]],
) -> None:
    box, servers = region
    before = box.entries("small-csc", kind=EntryKind.QUERY_REFUSED)
    servers["small-csc"].stop()
    try:
        done = box.wardgate(*box.asking(KNOWN))
    finally:
        servers["small-csc"].start()
        until(servers["small-csc"].has_bundle)
    assert done.code != 0
    assert "POLICY_UNAVAILABLE" in done.err
    assert "nothing was refused" in done.err
    assert box.entries("small-csc", kind=EntryKind.QUERY_REFUSED) == before
    assert box.ask(KNOWN)["completeness"] == "complete"
