"""The node's outbound connection: keeps one up, for ever, in whatever way the network allows.

A stream is tried first. One that is lost is tried again after a pause with full jitter (0.5 to 30 seconds). Where
streams are refused, or die again and again, tasks are fetched call by call for as long as that fares better; then a
stream is tried again. Tasks, leases and answers are the same either way.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from agency_node.answering.worker import Worker
from agency_node.link.clock import GatewayClock
from agency_node.link.sessions import SILENCE_S, LinkGateway, StreamSession, UnarySession
from federation.errors import WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.backoff import Backoff
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.wire.v1 import link_pb2 as wire
from federation.wire.v1 import link_pb2_grpc
from federation.wire_version import WIRE_VERSION

FALLBACK_S: Final = 300.0
"""How long tasks are fetched call by call before a stream is tried again."""

DEATHS: Final = 3
"""So many streams lost within the window, and the network is taken not to keep streams."""

DEATHS_WINDOW_S: Final = 300.0

STEADY_S: Final = 60.0
"""A link that stood this long was a good one: the next pause is the shortest again."""

_log = EventLog(__name__)


class GrpcLinkGateway:
    """`LinkGateway` over gRPC."""

    def __init__(self, channel: RotatingChannel) -> None:
        self._channel = channel
        self._stub = link_pb2_grpc.LinkServiceStub(channel)

    async def attach(self, requests: AsyncIterator[wire.AttachRequest]) -> AsyncIterator[wire.AttachResponse]:
        """See `LinkGateway`."""
        async with call_errors(self._channel.server):
            call = self._stub.Attach(requests)
            try:
                async for response in call:
                    yield response
            finally:
                call.cancel()

    async def claim(self, request: wire.ClaimRequest) -> wire.ClaimResponse:
        """See `LinkGateway`."""
        async with call_errors(self._channel.server):
            response: wire.ClaimResponse = await self._stub.Claim(request, timeout=request.wait_s + 10)
        return response

    async def submit(self, request: wire.SubmitRequest) -> None:
        """See `LinkGateway`."""
        async with call_errors(self._channel.server):
            await self._stub.Submit(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTimes:
    """Times of a link; the defaults suit every node."""

    fallback_s: float = FALLBACK_S
    deaths: int = DEATHS
    deaths_window_s: float = DEATHS_WINDOW_S
    steady_s: float = STEADY_S
    silence_s: float = SILENCE_S


class Link:
    """Keeps a link up.

    Args:
        gateway: The link service.
        worker: Works on tasks.
        clock: Compares this node's clock with the gateway's.
        max_in_flight: Most tasks held at once.
        absent_until: End of a planned absence, seconds since the epoch; 0 for none.
        caseload_epoch: The oldest pseudonym epoch on the caseload; 0 where that is not known yet.
        times: When to give a stream up.
        backoff: Pauses between attempts.
        monotonic: Seconds that never go back.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        gateway: LinkGateway,
        worker: Worker,
        *,
        clock: GatewayClock,
        max_in_flight: int,
        absent_until: Callable[[], int] = lambda: 0,
        caseload_epoch: Callable[[], int] = lambda: 0,
        times: LinkTimes | None = None,
        backoff: Backoff | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._gateway = gateway
        self._worker = worker
        self._clock = clock
        self._max_in_flight = max_in_flight
        self._absent_until = absent_until
        self._caseload_epoch = caseload_epoch
        self._times = times or LinkTimes()
        self._backoff = backoff or Backoff()
        self._monotonic = monotonic
        self._sleep = sleep
        self._deaths: deque[float] = deque(maxlen=self._times.deaths)
        self._session: StreamSession | UnarySession | None = None

    @property
    def is_up(self) -> bool:
        """Whether the gateway has been heard on the link of the moment."""
        return self._session is not None and self._session.heard > 0

    async def run(self) -> None:
        """Hold links, one after the other, until cancelled."""
        try:
            while True:
                await self._hold_stream()
                if self._streams_die():
                    await self._hold_unary()
        finally:
            await self._worker.aclose()

    async def say_again(self) -> None:
        """Tell the gateway at once what has changed of what a hello says; a unary link tells it when it may."""
        if isinstance(self._session, StreamSession):
            await self._session.say(wire.AttachRequest(hello=self._hello()))

    def _hello(self) -> wire.Hello:
        return wire.Hello(
            max_in_flight=self._max_in_flight,
            absent_until=self._absent_until(),
            clock=self._clock.reading(),
            wire_version=WIRE_VERSION,
            caseload_epoch=self._caseload_epoch(),
        )

    async def _hold_stream(self) -> None:
        silence_s = self._times.silence_s
        await self._hold(
            StreamSession(self._gateway, self._worker, clock=self._clock, hello=self._hello(), silence_s=silence_s)
        )

    def _streams_die(self) -> bool:
        """Whether the network is taken not to keep streams."""
        recent = [at for at in self._deaths if self._monotonic() - at <= self._times.deaths_window_s]
        return len(recent) >= self._times.deaths

    async def _hold_unary(self) -> None:
        """Fetch call by call for a while; at once back to streams where calls fare no better."""
        until = self._monotonic() + self._times.fallback_s
        is_heard = True
        while is_heard and self._monotonic() < until:
            session = UnarySession(
                self._gateway,
                self._worker,
                clock=self._clock,
                max_in_flight=self._max_in_flight,
                caseload_epoch=self._caseload_epoch,
                until=until,
                monotonic=self._monotonic,
                sleep=self._sleep,
            )
            await self._hold(session)
            is_heard = session.heard > 0
        # One more stream that dies leads back here; a steady one clears the count.
        self._deaths.clear()
        self._deaths.extend([self._monotonic()] * (self._times.deaths - 1))

    async def _hold(self, session: StreamSession | UnarySession) -> None:
        """Hold one session to its end, and pause as long as its end calls for."""
        began = self._monotonic()
        self._session = session
        failure: WardgateError | None = None
        try:
            await session.run()
        except WardgateError as error:
            failure = error
        finally:
            self._session = None
        is_stream = isinstance(session, StreamSession)
        if self._monotonic() - began >= self._times.steady_s:
            self._backoff.reset()
            self._deaths.clear()
        if is_stream:
            self._deaths.append(self._monotonic())
        if failure is None and not is_stream:
            return
        pause_s = self._backoff.next_s()
        _log.event(
            Event.LINK_LOST,
            kind=session.kind,
            attempt=self._backoff.attempt,
            delay_ms=round(pause_s * 1000),
            error=failure,
        )
        await self._sleep(pause_s)
