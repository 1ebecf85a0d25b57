"""A gRPC server that knows its callers: mutual TLS that renews, the gate, connection ages, a graceful end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import grpc
import grpc.aio

from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.limits import MAX_MESSAGE_BYTES
from federation.supervision import OnCrash, Supervisor
from federation.telemetry import EventLog
from federation.transport.certificates import CertificateSource, Credentials
from federation.transport.denylist import Denials, NoDenyList
from federation.transport.interceptors import Gate
from federation.transport.methods import CALLERS, ServerRole
from federation.transport.occupancy import CallLimits
from federation.transport.revocation import RevocationWatch

KEEPALIVE_S: Final = 30
KEEPALIVE_TIMEOUT_S: Final = 10
LEAST_PING_INTERVAL_S: Final = 10
"""A client that pings more often is cut off by gRPC; ours ping every 30 seconds."""

SLACK_BYTES: Final = 64 * 1024
"""gRPC's own limit stands this far above ours, so that a message a little too long gets the catalogue's clear error."""

MAX_METADATA_BYTES: Final = 8 * 1024
HANDSHAKE_TIMEOUT_S: Final = 10

_log = EventLog(__name__)


STREAM_WINDOW_BYTES: Final = 64 * 1024
"""So much of a request a caller may send before it is read; gRPC asks for more as it reads, and not before."""

PARTIES: Final = CallLimits(
    calls=20_000,
    per_caller=1_000,
    streams_per_caller=4,
    connections_per_caller=8,
    reading_per_caller=8,
    request_s=60.0,
)
"""For callers with a certificate. An agency holds a call for each of its open queries and one link; while it renews its
certificate, or restarts, the ones before may still be there. Eight requests of 4 MiB are 32 MiB."""

STRANGERS: Final = CallLimits(
    calls=64,
    per_caller=32,
    streams_per_caller=0,
    connections_per_caller=16,
    reading_per_caller=32,
    request_s=10.0,
)
"""For the port that is open to anybody. Sixty-four requests of 64 KiB are 4 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Times and sizes of a server.

    Attributes:
        max_message_bytes: One message, either way.
        connection_age_s: After this long a connection is asked to reconnect, so that certificates and roots are
            checked anew; gRPC draws each connection's age evenly within 10 % of it, so they do not return together.
        connection_age_grace_s: How long its running calls may then still take.
        connection_idle_s: A connection without calls is closed after this long; 0 for never.
        connections: Connections that may be open, of all callers together; more are closed as they come.
        streams_per_connection: Calls one connection may have open.
        window_bytes: How much of a request may come before it is read.
        limits: What one caller may take.
    """

    max_message_bytes: int = MAX_MESSAGE_BYTES
    connection_age_s: int = 30 * 60
    connection_age_grace_s: int = 60
    connection_idle_s: int = 0
    connections: int = 4_096
    streams_per_connection: int = 1_000
    window_bytes: int = STREAM_WINDOW_BYTES
    limits: CallLimits = PARTIES

    def arguments(self) -> list[tuple[str, int]]:
        """As gRPC's channel arguments."""
        idle = [("grpc.max_connection_idle_ms", self.connection_idle_s * 1000)] if self.connection_idle_s else []
        return [
            ("grpc.max_receive_message_length", self.max_message_bytes + SLACK_BYTES),
            ("grpc.max_send_message_length", self.max_message_bytes + SLACK_BYTES),
            ("grpc.max_connection_age_ms", self.connection_age_s * 1000),
            ("grpc.max_connection_age_grace_ms", self.connection_age_grace_s * 1000),
            *idle,
            ("grpc.max_allowed_incoming_connections", self.connections),
            ("grpc.max_concurrent_streams", self.streams_per_connection),
            ("grpc.http2.lookahead_bytes", self.window_bytes),
            ("grpc.http2.bdp_probe", 0),  # else it widens the windows of a fast caller to megabytes, read or not
            ("grpc.keepalive_time_ms", KEEPALIVE_S * 1000),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_S * 1000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_INTERVAL_S * 1000),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.server_handshake_timeout_ms", HANDSHAKE_TIMEOUT_S * 1000),
            ("grpc.so_reuseport", 0),  # two processes on one port by mistake would share the callers between them
        ]


