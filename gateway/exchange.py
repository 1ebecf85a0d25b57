"""One query from admission (`gateway.admitting`) to receipt.

Order is the safety of this module: admit, which *commits*, then dispatch; *commit* the acknowledgement, then delete.
A process killed between any two steps finds everything in the store; every step is idempotent on the query or task id.
Where a commit's outcome is not known the query is in doubt (`gateway.queries`) and read back before the next step.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from federation import limits
from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.finishing import to_the_end
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.ledger.writes import Write
from federation.query import QueryHeader, parse_query
from federation.vocabulary import TargetState
from federation.wire.v1 import ledger_pb2
from federation.wire.v1 import query_pb2 as wire
from gateway.admitting import Admitting
from gateway.clocks import Clocks
from gateway.dispatch import Links
from gateway.ending import end_query
from gateway.live import OPEN, LiveQuery, LiveTask, target_event
from gateway.proofs import inclusion_proof
from gateway.queries import Queries
from gateway.rates import QueryRates
from gateway.store import exchange as store


class Exchange:
    """The life of queries at the gateway."""

    def __init__(
        self,
        *,
        admitting: Admitting,
        queries: Queries,
        rates: QueryRates,
        journal: Journal,
        links: Links,
        clocks: Clocks,
        clock: Callable[[], float],
    ) -> None:
        self._admitting = admitting
        self._queries = queries
        self._rates = rates
        self._journal = journal
        self._links = links
        self._clocks = clocks
        self._clock = clock

    # -- asking ---------------------------------------------------------------------------------------------------

    async def ask(
        self, requester: str, request: wire.AskRequest, correlation_id: CorrelationId
    ) -> AsyncIterator[wire.QueryEvent]:
        """Admit a query (once, however often it is put) and stream what happens.

        Raises:
            WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`, `QUERY_CONFLICT`, `TARGET_UNKNOWN`,
                `EPOCH_UNKNOWN`, `QUERIES_EXCEEDED`, `CASE_GRANT_UNKNOWN`, `POLICY_UNAVAILABLE`, `KEYRING_REJECTED`,
                `TRUSTEE_UNAVAILABLE`, `LEDGER_UNAVAILABLE`, or what the trustee refused.
        """
        header = parse_query(request.header)
        if header.requester != requester:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "query of another agency")
        # A requester that hangs up while its query is committed must not leave one that nobody is ever handed.
        try:
            query, is_new = await to_the_end(self._find_or_admit(header, request, correlation_id))
        except WardgateError as error:
            if error.code is not ErrorCode.QUERY_EXPIRED:
                raise
            clock = self._clocks.difference(requester, header.issued_at)  # its signature was verified before its time
            raise WardgateError(error.code, error.detail, clock=clock) from error
        async for event in self._follow(query, until=header.deadline_at, is_new=is_new):
            yield event

    async def _find_or_admit(
        self, header: QueryHeader, request: wire.AskRequest, correlation_id: CorrelationId
    ) -> tuple[LiveQuery, bool]:
        """The query, and whether it was admitted just now."""
        query_id = header.query_id
        async with self._queries.alone_with(query_id):
            query = await self._queries.look_up(query_id)
            if query is None:
                self._rates.take(header)
                with if_unknown(lambda: self._queries.doubt(query_id)):
                    admitted = await self._admitting.admit(header, request, correlation_id)
                return self._queries.take_up(admitted), True
            if query.header_bytes != request.header:
                raise WardgateError(ErrorCode.QUERY_CONFLICT, query_id)
            return query, False

    async def resume(self, requester: str, query_id: str) -> AsyncIterator[wire.QueryEvent]:
        """Replay what is not acknowledged, then follow until settled or expired.

        Raises:
            WardgateError: `QUERY_UNKNOWN`.
        """
        query = await self._queries.own(requester, query_id)
        async for event in self._follow(query, until=query.header.expires_at):
            yield event

    # -- following ------------------------------------------------------------------------------------------------

    async def _follow(self, query: LiveQuery, *, until: int, is_new: bool = False) -> AsyncIterator[wire.QueryEvent]:
        with query.watching() as queue:
            yield query.admission_event()
            for task in query.tasks.values():
                event = self._target_event(task)
                # The admission just said that this target waits; it need not be said of each again.
                has_more = event.target.absent_until or event.target.clock_ahead_s
                if not is_new or task.state is not TargetState.WAITING or has_more:
                    yield event
            if any(task.state is TargetState.ANSWERED for task in query.tasks.values()):
                for answer in await self._queries.stored_answers(query.query_id):
                    yield wire.QueryEvent(answer=answer)
            while query.open_tasks():
                left = until - self._clock()
                if left <= 0:
                    break
                try:
                    yield await asyncio.wait_for(queue.get(), left)
                except TimeoutError:
                    break
            while not queue.empty():
                yield queue.get_nowait()
            for event in await self._mark_unreachable(query):
                yield event
        yield wire.QueryEvent(settled=wire.Settled(final=not query.open_tasks()))

    async def _mark_unreachable(self, query: LiveQuery) -> list[wire.QueryEvent]:
        """At the deadline, a responder that never had a link since the query was put reads `unreachable`."""
        tasks = [
            task
            for task in query.open_tasks()
            if task.state is TargetState.WAITING and not task.connected and not self._links.is_connected(task.responder)
        ]
        if not tasks:
            return []
        await self._set_states(tasks, TargetState.UNREACHABLE)
        return [self._target_event(task) for task in tasks]

    def _target_event(self, task: LiveTask) -> wire.QueryEvent:
        return target_event(
            task,
            absent_until=self._links.absent_until(task.responder),
            clock_ahead_s=self._clocks.ahead_s(task.responder),
        )

    async def _set_states(self, tasks: Sequence[LiveTask], state: TargetState) -> None:
        changes = store.states_set([(task.task_id, state) for task in tasks])
        await self._record(tasks[0].query, [], changes)
        for task in tasks:
            if task.state in OPEN:
                task.state = state

    async def _record(self, query: LiveQuery, entries: Sequence[Entry], writes: Sequence[Write]) -> None:
        with if_unknown(lambda: self._queries.doubt(query.query_id)):
            await self._journal.record(entries, writes)

    # -- ending ---------------------------------------------------------------------------------------------------

    async def acknowledge(
        self, requester: str, query_id: str, task_ids: Sequence[str], *, close: bool, known_size: int
    ) -> ledger_pb2.InclusionProof:
        """Delete answers that are safe with the requester, close when nothing more is wanted, and give the receipt.

        Raises:
            WardgateError: `QUERY_UNKNOWN`, `TASK_UNKNOWN`, `MESSAGE_TOO_LARGE`, `LEDGER_UNAVAILABLE`.
        """
        if len(task_ids) > limits.MAX_TARGETS:
            raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, "acknowledged tasks")
        query = await self._queries.own(requester, query_id)
        tasks = {task.task_id: task for task in query.tasks.values()}
        if not tasks.keys() >= set(task_ids):
            raise WardgateError(ErrorCode.TASK_UNKNOWN, "a task of another query")
        async with self._queries.alone_with(query_id):
            if not query.closed:  # closed, or nothing was asked: all is done already
                named = [tasks[task_id] for task_id in dict.fromkeys(task_ids)]
                answered = [task for task in named if task.state is TargetState.ANSWERED]
                await self._acknowledge(query, answered, close=close)
        return await self._receipt(query, known_size)

    async def _acknowledge(self, query: LiveQuery, tasks: Sequence[LiveTask], *, close: bool) -> None:
        held = [task for task in query.tasks.values() if task.state is TargetState.ANSWERED and not task.acknowledged]
        if close or not (query.open_tasks() or set(held) - set(tasks)):
            cancelled = [(task.task_id, TargetState.CANCELLED) for task in query.open_tasks()]
            writes = [*store.states_set(cancelled), *store.query_closed(query.query_id, int(self._clock()))]
            await self._record(query, [self._close_entry(query, len(tasks))], writes)
            end_query(query, links=self._links, queries=self._queries)
        elif tasks:
            await self._record(query, [], store.answers_deleted([task.task_id for task in tasks]))
            for task in tasks:
                task.acknowledged = True

    def _close_entry(self, query: LiveQuery, acknowledged: int) -> Entry:
        return Entry(
            kind=EntryKind.QUERY_CLOSED,
            at=int(self._clock()),
            actor=Actor.agency(query.header.requester),
            correlation_id=CorrelationId(query.query_id),
            query_id=query.query_id,
            body={
                "query_sha256": query.digest.hex(),
                "acknowledged": acknowledged,
                "states": {responder: task.state.value for responder, task in query.tasks.items()},
            },
        )

    async def cancel(self, requester: str, query_id: str) -> None:
        """Withdraw a query: no further answer is wanted.

        Raises:
            WardgateError: `QUERY_UNKNOWN`, `LEDGER_UNAVAILABLE`.
        """
        query = await self._queries.own(requester, query_id)
        async with self._queries.alone_with(query_id):
            tasks = query.open_tasks()
            if not tasks:
                return
            entry = Entry(
                kind=EntryKind.QUERY_CANCELLED,
                at=int(self._clock()),
                actor=Actor.agency(requester),
                correlation_id=CorrelationId(query_id),
                query_id=query_id,
                body={"query_sha256": query.digest.hex()},
            )
            cancelled = [(task.task_id, TargetState.CANCELLED) for task in tasks]
            await self._record(query, [entry], store.states_set(cancelled))
            for task in tasks:
                self._settle(task, TargetState.CANCELLED)

    def _settle(self, task: LiveTask, state: TargetState) -> None:
        """End a task that is still open; an answer that was stored in the same moment stands."""
        if task.state in OPEN:
            task.state = state
            self._links.cancel(task.responder, task.task_id)
            task.query.publish(self._target_event(task))

    async def _receipt(self, query: LiveQuery, known_size: int) -> ledger_pb2.InclusionProof:
        if query.entry_index < 0:  # read back from the store
            kind = EntryKind.QUERY_ADMITTED if query.tasks else EntryKind.QUERY_REFUSED
            query.entry_index = (await self._journal.find(kind=kind, query_id=query.query_id))[0]
        return await inclusion_proof(self._journal, query.entry_index, known_size)

    async def expire(self) -> int:
        """Settle every query past its expiry: late answers are no longer taken. Returns how many.

        One with an answer on its way into the store is left to the next round.
        """
        now = self._clock()
        overdue = [query for query in self._queries.live() if query.header.expires_at <= now]
        return sum([await self._expire(query, int(now)) for query in overdue])

    async def _expire(self, query: LiveQuery, now: int) -> bool:
        async with self._queries.alone_with(query.query_id):
            if query.closed or any(task.storing for task in query.tasks.values()):
                return False
            changes = [(task, _expired_state(task)) for task in query.open_tasks()]
            entry = Entry(
                kind=EntryKind.TARGET_EXPIRED,
                at=now,
                actor=Actor.keeper(self._journal.key.name),
                correlation_id=CorrelationId(query.query_id),
                query_id=query.query_id,
                body={"targets": {task.responder: state.value for task, state in changes}},
            )
            writes = store.states_set([(task.task_id, state) for task, state in changes])
            await self._record(query, [entry], [*writes, *store.query_closed(query.query_id, now)])
            for task, state in changes:
                self._settle(task, state)
            query.closed = True
            self._queries.drop(query.query_id)
            return True


def _expired_state(task: LiveTask) -> TargetState:
    """How a target ends that was still open when the query expired."""
    if task.state is TargetState.REFERRED:
        return TargetState.UNDECIDED
    return TargetState.EXPIRED if task.connected else TargetState.UNREACHABLE
