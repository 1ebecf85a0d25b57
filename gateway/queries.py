"""Finds queries: in flight here, or in the store."""

from sqlalchemy.ext.asyncio import AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.wire.v1 import query_pb2 as wire
from gateway.live import LiveQuery, LiveTask, Registry
from gateway.store import exchange as store


class Queries:
    """The registry in front of the store."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._registry = Registry()

    async def restore(self, now: float) -> list[LiveTask]:
        """Take up every open query after a start; returns the tasks from which an answer can still come.

        What expired in the meantime is taken up too, so that it is settled and forgotten like any other.
        """
        tasks: list[LiveTask] = []
        for query in await store.load_open_queries(self._engine):
            self.add(query)
            if query.header.expires_at > now:
                tasks.extend(query.open_tasks())
        return tasks

    def add(self, query: LiveQuery) -> None:
        """Keep a query in flight; one with nothing to wait for lives in the store alone."""
        if query.tasks:
            self._registry.add(query)

    async def find(self, query_id: str) -> LiveQuery | None:
        """The query of this id, whoever put it and whatever became of it."""
        return self._registry.query(query_id) or await store.load_query(self._engine, query_id)

    async def own(self, requester: str, query_id: str) -> LiveQuery:
        """A query of this requester.

        Raises:
            WardgateError: `QUERY_UNKNOWN`, also for another's query: its existence is nobody else's business.
        """
        query = await self.find(query_id)
        if query is None or query.header.requester != requester:
            raise WardgateError(ErrorCode.QUERY_UNKNOWN, query_id)
        return query

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

    async def stored_answers(self, query_id: str) -> list[wire.SealedAnswer]:
        """Sealed answers that were not acknowledged yet."""
        return await store.load_answers(self._engine, query_id)

    async def ticket(self, query_id: str) -> tuple[bytes, bytes]:
        """The signed ticket of an open query.

        Raises:
            WardgateError: `QUERY_UNKNOWN`.
        """
        found = await store.load_ticket(self._engine, query_id)
        if found is None:
            raise WardgateError(ErrorCode.QUERY_UNKNOWN, query_id)
        return found
