"""A client channel that outlives certificates.

gRPC in Python has no dynamic credentials for clients, so a channel is replaced: when the certificate source gives new
credentials, new calls go over a new connection, and calls on the old one may finish for a while before it is closed.
Stubs are made once and stay good. The server's identity is its DNS name (`Party.dns_name`), which only the party whose
URI spells it is issued.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import grpc
import grpc.aio

from federation.events import Event
from federation.limits import MAX_MESSAGE_BYTES
from federation.telemetry import EventLog
from federation.transport.certificates import CertificateSource, Credentials
from federation.transport.correlation import CORRELATION_KEY, current_correlation_id
from federation.transport.identity import Party
from federation.transport.server import KEEPALIVE_S, KEEPALIVE_TIMEOUT_S, SLACK_BYTES

DRAIN_S: Final = 30.0
"""Calls on a replaced connection may take this much longer: more than any query's deadline."""

UNARY_TIMEOUT_S: Final = 30.0
"""No call waits for ever: the timeout of a call with one answer that sets none itself."""

LONGEST_RECONNECT_S: Final = 5
"""gRPC's own pause between attempts. Callers that retry add full jitter, so this may be short."""

CHECK_INTERVAL_S: Final = 5.0

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """Times and sizes of a channel; the defaults suit every party."""

    max_message_bytes: int = MAX_MESSAGE_BYTES
    unary_timeout_s: float = UNARY_TIMEOUT_S
    drain_s: float = DRAIN_S

    def arguments(self, server: Party) -> list[tuple[str, int | str]]:
        """As gRPC's channel arguments, demanding that the other side is `server`."""
        return [
            ("grpc.ssl_target_name_override", server.dns_name),
            ("grpc.max_receive_message_length", self.max_message_bytes + SLACK_BYTES),
            ("grpc.max_send_message_length", self.max_message_bytes + SLACK_BYTES),
            ("grpc.keepalive_time_ms", KEEPALIVE_S * 1000),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_S * 1000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.initial_reconnect_backoff_ms", 500),
            ("grpc.min_reconnect_backoff_ms", 2_000),
            ("grpc.max_reconnect_backoff_ms", LONGEST_RECONNECT_S * 1000),
            ("grpc.use_local_subchannel_pool", 1),  # a new channel must mean a new handshake
            ("grpc.enable_retries", 0),  # whoever calls decides what may be done twice
        ]


def enrolment_channel(
    address: str, server: Party, roots: bytes, options: ChannelOptions | None = None
) -> grpc.aio.Channel:
    """A channel to an enrolment port: the server proves itself, the caller has no certificate yet."""
    return grpc.aio.secure_channel(
        address,
        grpc.ssl_channel_credentials(root_certificates=roots),
        options=(options or ChannelOptions()).arguments(server),
    )


class RotatingChannel(grpc.aio.Channel):
    """A channel to one party over mutual TLS, replaced as the own certificate is renewed.

    Give it to stubs like any channel. Every call carries the current correlation id.

    Args:
        address: `host:port` to connect to.
        server: Who must answer there.
        certificates: Own certificate, key, and the roots that the server's certificate must lead to.
        options: Times and sizes.
    """

    def __init__(
        self, address: str, server: Party, certificates: CertificateSource, options: ChannelOptions | None = None
    ) -> None:
        self.server = server
        self._address = address
        self._certificates = certificates
        self._options = options or ChannelOptions()
        self._draining: dict[asyncio.Task[None], grpc.aio.Channel] = {}
        self._credentials = certificates.current()
        self._channel = self._connect(self._credentials)

    def current(self) -> grpc.aio.Channel:
        """The channel that new calls go over; replaced here when the credentials have changed."""
        newest = self._certificates.current()
        if newest is not self._credentials:
            old, self._credentials, self._channel = self._channel, newest, self._connect(newest)
            task = asyncio.create_task(old.close(self._options.drain_s), name="drain-channel")
            self._draining[task] = old
            task.add_done_callback(self._drained)
            _log.event(Event.CHANNEL_ROTATED, party=str(self.server))
        return self._channel

    async def keep_current(self) -> None:
        """Look for new credentials until cancelled, so that a long stream alone does not keep an old connection."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            self.current()

    def _connect(self, credentials: Credentials) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(
            self._address,
            grpc.ssl_channel_credentials(
                root_certificates=credentials.roots,
                private_key=credentials.private_key.reveal(),
                certificate_chain=credentials.chain,
            ),
            options=self._options.arguments(self.server),
        )

    async def close(self, grace: float | None = None) -> None:
        """Close the connection and those still draining."""
        draining = dict(self._draining)
        for task in draining:
            task.cancel()
        await asyncio.gather(*draining, return_exceptions=True)
        for channel in (*draining.values(), self._channel):
            await channel.close(grace)

    def _drained(self, task: asyncio.Task[None]) -> None:
        self._draining.pop(task, None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's own signature
        """State of the connection that new calls go over."""
        return self.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the connection leaves this state."""
        await self.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the connection is up."""
        await self.current().channel_ready()

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on to gRPC
        """A callable for one request and one answer."""
        return _Method(
            self, lambda made_on: made_on.unary_unary(method, *args, **kwargs), self._options.unary_timeout_s
        )

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on to gRPC
        """A callable for many requests and one answer."""
        return _Method(
            self, lambda made_on: made_on.stream_unary(method, *args, **kwargs), self._options.unary_timeout_s
        )

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on to gRPC
        """A callable for one request and many answers."""
        return _Method(self, lambda made_on: made_on.unary_stream(method, *args, **kwargs), None)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on to gRPC
        """A callable for many requests and many answers."""
        return _Method(self, lambda made_on: made_on.stream_stream(method, *args, **kwargs), None)


class _Method:
    """One method of a stub, on whichever connection is current when it is called."""

    def __init__(
        self, channel: RotatingChannel, make: Callable[[grpc.aio.Channel], Any], timeout_s: float | None
    ) -> None:
        self._channel = channel
        self._make = make
        self._timeout_s = timeout_s
        self._made_on: grpc.aio.Channel | None = None
        self._call: Any = None

    def __call__(
        self,
        request: Any = None,  # noqa: ANN401 - a message, or an iterator of them, or nothing where the caller writes
        *,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] | None = None,
        **kwargs: Any,  # noqa: ANN401 - the rest of gRPC's call arguments, passed on
    ) -> Any:  # noqa: ANN401 - gRPC's call object
        channel = self._channel.current()
        if channel is not self._made_on:
            self._made_on, self._call = channel, self._make(channel)
        correlation_id = current_correlation_id()
        sent = tuple(metadata or ())
        if correlation_id:
            sent += ((CORRELATION_KEY, correlation_id),)
        return self._call(
            request, timeout=self._timeout_s if timeout is None else timeout, metadata=sent or None, **kwargs
        )
