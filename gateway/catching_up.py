"""What memory holds of a query, brought to what its store says. Where the two differ the store is right."""

from collections.abc import Mapping

from federation.vocabulary import TargetState
from federation.wire.v1 import query_pb2 as wire
from gateway.dispatch import Links
from gateway.live import OPEN, LiveQuery, LiveTask, target_event


def catch_up(
    live: LiveQuery,
    stored: LiveQuery,
    *,
    before: Mapping[str, TargetState],
    answers: Mapping[str, wire.SealedAnswer],
    links: Links,
) -> bool:
    """Mend a query in flight; whoever follows it hears what memory had not heard. Returns whether anything differed.

    Args:
        live: As memory holds it.
        stored: As it was read back.
        before: State of each task in memory before the reading: one that has moved since is newer than what was read.
        answers: The sealed answers that the store holds, by task.
        links: Where tasks that are over are taken back.
    """
    mended = [
        _mend(task, stored.tasks[task.responder], is_closed=stored.closed, answers=answers, links=links)
        for task in live.tasks.values()
        if not task.storing and before.get(task.task_id) is task.state
    ]
    closes = stored.closed and not live.closed
    live.closed = live.closed or stored.closed
    return any(mended) or closes


def _mend(
    task: LiveTask, stored: LiveTask, *, is_closed: bool, answers: Mapping[str, wire.SealedAnswer], links: Links
) -> bool:
    was_open, ends = task.state in OPEN, is_closed or stored.state not in OPEN
    differs = task.state is not stored.state
    task.acknowledged = task.acknowledged or stored.acknowledged
    if not differs and not (was_open and ends):
        return False
    task.state, task.answer_digest = stored.state, stored.answer_digest
    if stored.state in (TargetState.ANSWERED, TargetState.REFERRED, TargetState.REJECTED):
        links.release(task)
    elif ends:
        links.cancel(task.responder, task.task_id)
    answer = answers.get(task.task_id) if stored.state is TargetState.ANSWERED else None
    task.query.publish(target_event(task) if answer is None else wire.QueryEvent(answer=answer))
    return True
