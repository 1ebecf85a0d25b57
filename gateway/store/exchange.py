"""Reads of queries, tasks and answers, and the writes that the journal makes durable with their entries."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.ledger.writes import Write
from federation.query import QueryHeader, TargetPart
from federation.store import store_errors
from federation.vocabulary import TargetState
from federation.wire.v1 import query_pb2 as wire
from gateway.live import OPEN, LiveQuery, LiveTask, part_message
from gateway.store.tables import AnswerRow, DecisionInput, QueryRow, TaskRow, table
from gateway.translation import Translated

QUERY, TASK, ANSWER, DECISION = table(QueryRow), table(TaskRow), table(AnswerRow), table(DecisionInput)

_INSERT_QUERY = insert(QUERY)
_INSERT_TASK = insert(TASK)
_INSERT_ANSWER = insert(ANSWER)
_INSERT_DECISION = insert(DECISION)
_SELECT_QUERY = select(QUERY).where(QUERY.c.query_id == bindparam("query_id"))
_SELECT_OPEN = select(QUERY).where(QUERY.c.closed_at == 0)
_SELECT_TASKS = select(TASK).where(TASK.c.query_id == bindparam("query_id"))
_SELECT_ANSWERS = select(ANSWER).where(ANSWER.c.query_id == bindparam("query_id"))
_IS_OPEN = or_(*(TASK.c.state == state.value for state in sorted(OPEN)))
"""Spelt out: a statement with an IN list cannot be executed for many rows at once."""
_SET_STATE = update(TASK).where(TASK.c.task_id == bindparam("b_task_id"), _IS_OPEN).values(state=bindparam("b_state"))
_SET_ANSWERED = (
    update(TASK)
    .where(TASK.c.task_id == bindparam("b_task_id"), _IS_OPEN)
    .values(state=TargetState.ANSWERED.value, answer_digest=bindparam("b_digest"))
)
_SET_WITHDRAWN = (
    update(TASK)
    .where(TASK.c.task_id == bindparam("b_task_id"), TASK.c.state == TargetState.ANSWERED.value)
    .values(state=TargetState.CANCELLED.value)
)
_CLOSE = update(QUERY).where(QUERY.c.query_id == bindparam("b_query_id")).values(closed_at=bindparam("b_now"))
_DELETE_ANSWER = delete(ANSWER).where(ANSWER.c.task_id == bindparam("b_task_id"))
_FORGET_ANSWERS = delete(ANSWER).where(ANSWER.c.query_id == bindparam("b_query_id"))
_SELECT_DIGEST = select(TASK.c.answer_digest).where(
    TASK.c.task_id == bindparam("task_id"), TASK.c.state == TargetState.ANSWERED.value
)
_OPEN_STATES = (
    select(QUERY.c.query_id, TASK.c.responder, TASK.c.state)
    .join(TASK, TASK.c.query_id == QUERY.c.query_id)
    .where(QUERY.c.closed_at == 0, QUERY.c.query_id > bindparam("after"))
    .order_by(QUERY.c.query_id)
    .limit(bindparam("count"))
)
PAGE_ROWS: Final = 2_000
"""Targets in one page of the open queries: more than one query may have, few enough to hold up nobody."""

_SELECT_HELD = select(ANSWER.c.task_id).where(ANSWER.c.query_id == bindparam("query_id"))
_FORGET_TASKS = (
    update(TASK)
    .where(TASK.c.query_id == bindparam("b_query_id"))
    .values(part=b"", translated=b"", trustee_signature=b"")
)
_RECENT = select(QUERY.c.requester, QUERY.c.user_ref, QUERY.c.header, QUERY.c.admitted_at).where(
    QUERY.c.admitted_at > bindparam("since")
)


@dataclass(frozen=True, slots=True)
class Submission:
    """What is kept of an admitted or refused query besides its live form."""

    audit_envelope: bytes
    decision_id: str
    decision_input: bytes
    admitted_at: int


def decision_kept(decision_id: str, ciphertext: bytes, now: int) -> Write:
    """The encrypted input of a decision, for replay."""
    return Write.one(_INSERT_DECISION, {"decision_id": decision_id, "ciphertext": ciphertext, "decided_at": now})


def query_inserted(query: LiveQuery, submission: Submission) -> list[Write]:
    """A new query with its tasks and the encrypted input of its decision."""
    tasks = [_task_row(task) for task in query.tasks.values()]
    return [
        Write.one(_INSERT_QUERY, _query_row(query, submission)),
        *([Write(_INSERT_TASK, tasks)] if tasks else []),
        decision_kept(submission.decision_id, submission.decision_input, submission.admitted_at),
    ]


def _query_row(query: LiveQuery, submission: Submission) -> dict[str, Any]:
    header = query.header
    return {
        "query_id": query.query_id,
        "requester": header.requester,
        "user_ref": header.user_ref,
        "header": query.header_bytes,
        "signature": query.signature,
        "digest": query.digest,
        "audit_envelope": submission.audit_envelope,
        "admission": query.admission,
        "admission_signature": query.admission_signature,
        "decisions": wire.Admission(
            decisions=[
                wire.TargetDecision(responder=responder, decision=decision) for responder, decision in query.decisions
            ]
        ).SerializeToString(),
        "admitted_at": submission.admitted_at,
        "closed_at": 0 if query.tasks else submission.admitted_at,
    }


def _task_row(task: LiveTask) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "query_id": task.query.query_id,
        "responder": task.responder,
        "state": task.state.value,
        "part": part_message(task.part).SerializeToString(),
        "translated": task.translated.element,
        "epoch": task.translated.epoch,
        "trustee_signature": task.translated.signature,
        "answer_digest": b"",
    }


def states_set(changes: Sequence[tuple[str, TargetState]]) -> list[Write]:
    """Open tasks in another state; a task that is settled stays as it is."""
    rows = [{"b_task_id": task_id, "b_state": state.value} for task_id, state in changes]
    return [Write(_SET_STATE, rows)] if rows else []


def task_rejected(task_id: str) -> list[Write]:
    """An open task that its responder cannot use; `NothingChanged` when it was settled in the meantime."""
    row = {"b_task_id": task_id, "b_state": TargetState.REJECTED.value}
    return [Write.one(_SET_STATE, row, must_change=True)]


def answer_inserted(task: LiveTask, answer: bytes, digest: bytes) -> list[Write]:
    """A sealed answer; `NothingChanged` when the task was settled in the meantime."""
    return [
        Write.one(_SET_ANSWERED, {"b_task_id": task.task_id, "b_digest": digest}, must_change=True),
        Write.one(_INSERT_ANSWER, {"task_id": task.task_id, "query_id": task.query.query_id, "answer": answer}),
    ]


def answers_deleted(task_ids: Sequence[str]) -> list[Write]:
    """Without answers that their requester has acknowledged, or that expired."""
    rows = [{"b_task_id": task_id} for task_id in task_ids]
    return [Write(_DELETE_ANSWER, rows)] if rows else []


def query_closed(query_id: str, now: int) -> list[Write]:
    """A query closed: points, sealed parts and answers are forgotten; ids, decision and audit envelope stay."""
    key = {"b_query_id": query_id}
    return [
        Write.one(_CLOSE, {**key, "b_now": now}),
        *(Write.one(statement, key) for statement in (_FORGET_ANSWERS, _FORGET_TASKS)),
    ]


def answers_withdrawn(task_ids: Sequence[str]) -> list[Write]:
    """Answered tasks whose answers their requester is not to have any more; `query_closed` deletes those."""
    rows = [{"b_task_id": task_id} for task_id in task_ids]
    return [Write(_SET_WITHDRAWN, rows)] if rows else []


async def load_query(engine: AsyncEngine, query_id: str) -> LiveQuery | None:
    """Read one query back, its tasks included; None when there is none of this id."""
    async with store_errors("query"), engine.connect() as connection:
        row = (await connection.execute(_SELECT_QUERY, {"query_id": query_id})).one_or_none()
        return None if row is None else await _revive(connection, row)


async def load_open_queries(engine: AsyncEngine) -> list[LiveQuery]:
    """Every query that is not closed, those included that expired while nobody was here to settle them."""
    async with store_errors("open queries"), engine.connect() as connection:
        rows = (await connection.execute(_SELECT_OPEN)).all()
        return [await _revive(connection, row) for row in rows]


async def open_states(engine: AsyncEngine) -> AsyncIterator[dict[str, dict[str, TargetState]]]:
    """States of every open query's targets, by query and responder, in pages of whole queries."""
    after = ""
    while True:
        async with store_errors("open queries"), engine.connect() as connection:
            rows = (await connection.execute(_OPEN_STATES, {"after": after, "count": PAGE_ROWS})).all()
        page: dict[str, dict[str, TargetState]] = {}
        for row in rows:
            page.setdefault(row.query_id, {})[row.responder] = TargetState(row.state)
        if len(rows) == PAGE_ROWS:
            del page[rows[-1].query_id]  # it may go on in the next page
        yield page
        if len(rows) < PAGE_ROWS:
            return
        after = max(page)


