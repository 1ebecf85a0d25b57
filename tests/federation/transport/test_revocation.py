"""A revoked party is cut off: on its next call, and in the middle of a running one."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc.aio
import pytest

from federation.errors import ErrorCode
from federation.transport import revocation
from federation.transport.denylist import DenyEntry
from federation.transport.failures import RemoteError, call_errors
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1 import link_pb2
from federation.wire.v1.enrolment_pb2_grpc import CertificateServiceStub
from federation.wire.v1.link_pb2_grpc import LinkServiceStub
from keys.certificates import key_digest_of, serial_of
from tests.support.pki import BARNET, CAMDEN, GATEWAY
from tests.support.transport import Clock, Requests, Unary, World, probing, served

DENY_CAMDEN = DenyEntry(identity=CAMDEN.uri, reason_code="left")


async def nonce_after(
    call: grpc.aio.StreamStreamCall[link_pb2.AttachRequest, link_pb2.AttachResponse], nonce: int
) -> None:
    async with call_errors(GATEWAY):
        await call.write(link_pb2.AttachRequest(probe_reply=link_pb2.Probe(nonce=nonce)))
        assert await call.read() == link_pb2.AttachResponse(probe=link_pb2.Probe(nonce=nonce))


async def end_of(call: grpc.aio.StreamStreamCall[link_pb2.AttachRequest, link_pb2.AttachResponse]) -> RemoteError:
    with pytest.raises(RemoteError) as raised:
        async with call_errors(GATEWAY):
            await call.read()
    return raised.value


@pytest.mark.parametrize("what", ["identity", "serial", "spki_sha256"])
async def test_the_next_call_on_an_open_connection_is_refused(what: str) -> None:
    world = World()
    credentials = world.pki.credentials(CAMDEN)
    named = {
        "identity": CAMDEN.uri,
        "serial": serial_of(credentials.chain),
        "spki_sha256": key_digest_of(credentials.chain),
    }
    async with (
        world.serving(Unary()) as server,
        world.calling(server, credentials=credentials) as camden,
        world.calling(server, BARNET) as barnet,
    ):
        await CertificateServiceStub(camden).Renew(wire.RenewRequest())
        world.deny(2, DenyEntry.model_validate({what: named[what], "reason_code": "left"}))

        with pytest.raises(RemoteError) as raised:
            async with call_errors(GATEWAY):
                await CertificateServiceStub(camden).Renew(wire.RenewRequest())
        await CertificateServiceStub(barnet).Renew(wire.RenewRequest())

    assert raised.value.code is ErrorCode.CERTIFICATE_REVOKED


async def test_the_stream_of_a_revoked_party_is_cut_and_others_go_on() -> None:
    world = World()
    async with (
        world.serving(served("LinkService/Attach", probing)) as server,
        world.calling(server, CAMDEN) as camden,
        world.calling(server, BARNET) as barnet,
    ):
        cut, kept = LinkServiceStub(camden).Attach(None), LinkServiceStub(barnet).Attach(None)
        await asyncio.gather(nonce_after(cut, 1), nonce_after(kept, 2))

        world.deny(2, DENY_CAMDEN)
        count = server.watch.sweep()
        error = await end_of(cut)
        await nonce_after(kept, 3)

        assert count == 1
        assert error.code is ErrorCode.CERTIFICATE_REVOKED
        assert error.is_answer
        assert len(server.watch) == 1
        kept.cancel()


async def test_the_server_sweeps_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "SWEEP_INTERVAL_S", 0.05)
    world = World()
    async with (
        world.serving(served("LinkService/Attach", probing)) as server,
        world.calling(server, CAMDEN) as camden,
    ):
        call = LinkServiceStub(camden).Attach(None)
        await nonce_after(call, 1)

        world.deny(2, DENY_CAMDEN)
        error = await asyncio.wait_for(end_of(call), 10)

    assert error.code is ErrorCode.CERTIFICATE_REVOKED


def test_the_sweep_is_well_inside_the_promised_minute() -> None:
    assert revocation.SWEEP_INTERVAL_S <= 5


async def test_a_stream_whose_certificate_expires_is_cut() -> None:
    world, clock = World(), Clock(datetime.now(UTC).timestamp())
    credentials = world.pki.credentials(CAMDEN, lifetime=timedelta(hours=1))
    async with (
        world.serving(served("LinkService/Attach", probing), clock=clock) as server,
        world.calling(server, credentials=credentials) as camden,
    ):
        call = LinkServiceStub(camden).Attach(None)
        await nonce_after(call, 1)

        clock.now += 3590
        assert server.watch.sweep() == 0
        clock.now += 20
        assert server.watch.sweep() == 1
        error = await end_of(call)

    assert error.code is ErrorCode.NOT_AUTHENTICATED


async def test_a_waiting_call_with_one_answer_is_cut_too() -> None:
    arrived = asyncio.Event()

    async def wait(_: wire.RenewRequest) -> wire.RenewResponse:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    world = World()
    async with world.serving(Unary(wait)) as server, world.calling(server, CAMDEN) as camden:
        call = CertificateServiceStub(camden).Renew(wire.RenewRequest())
        waiting = asyncio.ensure_future(_outcome(call))
        await arrived.wait()

        world.deny(2, DENY_CAMDEN)
        server.watch.sweep()
        with pytest.raises(RemoteError) as raised:
            await waiting

    assert raised.value.code is ErrorCode.CERTIFICATE_REVOKED


@call_errors(GATEWAY)
async def _outcome(call: grpc.aio.UnaryUnaryCall[wire.RenewRequest, wire.RenewResponse]) -> wire.RenewResponse:
    return await call


async def test_a_servicer_that_clings_is_cut_again() -> None:
    let_go = 0

    async def clinging(_: Requests, __: object) -> AsyncIterator[link_pb2.AttachResponse]:
        nonlocal let_go
        yield link_pb2.AttachResponse()
        while let_go < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                let_go += 1
        raise asyncio.CancelledError

    world = World()
    async with (
        world.serving(served("LinkService/Attach", clinging)) as server,
        world.calling(server, CAMDEN) as camden,
    ):
        call = LinkServiceStub(camden).Attach(None)
        await call.read()
        world.deny(2, DENY_CAMDEN)

        server.watch.sweep()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        server.watch.sweep()
        error = await end_of(call)

    assert let_go == 2
    assert error.code is ErrorCode.CERTIFICATE_REVOKED
