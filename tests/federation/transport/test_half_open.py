"""Calls that never end, too many calls and too many connections: what they take, and who goes on being served."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc.aio
import pytest

from federation.errors import ErrorCode, WardgateError
from federation.transport.certificates import Credentials
from federation.transport.channel import enrolment_channel
from federation.transport.denylist import DenyEntry, SignedDenyList
from federation.transport.failures import RemoteError, call_errors
from federation.transport.methods import ServerRole
from federation.transport.occupancy import Occupancy, Place
from federation.transport.server import FOR_OWN_TOOLS, FOR_PARTIES, FOR_STRANGERS, PARTIES, STRANGERS, ServerOptions
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import link_pb2
from federation.wire.v1.enrolment_pb2_grpc import CertificateServiceStub, EnrolmentServiceStub
from federation.wire.v1.link_pb2_grpc import LinkServiceStub
from tests.support import two_ports
from tests.support.half_open import HalfOpen, connected
from tests.support.pki import BARNET, CAMDEN, GATEWAY
from tests.support.transport import LOOPBACK, Requests, Unary, World, probing, served
from tests.support.waiting import until

RENEW, ENROL = "/federation.wire.v1.CertificateService/Renew", "/federation.wire.v1.EnrolmentService/Enrol"
REQUEST = wire.RenewRequest(certificate_request=b"hello")
MEBIBYTE = 2**20
MOST_GROWTH = 64 * MEBIBYTE


@dataclass
class Service:
    """The two ports as a process of their own."""

    world: World
    process: asyncio.subprocess.Process
    main: int
    enrolment: int
    folder: Path

    @property
    def memory(self) -> int:
        """Resident, bytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024

    @asynccontextmanager
    async def stranger(self) -> AsyncIterator[HalfOpen]:
        async with self._connected(self.enrolment) as connection:
            yield connection

    @asynccontextmanager
    async def revoked(self, credentials: Credentials) -> AsyncIterator[HalfOpen]:
        async with self._connected(self.main, credentials) as connection:
            yield connection

    @asynccontextmanager
    async def _connected(self, port: int, credentials: Credentials | None = None) -> AsyncIterator[HalfOpen]:
        async with connected(
            port,
            roots=self.world.pki.authority.pem,
            server_name=GATEWAY.dns_name,
            credentials=credentials,
            folder=str(self.folder),
        ) as connection:
            await until(lambda: connection.is_settled)
            yield connection


@asynccontextmanager
async def a_service(folder: Path) -> AsyncIterator[Service]:
    world = World()
    denied = SignedDenyList.issue(
        world.signing, version=2, issued_at=1, entries=[DenyEntry(identity=CAMDEN.uri, reason_code="LEFT")]
    )
    two_ports.write(folder, world.pki.credentials(GATEWAY), denied, world.signing.verify_key)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.two_ports",
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        main, enrolment = json.loads(await process.stdout.readline())
        yield Service(world, process, main, enrolment, folder)
    finally:
        process.kill()
        await process.wait()


async def honest_calls(service: Service) -> None:
    """A node renews and an agency enrols, from an address of their own."""
    world, roots = service.world, service.world.pki.authority.pem
    async with (
        world.calling(None, BARNET, port=service.main) as node,
        enrolment_channel(f"{LOOPBACK}:{service.enrolment}", GATEWAY, roots) as applicant,
        asyncio.timeout(60),
    ):
        renewed = await CertificateServiceStub(node).Renew(REQUEST)
        enrolled = await EnrolmentServiceStub(applicant).Enrol(wire.EnrolRequest(key_statement=b"keys"))
    assert renewed.certificate_chain == b"hello"
    assert enrolled.trust_bundle == b"keys"


