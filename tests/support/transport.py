"""A small gateway on loopback whose methods do what a test says, and channels to it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2_grpc

from federation.transport.certificates import CertificateSource, Credentials, HeldCertificates
from federation.transport.channel import ChannelOptions, RotatingChannel
from federation.transport.denylist import DenyEntry, DenyList, SignedDenyList
from federation.transport.health import Health
from federation.transport.identity import Party
from federation.transport.methods import ServerRole
from federation.transport.server import ServerOptions, TransportServer, build_server
from federation.wire.v1 import enrolment_pb2, enrolment_pb2_grpc, link_pb2
from keys.signing import SigningKey
from tests.support.pki import CAMDEN, GATEWAY, Pki

LOOPBACK = "127.0.0.1"

if TYPE_CHECKING:  # generic in the type stubs only
    Handlers = grpc.GenericRpcHandler[Any, Any]
else:
    Handlers = grpc.GenericRpcHandler

Renew = Callable[[enrolment_pb2.RenewRequest], Awaitable[enrolment_pb2.RenewResponse]]


async def echo(request: enrolment_pb2.RenewRequest) -> enrolment_pb2.RenewResponse:
    return enrolment_pb2.RenewResponse(certificate_chain=request.certificate_request)


@dataclass
class Unary(enrolment_pb2_grpc.CertificateServiceServicer):
    """One request, one answer: what the test gave."""

    behaviour: Renew = echo

    async def Renew(  # noqa: N802 - gRPC dictates the name
        self,
        request: enrolment_pb2.RenewRequest,
        context: Any,  # noqa: ARG002 - gRPC dictates the argument
    ) -> enrolment_pb2.RenewResponse:
        return await self.behaviour(request)


def served(method: str, behaviour: Callable[..., Any]) -> Handlers:
    """One method, such as `LinkService/Attach`, that does `behaviour`; the rest of its service is missing."""
    service, name = f"federation.wire.v1.{method}".split("/")
    found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[found.client_streaming, found.server_streaming]
    handler = make(
        behaviour,
        message_factory.GetMessageClass(found.input_type).FromString,
        lambda message: message.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler(service, {name: handler})


Servicer = Handlers | enrolment_pb2_grpc.CertificateServiceServicer | Health
Requests = AsyncIterator[link_pb2.AttachRequest]


async def probing(requests: Requests, _: object) -> AsyncIterator[link_pb2.AttachResponse]:
    """Answers each probe reply with a probe of the same number, for as long as the caller sends."""
    async for request in requests:
        yield link_pb2.AttachResponse(probe=link_pb2.Probe(nonce=request.probe_reply.nonce))


@dataclass
class Clock:
    """Seconds since the epoch, as the test says."""

    now: float

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """One authority, one deny list, one gateway."""

    pki: Pki = field(default_factory=Pki)
    signing: SigningKey = field(default_factory=SigningKey.generate)

    def __post_init__(self) -> None:
        self.denials = DenyList(self.signing.verify_key)
        self.deny(1)

    def deny(self, version: int, *entries: DenyEntry) -> None:
        """Put a deny list into force."""
        self.denials.adopt(SignedDenyList.issue(self.signing, version=version, issued_at=1, entries=entries))

    @asynccontextmanager
    async def serving(
        self,
        *servicers: "Servicer",
        role: ServerRole = ServerRole.GATEWAY,
        certificates: CertificateSource | None = None,
        options: ServerOptions | None = None,
        clock: Callable[[], float] | None = None,
        party: Party = GATEWAY,
        address: str = f"{LOOPBACK}:0",
    ) -> AsyncIterator[TransportServer]:
        """A running server."""
        more = {"clock": clock} if clock else {}
        server = build_server(
            role=role,
            address=address,
            certificates=certificates or HeldCertificates(self.pki.credentials(party)),
            denials=self.denials,
            options=options,
            **more,
        )
        register(server, servicers)
        await server.start()
        try:
            yield server
        finally:
            await server.stop(0)

    @asynccontextmanager
    async def calling(
        self,
        server: TransportServer | None,
        party: Party = CAMDEN,
        *,
        credentials: Credentials | None = None,
        certificates: CertificateSource | None = None,
        expected: Party = GATEWAY,
        options: ChannelOptions | None = None,
        port: int = 0,
    ) -> AsyncIterator[RotatingChannel]:
        """A channel to it, or to `port`: on the way to it, or in another process."""
        source = certificates or HeldCertificates(credentials or self.pki.credentials(party))
        async with RotatingChannel(
            f"{LOOPBACK}:{port or cast('TransportServer', server).port}", expected, source, options
        ) as channel:
            yield channel


def register(server: TransportServer, servicers: Sequence["Servicer"]) -> None:
    """Add what `served` made, `Unary` and `Health`."""
    for servicer in servicers:
        if isinstance(servicer, enrolment_pb2_grpc.CertificateServiceServicer):
            enrolment_pb2_grpc.add_CertificateServiceServicer_to_server(servicer, server.grpc)
        elif isinstance(servicer, Health):
            health_pb2_grpc.add_HealthServicer_to_server(servicer, server.grpc)
        else:
            server.grpc.add_generic_rpc_handlers((servicer,))
