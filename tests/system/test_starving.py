"""One member floods, strangers hold calls open: another member's question is answered whole, within its deadline."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from agency_node.settings import NodeSettings
from federation.ledger.entry import EntryKind
from federation.transport.server import FOR_STRANGERS
from gateway.settings import GatewaySettings
from tests.support.box import KNOWN, Box, box, until
from tests.support.half_open import connected
from tests.support.member import Member

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

ENROL = "/federation.wire.v1.EnrolmentService/Enrol"
ASKED = ["small-police", "small-school"]
MOST_GROWTH_KIB = 64 * 1024


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A region that is flooded; the others need one that is not."""
    with box(tmp_path_factory.mktemp("starving")) as up:
        yield up


def member(region: Box, agency: str) -> Member:
    settings = NodeSettings.load(region.folder.node_config(agency))
    return Member(settings, region.folder.service_data("gateway") / "gateway.db")


def honest(region: Box) -> dict[str, str]:
    """What another agency's question comes to, within its deadline."""
    picture = region.ask(KNOWN, agency="small-health", user="triage")
    assert not any(target["late"] for target in picture["targets"])
    return outcomes(picture)


def outcomes(picture: Any) -> dict[str, str]:
    return {target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]}


def memory_kib(region: Box) -> int:
    lines = Path(f"/proc/{region.process('gateway').pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


@pytest.mark.parametrize("count", [16, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_what_nobody_can_use_is_rejected_and_holds_up_nobody(region: Box, count: int) -> None:
    rejected_before = len(region.entries("gateway", kind=EntryKind.TARGET_REJECTED))
    attacker = member(region, "small-csc")
    calm = honest(region)
    assert calm["small-police"] == "records"
    effects = asyncio.run(attacker.put(*(attacker.junk(ASKED) for _ in range(count))))
    permitted = effects.count("permit")  # policy refuses what one agency puts beyond some hundreds in an hour
    assert permitted >= 16

    assert honest(region) == calm

    def all_rejected() -> bool:
        entries = region.entries("gateway", kind=EntryKind.TARGET_REJECTED)
        return len(entries) - rejected_before == permitted * len(ASKED)

    until(all_rejected, wait_s=300, pause_s=0.5)
    for agency in ASKED:
        assert region.entries(agency, kind=EntryKind.ALARM_RAISED)


@pytest.mark.parametrize("streams", [320, pytest.param(2_000, marks=pytest.mark.nightly)])
def test_calls_that_strangers_hold_open_take_little_and_hold_up_nobody(region: Box, streams: int) -> None:
    settings = GatewaySettings.load(region.folder.gateway_config)
    roots = (region.folder.service_data("gateway") / "roots.pem").read_bytes()

    calm = honest(region)

    async def flood() -> tuple[dict[str, str], int]:
        before = memory_kib(region)
        async with AsyncExitStack() as stack:
            for _ in range(streams // FOR_STRANGERS.streams_per_connection):
                connection = await stack.enter_async_context(
                    connected(settings.listen.enrolment_port, roots=roots, server_name=settings.party.dns_name)
                )
                for _ in range(FOR_STRANGERS.streams_per_connection):
                    await connection.half_send(ENROL, 60_000)
            return await asyncio.to_thread(honest, region), memory_kib(region) - before

    found, growth = asyncio.run(flood())
    assert found == calm
    assert growth < MOST_GROWTH_KIB
