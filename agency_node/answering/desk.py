"""One task to its sealed answer.

Weigh, minimise, seal, *commit* (ledger entry, sealed answer, encrypted decision input and, where it has just arrived,
the task itself, in one transaction), and only then let it leave. Whatever is killed in between is found in the store or
offered again by the gateway; an answer that was sealed once is never sealed anew, so that one disclosure has one ledger
entry.

Where policy refers a record to a human the whole answer waits, unless even the referral must stay unseen: then the
query is answered at once as if the record did not exist, and what the human decides holds for the next query. In an
emergency nothing waits that policy releases: it goes at once, with the word that more is before a person, whose
decision holds for the next query too. A question that a person must answer waits whatever is held: what is said, kept
and entered until a person has answered is the same for a child with records, with hidden ones and without. A question
waits for people once: what is held only since, or differs from what they saw, is decided by policy without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from sqlalchemy.exc import IntegrityError

from agency_node.answering import evidence
from agency_node.answering.consideration import Considered, Patience
from agency_node.answering.disclosure import Occasion, disclose
from agency_node.answering.duties import AlertDue, alerts, each_once
from agency_node.answering.intake import Arrival, Intake, is_passing
from agency_node.answering.responder import Responder
from agency_node.answering.weighing import Weighed, Weighing
from agency_node.inbox.alerts import Act, new_alerts
from agency_node.inbox.referral import Referred, content_of, referred_by
from agency_node.locks import KeyedLock
from agency_node.store import referrals as referral_store
from agency_node.store import tasks as store
from agency_node.store.alerts import alerts_opened
from agency_node.store.referrals import NewReferral
from agency_node.store.tables import ReferralState, TaskState
from agency_node.vault import Kind
from federation.answer import Answer, SealedPart, answer_digest
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry
from federation.ledger.writes import NothingChanged, Write
from federation.policy.engine import WAIT_S
from federation.store import reading, store_errors
from federation.telemetry import EventLog
from federation.vocabulary import Effect, Outcome, Urgency
from federation.wire.v1 import link_pb2 as wire

LAST_MOMENT_S: Final = 60
"""So long before a query expires its answer is made without the human, or without a decision of policy where its engine
gives none: later it would not be taken any more."""

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """Where a task stands after work on it.

    Attributes:
        answer: The sealed answer, as stored, where there is one.
    """

    task_id: str
    state: TaskState
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """A task to bring to an end.

    Attributes:
        stored: As it stands in the store, or would if it were stored.
        arrival: What is to be stored with its end, where it is not stored yet.
    """

    stored: store.StoredTask
    arrival: store.NewTask | None = None

    def ended(self, settled: store.Settled) -> list[Write]:
        """The task with its end."""
        return store.task_settled(settled) if self.arrival is None else store.task_inserted(self.arrival, settled)

    def referred(self, child_key: str) -> list[Write]:
        """The task, waiting for a human."""
        task_id = self.stored.task_id
        if self.arrival is None:
            return store.task_referred(task_id, child_key)
        return store.task_inserted(self.arrival, store.Settled(task_id, TaskState.REFERRED, child_key=child_key))


class _Overtaken(Exception):  # noqa: N818 - it says what happened; it never leaves this module
    """Somebody else ended the task first."""


class Answering:
    """Answers tasks."""

    def __init__(self, responder: Responder, intake: Intake) -> None:
        self._responder = responder
        self._intake = intake
        self._weighing = Weighing(responder)
        self._reading = reading(responder.engine)
        self._working = KeyedLock()

    async def answer_at_once(self, arrival: Arrival) -> Reply | None:
        """Answer or refer a task that is not stored yet: one transaction in place of two.

        Returns:
            Where it stands; None where that cannot be done at once, and nothing was: it has to be stored first.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`: a task that cannot be opened could not be refused.
        """
        row = arrival.row
        async with self._working.holding(row.task_id):
            try:
                weighed = await self._weighing.weigh(
                    arrival.verified, is_second=False, patience=self._patience(store.as_stored(row))
                )
            except WardgateError as error:
                if is_passing(error):
                    return None
                return Reply(row.task_id, await self._intake.refuse(arrival.message, row.content_sha256, error))
            try:
                return await self._conclude(_Job(store.as_stored(row), row), weighed)
            except (_Overtaken, WardgateError):
                return None  # the fault is ours, not the task's: it is stored, and tried again from there

    async def answer(self, task_id: str) -> Reply:
        """Bring a stored task as far as it will go; what was answered before is given again as it was.

        Raises:
            WardgateError: `TASK_UNKNOWN`; `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`: to be tried again.
        """
        async with self._working.holding(task_id):
            stored = await self._find(task_id)
            if self._is_ripe(stored):
                try:
                    return await self._work(stored)
                except _Overtaken:
                    stored = await self._find(task_id)
            return Reply(task_id, stored.state, stored.answer)

    async def unfinished(self) -> list[store.Unfinished]:
        """Tasks about which something is still to be done, after a start or a lost link.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        async with store_errors("unfinished tasks"), self._reading.connect() as connection:
            return await store.unfinished_tasks(connection)

    async def unsaid(self) -> list[str]:
        """Tasks with which something is to be done now: decided, answered or refused and not acknowledged, or accepted.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        return [task.task_id for task in await self.unfinished() if task.referral_state is not ReferralState.OPEN]

    async def stored(self, task_id: str) -> None:
        """The gateway has the answer, or knows that there will be none: it need not be said again."""
        await self._responder.journal.record([], store.task_stored(task_id))

    async def cancel(self, task_id: str) -> None:
        """The gateway wants no answer any more: work and referral end."""
        now = int(self._responder.clock())
        closed = referral_store.referral_closed(task_id, ReferralState.CANCELLED, now)
        async with self._working.holding(task_id):
            await self._responder.journal.record([], [*store.task_cancelled(task_id), *closed])

    async def due(self) -> list[str]:
        """Tasks whose last moment has come: those that waited for a human, and those that can no longer be answered.

        Silent referrals that nobody decided in time are ended on the way.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`: to be tried again.
        """
        now = self._responder.clock()
        await self._responder.journal.record([], referral_store.silent_expired(int(now)))
        async with store_errors("due tasks"), self._reading.connect() as connection:
            tasks = await store.due_tasks(connection, int(now) + LAST_MOMENT_S)
        return [task.task_id for task in tasks if now >= _last_moment(task)]

    async def _find(self, task_id: str) -> store.StoredTask:
        async with store_errors("task"), self._reading.connect() as connection:
            stored = await store.find_task(connection, task_id)
        if stored is None:
            raise WardgateError(ErrorCode.TASK_UNKNOWN, task_id)
        return stored

    def _is_ripe(self, stored: store.StoredTask) -> bool:
        """Whether there is work to do on a task now."""
        if stored.state is not TaskState.REFERRED:
            return stored.state is TaskState.ACCEPTED
        return not stored.is_undecided or self._responder.clock() >= _last_moment(stored)

    def _patience(self, stored: store.StoredTask) -> Patience:
        """How long policy may take over a task: never beyond its last moment, and from then on half of what is left."""
        now, last = self._responder.clock(), _last_moment(stored)
        if now < last:
            return Patience(min(WAIT_S, last - now))
        return Patience(min(WAIT_S, (stored.expires_at - now) / 2), is_last=True)

    async def _work(self, stored: store.StoredTask) -> Reply:
        message = wire.Task.FromString(stored.task)
        try:
            verified = self._weighing.verify(message)
            weighed = await self._weighing.weigh(
                verified, is_second=stored.state is TaskState.REFERRED, patience=self._patience(stored)
            )
        except WardgateError as error:
            if is_passing(error):
                raise
            if error.code in {ErrorCode.QUERY_EXPIRED, ErrorCode.WIRE_VERSION_REFUSED}:
                return await self._expire(stored)  # the latter was taken in before an upgrade of this node
            return Reply(stored.task_id, await self._intake.refuse(message, stored.content_sha256, error))
        return await self._conclude(_Job(stored), weighed)

    async def _conclude(self, job: _Job, weighed: Weighed) -> Reply:
        stored = job.stored
        referred = referred_by(weighed.considered)
        can_open = referred.is_any and not stored.referral_id
        can_wait = not referred.silent and self._responder.clock() < _last_moment(stored)
        if can_open and can_wait and not _is_urgent(weighed):
            return await self._refer(job, weighed, referred)
        # A question that nobody can answer any more leaves nothing to decide: the next one waits for a person again.
        can_outlast = can_open and not referred.person.awaited
        opened = self._new_referral(weighed, referred, silent=True) if can_outlast else None
        return await self._disclose(job, weighed, opened)

    # -- referring ------------------------------------------------------------------------------------------------

    def _new_referral(self, weighed: Weighed, referred: Referred, *, silent: bool) -> NewReferral:
        parts, task = self._responder, weighed.task
        referral_id = str(uuid4())
        content = content_of(
            task, weighed.question, weighed.considered, referred, found=weighed.found, vault=parts.vault
        )
        return NewReferral(
            referral_id=referral_id,
            task_id=task.task_id,
            silent=silent,
            people=referred.person.people,
            roles=" ".join(referred.person.roles),
            content=parts.vault.seal(Kind.REFERRAL, referral_id, content.encode()),
            opened_at=weighed.now,
            expires_at=weighed.now + parts.standing_s if silent else task.header.expires_at,
        )

    async def _refer(self, job: _Job, weighed: Weighed, referred: Referred) -> Reply:
        parts, task_id = self._responder, weighed.task.task_id
        opened = self._new_referral(weighed, referred, silent=False)
        due = _alerts(weighed.considered)
        entry = evidence.referral_entry(
            weighed.task,
            weighed.considered,
            at=weighed.now,
            responder=parts.agency_id,
            referral_id=opened.referral_id,
            alerts=[item.obligation for item in due],
        )
        writes = [*job.referred(weighed.child_key), *referral_store.referral_opened(opened), *self._kept(weighed, due)]
        await self._commit(job, [entry], writes)
        self._count(job, weighed)
        return Reply(task_id, TaskState.REFERRED)

    # -- disclosing -----------------------------------------------------------------------------------------------

    async def _disclose(self, job: _Job, weighed: Weighed, opened: NewReferral | None) -> Reply:
        parts, stored, task_id = self._responder, job.stored, job.stored.task_id
        answer, sealed = self._sealed_answer(weighed, was_announced=stored.state is TaskState.REFERRED)
        content = parts.message(task_id, sealed)
        due = _alerts(weighed.considered)
        entries = [
            evidence.answered_entry(
                weighed.task,
                weighed.considered,
                at=weighed.now,
                responder=parts.agency_id,
                outcome=answer.outcome,
                answer_sha256=answer_digest(sealed),
                referral_id=opened.referral_id if opened else stored.referral_id,
                alerts=[item.obligation for item in due],
            )
        ]
        decision_id = weighed.considered.decision_id
        writes = job.ended(store.Settled(task_id, TaskState.ANSWERED, content, decision_id, weighed.child_key))
        if stored.is_undecided:
            entries.insert(0, self._referral_expired(stored, weighed))
            # A person who decides in this very moment is heard: their decision is not answered over.
            writes += referral_store.referral_closed(task_id, ReferralState.EXPIRED, weighed.now, is_open=True)
        if opened is not None:
            writes += referral_store.referral_opened(opened)
        await self._commit(job, entries, [*writes, *self._kept(weighed, due)])
        self._count(job, weighed)
        return Reply(task_id, TaskState.ANSWERED, content)

    def _count(self, job: _Job, weighed: Weighed) -> None:
        """A query counts once, when it is answered or referred: not for each attempt, nor again after a referral."""
        if job.stored.state is not TaskState.REFERRED:
            header = weighed.task.header
            self._responder.counters.add(header.requester, header.user_ref, broke_glass=bool(header.break_glass))

    def _kept(self, weighed: Weighed, due: list[AlertDue]) -> list[Write]:
        """The decisions, for replay, and the alerts they demand."""
        kept = evidence.kept_decisions(weighed.considered, self._responder.vault)
        header = weighed.task.header
        act = Act(
            query_id=header.query_id,
            decision_id=weighed.considered.decision_id,
            agency=header.requester,
            user_ref=header.user_ref,
            role=header.role,
            purpose=header.purpose,
        )
        return [*store.decisions_kept(kept), *alerts_opened(new_alerts(due, act, at=weighed.now))]

    async def _commit(self, job: _Job, entries: Sequence[Entry], writes: Sequence[Write]) -> None:
        """Make durable, unless somebody else ended the task, or stored it, or its query, before.

        Raises:
            _Overtaken: So it was; nothing was done.
        """
        try:
            await self._responder.journal.record(entries, writes)
        except NothingChanged as error:
            raise _Overtaken from error
        except IntegrityError as error:
            if job.arrival is None:
                raise
            raise _Overtaken from error

    def _referral_expired(self, stored: store.StoredTask, weighed: Weighed) -> Entry:
        return evidence.referral_expired_entry(
            weighed.task, at=weighed.now, responder=self._responder.agency_id, referral_id=stored.referral_id
        )

    def _sealed_answer(self, weighed: Weighed, *, was_announced: bool) -> tuple[Answer, list[SealedPart]]:
        """The answer and its sealed parts; one that is too large becomes `error`, and the operator hears of it."""
        parts, considered = self._responder, weighed.considered
        occasion = Occasion(
            header=weighed.task.header,
            answered_at=weighed.now,
            grounds=weighed.grounds,
            was_announced=was_announced,
            contexts=parts.contexts,
        )
        answer = disclose(
            considered.records,
            considered.decision,
            occasion=occasion,
            contacts=parts.contacts,
            catalogue=parts.policy.catalogue,
        )
        try:
            return answer, parts.seal(answer, weighed.task, considered)
        except WardgateError as error:
            if error.code is not ErrorCode.MESSAGE_TOO_LARGE:
                raise
            _log.event(Event.ANSWER_TOO_LARGE, task_id=weighed.task.task_id, count=len(answer.records))
            answer = answer.model_copy(update={"outcome": Outcome.ERROR, "records": []})
            return answer, parts.seal(answer, weighed.task, considered)

    async def _expire(self, stored: store.StoredTask) -> Reply:
        """The query's time, or that of its form, is over: no answer would be taken any more."""
        now = int(self._responder.clock())
        entry = evidence.expired_entry(
            at=now, responder=self._responder.agency_id, task_id=stored.task_id, query_id=stored.query_id
        )
        writes = store.task_settled(store.Settled(stored.task_id, TaskState.EXPIRED))
        closed = referral_store.referral_closed(stored.task_id, ReferralState.EXPIRED, now)
        await self._commit(_Job(stored), [entry], [*writes, *closed])
        return Reply(stored.task_id, TaskState.EXPIRED)


def _last_moment(stored: store.StoredTask | store.Due) -> float:
    """When an answer must be made at the latest: a minute before expiry, or a tenth of the time there was."""
    return stored.expires_at - min(LAST_MOMENT_S, max(stored.expires_at - stored.arrived_at, 0) // 10)


def _is_urgent(weighed: Weighed) -> bool:
    """Whether what policy releases must not wait for a person: in an emergency it goes at once."""
    decision, header = weighed.considered.decision, weighed.task.header
    is_emergency = header.urgency is Urgency.EMERGENCY or bool(header.break_glass)
    return is_emergency and any(item.effect is Effect.PERMIT for item in decision.records)


def _alerts(considered: Considered) -> list[AlertDue]:
    decision = considered.decision
    return alerts(each_once([decision.obligations, *(item.obligations for item in decision.records)]))
