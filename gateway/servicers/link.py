"""LinkService: the responder's side, as a stream or call by call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from federation.errors import ErrorCode, Family, WardgateError
from federation.events import Event
from federation.finishing import to_the_end
from federation.telemetry import EventLog
from federation.transport.identity import current_peer
from federation.wire.v1 import link_pb2 as wire
from federation.wire.v1 import link_pb2_grpc, query_pb2
from federation.wire_version import check_wire_version
from gateway.answers import Answers
from gateway.clocks import Clocks
from gateway.dispatch import MAX_IN_FLIGHT, Links, Session
from gateway.epochs import CaseloadEpochs

Context = grpc.aio.ServicerContext[Any, Any]
_log = EventLog(__name__)

MAX_INSTANT = 2**40
"""The bound of every time in a signed document (`federation.document.Instant`)."""

MAX_WAIT_S = 20
"""Proxies that kill idle requests do so after 30 s or more."""


class LinkServicer(link_pb2_grpc.LinkServiceServicer):
    """Decode, call links and answers, encode."""

    def __init__(self, *, links: Links, answers: Answers, clocks: Clocks, caseloads: CaseloadEpochs) -> None:
        self._links = links
        self._caseloads = caseloads
        self._clocks = clocks
        self._answers = answers

    async def Attach(
        self, request_iterator: AsyncIterator[wire.AttachRequest], context: Context
    ) -> AsyncIterator[wire.AttachResponse]:
        """Hold a link: tasks down, answers up."""
        agency = current_peer().id
        first = await anext(request_iterator, None)
        if first is None or first.WhichOneof("message") != "hello":
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a link begins with hello")
        check_wire_version(first.hello.wire_version, "this link")
        self._clocks.hear(agency, first.hello.clock)
        self._caseloads.hear(agency, first.hello.caseload_epoch)
        session = _session(agency, first.hello.max_in_flight, first.hello.absent_until)
        reader = asyncio.create_task(self._read(session, request_iterator))
        self._links.attach(session, self._answers.tasks_for(agency))
        try:
            while (message := await session.outbox.get()) is not None:
                yield message
        finally:
            self._links.detach(session)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if reader.done() and not reader.cancelled() and (error := reader.exception()) is not None:
            raise error

    async def _read(self, session: Session, messages: AsyncIterator[wire.AttachRequest]) -> None:
        try:
            async for message in messages:
                await to_the_end(self._handle(session, message))  # a stream that is cut must not undo half of it
        finally:
            session.close()

    async def _handle(self, session: Session, message: wire.AttachRequest) -> None:
        match message.WhichOneof("message"):
            case "accepted":
                await self._tell(session, message.accepted.task_id, self._answers.accepted)
            case "referred":
                await self._tell(session, message.referred.task_id, self._answers.referred)
            case "rejected":
                await self._rejected(session, message.rejected.task_id)
            case "answer":
                await self._answer(session, message.answer)
            case "probe_reply":
                session.probe_answered = min(message.probe_reply.nonce, session.probe_sent)
                self._clocks.hear(session.agency, message.probe_reply.clock)
            case "hello":
                self._clocks.hear(session.agency, message.hello.clock)
                self._caseloads.hear(session.agency, message.hello.caseload_epoch)
                self._links.renew(session, absent_until=_instant(message.hello.absent_until))
            case _:
                raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "empty link message")

    async def _tell(self, session: Session, task_id: str, verb: Callable[[str, str], Awaitable[None]]) -> None:
        try:
            await verb(session.agency, task_id)
        except WardgateError as error:
            self._not_wanted(session, task_id, error)

    async def _rejected(self, session: Session, task_id: str) -> None:
        try:
            await self._answers.rejected(session.agency, task_id)
        except WardgateError as error:
            self._not_wanted(session, task_id, error)
        else:
            session.send(wire.AttachResponse(stored=wire.AnswerStored(task_id=task_id)))

    async def _answer(self, session: Session, answer: query_pb2.SealedAnswer) -> None:
        try:
            await self._answers.answered(session.agency, answer)
        except WardgateError as error:
            self._not_wanted(session, answer.task_id, error)
        else:
            session.send(wire.AttachResponse(stored=wire.AnswerStored(task_id=answer.task_id)))

    def _not_wanted(self, session: Session, task_id: str, error: WardgateError) -> None:
        """A refused message ends its task at the node, not the link; our own fault ends the link, to be retried."""
        if error.spec.family in (Family.OPERATOR, Family.INTERNAL):
            raise error
        _log.event(Event.ANSWER_REFUSED, task_id=task_id, agency=session.agency, code=error.code)
        self._links.cancel(session.agency, task_id)

    async def Claim(self, request: wire.ClaimRequest, context: Context) -> wire.ClaimResponse:
        """The unary fallback for tasks."""
        agency = current_peer().id
        check_wire_version(request.wire_version, "this link")
        self._clocks.hear(agency, request.clock)
        self._caseloads.hear(agency, request.caseload_epoch)
        session = _session(agency, request.max_tasks, 0)
        tasks, cancelled = await self._links.claim(
            session, self._answers.tasks_for(agency), wait_s=min(request.wait_s, MAX_WAIT_S)
        )
        clock = self._clocks.reading(agency)
        return wire.ClaimResponse(tasks=tasks, cancelled_task_ids=cancelled, clock=clock)

    async def Submit(self, request: wire.SubmitRequest, context: Context) -> wire.SubmitResponse:
        """The unary fallback for what a responder says."""
        await to_the_end(self._submit(current_peer().id, request))
        return wire.SubmitResponse()

    async def _submit(self, agency: str, request: wire.SubmitRequest) -> None:
        match request.WhichOneof("message"):
            case "accepted":
                await self._answers.accepted(agency, request.accepted.task_id)
            case "referred":
                await self._answers.referred(agency, request.referred.task_id)
            case "rejected":
                await self._answers.rejected(agency, request.rejected.task_id)
            case "answer":
                await self._answers.answered(agency, request.answer)
            case _:
                raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "empty submission")


def _session(agency: str, capacity: int, absent_until: int) -> Session:
    if not 1 <= capacity <= MAX_IN_FLIGHT:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, f"tasks in flight must be 1 to {MAX_IN_FLIGHT}")
    return Session(agency=agency, capacity=capacity, absent_until=_instant(absent_until))


def _instant(at: int) -> int:
    """A time that every requester's store can hold: it is relayed to whoever asks this agency.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`.
    """
    if at > MAX_INSTANT:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "planned absence")
    return at
