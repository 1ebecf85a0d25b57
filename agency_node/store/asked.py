"""Reads of the queries this node's own people put, and the writes that the journal makes durable."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row as Found
from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.store.children import core_table
from agency_node.store.tables import AskedQuery, AskedTarget, DecisionInput
from federation.ledger.writes import Row, Write
from federation.store import store_errors
from federation.vocabulary import TargetState


class AskedState(StrEnum):
    """Where a query this node put stands."""

    OPEN = "open"
    CLOSED = "closed"
    REFUSED = "refused"
    FAILED = "failed"


QUERY, TARGET, DECISION = core_table(AskedQuery), core_table(AskedTarget), core_table(DecisionInput)

_OPEN = select(QUERY.c.query_id).where(QUERY.c.state == AskedState.OPEN.value)
_QUERY = select(QUERY).where(QUERY.c.query_id == bindparam("query_id"))
_RECENT = select(QUERY.c.user_id, QUERY.c.broke_glass, QUERY.c.asked_at).where(QUERY.c.asked_at > bindparam("since"))
_TARGETS = select(TARGET).where(TARGET.c.query_id == bindparam("query_id"))
_INSERT_QUERY, _INSERT_TARGET, _INSERT_DECISION = insert(QUERY), insert(TARGET), insert(DECISION)
_OF_QUERY = QUERY.c.query_id == bindparam("b_query_id")
_OF_TARGET = and_(TARGET.c.query_id == bindparam("b_query_id"), TARGET.c.responder == bindparam("b_responder"))
_SET_ADMISSION = update(QUERY).where(_OF_QUERY).values(admission=bindparam("b_admission"), effect=bindparam("b_effect"))
_SET_RECEIPT = update(QUERY).where(_OF_QUERY).values(receipt=bindparam("b_receipt"))
_END = (
    update(QUERY)
    .where(_OF_QUERY)
    .values(state=bindparam("b_state"), error=bindparam("b_error"), request=None, reply_key=None)
)
_SETTLE = update(TARGET).where(TARGET.c.query_id == bindparam("b_query_id")).values(settled=True)
_SET_DECIDED = (
    update(TARGET)
    .where(_OF_TARGET)
    .values(decision=bindparam("b_decision"), state=bindparam("b_state"), settled=bindparam("b_settled"))
)
_SET_STATE = (
    update(TARGET)
    .where(_OF_TARGET)
    .values(state=bindparam("b_state"), absent_until=bindparam("b_absent_until"), settled=bindparam("b_settled"))
)
_SET_ANSWERED = (
    update(TARGET)
    .where(_OF_TARGET)
    .values(
        state=TargetState.ANSWERED.value,
        task_id=bindparam("b_task_id"),
        answer=bindparam("b_answer"),
        late=bindparam("b_late"),
        settled=True,
        fault="",
    )
)
_SET_FAULT = update(TARGET).where(_OF_TARGET).values(fault=bindparam("b_fault"))


@dataclass(frozen=True, slots=True)
class TargetAdmitted:
    """What the gateway decided of one target.

    Attributes:
        decision: Canonical JSON.
        settled: Whether nothing can come from it.
    """

    responder: str
    decision: bytes
    state: TargetState
    settled: bool


def decision_kept(decision_input: Row) -> Write:
    """The encrypted input of a decision, for replay."""
    return Write.one(_INSERT_DECISION, decision_input)


def asked(query: Row, targets: Sequence[Row], decision_input: Row) -> list[Write]:
    """A new query with its targets and the encrypted input of the decision behind it."""
    return [
        Write.one(_INSERT_QUERY, query),
        decision_kept(decision_input),
        *([Write(_INSERT_TARGET, targets)] if targets else []),
    ]


def admitted(query_id: str, *, admission: bytes, effect: str, targets: Sequence[TargetAdmitted]) -> list[Write]:
    """What the gateway decided, for the query and for each of its targets."""
    rows = [
        {
            "b_query_id": query_id,
            "b_responder": target.responder,
            "b_decision": target.decision,
            "b_state": target.state.value,
            "b_settled": target.settled,
        }
        for target in targets
    ]
    query = {"b_query_id": query_id, "b_admission": admission, "b_effect": effect}
    return [Write.one(_SET_ADMISSION, query), *([Write(_SET_DECIDED, rows)] if rows else [])]


def target_moved(query_id: str, responder: str, *, state: TargetState, absent_until: int, settled: bool) -> list[Write]:
    """A target in another state."""
    row = {"b_state": state.value, "b_absent_until": absent_until, "b_settled": settled}
    return [Write.one(_SET_STATE, {**_target(query_id, responder), **row})]


def target_answered(query_id: str, responder: str, *, task_id: str, answer: bytes, late: bool) -> list[Write]:
    """A target whose answer was opened; `answer` is encrypted."""
    row = {"b_task_id": task_id, "b_answer": answer, "b_late": late}
    return [Write.one(_SET_ANSWERED, {**_target(query_id, responder), **row})]


def target_faulted(query_id: str, responder: str, fault: str) -> list[Write]:
    """A target whose answer was rejected."""
    return [Write.one(_SET_FAULT, {**_target(query_id, responder), "b_fault": fault})]


def acknowledged(query_id: str, receipt: bytes) -> list[Write]:
    """The gateway's receipt, as verified."""
    return [Write.one(_SET_RECEIPT, {"b_query_id": query_id, "b_receipt": receipt})]


def ended(query_id: str, state: AskedState, *, error: str) -> list[Write]:
    """A query whose picture is closed: nothing more can come, and what could open more answers is erased."""
    return [
        Write.one(_END, {"b_query_id": query_id, "b_state": state.value, "b_error": error}),
        Write.one(_SETTLE, {"b_query_id": query_id}),
    ]


def _target(query_id: str, responder: str) -> dict[str, str]:
    return {"b_query_id": query_id, "b_responder": responder}


async def asked_since(engine: AsyncEngine, since: int) -> list[Any]:
    """User and time of every query put since, and whether it broke glass: the seed of the counters."""
    async with store_errors("recent queries"), engine.connect() as connection:
        return list((await connection.execute(_RECENT, {"since": since})).all())


async def load_asked(engine: AsyncEngine, query_id: str) -> tuple[Found[Any], list[Found[Any]]] | None:
    """A query with its targets; None when there is none of this id."""
    async with store_errors("asked query"), engine.connect() as connection:
        query = (await connection.execute(_QUERY, {"query_id": query_id})).one_or_none()
        if query is None:
            return None
        return query, list((await connection.execute(_TARGETS, {"query_id": query_id})).all())


async def open_queries(engine: AsyncEngine) -> list[str]:
    """Ids of every query whose picture is not closed."""
    async with store_errors("open queries"), engine.connect() as connection:
        return [row.query_id for row in (await connection.execute(_OPEN)).all()]
