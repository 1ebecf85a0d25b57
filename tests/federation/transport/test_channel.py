"""Certificates, keys and roots change while calls go on."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import grpc.aio
import pytest

from federation.errors import ErrorCode
from federation.transport.certificates import HeldCertificates
from federation.transport.channel import ChannelOptions
from federation.transport.failures import RemoteError, call_errors
from federation.transport.identity import current_certificate
from federation.transport.server import ServerOptions
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import link_pb2
from federation.wire.v1.enrolment_pb2_grpc import CertificateServiceStub
from federation.wire.v1.link_pb2_grpc import LinkServiceStub
from keys.certificates import serial_of
from tests.support.pki import CAMDEN, GATEWAY, Pki
from tests.support.proxy import proxy_to
from tests.support.transport import Unary, World, probing, served

if TYPE_CHECKING:  # exists in the stubs only
    from federation.wire.v1.enrolment_pb2_grpc import CertificateServiceAsyncStub


async def tell_serial(_: wire.RenewRequest) -> wire.RenewResponse:
    return wire.RenewResponse(certificate_chain=current_certificate().serial.encode())


async def serial_seen_by(stub: "CertificateServiceAsyncStub") -> str:
    async with call_errors(GATEWAY):
        return (await stub.Renew(wire.RenewRequest())).certificate_chain.decode()


async def test_a_client_shows_its_renewed_certificate_over_the_same_stub() -> None:
    world = World()
    first, second = world.pki.credentials(CAMDEN), world.pki.credentials(CAMDEN)
    source = HeldCertificates(first)
    async with world.serving(Unary(tell_serial)) as server, world.calling(server, certificates=source) as channel:
        stub = CertificateServiceStub(channel)
        before = await serial_seen_by(stub)
        source.replace(second)
        after = await serial_seen_by(stub)

    assert before == serial_of(first.chain)
    assert after == serial_of(second.chain)


async def test_a_call_that_runs_while_the_channel_rotates_still_ends_well() -> None:
    going, go = asyncio.Event(), asyncio.Event()

    async def slow(request: wire.RenewRequest) -> wire.RenewResponse:
        if request.certificate_request == b"slow":
            going.set()
            await go.wait()
        return await tell_serial(request)

    world = World()
    first = world.pki.credentials(CAMDEN)
    source = HeldCertificates(first)
    async with world.serving(Unary(slow)) as server, world.calling(server, certificates=source) as channel:
        stub = CertificateServiceStub(channel)
        running = asyncio.ensure_future(_renew(stub, b"slow"))
        await going.wait()
        source.replace(world.pki.credentials(CAMDEN))
        assert await serial_seen_by(stub) != serial_of(first.chain)
        go.set()

        assert await running == serial_of(first.chain)


async def test_a_stream_on_the_old_connection_ends_as_unavailable_when_its_time_is_up() -> None:
    world = World()
    source = HeldCertificates(world.pki.credentials(CAMDEN))
    options = ChannelOptions(drain_s=0.05)
    async with (
        world.serving(served("LinkService/Attach", probing)) as server,
        world.calling(server, certificates=source, options=options) as channel,
    ):
        stub = LinkServiceStub(channel)
        old = stub.Attach(None)
        await old.write(link_pb2.AttachRequest())
        await old.read()

        source.replace(world.pki.credentials(CAMDEN))
        new = stub.Attach(None)
        await new.write(link_pb2.AttachRequest())
        await new.read()
        with pytest.raises(RemoteError) as raised:
            async with call_errors(GATEWAY):
                await old.read()
        await new.write(link_pb2.AttachRequest())
        await new.read()
        new.cancel()

    assert raised.value.code is ErrorCode.PEER_UNAVAILABLE


async def test_a_lone_stream_is_moved_by_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.transport.channel.CHECK_INTERVAL_S", 0.01)
    world = World()
    source = HeldCertificates(world.pki.credentials(CAMDEN))
    async with (
        world.serving(served("LinkService/Attach", probing)) as server,
        world.calling(server, certificates=source, options=ChannelOptions(drain_s=0.05)) as channel,
    ):
        watching = asyncio.create_task(channel.keep_current())
        stream = LinkServiceStub(channel).Attach(None)
        await stream.write(link_pb2.AttachRequest())
        await stream.read()

        source.replace(world.pki.credentials(CAMDEN))
        with pytest.raises(RemoteError) as raised:
            async with call_errors(GATEWAY):
                await asyncio.wait_for(stream.read(), 10)
        watching.cancel()

    assert raised.value.code is ErrorCode.PEER_UNAVAILABLE


async def test_a_server_shows_its_renewed_certificate_without_restart() -> None:
    world, other = World(), Pki()
    source = HeldCertificates(world.pki.credentials(GATEWAY))
    trusting_other = world.pki.credentials(CAMDEN, roots=other.authority.pem)
    async with world.serving(Unary(), certificates=source) as server:
        async with world.calling(server, credentials=trusting_other) as channel:
            refused = await _refusal(channel)
        source.replace(other.credentials(GATEWAY, roots=world.pki.authority.pem))
        async with world.calling(server, credentials=trusting_other) as channel:
            await serial_seen_by(CertificateServiceStub(channel))

    assert refused.code is ErrorCode.PEER_UNAVAILABLE


async def test_roots_can_be_changed_by_an_overlap_and_the_old_root_ends() -> None:
    world, new = World(), Pki()
    gateway = world.pki.credentials(GATEWAY)
    both = world.pki.authority.pem + new.authority.pem
    source = HeldCertificates(gateway)
    with_old = world.pki.credentials(CAMDEN)
    with_new = new.credentials(CAMDEN, roots=world.pki.authority.pem)
    async with world.serving(Unary(), certificates=source) as server:
        async with world.calling(server, credentials=with_new) as channel:
            assert (await _refusal(channel)).code is ErrorCode.PEER_UNAVAILABLE

        source.replace(replace(gateway, roots=both))
        for credentials in (with_old, with_new):
            async with world.calling(server, credentials=credentials) as channel:
                await serial_seen_by(CertificateServiceStub(channel))

        source.replace(replace(gateway, roots=new.authority.pem))
        async with world.calling(server, credentials=with_new) as channel:
            await serial_seen_by(CertificateServiceStub(channel))
        async with world.calling(server, credentials=with_old) as channel:
            assert (await _refusal(channel)).code is ErrorCode.PEER_UNAVAILABLE


async def test_an_old_connection_is_asked_to_reconnect() -> None:
    world = World()
    options = ServerOptions(connection_age_s=1, connection_age_grace_s=1)
    async with (
        world.serving(Unary(), options=options) as server,
        proxy_to(server.port) as proxy,
        world.calling(server, port=proxy.port) as channel,
    ):
        stub = CertificateServiceStub(channel)
        await serial_seen_by(stub)
        async with asyncio.timeout(20):
            while proxy.accepted < 2:
                await serial_seen_by(stub)
                await asyncio.sleep(0.1)


async def test_a_call_without_a_timeout_of_its_own_does_not_wait_for_ever() -> None:
    async def never(_: wire.RenewRequest) -> wire.RenewResponse:
        await asyncio.Event().wait()
        raise AssertionError

    world = World()
    options = ChannelOptions(unary_timeout_s=0.2)
    async with world.serving(Unary(never)) as server, world.calling(server, options=options) as channel:
        error = await _refusal(channel)

    assert error.code is ErrorCode.DEADLINE_EXCEEDED
    assert not error.is_answer


async def test_a_killed_connection_is_made_again() -> None:
    world = World()
    async with (
        world.serving(Unary()) as server,
        proxy_to(server.port) as proxy,
        world.calling(server, port=proxy.port) as channel,
    ):
        stub = CertificateServiceStub(channel)
        await serial_seen_by(stub)
        proxy.kill_all()
        codes = [await _code_after(0.1, stub) for _ in range(30)]

        assert set(codes) <= {ErrorCode.PEER_UNAVAILABLE, None}
        assert codes[-1] is None

        assert proxy.killed == 1
        assert proxy.accepted >= 2


async def test_a_call_on_a_closed_channel_is_unavailable() -> None:
    world = World()
    async with world.serving(Unary()) as server, world.calling(server) as channel:
        await channel.close()
        error = await _refusal(channel)

    assert error.code is ErrorCode.PEER_UNAVAILABLE


async def _renew(stub: "CertificateServiceAsyncStub", content: bytes) -> str:
    return (await stub.Renew(wire.RenewRequest(certificate_request=content))).certificate_chain.decode()


async def _code_after(pause_s: float, stub: "CertificateServiceAsyncStub") -> ErrorCode | None:
    await asyncio.sleep(pause_s)
    try:
        await serial_seen_by(stub)
    except RemoteError as error:
        return error.code
    return None


async def _refusal(channel: grpc.aio.Channel) -> RemoteError:
    with pytest.raises(RemoteError) as raised:
        await serial_seen_by(CertificateServiceStub(channel))
    return raised.value