async def load_answer_digest(engine: AsyncEngine, task_id: str) -> bytes:
    """Digest of a task's answer; empty where there is no such task or it was not answered."""
    async with store_errors("task"), engine.connect() as connection:
        found: bytes | None = (await connection.execute(_SELECT_DIGEST, {"task_id": task_id})).scalar_one_or_none()
        return found or b""


async def _revive(connection: AsyncConnection, row: Row[Any]) -> LiveQuery:
    decisions = wire.Admission.FromString(row.decisions).decisions
    query = LiveQuery(
        header=QueryHeader.parse_kept(row.header),
        header_bytes=row.header,
        signature=row.signature,
        digest=row.digest,
        admission=row.admission,
        admission_signature=row.admission_signature,
        decisions=[(item.responder, item.decision) for item in decisions],
        closed=row.closed_at > 0,
    )
    by_responder = dict(query.decisions)
    held = set((await connection.execute(_SELECT_HELD, {"query_id": row.query_id})).scalars())
    for found in (await connection.execute(_SELECT_TASKS, {"query_id": row.query_id})).all():
        part = wire.TaskPart.FromString(found.part)
        query.tasks[found.responder] = LiveTask(
            task_id=found.task_id,
            query=query,
            part=TargetPart(found.responder, part.commitment, part.sealed),
            translated=Translated(found.translated, found.epoch, found.trustee_signature),
            decision=by_responder[found.responder],
            state=TargetState(found.state),
            answer_digest=found.answer_digest,
            acknowledged=bool(found.answer_digest) and found.task_id not in held,
            connected=TargetState(found.state) in (TargetState.DELIVERED, TargetState.REFERRED),
        )
    return query


async def load_answers(engine: AsyncEngine, query_id: str) -> list[wire.SealedAnswer]:
    """Sealed answers of a query that were not acknowledged yet."""
    async with store_errors("answers"), engine.connect() as connection:
        rows = (await connection.execute(_SELECT_ANSWERS, {"query_id": query_id})).all()
        return [wire.SealedAnswer.FromString(row.answer) for row in rows]


async def recent_queries(engine: AsyncEngine, since: int) -> list[tuple[str, str, bool, int]]:
    """Requester, user, whether it broke glass, and time of every query since: the seed of the counters."""
    async with store_errors("recent queries"), engine.connect() as connection:
        rows = (await connection.execute(_RECENT, {"since": since})).all()
        return [
            (row.requester, row.user_ref, bool(QueryHeader.parse_kept(row.header).break_glass), row.admitted_at)
            for row in rows
        ]
