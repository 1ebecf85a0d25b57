"""Reads of tasks and decisions, and the writes that the journal makes durable: prebuilt Core statements."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.store.children import core_table
from agency_node.store.tables import DecisionInput, Referral, ReferralState, Task, TaskState
from federation.ledger.writes import Write

TASK, DECISION, REFERRAL = (core_table(model) for model in (Task, DecisionInput, Referral))


def _is_in(*states: TaskState) -> ColumnElement[bool]:
    """Spelt out: a write has no lists of values (`federation.ledger.writes`)."""
    return or_(*(TASK.c.state == state.value for state in states))


_BY_ID = (
    select(TASK, REFERRAL.c.referral_id, REFERRAL.c.state.label("referral_state"))
    .outerjoin(REFERRAL, REFERRAL.c.task_id == TASK.c.task_id)
    .where(TASK.c.task_id == bindparam("task_id"))
)
_RIVALS = select(TASK.c.task_id, TASK.c.content_sha256, TASK.c.state).where(
    or_(
        TASK.c.task_id == bindparam("task_id"),
        and_(TASK.c.requester == bindparam("requester"), TASK.c.query_id == bindparam("query_id")),
    )
)
_INSERT = insert(TASK)
_SETTLE = (
    update(TASK)
    .where(
        TASK.c.task_id == bindparam("b_task_id"),
        _is_in(TaskState.ACCEPTED, TaskState.REFERRED),
    )
    .values(
        state=bindparam("b_state"),
        answer=bindparam("b_answer"),
        decision_id=bindparam("b_decision_id"),
        child_key=func.coalesce(bindparam("b_child_key"), TASK.c.child_key),
    )
)
_CANCEL = (
    update(TASK)
    .where(
        TASK.c.task_id == bindparam("b_task_id"),
        _is_in(TaskState.ACCEPTED, TaskState.REFERRED, TaskState.ANSWERED),
    )
    .values(state=TaskState.CANCELLED.value)
)
_REFER = (
    update(TASK)
    .where(TASK.c.task_id == bindparam("b_task_id"), TASK.c.state == TaskState.ACCEPTED.value)
    .values(state=TaskState.REFERRED.value, child_key=bindparam("b_child_key"))
)
_REJECTED = (
    update(TASK)
    .where(TASK.c.task_id == bindparam("b_task_id"), TASK.c.state == TaskState.REFUSED.value)
    .values(state=TaskState.REJECTED.value)
)
_STORED = (
    update(TASK)
    .where(TASK.c.task_id == bindparam("b_task_id"), TASK.c.state == TaskState.ANSWERED.value)
    .values(state=TaskState.STORED.value)
)
_UNFINISHED = (
    select(TASK.c.task_id, TASK.c.state, REFERRAL.c.state.label("referral_state"))
    .outerjoin(REFERRAL, REFERRAL.c.task_id == TASK.c.task_id)
    .where(
        TASK.c.state.in_(
            [state.value for state in (TaskState.ACCEPTED, TaskState.REFERRED, TaskState.ANSWERED, TaskState.REFUSED)]
        )
    )
    .order_by(TASK.c.arrived_at)
)
_DUE = select(TASK.c.task_id, TASK.c.arrived_at, TASK.c.expires_at).where(
    TASK.c.state.in_([TaskState.ACCEPTED.value, TaskState.REFERRED.value]),
    TASK.c.expires_at <= bindparam("horizon"),
)
_RECENT = select(TASK.c.requester, TASK.c.user_ref, TASK.c.break_glass, TASK.c.arrived_at).where(
    TASK.c.arrived_at > bindparam("since"),
    TASK.c.requester != "",
    TASK.c.state != TaskState.ACCEPTED.value,
)
_INSERT_DECISION = insert(DECISION)


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task as it is first stored; see `agency_node.store.tables.Task`."""

    task_id: str
    query_id: str
    requester: str
    user_ref: str
    break_glass: bool
    content_sha256: bytes
    state: TaskState
    arrived_at: int
    expires_at: int
    task: bytes


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task as it stands in the store.

    Attributes:
        referral_id: Its referral; empty when it has none.
        is_undecided: The referral waits for a human.
    """

    task_id: str
    query_id: str
    content_sha256: bytes
    state: TaskState
    arrived_at: int
    expires_at: int
    task: bytes = field(repr=False)
    answer: bytes | None = field(repr=False)
    referral_id: str = ""
    is_undecided: bool = False


@dataclass(frozen=True, slots=True)
class Rival:
    """A stored task that has the id or the query of a new one."""

    task_id: str
    content_sha256: bytes
    state: TaskState


@dataclass(frozen=True, slots=True)
class Due:
    """An unanswered task with its times, seconds since the epoch."""

    task_id: str
    arrived_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Settled:
    """How a task ended; see `agency_node.store.tables.Task`."""

    task_id: str
    state: TaskState
    answer: bytes | None = field(default=None, repr=False)
    decision_id: str | None = None
    child_key: str | None = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A task about which something is still to be done after a start.

    Attributes:
        referral_state: State of its referral; None when it has none.
    """

    task_id: str
    state: TaskState
    referral_state: ReferralState | None


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """Encrypted input and result of a decision."""

    decision_id: str
    entry_point: str
    decided_at: int
    content: bytes
    result: bytes


