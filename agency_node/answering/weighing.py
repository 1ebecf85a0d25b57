"""Opens a verified task and puts it before policy: open, unblind, look up, decide. Writes nothing."""

from dataclasses import dataclass

from agency_node.answering.consideration import Circumstances, Considered, HumanReview, Patience, consider
from agency_node.answering.responder import Responder
from agency_node.answering.task import VerifiedTask, open_question, pseudonym_of, verify_task
from agency_node.caseload.grounds import Grounds
from agency_node.caseload.lookup import Found
from agency_node.inbox.referral import holding_reviews
from agency_node.store import referrals as referral_store
from federation.counters import CounterView
from federation.query import QueryHeader, Question
from federation.store import reading, store_errors
from federation.wire.v1 import link_pb2 as wire


@dataclass(frozen=True, slots=True)
class Weighed:
    """A task opened and decided.

    Attributes:
        child_key: Under which the node remembers whom it was asked about, whether it knows the child or not.
        grounds: On what a claim of absence would rest.
        now: Seconds since the epoch at which it was decided.
    """

    task: VerifiedTask
    question: Question
    found: Found
    child_key: str
    grounds: Grounds
    considered: Considered
    now: int


class Weighing:
    """Weighs tasks."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._reading = reading(responder.engine)

    def verify(self, message: wire.Task) -> VerifiedTask:
        """A stored task, verified again: by the directory and the time of now.

        Raises:
            WardgateError: What `verify_task` raises.
        """
        parts = self._responder
        return verify_task(message, directory=parts.directory(), responder=parts.agency_id, now=parts.clock())

    async def weigh(self, task: VerifiedTask, *, is_second: bool, patience: Patience) -> Weighed:
        """Open and decide a task.

        Args:
            task: Verified just now.
            is_second: It was weighed before, and waited for a human since: the counters have it already.
            patience: How long policy may take.

        Raises:
            WardgateError: What `open_question` raises; `STORE_UNAVAILABLE`, `POLICY_UNAVAILABLE`.
        """
        parts, now = self._responder, self._responder.clock()
        question = open_question(task, keys=parts.sealing_keys(), responder=parts.agency_id)
        parts.heard(task.header.requester, question.seen)
        asked = [item.name for item in task.permitted.categories]
        pseudonym = pseudonym_of(task, question)
        found, grounds = await parts.lookup.look(pseudonym, asked, now, is_newest=task.epoch == parts.epoch)
        stranger_key = parts.vault.stranger_key(pseudonym)
        circumstances = Circumstances(
            responder=parts.descriptor,
            overlay=parts.overlay(),
            counters=self._counters(task.header, is_second=is_second),
            reviews=await self._reviews(task.header, found, int(now), is_second=is_second),
            now=now,
            child_flags=found.flags,
        )
        considered = await consider(parts.policy, task, found.records, circumstances, patience)
        child_key = stranger_key if found.number is None else parts.vault.child_key(found.number)
        return Weighed(task, question, found, child_key, grounds, considered, int(now))

    def _counters(self, header: QueryHeader, *, is_second: bool) -> CounterView:
        view, own = self._responder.counters.view(header.requester, header.user_ref), int(is_second)
        return CounterView(
            user_queries_day=max(view.user_queries_day - own, 0),
            agency_queries_hour=max(view.agency_queries_hour - own, 0),
            break_glass_day=max(view.break_glass_day - (own if header.break_glass else 0), 0),
        )

    async def _reviews(
        self, header: QueryHeader, found: Found, now: int, *, is_second: bool
    ) -> dict[str, tuple[HumanReview, ...]]:
        """What people decided of these records, and of this question where one has waited for them."""
        if not found.records and not is_second:
            return {}
        async with store_errors("reviews"), self._reading.connect() as connection:
            reviews = await referral_store.reviews_for(
                connection, requester=header.requester, purpose=header.purpose, query_id=header.query_id, now=now
            )
        return holding_reviews(found.records, reviews, self._responder.vault)
