"""Takes tasks in: verifies each, and makes durable what cannot be answered at once.

The gateway offers a task until it hears of it, and it hears nothing before something is durable here: the answer, the
referral, or, where neither can be made just now, the task as it came. A task that cannot be used is refused: it is kept
with an alarm in log and ledger, nothing is ever answered to it, and the gateway is told until it says that it knows.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.answering import evidence
from agency_node.answering.responder import Responder
from agency_node.answering.task import VerifiedTask, task_digest, verify_task
from agency_node.store import tasks as store
from agency_node.store.referrals import close_waiting_referral
from agency_node.store.tables import ReferralState, TaskState
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.limits import MAX_CLOCK_SKEW_S
from federation.query import parse_query
from federation.store import reading, store_errors
from federation.telemetry import EventLog
from federation.wire.v1 import link_pb2 as wire

LATE_S: Final = 60
"""The gateway offers nothing that has ended, but may take half a minute to notice that it has."""

REMEMBERED: Final = 1_000
"""Tasks of another time that have been logged: each is offered every minute, and said once."""

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A task that verified and is not stored yet.

    Attributes:
        row: As it would be stored.
    """

    message: wire.Task
    verified: VerifiedTask
    row: store.NewTask


class Intake:
    """The node's door for tasks."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._reading = reading(responder.engine)
        self._of_another_time: deque[str] = deque(maxlen=REMEMBERED)

    async def examine(self, task: wire.Task) -> Arrival | TaskState:
        """Verify a task; one that is known already stays as it stands.

        Returns:
            What to do, or the state of a task about which nothing new is to be done: `refused` or `expired` where
            nothing will be answered.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE` or `STORE_UNAVAILABLE`: to be tried again; `DIRECTORY_REJECTED`:
                likewise, until this node has the directory that the requester used.
        """
        digest = task_digest(task)
        async with store_errors("task"), self._reading.connect() as connection:
            known = await store.find_task(connection, task.task_id)
        if known is not None and known.content_sha256 == digest:
            return known.state
        if known is not None:
            return await self.refuse(task, digest, WardgateError(ErrorCode.REPLAYED, "a task id came twice"))
        await self._follow_directory(task.header)
        try:
            return self._arrival(task, self._verify(task), digest)
        except WardgateError as error:
            return await self._turned_away(task, digest, error)

    async def accept(self, arrival: Arrival) -> TaskState:
        """Make a verified task durable, so that the gateway may hear that it is accepted.

        Returns:
            Its state: `accepted` for a new one.

        Raises:
            WardgateError: As `examine`.
        """
        try:
            return await self._store(arrival.row)
        except WardgateError as error:
            return await self._turned_away(arrival.message, arrival.row.content_sha256, error)

    async def _turned_away(self, task: wire.Task, digest: bytes, error: WardgateError) -> TaskState:
        if error.code is ErrorCode.QUERY_EXPIRED:
            self._tell_of_another_time(task)
            return TaskState.EXPIRED  # nothing is kept: when the clock is right it is offered again, and answered
        if is_passing(error):
            raise error
        return await self.refuse(task, digest, error)

    def _tell_of_another_time(self, task: wire.Task) -> None:
        """Say, once for each task, that it is of another time: not one that merely ended on its way here."""
        header, now = parse_query(task.header), self._responder.clock()
        early_s, late_s = int(header.issued_at - now), int(now - header.expires_at)
        if (early_s <= MAX_CLOCK_SKEW_S and late_s <= LATE_S) or task.task_id in self._of_another_time:
            return
        self._of_another_time.append(task.task_id)
        offset_s = early_s if early_s > 0 else -late_s
        _log.event(Event.TASK_OUT_OF_TIME, task_id=task.task_id, agency=header.requester, offset_s=offset_s)

    def _verify(self, task: wire.Task) -> VerifiedTask:
        responder = self._responder
        return verify_task(task, directory=responder.directory(), responder=responder.agency_id, now=responder.clock())

    async def _follow_directory(self, header: bytes) -> None:
        """Fetch the directory that the requester used, where it is newer than ours."""
        try:
            needed = parse_query(header).directory_version
        except WardgateError:
            return  # verification will name what is wrong
        if needed > self._responder.directory().version:
            await self._responder.refresh_directory()
        version = self._responder.directory().version
        if needed > version:
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"version {needed} is needed, {version} is here")

    def _arrival(self, task: wire.Task, verified: VerifiedTask, digest: bytes) -> Arrival:
        header = verified.header
        row = store.NewTask(
            task_id=task.task_id,
            query_id=header.query_id,
            requester=header.requester,
            user_ref=header.user_ref,
            break_glass=bool(header.break_glass),
            content_sha256=digest,
            state=TaskState.ACCEPTED,
            arrived_at=int(self._responder.clock()),
            expires_at=header.expires_at,
            task=task.SerializeToString(),
        )
        return Arrival(task, verified, row)

    async def _store(self, row: store.NewTask) -> TaskState:
        async def apply(connection: AsyncConnection) -> TaskState:
            rivals = await store.rivals(connection, task_id=row.task_id, requester=row.requester, query_id=row.query_id)
            for rival in rivals:
                if (rival.task_id, rival.content_sha256) == (row.task_id, row.content_sha256):
                    return rival.state  # another delivery was quicker
            if rivals:
                raise WardgateError(ErrorCode.REPLAYED, "the task id or the query came before, with other content")
            await store.insert_task(connection, row)
            return TaskState.ACCEPTED

        return (await self._responder.journal.record([], apply)).result

    async def refuse(self, task: wire.Task, digest: bytes, error: WardgateError) -> TaskState:
        """Raise the alarm about a task that does not verify, or no longer does, and keep it as evidence.

        A task that is stored under this id is ended only if it is the very one that is refused.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`.
        """
        now = int(self._responder.clock())
        row = store.NewTask(
            task_id=task.task_id,
            query_id=task.task_id,
            requester="",
            user_ref="",
            break_glass=False,
            content_sha256=digest,
            state=TaskState.REFUSED,
            arrived_at=now,
            expires_at=now,
            task=task.SerializeToString(),
        )

        async def apply(connection: AsyncConnection) -> None:
            known = await store.find_task(connection, row.task_id)
            if known is not None and known.content_sha256 == digest:
                await store.settle_task(connection, store.Settled(row.task_id, TaskState.REFUSED))
                await close_waiting_referral(connection, row.task_id, ReferralState.CANCELLED, now)
            elif known is None and _is_id(row.task_id):
                await store.insert_task(connection, row)

        task_id = task.task_id if _is_id(task.task_id) else "no-id"
        _log.event(Event.TASK_NOT_VERIFIED, task_id=task_id, error=error)
        entry = evidence.alarm_entry(
            at=now,
            responder=self._responder.agency_id,
            task_id=task_id,
            error=str(error.code),
            content_sha256=digest,
        )
        await self._responder.journal.record([entry], apply)
        return TaskState.REFUSED


def is_passing(error: WardgateError) -> bool:
    """Whether an error is of this node and this moment, not of the task."""
    return error.spec.retryable  # an unknown outcome is read back first: `Intake.examine`, `Answering.answer`


def _is_id(task_id: str) -> bool:
    try:
        return str(UUID(task_id)) == task_id
    except ValueError:
        return False