def as_stored(task: NewTask) -> StoredTask:
    """A new task as it would stand in the store."""
    return StoredTask(
        task_id=task.task_id,
        query_id=task.query_id,
        content_sha256=task.content_sha256,
        state=task.state,
        arrived_at=task.arrived_at,
        expires_at=task.expires_at,
        task=task.task,
        answer=None,
    )


async def find_task(connection: AsyncConnection, task_id: str) -> StoredTask | None:
    """One task."""
    row = (await connection.execute(_BY_ID, {"task_id": task_id})).one_or_none()
    if row is None:
        return None
    return StoredTask(
        task_id=row.task_id,
        query_id=row.query_id,
        content_sha256=row.content_sha256,
        state=TaskState(row.state),
        arrived_at=row.arrived_at,
        expires_at=row.expires_at,
        task=row.task,
        answer=row.answer,
        referral_id=row.referral_id or "",
        is_undecided=row.referral_state == ReferralState.OPEN,
    )


async def rivals(connection: AsyncConnection, *, task_id: str, requester: str, query_id: str) -> list[Rival]:
    """Stored tasks of this id, or by which this query reached this agency."""
    values = {"task_id": task_id, "requester": requester, "query_id": query_id}
    rows = (await connection.execute(_RIVALS, values)).all()
    return [Rival(row.task_id, row.content_sha256, TaskState(row.state)) for row in rows]


async def insert_task(connection: AsyncConnection, task: NewTask) -> None:
    """Store a task."""
    await connection.execute(_INSERT, _task_row(task, None))


async def settle_task(connection: AsyncConnection, settled: Settled) -> None:
    """End an accepted or referred task; one that has ended already stays as it is."""
    await connection.execute(_SETTLE, _settled_row(settled))


def task_inserted(task: NewTask, settled: Settled | None = None) -> list[Write]:
    """A new task, with its end where it has ended already; `IntegrityError` where its id or its query came before."""
    return [Write.one(_INSERT, _task_row(task, settled))]


def task_settled(settled: Settled) -> list[Write]:
    """The end of an accepted or referred task; `NothingChanged` where it has ended already."""
    return [Write.one(_SETTLE, _settled_row(settled), must_change=True)]


def task_referred(task_id: str, child_key: str) -> list[Write]:
    """An accepted task that waits for a human; `NothingChanged` where it does not stand as accepted."""
    return [Write.one(_REFER, {"b_task_id": task_id, "b_child_key": child_key}, must_change=True)]


def task_cancelled(task_id: str) -> list[Write]:
    """Nothing is wanted any more; what was made, or was to be said, is not sent again."""
    return [Write.one(statement, {"b_task_id": task_id}) for statement in (_CANCEL, _REJECTED)]


def task_stored(task_id: str) -> list[Write]:
    """The gateway has the answer, or knows that there will be none."""
    return [Write.one(statement, {"b_task_id": task_id}) for statement in (_STORED, _REJECTED)]


def _task_row(task: NewTask, settled: Settled | None) -> dict[str, Any]:
    ended = settled or Settled(task.task_id, task.state)
    return {
        **asdict(task),
        "state": ended.state.value,
        "answer": ended.answer,
        "decision_id": ended.decision_id,
        "child_key": ended.child_key,
    }


def _settled_row(settled: Settled) -> dict[str, Any]:
    return {f"b_{name}": value for name, value in asdict(settled).items()} | {"b_state": settled.state.value}


async def unfinished_tasks(connection: AsyncConnection) -> list[Unfinished]:
    """Tasks about which something is still to be done, in the order of their arrival."""
    rows = (await connection.execute(_UNFINISHED)).all()
    return [
        Unfinished(row.task_id, TaskState(row.state), ReferralState(row.referral_state) if row.referral_state else None)
        for row in rows
    ]


async def due_tasks(connection: AsyncConnection, horizon: int) -> list[Due]:
    """Unanswered tasks that expire by then."""
    rows = (await connection.execute(_DUE, {"horizon": horizon})).all()
    return [Due(row.task_id, row.arrived_at, row.expires_at) for row in rows]


async def recent_tasks(connection: AsyncConnection, since: int) -> list[tuple[str, str, bool, int]]:
    """Requester, user, whether it broke glass, and time of every decided task since: the seed of the counters."""
    rows = (await connection.execute(_RECENT, {"since": since})).all()
    return [(row.requester, row.user_ref, row.break_glass, row.arrived_at) for row in rows]


def decisions_kept(decisions: Sequence[KeptDecision]) -> list[Write]:
    """Inputs and results, for replay."""
    return [Write(_INSERT_DECISION, [asdict(decision) for decision in decisions])] if decisions else []
