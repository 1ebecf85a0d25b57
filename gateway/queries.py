"""Finds queries: in flight here, or in the store; and holds memory to the store.

Memory may differ from the store after a commit of which nobody was told whether it took place. A query of which that is
so is *in doubt*: it is read back before anything is done with it again, and at the latest by `gateway.following`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.journal import Journal
from federation.telemetry import EventLog
from federation.wire.v1 import query_pb2 as wire
from gateway.catching_up import catch_up
from gateway.dispatch import Links
from gateway.live import LiveQuery, LiveTask, Registry
from gateway.store import exchange as store

_log = EventLog(__name__)


class Queries:
    """The registry in front of the store."""

    def __init__(self, *, engine: AsyncEngine, journal: Journal, links: Links, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._journal = journal
        self._links = links
        self._clock = clock
        self._registry = Registry()
        self._doubted: set[str] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def restore(self, now: float) -> list[LiveTask]:
        """Take up every open query after a start; returns the tasks from which an answer can still come.

        What expired in the meantime is taken up too, so that it is settled and forgotten like any other.
        """
        tasks: list[LiveTask] = []
        for query in await store.load_open_queries(self._engine):
            self._registry.add(query)
            if query.header.expires_at > now:
                tasks.extend(query.open_tasks())
        return tasks

    @asynccontextmanager
    async def alone_with(self, query_id: str) -> AsyncIterator[None]:
        """For one call at a time, and with memory as the store has it.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `STORE_UNAVAILABLE`: the query is in doubt and
                cannot be read back.
        """
        lock = self._locks.setdefault(query_id, asyncio.Lock())  # lives as long as anybody waits for it
        async with lock:
            if query_id in self._doubted:
                await self._settle(query_id)
            yield

    def take_up(self, query: LiveQuery) -> LiveQuery:
        """Keep a query in flight and offer its tasks; the one in flight already, if there is one.

        One with nothing to wait for lives in the store alone.
        """
        if query.closed or not query.tasks:
            return query
        known = self._registry.add(query)
        if known is query and query.header.expires_at > self._clock():
            self._links.offer(query.open_tasks())
        return known

    async def find(self, query_id: str) -> LiveQuery | None:
        """The query of this id, whoever put it and whatever became of it; in flight, if an answer can still come.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        live = self._registry.query(query_id)
        if live is not None:
            return live
        async with self.alone_with(query_id):
            return await self.look_up(query_id)

    async def look_up(self, query_id: str) -> LiveQuery | None:
        """As `find`, for who is alone with the query."""
        live = self._registry.query(query_id)
        if live is not None:
            return live
        found = await store.load_query(self._engine, query_id)
        return None if found is None else self.take_up(found)

    async def own(self, requester: str, query_id: str) -> LiveQuery:
        """A query of this requester.

        Raises:
            WardgateError: `QUERY_UNKNOWN`, also for another's query: its existence is nobody else's business.
        """
        query = await self.find(query_id)
        if query is None or query.header.requester != requester:
            raise WardgateError(ErrorCode.QUERY_UNKNOWN, query_id)
        return query

    # -- doubt ----------------------------------------------------------------------------------------------------

    def doubt(self, *query_ids: str) -> None:
        """Remember that memory may not have what the store has of these queries."""
        self._doubted.update(query_ids)

    async def certain(self, query_id: str) -> None:
        """Read a query back if it is in doubt.

        Raises:
            WardgateError: As `alone_with`.
        """
        if query_id in self._doubted:
            async with self.alone_with(query_id):
                pass

    async def settle_doubts(self) -> None:
        """Read back every query that is in doubt.

        Raises:
            WardgateError: As `alone_with`.
        """
        for query_id in list(self._doubted):
            await self.certain(query_id)

    async def _settle(self, query_id: str) -> None:
        await self._journal.settle()
        await self._read_back(query_id)
        self._doubted.discard(query_id)

    async def _read_back(self, query_id: str) -> None:
        live = self._registry.query(query_id)
        before = {} if live is None else {task.task_id: task.state for task in live.tasks.values()}
        stored = await store.load_query(self._engine, query_id)
        if stored is None:
            return  # never committed, and memory follows what was
        if live is None:
            if self.take_up(stored) is stored and not stored.closed:
                _log.event(Event.QUERY_RECONCILED, query_id=query_id, state="taken_up")
            return
        answers = {answer.task_id: answer for answer in await store.load_answers(self._engine, query_id)}
        if catch_up(live, stored, before=before, answers=answers, links=self._links):
            _log.event(Event.QUERY_RECONCILED, query_id=query_id, state="closed" if live.closed else "open")
        if live.closed:
            self.drop(query_id)

    async def reconcile(self, query_id: str) -> None:
        """Bring memory to what the store says now.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        async with self.alone_with(query_id):
            await self._read_back(query_id)

    async def differing(self) -> list[str]:
        """Queries that are open in the store and not in flight, or in flight and not so in the store. Reads in pages.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        unseen = {query.query_id for query in self._registry.queries()}
        found: list[str] = []
        async for page in store.open_states(self._engine):
            for query_id, states in page.items():
                unseen.discard(query_id)
                live = self._registry.query(query_id)
                if live is None or any(live.tasks[name].state != state for name, state in states.items()):
                    found.append(query_id)
        return [*found, *(query_id for query_id in unseen if self._registry.query(query_id) is not None)]

    # -- in flight ------------------------------------------------------------------------------------------------

    def is_live(self, query_id: str) -> bool:
        """Whether the query is in flight."""
        return self._registry.query(query_id) is not None

    def task(self, task_id: str) -> LiveTask | None:
        """A task in flight."""
        return self._registry.task(task_id)

    def open_tasks(self, responder: str) -> list[LiveTask]:
        """Tasks of one responder from which an answer can still come."""
        return self._registry.open_tasks(responder)

    def live(self) -> list[LiveQuery]:
        """Every query in flight."""
        return self._registry.queries()

    def drop(self, query_id: str) -> None:
        """Forget a query that closed."""
        self._registry.drop(query_id)

    # -- the store ------------------------------------------------------------------------------------------------

    async def stored_answers(self, query_id: str) -> list[wire.SealedAnswer]:
        """Sealed answers that were not acknowledged yet."""
        return await store.load_answers(self._engine, query_id)

    async def stored_answer_digest(self, task_id: str) -> bytes:
        """Digest of the answer that the store holds, or held, of a task; empty where it was not answered.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        return await store.load_answer_digest(self._engine, task_id)
