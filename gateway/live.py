"""Queries and tasks in flight, as the process holds them; the store has the same and more, so nothing here is lost.

A `LiveQuery` is made from an admission that has just become durable, or read back from the store. Watchers (the
requester's stream) get every event once, in order, through a queue of their own.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from federation.query import QueryHeader, TargetPart
from federation.vocabulary import TargetState
from federation.wire.v1 import link_pb2
from federation.wire.v1 import query_pb2 as wire
from gateway.translation import Translated

SETTLED: Final = frozenset(
    {
        TargetState.NOT_PERMITTED,
        TargetState.ANSWERED,
        TargetState.EXPIRED,
        TargetState.CANCELLED,
        TargetState.REJECTED,
        TargetState.UNDECIDED,
    }
)
"""States from which no answer can come any more."""

OPEN: Final = frozenset({TargetState.WAITING, TargetState.DELIVERED, TargetState.REFERRED, TargetState.UNREACHABLE})

WIRE_STATE: Final = {state: wire.TargetState.Value(f"TARGET_STATE_{state.name}") for state in TargetState}


@dataclass(slots=True, eq=False)
class LiveTask:
    """One target's work.

    Attributes:
        acknowledged: The requester has its answer, and the store holds it no longer.
        connected: The responder has had a link since the query was put.
        storing: An answer of it is on its way into the store.
    """

    task_id: str
    query: "LiveQuery"
    part: TargetPart
    translated: Translated
    decision: bytes
    state: TargetState
    answer_digest: bytes = b""
    acknowledged: bool = False
    connected: bool = False
    storing: bool = False
    lease_id: str = ""
    lease_until: int = 0

    @property
    def responder(self) -> str:
        """The agency that is asked."""
        return self.part.responder


@dataclass(slots=True, eq=False)
class LiveQuery:
    """One query in flight."""

    header: QueryHeader
    header_bytes: bytes
    signature: bytes
    digest: bytes
    admission: bytes
    admission_signature: bytes
    decisions: list[tuple[str, bytes]]
    tasks: dict[str, LiveTask] = field(default_factory=dict)
    watchers: set["asyncio.Queue[wire.QueryEvent]"] = field(default_factory=set)
    closed: bool = False
    entry_index: int = -1
    """Where its admission or refusal stands in the ledger; -1 when that is not known without looking."""

    @property
    def query_id(self) -> str:
        """The query's id."""
        return self.header.query_id

    def open_tasks(self) -> list[LiveTask]:
        """Tasks from which an answer can still come; none once the query is closed or expired."""
        return [] if self.closed else [task for task in self.tasks.values() if task.state in OPEN]

    def held_tasks(self) -> list[LiveTask]:
        """Tasks whose answer the requester has not acknowledged."""
        return [task for task in self.tasks.values() if task.state is TargetState.ANSWERED and not task.acknowledged]

    def rejected(self) -> list[str]:
        """Responders whose task cannot be used."""
        return [task.responder for task in self.tasks.values() if task.state is TargetState.REJECTED]

    def publish(self, event: wire.QueryEvent) -> None:
        """Hand an event to every watcher."""
        for watcher in self.watchers:
            watcher.put_nowait(event)

    @contextmanager
    def watching(self) -> Iterator["asyncio.Queue[wire.QueryEvent]"]:
        """A queue that receives every event from now on."""
        queue: asyncio.Queue[wire.QueryEvent] = asyncio.Queue()
        self.watchers.add(queue)
        try:
            yield queue
        finally:
            self.watchers.discard(queue)

    def admission_event(self) -> wire.QueryEvent:
        """What policy decided, as the requester receives it."""
        return wire.QueryEvent(
            admission=wire.Admission(
                admission=self.admission,
                signature=self.admission_signature,
                decisions=[
                    wire.TargetDecision(responder=responder, decision=decision)
                    for responder, decision in self.decisions
                ],
            )
        )


def target_event(task: LiveTask, *, absent_until: int = 0, clock_ahead_s: int = 0) -> wire.QueryEvent:
    """A target's state, as the requester receives it."""
    return wire.QueryEvent(
        target=wire.TargetUpdate(
            responder=task.responder,
            state=WIRE_STATE[task.state],
            absent_until=absent_until,
            clock_ahead_s=clock_ahead_s,
        )
    )


def part_message(part: TargetPart) -> wire.TaskPart:
    """A target's part, as its responder receives it and the store keeps it."""
    return wire.TaskPart(responder=part.responder, commitment=part.commitment, sealed=part.sealed)


def task_message(task: LiveTask, *, lease_id: str, lease_expires_at: int) -> link_pb2.Task:
    """The task as its responder receives it: its own part and decision, nobody else's."""
    query = task.query
    return link_pb2.Task(
        task_id=task.task_id,
        lease_id=lease_id,
        lease_expires_at=lease_expires_at,
        header=query.header_bytes,
        signature=query.signature,
        part=part_message(task.part),
        translated=task.translated.element,
        epoch=task.translated.epoch,
        trustee_signature=task.translated.signature,
        admission=query.admission,
        admission_signature=query.admission_signature,
        decision=task.decision,
    )


class Registry:
    """All queries in flight by id, and their tasks by id."""

    def __init__(self) -> None:
        self._queries: dict[str, LiveQuery] = {}
        self._tasks: dict[str, LiveTask] = {}

    def add(self, query: LiveQuery) -> LiveQuery:
        """Register a query; one already registered under this id stays and is returned."""
        known = self._queries.setdefault(query.query_id, query)
        if known is query:
            self._tasks.update({task.task_id: task for task in query.tasks.values()})
        return known

    def query(self, query_id: str) -> LiveQuery | None:
        """The query, if it is in flight here."""
        return self._queries.get(query_id)

    def task(self, task_id: str) -> LiveTask | None:
        """The task, if its query is in flight here."""
        return self._tasks.get(task_id)

    def open_tasks(self, responder: str) -> list[LiveTask]:
        """Tasks of one responder from which an answer can still come, oldest query first."""
        return [task for task in self._tasks.values() if task.responder == responder and task.state in OPEN]

    def queries(self) -> list[LiveQuery]:
        """Every query in flight here."""
        return list(self._queries.values())

    def drop(self, query_id: str) -> None:
        """Forget a query that closed; the store keeps what must be kept."""
        query = self._queries.pop(query_id, None)
        if query is not None:
            for task in query.tasks.values():
                self._tasks.pop(task.task_id, None)