FOR_PARTIES: Final = ServerOptions()
FOR_OWN_TOOLS: Final = ServerOptions(limits=replace(PARTIES, connections_per_caller=256, reading_per_caller=64))
"""On a node's own port all of an agency's tools are one party, and every command is a connection of its own."""

FOR_STRANGERS: Final = ServerOptions(
    max_message_bytes=64 * 1024,
    connection_age_s=60,
    connection_age_grace_s=10,
    connection_idle_s=10,
    connections=256,
    streams_per_connection=16,
    window_bytes=16 * 1024,
    limits=STRANGERS,
)
"""A request on the enrolment port is a certificate request and a key statement: under 8 KiB, and answered at once."""


_OPTIONS: Final = {ServerRole.ENROLMENT: FOR_STRANGERS, ServerRole.LOCAL: FOR_OWN_TOOLS}


class TransportServer:
    """A server on one port. Register servicers on `.grpc`, then `start`, and `stop` at the end."""

    def __init__(self, grpc_server: grpc.aio.Server, *, role: ServerRole, port: int, watch: RevocationWatch) -> None:
        self.grpc = grpc_server
        self.role = role
        self.port = port
        self.watch = watch
        self._supervisor = Supervisor()

    async def start(self) -> None:
        """Take calls from now on."""
        await self.grpc.start()
        self._supervisor.start("revocation-watch", self.watch.run, on_crash=OnCrash.RESTART)
        _log.event(Event.SERVER_LISTENING, role=self.role, port=self.port)

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, let those running finish for so long, then end them."""
        await self.grpc.stop(grace_s)
        await self._supervisor.aclose()


def build_server(
    *,
    role: ServerRole,
    address: str,
    certificates: CertificateSource,
    denials: Denials,
    options: ServerOptions | None = None,
    clock: Callable[[], float] = time.time,
) -> TransportServer:
    """A server that demands a client certificate, unless its role is `ENROLMENT`.

    Args:
        role: Which rows of the method table hold.
        address: `host:port`; port 0 chooses one.
        certificates: Asked on every handshake, so a new certificate or root is in use at once.
        denials: Asked on every call and every few seconds while it runs.
        options: Times and sizes; those for the role where they are left out.
        clock: Seconds since the epoch.

    Raises:
        WardgateError: `SETTINGS_INVALID`: the address cannot be listened on.
    """
    is_open = role is ServerRole.ENROLMENT
    chosen = options or _OPTIONS.get(role, FOR_PARTIES)
    watch = RevocationWatch(NoDenyList() if is_open else denials, clock)
    gate = Gate(callers=CALLERS[role], watch=watch, limits=chosen.limits, max_message_bytes=chosen.max_message_bytes)
    server = grpc.aio.server(interceptors=[gate], options=chosen.arguments())
    try:
        port = server.add_secure_port(address, _server_credentials(certificates, with_clients=not is_open))
    except RuntimeError as error:
        raise WardgateError(ErrorCode.SETTINGS_INVALID, f"cannot listen on {address}") from error
    return TransportServer(server, role=role, port=port, watch=watch)


def _server_credentials(source: CertificateSource, *, with_clients: bool) -> grpc.ServerCredentials:
    in_use = source.current()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC before every handshake, in a thread of its own; None means unchanged."""
        nonlocal in_use
        newest = source.current()
        if newest is in_use:
            return None
        in_use = newest
        return _configuration(newest, with_clients=with_clients)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(in_use, with_clients=with_clients),
        fetch,  # type: ignore[arg-type] # the stubs do not know that None means unchanged
        require_client_authentication=with_clients,
    )


def _configuration(credentials: Credentials, *, with_clients: bool) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(credentials.private_key.reveal(), credentials.chain)],
        root_certificates=credentials.roots if with_clients else None,
    )
