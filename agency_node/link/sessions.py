"""The two ways of holding a link: one long stream, or call by call where the network does not keep streams open.

Both end by raising or by returning; neither loses anything, because whatever was not acknowledged stands in the store.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

from agency_node.answering.worker import Worker
from agency_node.link.clock import GatewayClock
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from federation.wire.v1 import link_pb2 as wire
from federation.wire_version import WIRE_VERSION

SILENCE_S: Final = 45.0
"""The gateway sends a probe every 15 seconds: a stream that is silent for three of them is deaf, and is closed."""

CLAIM_WAIT_S: Final = 20
"""Proxies that kill idle requests do so after 30 seconds or more."""

PAUSE_S: Final = 0.05
"""Between claims that bring nothing although the gateway did not let them wait."""


_log = EventLog(__name__)


class LinkGateway(Protocol):
    """`LinkService` as this node calls it. Every method raises `WardgateError`."""

    def attach(self, requests: AsyncIterator[wire.AttachRequest]) -> AsyncIterator[wire.AttachResponse]:
        """Hold a stream."""
        ...

    async def claim(self, request: wire.ClaimRequest) -> wire.ClaimResponse:
        """Fetch tasks, waiting a while for the first."""
        ...

    async def submit(self, request: wire.SubmitRequest) -> None:
        """Say one thing."""
        ...


class StreamSession:
    """One stream.

    Attributes:
        heard: Messages received: zero means that the stream never came to life.
    """

    def __init__(
        self,
        gateway: LinkGateway,
        worker: Worker,
        *,
        clock: GatewayClock,
        hello: wire.Hello,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._worker = worker
        self._silence_s = silence_s
        self._outbox: asyncio.Queue[wire.AttachRequest | None] = asyncio.Queue()
        self._outbox.put_nowait(wire.AttachRequest(hello=hello))
        self.kind: Final = "stream"
        self.heard = 0

    async def say(self, message: wire.AttachRequest) -> None:
        """See `Outlet`."""
        self._outbox.put_nowait(message)

    async def run(self) -> None:
        """Hold the stream until either side ends it.

        Raises:
            WardgateError: What the call ended with; `DEADLINE_EXCEEDED` when the stream was deaf.
        """
        responses = self._gateway.attach(self._requests())
        await self._worker.attach(self)
        try:
            while True:
                async with asyncio.timeout(self._silence_s):
                    message = await anext(responses, None)
                if message is None:
                    return
                self.heard = _heard(self.heard, self.kind)
                await self._handle(message)
        except TimeoutError as error:
            raise WardgateError(ErrorCode.DEADLINE_EXCEEDED, "nothing heard for three probes") from error
        finally:
            self._worker.detach(self)
            self._outbox.put_nowait(None)
            await _aclose(responses)

    async def _requests(self) -> AsyncIterator[wire.AttachRequest]:
        while (message := await self._outbox.get()) is not None:
            yield message

    async def _handle(self, message: wire.AttachResponse) -> None:
        match message.WhichOneof("message"):
            case "task":
                self._worker.deliver(message.task)
            case "probe":
                self._clock.hear(message.probe.clock)
                reply = wire.Probe(nonce=message.probe.nonce, clock=self._clock.reading())
                await self.say(wire.AttachRequest(probe_reply=reply))
            case "stored":
                self._worker.note_stored(message.stored.task_id)
            case "cancelled":
                self._worker.note_cancelled(message.cancelled.task_id)
            case _:
                raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "empty link message")


def _heard(before: int, kind: str) -> int:
    if before == 0:
        _log.event(Event.LINK_FELL_BACK if kind == "unary" else Event.LINK_ATTACHED, kind=kind)
    return before + 1


async def _aclose(responses: AsyncIterator[wire.AttachResponse]) -> None:
    closing = getattr(responses, "aclose", None)
    if closing is not None:
        await closing()


class UnarySession:
    """The fallback: claims and submissions.

    Args:
        gateway: The link service.
        worker: Works on tasks.
        clock: Compares this node's clock with the gateway's.
        max_in_flight: Most tasks held at once.
        caseload_epoch: The oldest pseudonym epoch on the caseload; 0 where that is not known yet.
        until: When to stop and try a stream again, on the monotonic clock.
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
        caseload_epoch: Callable[[], int],
        until: float,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._worker = worker
        self._max_in_flight = max_in_flight
        self._caseload_epoch = caseload_epoch
        self._until = until
        self._monotonic = monotonic
        self._sleep = sleep
        self.kind: Final = "unary"
        self.heard = 0

    async def say(self, message: wire.AttachRequest) -> None:
        """See `Outlet`. An answer that the call brought home is stored; one the gateway does not want is cancelled."""
        which = message.WhichOneof("message")
        task_id: str = getattr(message, which).task_id if which else ""
        request = wire.SubmitRequest()
        match which:
            case "accepted":
                request.accepted.CopyFrom(message.accepted)
            case "referred":
                request.referred.CopyFrom(message.referred)
            case "rejected":
                request.rejected.CopyFrom(message.rejected)
            case "answer":
                request.answer.CopyFrom(message.answer)
            case _:
                raise WardgateError(ErrorCode.INTERNAL, f"{which} cannot be submitted")
        try:
            await self._gateway.submit(request)
        except WardgateError as error:
            if error.code is not ErrorCode.TASK_UNKNOWN:
                raise
            await self._worker.cancel(task_id)
        else:
            if which in ("answer", "rejected"):
                await self._worker.stored(task_id)

    async def run(self) -> None:
        """Claim until it is time to try a stream again.

        Raises:
            WardgateError: What a claim ended with.
        """
        await self._worker.attach(self)
        try:
            while self._monotonic() < self._until:
                await self._claim()
        finally:
            self._worker.detach(self)

    async def _claim(self) -> None:
        free = self._max_in_flight - self._worker.in_flight
        if free <= 0:
            await self._sleep(PAUSE_S)
            return
        left = self._until - self._monotonic()
        wait_s = max(1, min(CLAIM_WAIT_S, int(left)))
        request = wire.ClaimRequest(
            max_tasks=free,
            wait_s=wait_s,
            clock=self._clock.reading(),
            wire_version=WIRE_VERSION,
            caseload_epoch=self._caseload_epoch(),
        )
        response = await self._gateway.claim(request)
        self._clock.hear(response.clock)
        self.heard = _heard(self.heard, self.kind)
        for task_id in response.cancelled_task_ids:
            self._worker.note_cancelled(task_id)  # they are said once: one that fails must not lose the others
        for task in response.tasks:
            self._worker.deliver(task)
        if not response.tasks:
            await self._sleep(PAUSE_S)
