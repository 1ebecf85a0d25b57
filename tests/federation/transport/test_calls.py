"""Real servers and channels on loopback: who gets in, and what comes back."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from federation.errors import CATALOGUE, ErrorCode, WardgateError
from federation.transport.certificates import Credentials, HeldCertificates
from federation.transport.channel import enrolment_channel
from federation.transport.correlation import CORRELATION_KEY, correlated, current_correlation_id
from federation.transport.failures import ERROR_CODE_KEY, GRPC_STATUS, RemoteError, call_errors
from federation.transport.identity import ANONYMOUS, Party, PartyKind, current_peer
from federation.transport.interceptors import Context
from federation.transport.methods import ServerRole
from federation.transport.server import SLACK_BYTES, ServerOptions
from federation.wire.v1 import admin_pb2, link_pb2, query_pb2
from federation.wire.v1 import enrolment_pb2 as wire
from federation.wire.v1.admin_pb2_grpc import AdminServiceStub
from federation.wire.v1.enrolment_pb2_grpc import (
    CertificateServiceStub,
    EnrolmentServiceStub,
)
from federation.wire.v1.link_pb2_grpc import LinkServiceStub
from federation.wire.v1.query_pb2_grpc import QueryServiceStub
from keys.certificates import PrivateKey
from tests.support.pki import ALICE, BARNET, CAMDEN, GATEWAY, TRUSTEE, Pki
from tests.support.transport import LOOPBACK, Clock, Requests, Unary, World, probing, served

Metadata = tuple[tuple[str, str], ...]
REQUEST = wire.RenewRequest(certificate_request=b"hello")


async def renew(channel: grpc.aio.Channel, request: wire.RenewRequest = REQUEST) -> wire.RenewResponse:
    async with call_errors(GATEWAY):
        return await CertificateServiceStub(channel).Renew(request)


async def refusal(channel: grpc.aio.Channel, request: wire.RenewRequest = REQUEST) -> RemoteError:
    with pytest.raises(RemoteError) as raised:
        await renew(channel, request)
    return raised.value


class TestIdentity:
    async def test_an_enrolled_node_is_served_and_known(self) -> None:
        async def who(_: wire.RenewRequest) -> wire.RenewResponse:
            return wire.RenewResponse(certificate_chain=current_peer().uri.encode())

        world = World()
        async with (
            world.serving(Unary(who)) as server,
            world.calling(server, CAMDEN) as camden,
            world.calling(server, BARNET) as barnet,
        ):
            first, second = await asyncio.gather(renew(camden), renew(barnet))

        assert first.certificate_chain == b"wardgate://node/camden-csc"
        assert second.certificate_chain == b"wardgate://node/barnet-csc"

    @pytest.mark.parametrize("party", [ALICE, GATEWAY, Party(PartyKind.LOCAL, "camden-csc")])
    async def test_a_party_of_another_kind_is_refused(self, party: Party) -> None:
        world = World()
        async with world.serving(Unary()) as server, world.calling(server, party) as channel:
            error = await refusal(channel)

        assert error.code is ErrorCode.NOT_AUTHORISED
        assert error.is_answer

    async def test_a_foreign_authority_is_refused_in_the_handshake(self) -> None:
        world, foreign = World(), Pki()
        credentials = foreign.credentials(CAMDEN, roots=world.pki.authority.pem)
        async with world.serving(Unary()) as server, world.calling(server, credentials=credentials) as channel:
            error = await refusal(channel)

        assert error.code is ErrorCode.PEER_UNAVAILABLE
        assert not error.is_answer

    async def test_no_client_certificate_is_refused_in_the_handshake(self) -> None:
        world = World()
        async with world.serving(Unary()) as server:
            bare = enrolment_channel(f"{LOOPBACK}:{server.port}", GATEWAY, world.pki.authority.pem)
            async with bare:
                error = await refusal(bare)

        assert error.code is ErrorCode.PEER_UNAVAILABLE

    async def test_an_expired_certificate_is_refused_in_the_handshake(self) -> None:
        world = World()
        past = datetime.now(UTC) - timedelta(hours=2)
        credentials = world.pki.credentials(CAMDEN, now=past, lifetime=timedelta(hours=1))
        async with world.serving(Unary()) as server, world.calling(server, credentials=credentials) as channel:
            error = await refusal(channel)

        assert error.code is ErrorCode.PEER_UNAVAILABLE

    async def test_a_certificate_that_expires_on_an_open_connection_is_refused(self) -> None:
        world, clock = World(), Clock(datetime.now(UTC).timestamp())
        credentials = world.pki.credentials(CAMDEN, lifetime=timedelta(hours=1))
        async with (
            world.serving(Unary(), clock=clock) as server,
            world.calling(server, credentials=credentials) as channel,
        ):
            clock.now += 3500
            served = await renew(channel)
            clock.now += 200
            error = await refusal(channel)

        assert served.certificate_chain == b"hello"
        assert error.code is ErrorCode.NOT_AUTHENTICATED

    @pytest.mark.parametrize(
        "uris",
        [
            (),
            (CAMDEN.uri, BARNET.uri),
            (CAMDEN.uri, "https://example.org/"),
            ("https://example.org/",),
            ("wardgate://anonymous/caller",),
            ("wardgate://node/Camden-CSC",),
        ],
    )
    async def test_a_certificate_that_names_no_one_party_is_refused(self, uris: tuple[str, ...]) -> None:
        world = World()
        credentials = world.pki.misissued(*uris)
        async with world.serving(Unary()) as server, world.calling(server, credentials=credentials) as channel:
            error = await refusal(channel)

        assert error.code is ErrorCode.NOT_AUTHENTICATED
        assert error.is_answer

    async def test_a_server_that_is_another_party_is_not_trusted(self) -> None:
        world = World()
        async with (
            world.serving(Unary(), party=TRUSTEE) as server,
            world.calling(server, expected=GATEWAY) as channel,
        ):
            error = await refusal(channel)

        assert error.code is ErrorCode.PEER_UNAVAILABLE

    async def test_a_nodes_certificate_cannot_serve_as_the_gateway(self) -> None:
        world = World()
        async with (
            world.serving(Unary(), certificates=HeldCertificates(world.pki.credentials(CAMDEN))) as server,
            world.calling(server) as channel,
        ):
            error = await refusal(channel)

        assert error.code is ErrorCode.PEER_UNAVAILABLE

    async def test_a_server_of_a_foreign_authority_is_not_trusted(self) -> None:
        world, foreign = World(), Pki()
        theirs = foreign.credentials(GATEWAY, roots=world.pki.authority.pem)
        async with (
            world.serving(Unary(), certificates=HeldCertificates(theirs)) as server,
            world.calling(server) as channel,
        ):
            error = await refusal(channel)

        assert error.code is ErrorCode.PEER_UNAVAILABLE


class TestMethods:
    async def test_a_method_without_a_row_is_refused_even_if_somebody_serves_it(self) -> None:
        async def serve(_: bytes, __: object) -> bytes:
            return b"served"

        world = World()
        handler = grpc.method_handlers_generic_handler(
            "wardgate.test.Extra", {"Do": grpc.unary_unary_rpc_method_handler(serve)}
        )
        async with world.serving(handler) as server, world.calling(server) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await channel.unary_unary("/wardgate.test.Extra/Do")(b"")

        assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED

    @pytest.mark.parametrize("shape", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
    async def test_an_unknown_method_is_refused_whatever_its_shape(self, shape: str) -> None:
        async def never() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        world = World()
        async with world.serving(Unary()) as server, world.calling(server) as channel:
            call = getattr(channel, shape)("/federation.wire.v1.QueryService/Drop")
            with pytest.raises(RemoteError) as raised:
                await _outcome(call(never() if shape.startswith("stream") else b"x"))

        assert raised.value.code is ErrorCode.NOT_AUTHORISED
        assert raised.value.is_answer

    async def test_a_method_with_a_row_that_nobody_serves_is_unimplemented(self) -> None:
        world = World()
        async with world.serving(Unary()) as server, world.calling(server) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await QueryServiceStub(channel).Cancel(query_pb2.CancelRequest())

        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED

    async def test_an_operators_method_is_refused_to_a_node(self) -> None:
        world = World()
        async with (
            world.serving(Unary(), served("AdminService/GetLinks", _links)) as server,
            world.calling(server) as channel,
        ):
            with pytest.raises(RemoteError) as raised:
                async with call_errors(GATEWAY):
                    await AdminServiceStub(channel).GetLinks(admin_pb2.GetLinksRequest())

        assert raised.value.code is ErrorCode.NOT_AUTHORISED

    async def test_a_servicer_that_lacks_a_method_answers_internal(self) -> None:
        world = World()
        async with (
            world.serving(served("CertificateService/Renew", _blocking)) as server,
            world.calling(server) as channel,
        ):
            error = await refusal(channel)

        assert error.code is ErrorCode.INTERNAL


class TestEnrolmentPort:
    async def test_it_serves_a_caller_without_certificate(self) -> None:
        world = World()
        async with (
            world.serving(served("EnrolmentService/Enrol", _enrol), role=ServerRole.ENROLMENT) as server,
            enrolment_channel(f"{LOOPBACK}:{server.port}", GATEWAY, world.pki.authority.pem) as channel,
        ):
            answer = await EnrolmentServiceStub(channel).Enrol(wire.EnrolRequest())

        assert answer.certificate_chain == str(ANONYMOUS).encode()

    async def test_it_serves_nothing_else(self) -> None:
        world = World()
        async with (
            world.serving(served("EnrolmentService/Enrol", _enrol), Unary(), role=ServerRole.ENROLMENT) as server,
            enrolment_channel(f"{LOOPBACK}:{server.port}", GATEWAY, world.pki.authority.pem) as channel,
        ):
            error = await refusal(channel)

        assert error.code is ErrorCode.NOT_AUTHORISED

    async def test_the_main_port_does_not_enrol(self) -> None:
        world = World()
        async with world.serving(served("EnrolmentService/Enrol", _enrol)) as server, world.calling(server) as channel:
            with pytest.raises(RemoteError) as raised:
                async with call_errors(GATEWAY):
                    await EnrolmentServiceStub(channel).Enrol(wire.EnrolRequest())

        assert raised.value.code is ErrorCode.NOT_AUTHORISED


class TestErrors:
    @pytest.mark.parametrize("code", list(ErrorCode))
    async def test_every_code_of_the_catalogue_comes_back_as_itself(self, code: ErrorCode) -> None:
        async def fail(_: wire.RenewRequest) -> wire.RenewResponse:
            raise WardgateError(code, "detail for the log")

        world = World()
        async with world.serving(Unary(fail)) as server, world.calling(server) as channel:
            error = await refusal(channel)

        assert error.code is code
        assert error.is_answer
        assert error.status is GRPC_STATUS[CATALOGUE[code].status]
        assert "detail for the log" not in str(error)

    async def test_the_peer_gets_public_text_code_and_correlation_id_and_nothing_else(self) -> None:
        async def fail(_: wire.RenewRequest) -> wire.RenewResponse:
            raise WardgateError(ErrorCode.QUOTA_EXCEEDED, "camden-csc used 412")

        world = World()
        async with world.serving(Unary(fail)) as server, world.calling(server) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await CertificateServiceStub(channel).Renew(REQUEST)

        assert raised.value.details() == CATALOGUE[ErrorCode.QUOTA_EXCEEDED].public
        assert set(dict(cast("Metadata", raised.value.trailing_metadata()))) == {ERROR_CODE_KEY, CORRELATION_KEY}

    async def test_an_unforeseen_exception_leaks_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        async def fail(_: wire.RenewRequest) -> wire.RenewResponse:
            raise ValueError("record of Jane Doe, 943 476 5919")

        world = World()
        async with world.serving(Unary(fail)) as server, world.calling(server) as channel:
            with caplog.at_level(logging.INFO), pytest.raises(grpc.aio.AioRpcError) as raised:
                await CertificateServiceStub(channel).Renew(REQUEST)

        seen = f"{raised.value.details()} {raised.value.trailing_metadata()} {raised.value.debug_error_string()}"
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        for text in (seen, caplog.text):
            assert "Jane" not in text
            assert not re.search(r"943\D?476\D?5919", text)  # ids are random: shorter runs of digits occur in them
            assert "ValueError" not in seen
        assert "CALL_BROKEN" in caplog.text
        assert "ValueError" in caplog.text
        assert "test_calls.py" in caplog.text

    async def test_an_unforeseen_exception_in_a_stream_leaks_nothing(self) -> None:
        async def broken(_: Requests, __: object) -> AsyncIterator[link_pb2.AttachResponse]:
            yield link_pb2.AttachResponse(probe=link_pb2.Probe(nonce=1))
            raise ValueError("record of Jane Doe")

        world = World()
        async with world.serving(served("LinkService/Attach", broken)) as server, world.calling(server) as channel:
            call = LinkServiceStub(channel).Attach(None)
            first = await call.read()
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call.read()

        assert first == _probe(1)
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        assert "Jane" not in str(raised.value)

    async def test_a_servicer_may_end_a_call_by_itself(self) -> None:
        async def aborting(_: object, context: Context) -> None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such component")

        world = World()
        async with (
            world.serving(served("CertificateService/Renew", aborting)) as server,
            world.calling(server) as channel,
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await CertificateServiceStub(channel).Renew(REQUEST)

        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


class TestMessages:
    OPTIONS = ServerOptions(max_message_bytes=1_000)

    async def test_a_message_of_the_limit_is_taken(self) -> None:
        request = _request_of(1_000)
        world = World()
        async with world.serving(Unary(_empty), options=self.OPTIONS) as server, world.calling(server) as channel:
            await renew(channel, request)

    @pytest.mark.parametrize("size", [1_001, 1_000 + SLACK_BYTES, 1_001 + SLACK_BYTES, 3_000_000])
    async def test_a_longer_message_is_refused_with_a_clear_error(self, size: int) -> None:
        world = World()
        async with world.serving(Unary(_empty), options=self.OPTIONS) as server, world.calling(server) as channel:
            error = await refusal(channel, _request_of(size))

        assert error.code is ErrorCode.MESSAGE_TOO_LARGE

    async def test_an_answer_over_the_limit_is_an_error_not_a_broken_stream(self) -> None:
        async def long(_: wire.RenewRequest) -> wire.RenewResponse:
            return wire.RenewResponse(certificate_chain=bytes(1_001))

        world = World()
        async with world.serving(Unary(long), options=self.OPTIONS) as server, world.calling(server) as channel:
            error = await refusal(channel)

        assert error.code is ErrorCode.MESSAGE_TOO_LARGE

    async def test_a_message_that_is_not_protobuf_is_malformed(self) -> None:
        world = World()
        async with world.serving(Unary()) as server, world.calling(server) as channel:
            call = channel.unary_unary("/federation.wire.v1.CertificateService/Renew")
            with pytest.raises(RemoteError) as raised:
                async with call_errors(GATEWAY):
                    await call(b"\xff\xff\xff")

        assert raised.value.code is ErrorCode.MESSAGE_MALFORMED

    async def test_each_message_of_a_stream_is_checked(self) -> None:
        world = World()
        async with (
            world.serving(served("LinkService/Attach", probing), options=self.OPTIONS) as server,
            world.calling(server) as channel,
        ):
            call = LinkServiceStub(channel).Attach(None)
            await call.write(_reply(7))
            first = await call.read()
            await call.write(link_pb2.AttachRequest(answer=query_pb2.SealedAnswer(task_id="x" * 1_001)))
            with pytest.raises(RemoteError) as raised:
                async with call_errors(GATEWAY):
                    await call.read()

        assert first == _probe(7)
        assert raised.value.code is ErrorCode.MESSAGE_TOO_LARGE


class TestStreams:
    async def test_a_bidirectional_stream_runs_both_ways_and_ends(self) -> None:
        async def replies() -> AsyncIterator[link_pb2.AttachRequest]:
            for nonce in range(100):
                yield _reply(nonce)

        world = World()
        async with world.serving(served("LinkService/Attach", probing)) as server, world.calling(server) as channel:
            got = [message.probe.nonce async for message in LinkServiceStub(channel).Attach(replies())]

            assert got == list(range(100))
            assert len(server.watch) == 0

    async def test_a_coroutine_that_writes_is_a_stream_too(self) -> None:
        async def write_states(request: query_pb2.AskRequest, context: Context) -> None:
            for part in request.parts:
                target = query_pb2.TargetUpdate(responder=part.responder)
                await context.write(query_pb2.AskResponse(event=query_pb2.QueryEvent(target=target)))

        request = query_pb2.AskRequest(parts=[query_pb2.TargetPart(responder=name) for name in ("a1", "b2")])
        world = World()
        async with (
            world.serving(served("QueryService/Ask", write_states)) as server,
            world.calling(server) as channel,
        ):
            got = [answer.event.target.responder async for answer in QueryServiceStub(channel).Ask(request)]

        assert got == ["a1", "b2"]

    async def test_a_caller_who_goes_away_ends_the_servicer_too(self) -> None:
        ended = asyncio.Event()

        async def waiting(_: Requests, __: object) -> AsyncIterator[link_pb2.AttachResponse]:
            try:
                yield link_pb2.AttachResponse()
                await asyncio.Event().wait()
            finally:
                ended.set()

        world = World()
        async with world.serving(served("LinkService/Attach", waiting)) as server, world.calling(server) as channel:
            call = LinkServiceStub(channel).Attach(None)
            await call.read()
            call.cancel()

            await asyncio.wait_for(ended.wait(), 10)

    @pytest.mark.parametrize("style", ["yielded", "written"])
    async def test_an_answer_to_a_caller_who_has_gone_is_no_defect(
        self, style: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        ended = asyncio.Event()

        async def yielded(_: Requests, __: object) -> AsyncIterator[link_pb2.AttachResponse]:
            try:
                yield link_pb2.AttachResponse()
                await _until_cancelled()
                yield link_pb2.AttachResponse()
            finally:
                ended.set()

        async def written(_: Requests, context: Context) -> None:
            try:
                await context.write(link_pb2.AttachResponse())
                await _until_cancelled()
                await context.write(link_pb2.AttachResponse())
            finally:
                ended.set()

        world = World()
        behaviour = {"yielded": yielded, "written": written}[style]
        async with world.serving(served("LinkService/Attach", behaviour)) as server, world.calling(server) as channel:
            call = LinkServiceStub(channel).Attach(None)
            await call.read()
            call.cancel()
            await asyncio.wait_for(ended.wait(), 10)
            await asyncio.sleep(0)

            assert len(server.watch) == 0
        assert "CALL_BROKEN" not in caplog.text


class TestCorrelation:
    async def test_the_callers_id_reaches_the_servicer_and_comes_back(self) -> None:
        world = World()
        async with world.serving(Unary(_tell_correlation)) as server, world.calling(server) as channel:
            with correlated("0123456789abcdef" * 2) as sent:
                call = CertificateServiceStub(channel).Renew(REQUEST)
                answer = await call

            assert answer.certificate_chain == sent.encode()
            assert (await call.trailing_metadata())[CORRELATION_KEY] == sent

    @pytest.mark.parametrize("sent", [None, "short", "x" * 65, "with space in it", "-begins-with-dash"])
    async def test_a_missing_or_ill_formed_id_is_replaced(self, sent: str | None) -> None:
        metadata = ((CORRELATION_KEY, sent),) if sent else ()
        world = World()
        async with world.serving(Unary(_tell_correlation)) as server, world.calling(server) as channel:
            answer = await CertificateServiceStub(channel).Renew(REQUEST, metadata=metadata)

        assert len(answer.certificate_chain) == 32
        assert answer.certificate_chain.decode() != sent

    async def test_two_ids_are_none(self) -> None:
        metadata = ((CORRELATION_KEY, "a" * 32), (CORRELATION_KEY, "b" * 32))
        world = World()
        async with world.serving(Unary(_tell_correlation)) as server, world.calling(server) as channel:
            answer = await CertificateServiceStub(channel).Renew(REQUEST, metadata=metadata)

        assert answer.certificate_chain not in (b"a" * 32, b"b" * 32)

    async def test_an_error_carries_the_id_under_which_it_was_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        async def fail(_: wire.RenewRequest) -> wire.RenewResponse:
            raise WardgateError(ErrorCode.STORE_UNAVAILABLE)

        world = World()
        async with world.serving(Unary(fail)) as server, world.calling(server) as channel:
            with caplog.at_level(logging.INFO):
                error = await refusal(channel)

        assert error.correlation_id
        assert error.correlation_id in caplog.text

    async def test_ids_of_calls_at_the_same_time_do_not_mix(self) -> None:
        async def slowly(_: wire.RenewRequest) -> wire.RenewResponse:
            await asyncio.sleep(0.01)
            return await _tell_correlation(_)

        async def call(channel: grpc.aio.Channel, sent: str) -> bytes:
            with correlated(sent):
                return (await renew(channel)).certificate_chain

        ids = [f"{number:032x}" for number in range(50)]
        world = World()
        async with world.serving(Unary(slowly)) as server, world.calling(server) as channel:
            got = await asyncio.gather(*(call(channel, sent) for sent in ids))

        assert got == [sent.encode() for sent in ids]


async def test_an_address_that_cannot_be_listened_on_is_a_settings_error() -> None:
    world = World()
    async with world.serving(Unary()) as server:
        with pytest.raises(WardgateError) as raised:
            async with world.serving(Unary(), address=f"{LOOPBACK}:{server.port}"):
                pass

    assert raised.value.code is ErrorCode.SETTINGS_INVALID


def test_credentials_of_different_pairs_are_refused() -> None:
    good = Pki().credentials(CAMDEN)

    with pytest.raises(WardgateError) as raised:
        replace(good, private_key=PrivateKey.generate().pem).check()

    assert raised.value.code is ErrorCode.KEYRING_REJECTED
    assert isinstance(good, Credentials)
    good.check()


@call_errors(GATEWAY)
async def _outcome(call: Any) -> Any:
    return [answer async for answer in call] if hasattr(call, "__aiter__") else await call


async def _links(_: admin_pb2.GetLinksRequest, __: object) -> admin_pb2.GetLinksResponse:
    return admin_pb2.GetLinksResponse()


async def _enrol(_: wire.EnrolRequest, __: object) -> wire.EnrolResponse:
    return wire.EnrolResponse(certificate_chain=str(current_peer()).encode())


def _blocking(_: wire.RenewRequest, __: object) -> wire.RenewResponse:
    raise NotImplementedError("what a generated servicer does for a method that nobody wrote")


async def _until_cancelled() -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


async def _empty(_: wire.RenewRequest) -> wire.RenewResponse:
    return wire.RenewResponse()


async def _tell_correlation(_: wire.RenewRequest) -> wire.RenewResponse:
    return wire.RenewResponse(certificate_chain=(current_correlation_id() or "").encode())


def _request_of(size: int) -> wire.RenewRequest:
    for overhead in range(2, 8):
        request = wire.RenewRequest(certificate_request=bytes(size - overhead))
        if request.ByteSize() == size:
            return request
    raise AssertionError(size)


def _probe(nonce: int) -> link_pb2.AttachResponse:
    return link_pb2.AttachResponse(probe=link_pb2.Probe(nonce=nonce))


def _reply(nonce: int) -> link_pb2.AttachRequest:
    return link_pb2.AttachRequest(probe_reply=link_pb2.Probe(nonce=nonce))
