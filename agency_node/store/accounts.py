"""Reads of everything that was asked here, and of everything this node was asked, about one child."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Row, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.store.asked import QUERY, TARGET
from agency_node.store.tasks import DECISION, TASK
from federation.store import store_errors

_KEYS: Final[BindParameter[Any]] = bindparam("keys", expanding=True)
_ASKED = (
    select(QUERY.c.query_id, QUERY.c.user_id, QUERY.c.purpose, QUERY.c.state, QUERY.c.effect, QUERY.c.asked_at)
    .where(QUERY.c.child_key.in_(_KEYS))
    .order_by(QUERY.c.asked_at, QUERY.c.query_id)
)
_TARGETS = select(TARGET.c.query_id, TARGET.c.responder, TARGET.c.state).where(
    TARGET.c.query_id.in_(bindparam("queries", expanding=True))
)
_TASKS = (
    select(
        TASK.c.task_id,
        TASK.c.query_id,
        TASK.c.requester,
        TASK.c.user_ref,
        TASK.c.break_glass,
        TASK.c.state,
        TASK.c.arrived_at,
        TASK.c.decision_id,
    )
    .where(TASK.c.child_key.in_(_KEYS))
    .order_by(TASK.c.arrived_at, TASK.c.task_id)
)
_INPUT = select(DECISION.c.content).where(DECISION.c.decision_id == bindparam("decision_id"))
_RESULT = select(DECISION.c.result).where(DECISION.c.decision_id == bindparam("decision_id"))
_NAMELESS_QUERIES = select(func.count()).select_from(QUERY).where(QUERY.c.child_key.is_(None))
_NAMELESS_TASKS = select(func.count()).select_from(TASK).where(TASK.c.child_key.is_(None), TASK.c.requester != "")


@dataclass(frozen=True, slots=True)
class About:
    """What the store has about one child.

    Attributes:
        asked: Questions that people of this agency put, refused ones too, oldest first.
        targets: States of those questions' targets, by query and responder.
        tasks: Questions of other agencies that were opened here, oldest first.
        nameless_questions: Questions of which the store cannot say whom they were about.
        nameless_tasks: Tasks of which it cannot.
    """

    asked: Sequence[Row[*tuple[Any, ...]]]
    targets: dict[str, dict[str, str]]
    tasks: Sequence[Row[*tuple[Any, ...]]]
    nameless_questions: int
    nameless_tasks: int

    @property
    def query_ids(self) -> list[str]:
        """Every query, once."""
        return list(dict.fromkeys([*(row.query_id for row in self.asked), *(row.query_id for row in self.tasks)]))


NOTHING: Final = About((), {}, (), 0, 0)
"""What is read for nobody."""


async def about(engine: AsyncEngine, keys: Collection[str]) -> About:
    """Everything that stands under these child keys.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`.
    """
    async with store_errors("account"), engine.connect() as connection:
        asked: Sequence[Row[*tuple[Any, ...]]] = (await connection.execute(_ASKED, {"keys": list(keys)})).all()
        found = await connection.execute(_TARGETS, {"queries": [row.query_id for row in asked]})
        targets: dict[str, dict[str, str]] = {}
        for row in found:
            targets.setdefault(row.query_id, {})[row.responder] = row.state
        tasks: Sequence[Row[*tuple[Any, ...]]] = (await connection.execute(_TASKS, {"keys": list(keys)})).all()
        return About(
            asked=asked,
            targets=targets,
            tasks=tasks,
            nameless_questions=int((await connection.execute(_NAMELESS_QUERIES)).scalar_one()),
            nameless_tasks=int((await connection.execute(_NAMELESS_TASKS)).scalar_one()),
        )


async def kept_decision(engine: AsyncEngine, decision_id: str) -> tuple[bytes, bytes] | None:
    """Encrypted input and result of a decision; None once they are erased.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`.
    """
    async with store_errors("decision"), engine.connect() as connection:
        content = (await connection.execute(_INPUT, {"decision_id": decision_id})).scalar_one_or_none()
        result = (await connection.execute(_RESULT, {"decision_id": decision_id})).scalar_one_or_none()
        return None if content is None or result is None else (content, result)