@pytest.mark.parametrize(
    ("strangers", "revoked"), [(200, 50), pytest.param(2_000, 200, marks=pytest.mark.nightly)], ids=["few", "many"]
)
@pytest.mark.parametrize("size", [60_000, 4_000_000], ids=["as long as may be", "as long as on the main port"])
async def test_half_open_calls_take_little_and_others_are_served(
    tmp_path: Path, strangers: int, revoked: int, size: int
) -> None:
    async with a_service(tmp_path) as service, AsyncExitStack() as stack:
        await honest_calls(service)
        before = service.memory
        credentials = service.world.pki.credentials(CAMDEN)
        for _ in range(-(-strangers // FOR_STRANGERS.streams_per_connection)):
            connection = await stack.enter_async_context(service.stranger())
            for _ in range(FOR_STRANGERS.streams_per_connection):
                await connection.half_send(ENROL, size)
        for _ in range(-(-revoked // 100)):
            connection = await stack.enter_async_context(service.revoked(credentials))
            for _ in range(min(revoked, 100)):
                await connection.half_send(RENEW, size)
        await honest_calls(service)
        assert service.memory - before < MOST_GROWTH


async def test_of_a_revoked_caller_no_more_is_read_than_a_window(tmp_path: Path) -> None:
    async with a_service(tmp_path) as service, service.revoked(service.world.pki.credentials(CAMDEN)) as connection:
        sent = await connection.half_send(RENEW, 4_000_000)
        await until(lambda: 1 in connection.refused)
        assert sent <= FOR_PARTIES.window_bytes


async def test_of_a_caller_who_may_call_it_the_whole_is_read(tmp_path: Path) -> None:
    async with a_service(tmp_path) as service, service.revoked(service.world.pki.credentials(BARNET)) as connection:
        sent = await connection.half_send(RENEW, 1_000_000)
        assert sent == 5 + 1_000_000 - 1
        assert connection.refused == set()


def limited(**limits: float) -> ServerOptions:
    return ServerOptions(limits=replace(PARTIES, **limits))  # type: ignore[arg-type]  # counts and seconds


async def refusal(channel: grpc.aio.Channel) -> ErrorCode:
    with pytest.raises(RemoteError) as caught:
        async with call_errors(GATEWAY):
            await CertificateServiceStub(channel).Renew(REQUEST)
    return caught.value.code


async def test_a_request_that_does_not_come_in_time_is_refused_and_holds_nobody_up_for_longer(tmp_path: Path) -> None:
    world = World()
    async with (
        world.serving(Unary(), options=limited(request_s=0.5, reading_per_caller=1)) as server,
        connected(
            server.port,
            roots=world.pki.authority.pem,
            server_name=GATEWAY.dns_name,
            credentials=world.pki.credentials(CAMDEN),
            folder=str(tmp_path),
        ) as slow,
        world.calling(server, CAMDEN) as same,
        world.calling(server, BARNET) as other,
    ):
        await until(lambda: slow.is_settled)
        await slow.half_send(RENEW, 100)
        assert (await CertificateServiceStub(other).Renew(REQUEST)).certificate_chain == b"hello"
        await until(lambda: 1 in slow.refused)
        assert (await CertificateServiceStub(same).Renew(REQUEST)).certificate_chain == b"hello"


async def test_one_party_has_so_many_calls_open_and_another_is_served_beside() -> None:
    world, inside, go = World(), asyncio.Semaphore(0), asyncio.Event()

    async def waits(request: wire.RenewRequest) -> wire.RenewResponse:
        inside.release()
        await go.wait()
        return wire.RenewResponse(certificate_chain=request.certificate_request)

    async with (
        world.serving(Unary(waits), options=limited(per_caller=2)) as server,
        world.calling(server, CAMDEN) as camden,
        world.calling(server, BARNET) as barnet,
    ):
        stub = CertificateServiceStub(camden)
        running = [asyncio.ensure_future(stub.Renew(REQUEST)) for _ in range(2)]
        for _ in running:
            await inside.acquire()
        assert await refusal(camden) is ErrorCode.CALLS_EXCEEDED
        beside = asyncio.ensure_future(CertificateServiceStub(barnet).Renew(REQUEST))
        await inside.acquire()
        go.set()
        await asyncio.gather(*running, beside)
        assert (await stub.Renew(REQUEST)).certificate_chain == b"hello"


async def test_one_party_holds_so_many_streams() -> None:
    world = World()

    async def nothing_yet() -> AsyncIterator[link_pb2.AttachRequest]:
        yield link_pb2.AttachRequest(probe_reply=link_pb2.Probe(nonce=1))
        await asyncio.Event().wait()

    async with (
        world.serving(served("LinkService/Attach", probing), Unary(), options=limited(streams_per_caller=2)) as server,
        world.calling(server, CAMDEN) as camden,
    ):
        calls = [LinkServiceStub(camden).Attach(nothing_yet()) for _ in range(2)]
        for call in calls:
            await anext(aiter(call))
        with pytest.raises(RemoteError) as caught:
            async with call_errors(GATEWAY):
                await anext(aiter(LinkServiceStub(camden).Attach(nothing_yet())))
        assert caught.value.code is ErrorCode.CALLS_EXCEEDED
        assert (await CertificateServiceStub(camden).Renew(REQUEST)).certificate_chain == b"hello"
        for call in calls:
            call.cancel()


async def test_one_party_calls_over_so_many_connections() -> None:
    world = World()
    credentials = world.pki.credentials(CAMDEN)

    async def stays(requests: Requests, _: object) -> AsyncIterator[link_pb2.AttachResponse]:
        async for response in probing(requests, _):
            yield response

    async def hello() -> AsyncIterator[link_pb2.AttachRequest]:
        yield link_pb2.AttachRequest(probe_reply=link_pb2.Probe(nonce=1))
        await asyncio.Event().wait()

    async with (
        world.serving(
            served("LinkService/Attach", stays), Unary(), options=limited(connections_per_caller=1)
        ) as server,
        world.calling(server, credentials=credentials) as first,
        world.calling(server, credentials=world.pki.credentials(CAMDEN)) as second,
    ):
        call = LinkServiceStub(first).Attach(hello())
        await anext(aiter(call))
        assert await refusal(second) is ErrorCode.CALLS_EXCEEDED
        assert (await CertificateServiceStub(first).Renew(REQUEST)).certificate_chain == b"hello"
        call.cancel()


async def test_so_many_connections_are_taken_and_no_more() -> None:
    world = World()
    options = replace(FOR_STRANGERS, connections=3)
    async with world.serving(role=ServerRole.ENROLMENT, options=options) as server, AsyncExitStack() as stack:
        held = []
        for _ in range(5):
            try:
                held.append(
                    await stack.enter_async_context(
                        connected(server.port, roots=world.pki.authority.pem, server_name=GATEWAY.dns_name)
                    )
                )
            except OSError:
                continue
        await until(lambda: sum(connection.is_settled for connection in held) == 3)
        await until(lambda: all(connection.is_settled or connection.is_over for connection in held))
        assert sum(connection.is_over for connection in held) + 5 - len(held) == 2


def test_what_strangers_can_make_the_gateway_hold_is_small() -> None:
    """The arithmetic behind the limits."""
    reading = STRANGERS.calls * FOR_STRANGERS.max_message_bytes
    unread = FOR_STRANGERS.connections * FOR_STRANGERS.streams_per_connection
    assert reading <= 8 * MEBIBYTE
    assert unread <= 4_096


async def test_an_agencys_own_tools_may_wait_side_by_side_each_over_a_connection_of_its_own() -> None:
    limits = FOR_OWN_TOOLS.limits
    occupancy = Occupancy(limits)
    for number in range(limits.connections_per_caller):
        occupancy.enter(Place("local/testshire-csc", f"ipv4:127.0.0.1:{number}", is_stream=False))
    with pytest.raises(WardgateError):
        occupancy.enter(Place("local/testshire-csc", "ipv4:127.0.0.1:60000", is_stream=False))
    assert limits.connections_per_caller > PARTIES.connections_per_caller
