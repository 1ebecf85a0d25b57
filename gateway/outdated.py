"""Ends, at a start, what is still open of queries that were put in an older version of the wire.

No responder of this version can be asked with them: their tasks have no signature of the trustee. Whoever asked hears
that its targets are cancelled, and asks again; answers that came before stay until they are acknowledged.
"""

from collections.abc import Callable

from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.vocabulary import TargetState
from federation.wire_version import WIRE_VERSION
from gateway.dispatch import Links
from gateway.live import LiveQuery
from gateway.queries import Queries
from gateway.store import exchange as store


async def cancel_outdated(*, queries: Queries, links: Links, journal: Journal, clock: Callable[[], float]) -> int:
    """Cancel open tasks of outdated queries, before any of them is offered; returns how many queries had some.

    Raises:
        WardgateError: `LEDGER_UNAVAILABLE`.
    """
    found = [query for query in queries.live() if query.header.v != WIRE_VERSION and query.open_tasks()]
    if not found:
        return 0
    tasks = [task for query in found for task in query.open_tasks()]
    now = int(clock())
    writes = store.states_set([(task.task_id, TargetState.CANCELLED) for task in tasks])
    await journal.record([_entry(query, Actor.keeper(journal.key.name), now) for query in found], writes)
    for task in tasks:
        task.state = TargetState.CANCELLED
        links.cancel(task.responder, task.task_id)
    return len(found)


def _entry(query: LiveQuery, actor: Actor, now: int) -> Entry:
    return Entry(
        kind=EntryKind.QUERY_CANCELLED,
        at=now,
        actor=actor,
        correlation_id=CorrelationId(query.query_id),
        query_id=query.query_id,
        body={"query_sha256": query.digest.hex(), "wire_version": query.header.v},
    )
