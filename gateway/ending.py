"""What memory does when a query ends before its time: nobody goes on working on it, and whoever follows it hears so."""

from federation.vocabulary import TargetState
from gateway.dispatch import Links
from gateway.live import LiveQuery, target_event
from gateway.queries import Queries


def end_query(query: LiveQuery, *, links: Links, queries: Queries, withdrawn: bool = False) -> None:
    """End a query that the store has just closed.

    Args:
        query: The query.
        links: Tell the responders.
        queries: Forget it.
        withdrawn: Also take back the answers that its requester has not yet acknowledged.
    """
    ended = query.open_tasks() + (query.held_tasks() if withdrawn else [])
    for task in ended:
        task.state = TargetState.CANCELLED
        links.cancel(task.responder, task.task_id)
    query.closed = True
    for task in ended:
        query.publish(target_event(task))
    queries.drop(query.query_id)
