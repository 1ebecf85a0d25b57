"""Works on tasks, whatever brought them: accepts, answers, and hands what is to be said to the link of the moment.

What cannot be said because there is no link is not lost: it is found in the store when the next link is up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from agency_node.answering.departure import Departure
from agency_node.answering.desk import Answering, Reply
from agency_node.answering.intake import Arrival, Intake, is_passing
from agency_node.store.tables import ReferralState, TaskState
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from federation.transport.backoff import Backoff
from federation.transport.correlation import correlated
from federation.wire.v1 import link_pb2 as wire
from federation.wire.v1 import query_pb2

DUE_INTERVAL_S: Final = 5.0
"""How often tasks are looked through for those whose last moment has come. One that is tried again and again is tried
at least as often."""

UNSAID_INTERVAL_S: Final = 30.0
"""How often it is looked for tasks that nobody works on although something is to be done: half of the minute that one
may be left so. What was found twice is taken up; what has just come is being worked on anyhow."""

TRIES: Final = 7
"""How often a task is taken in again, over half a minute or so, before it is left to the gateway to offer it again."""

_log = EventLog(__name__)


class Outlet(Protocol):
    """Where a node says things to the gateway. Each message may be said again; the gateway takes it once."""

    async def say(self, message: wire.AttachRequest) -> None:
        """Pass a message on. Returns when it is on its way, or on purpose never: the store keeps it.

        Raises:
            WardgateError: `PEER_UNAVAILABLE` and the like.
        """
        ...


class Worker:
    """Works on tasks.

    Args:
        intake: The node's door.
        answering: Makes answers.
        departure: When they leave.
        max_in_flight: Most tasks worked on at once; what comes beyond waits.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        *,
        intake: Intake,
        answering: Answering,
        departure: Departure,
        max_in_flight: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._intake = intake
        self._answering = answering
        self._departure = departure
        self._places = asyncio.Semaphore(max_in_flight)
        self._sleep = sleep
        self._outlet: Outlet | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._unsaid: set[str] = set()
        self._notes: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """Tasks being worked on."""
        return len(self._running)

    async def attach(self, outlet: Outlet) -> None:
        """Say everything through this outlet from now on, beginning with what the gateway may not have heard."""
        self._outlet = outlet
        for task in await self._answering.unfinished():
            if task.state is TaskState.REFERRED and task.referral_state is ReferralState.OPEN:
                await self._say(outlet, wire.AttachRequest(referred=wire.TaskReferred(task_id=task.task_id)))
            else:
                self._start(task.task_id, self._finish)

    def detach(self, outlet: Outlet) -> None:
        """The outlet is closed."""
        if self._outlet is outlet:
            self._outlet = None

    def deliver(self, task: wire.Task) -> None:
        """Take a task from the gateway and work on it. One that is being worked on needs no second start."""
        arrived_s = self._departure.now()
        self._start(task.task_id, lambda _: self._take(task, arrived_s))

    def resume(self, task_id: str) -> None:
        """A human has decided: a task that waited can be answered."""
        if task_id in self._running:
            self._again.add(task_id)  # what runs may have looked before the decision was there
        self._start(task_id, self._finish)

    async def stored(self, task_id: str) -> None:
        """The gateway has an answer, or knows that there will be none."""
        await self._answering.stored(task_id)

    async def cancel(self, task_id: str) -> None:
        """The gateway no longer wants an answer."""
        await self._answering.cancel(task_id)

    def note_stored(self, task_id: str) -> None:
        """As `stored`, without keeping the reader of a stream waiting for the disk."""
        self._note(lambda: self._answering.stored(task_id))

    def note_cancelled(self, task_id: str) -> None:
        """As `cancel`, without keeping the reader of a stream waiting for the disk."""
        self._note(lambda: self._answering.cancel(task_id))

    async def watch(self) -> None:
        """See to what is due, and to what nobody works on, for ever."""
        rounds = 0
        while True:
            for task_id in await self._answering.due():
                self._start(task_id, self._finish)
            if rounds % round(UNSAID_INTERVAL_S / DUE_INTERVAL_S) == 0:
                await self.take_up()
            rounds += 1
            await self._sleep(DUE_INTERVAL_S)

    async def take_up(self) -> None:
        """Work on what stood unfinished the last time too: its decision, its answer or its acknowledgement was lost.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        before, self._unsaid = self._unsaid, set(await self._answering.unsaid())
        for task_id in before & self._unsaid:
            self._start(task_id, self._finish)

    async def aclose(self) -> None:
        """Stop all work. What was begun is found in the store."""
        self._again.clear()
        running = [*self._running.values(), *self._notes]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _start(self, task_id: str, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        if task_id in self._running:
            return
        task = asyncio.create_task(work(task_id), name=task_id)
        self._running[task_id] = task
        task.add_done_callback(self._ended)

    def _note(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(self._noting(work))
        self._notes.add(task)
        task.add_done_callback(self._noted)

    async def _noting(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        backoff = Backoff()
        while True:
            try:
                return await work()
            except WardgateError as error:
                if not is_passing(error) or backoff.attempt >= TRIES:
                    raise
                await self._sleep(backoff.next_s())

    def _noted(self, task: asyncio.Task[None]) -> None:
        """What could not be noted comes again: the answer is sent once more, and acknowledged or cancelled anew."""
        self._notes.discard(task)
        _log_failure(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        task_id = task.get_name()
        del self._running[task_id]
        _log_failure(task)
        if task_id in self._again and not task.cancelled():
            self._again.discard(task_id)
            self._start(task_id, self._finish)

    async def _take(self, task: wire.Task, arrived_s: float) -> None:
        async with self._places:
            with correlated(CorrelationId.adopted(task.task_id)):
                try:
                    reply = await self._begin_in_time(task)
                except WardgateError as error:
                    # Not accepted, and the gateway is not told that it is: it offers the task again.
                    _log.event(Event.TASK_POSTPONED, task_id=task.task_id, error=error)
                    return
                if reply is None:
                    reply = await self._reply(task.task_id)
                await self._depart(reply, arrived_s)

    async def _begin_in_time(self, task: wire.Task) -> Reply | None:
        """As `_begin`; what passes is waited out for a while."""
        backoff = Backoff()
        while True:
            try:
                return await self._begin(task)
            except WardgateError as error:
                if not is_passing(error) or backoff.attempt >= TRIES:
                    raise
                _log.event(Event.TASK_POSTPONED, task_id=task.task_id, attempt=backoff.attempt, error=error)
                await self._sleep(backoff.next_s())

    async def _begin(self, task: wire.Task) -> Reply | None:
        """Answer at once where that can be; None for a task that is stored, to be worked on from there."""
        arrived = await self._intake.examine(task)
        if isinstance(arrived, Arrival):
            reply = await self._at_once(arrived)
            if reply is not None:
                return reply
            arrived = await self._intake.accept(arrived)
        if arrived is TaskState.ACCEPTED:
            accepted = wire.TaskAccepted(task_id=task.task_id, lease_id=task.lease_id)
            await self._say(self._outlet, wire.AttachRequest(accepted=accepted))
        return None

    async def _at_once(self, arrived: Arrival) -> Reply | None:
        try:
            return await self._answering.answer_at_once(arrived)
        except Exception as error:  # noqa: BLE001 - whatever is wrong here, the task must not vanish without a trace
            _log.event(Event.UNHANDLED_EXCEPTION, error=error)
            return None

    async def _finish(self, task_id: str) -> None:
        async with self._places:
            with correlated(task_id):
                arrived_s = self._departure.now()
                await self._depart(await self._reply(task_id), arrived_s)

    async def _depart(self, reply: Reply | None, arrived_s: float) -> None:
        if reply is not None:
            await self._departure.wait(arrived_s)
            await self._tell(reply)

    async def _reply(self, task_id: str) -> Reply | None:
        """Work on a task until it comes to something; what passes is waited out."""
        backoff = Backoff()
        while True:
            try:
                return await self._answering.answer(task_id)
            except WardgateError as error:
                if error.code is ErrorCode.TASK_UNKNOWN:
                    return None  # refused at the door: there is nothing to answer
                if not is_passing(error):
                    raise
                _log.event(Event.TASK_POSTPONED, task_id=task_id, attempt=backoff.attempt, error=error)
                await self._sleep(min(backoff.next_s(), DUE_INTERVAL_S))

    async def _tell(self, reply: Reply) -> None:
        if reply.state is TaskState.REFERRED:
            referred = wire.TaskReferred(task_id=reply.task_id)
            await self._say(self._outlet, wire.AttachRequest(referred=referred))
        elif reply.state in {TaskState.REFUSED, TaskState.REJECTED}:
            rejected = wire.TaskRejected(task_id=reply.task_id)
            await self._say(self._outlet, wire.AttachRequest(rejected=rejected))
        elif reply.answer is not None and reply.state in {TaskState.ANSWERED, TaskState.STORED}:
            answer = query_pb2.SealedAnswer.FromString(reply.answer)
            await self._say(self._outlet, wire.AttachRequest(answer=answer))

    async def _say(self, outlet: Outlet | None, message: wire.AttachRequest) -> None:
        if outlet is None:
            return
        try:
            await outlet.say(message)
        except WardgateError as error:
            # The next link begins with everything that the gateway has not acknowledged.
            _log.event(Event.LINK_LOST, error=error)


def _log_failure(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, WardgateError):
        _log.event(Event.TASK_POSTPONED, error=error)
    elif error is not None:
        _log.event(Event.UNHANDLED_EXCEPTION, error=error)
