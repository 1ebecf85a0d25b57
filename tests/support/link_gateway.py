"""The gateway's end of a link for one agency: small, correct, and as unfriendly as a test wants it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc

from federation.wire.v1 import link_pb2 as wire
from federation.wire.v1 import query_pb2
from tests.support.transport import Handlers, served
from tests.support.waiting import until

LEASE_S = 1.0


@dataclass
class LinkGateway:
    """Delivers tasks until they are answered.

    Attributes:
        refuses_streams: `Attach` is not there.
        acknowledges: Answers are acknowledged; otherwise they are lost on the way home.
        probe_s: Interval of probes.
        said: Every message received, kind and task id, in order.
        hellos: Every hello received.
    """

    tasks: dict[str, wire.Task] = field(default_factory=dict)
    answers: dict[str, list[query_pb2.SealedAnswer]] = field(default_factory=dict)
    referred: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    refuses_streams: bool = False
    acknowledges: bool = True
    probe_s: float = 0.1
    said: list[tuple[str, str]] = field(default_factory=list)
    hellos: list[wire.Hello] = field(default_factory=list)
    streams: int = 0
    claims: int = 0
    most_at_once: int = 0
    _outbox: "asyncio.Queue[wire.AttachResponse] | None" = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _leases: dict[str, float] = field(default_factory=dict)

    def handlers(self) -> list[Handlers]:
        """For `World.serving`."""
        return [
            served("LinkService/Attach", self._attach),
            served("LinkService/Claim", self._claim),
            served("LinkService/Submit", self._submit),
        ]

    def offer(self, task: wire.Task) -> None:
        """Have a task delivered."""
        self.tasks[task.task_id] = task
        if self._outbox is not None:
            self._outbox.put_nowait(wire.AttachResponse(task=self._leased(task)))
        self._changed.set()

    def cancel(self, task_id: str) -> None:
        """Withdraw a task."""
        del self.tasks[task_id]
        assert self._outbox is not None
        self._outbox.put_nowait(wire.AttachResponse(cancelled=wire.TaskCancelled(task_id=task_id)))

    def open_tasks(self) -> list[wire.Task]:
        """What a link that attaches is given: a task that a human decides on is not delivered again."""
        over = self.answers.keys() | self.referred | self.rejected
        return [task for task in self.tasks.values() if task.task_id not in over]

    def kinds(self, task_id: str) -> list[str]:
        """What was said about a task, in order."""
        return [kind for kind, about in self.said if about == task_id]

    async def until_answered(self, *task_ids: str) -> None:
        """Wait for answers to these tasks."""
        await until(lambda: self.answers.keys() >= set(task_ids))

    async def until_said(self, kind: str, task_id: str) -> None:
        """Wait until something is said about a task."""
        await until(lambda: kind in self.kinds(task_id))

    @staticmethod
    def _leased(task: wire.Task) -> wire.Task:
        leased = wire.Task()
        leased.CopyFrom(task)
        leased.lease_id = str(uuid4())
        return leased

    async def _attach(
        self, requests: AsyncIterator[wire.AttachRequest], context: Any
    ) -> AsyncIterator[wire.AttachResponse]:
        if self.refuses_streams:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no streams here")
        first = await anext(aiter(requests))
        assert first.WhichOneof("message") == "hello"
        self.hellos.append(first.hello)
        self.streams += 1
        outbox: asyncio.Queue[wire.AttachResponse] = asyncio.Queue()
        self._outbox = outbox
        for task in self.open_tasks():
            outbox.put_nowait(wire.AttachResponse(task=self._leased(task)))
        reader = asyncio.create_task(self._read(requests, outbox))
        prober = asyncio.create_task(self._probe(outbox))
        try:
            while True:
                yield await outbox.get()
        finally:
            reader.cancel()
            prober.cancel()
            await asyncio.gather(reader, prober, return_exceptions=True)
            if self._outbox is outbox:
                self._outbox = None

    async def _probe(self, outbox: "asyncio.Queue[wire.AttachResponse]") -> None:
        nonce = 0
        while True:
            nonce += 1
            outbox.put_nowait(wire.AttachResponse(probe=wire.Probe(nonce=nonce)))
            await asyncio.sleep(self.probe_s)

    async def _read(
        self, requests: AsyncIterator[wire.AttachRequest], outbox: "asyncio.Queue[wire.AttachResponse]"
    ) -> None:
        async for message in requests:
            kind = message.WhichOneof("message") or ""
            if kind == "hello":
                self.hellos.append(message.hello)
            elif kind == "probe_reply":
                self.said.append((kind, str(message.probe_reply.nonce)))
            else:
                self._hear(kind, getattr(message, kind))
                if kind in ("answer", "rejected") and self.acknowledges:
                    stored = wire.AnswerStored(task_id=getattr(message, kind).task_id)
                    outbox.put_nowait(wire.AttachResponse(stored=stored))

    def _hear(self, kind: str, message: Any) -> None:
        self.said.append((kind, message.task_id))
        if kind == "referred":
            self.referred.add(message.task_id)
        elif kind == "rejected":
            self.rejected.add(message.task_id)
        elif kind == "answer":
            self.answers.setdefault(message.task_id, []).append(message)
        waiting = {about for said, about in self.said if said == "accepted"} - self.answers.keys() - self.referred
        self.most_at_once = max(self.most_at_once, len(waiting))

    async def _claim(self, request: wire.ClaimRequest, _: Any) -> wire.ClaimResponse:
        self.claims += 1
        self._changed.clear()
        if not self.open_tasks():
            try:
                await asyncio.wait_for(self._changed.wait(), request.wait_s)
            except TimeoutError:
                return wire.ClaimResponse()
        now = asyncio.get_running_loop().time()
        free = [task for task in self.open_tasks() if self._leases.get(task.task_id, 0.0) <= now]
        taken = free[: request.max_tasks]
        self._leases.update({task.task_id: now + LEASE_S for task in taken})
        return wire.ClaimResponse(tasks=[self._leased(task) for task in taken])

    async def _submit(self, request: wire.SubmitRequest, context: Any) -> wire.SubmitResponse:
        kind = request.WhichOneof("message") or ""
        message = getattr(request, kind)
        if message.task_id not in self.tasks:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, "gone", trailing_metadata=(("wardgate-error-code", "TASK_UNKNOWN"),)
            )
        self._hear(kind, message)
        if kind == "answer" and not self.acknowledges:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "lost on the way home")
        return wire.SubmitResponse()
