"""What responders say of their tasks: stored, referred to a human, answered, or of no use.

An answer is verified without being read, stored with its ledger entry in one transaction, and only then relayed.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from federation.actor import Actor
from federation.answer import AnswerContext, SealedPart, answer_digest, verify_answer_parts
from federation.correlation_id import CorrelationId
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.ledger.writes import NothingChanged, Write
from federation.telemetry import EventLog
from federation.vocabulary import TargetState
from federation.wire.v1 import query_pb2 as wire
from gateway.dispatch import Links
from gateway.live import OPEN, SETTLED, LiveTask, target_event
from gateway.queries import Queries
from gateway.store import exchange as store

_SAID = frozenset({TargetState.ANSWERED, TargetState.REJECTED})
"""What a responder may say again of a task that it has settled."""

_log = EventLog(__name__)


class DenyCheck(Protocol):
    """Whether an agency is revoked at this moment."""

    def __call__(self, agency: str) -> bool:
        """True when nothing of the agency may be taken any more."""
        ...


class Answers:
    """The responders' side of the exchange."""

    def __init__(
        self,
        *,
        queries: Queries,
        journal: Journal,
        links: Links,
        directory: Callable[[], TrustedDirectory],
        is_denied: DenyCheck,
        clock: Callable[[], float],
    ) -> None:
        self._queries = queries
        self._journal = journal
        self._links = links
        self._directory = directory
        self._is_denied = is_denied
        self._clock = clock

    def tasks_for(self, responder: str) -> list[LiveTask]:
        """What a link that has just attached must be given."""
        now = self._clock()
        return [task for task in self._queries.open_tasks(responder) if task.query.header.expires_at > now]

    async def accepted(self, responder: str, task_id: str) -> None:
        """The responder has stored the task.

        Raises:
            WardgateError: `TASK_UNKNOWN`.
        """
        await self._progress(responder, task_id, TargetState.DELIVERED)

    async def referred(self, responder: str, task_id: str) -> None:
        """The responder's policy refers the task to a human.

        Raises:
            WardgateError: `TASK_UNKNOWN`.
        """
        task = await self._task(responder, task_id)
        if task.state in OPEN - {TargetState.REFERRED}:
            entry = self._task_entry(EntryKind.TARGET_REFERRED, task, {})
            await self._record(task, [entry], store.states_set([(task_id, TargetState.REFERRED)]))
            if task.state in OPEN:
                task.state = TargetState.REFERRED
                task.query.publish(target_event(task))
        self._links.release(task)

    async def rejected(self, responder: str, task_id: str) -> None:
        """The responder cannot use the task: its place is free, and the requester learns it. Said again, it holds.

        Raises:
            WardgateError: `TASK_UNKNOWN`; `QUERY_CONFLICT`: it was answered before; `LEDGER_UNAVAILABLE`.
        """
        task = await self._task(responder, task_id)
        if task.state is TargetState.ANSWERED:
            raise WardgateError(ErrorCode.QUERY_CONFLICT, "a task that was answered")
        if task.state is not TargetState.REJECTED:
            entry = self._task_entry(EntryKind.TARGET_REJECTED, task, {})
            try:
                await self._record(task, [entry], store.task_rejected(task_id))
            except NothingChanged as error:
                await self._queries.reconcile(task.query.query_id)
                if _state(task) is not TargetState.REJECTED:
                    raise WardgateError(ErrorCode.TASK_UNKNOWN, task_id) from error
            if task.state in OPEN:
                task.state = TargetState.REJECTED
                _log.event(Event.TARGET_REJECTED, task_id=task_id, responder=responder)
                task.query.publish(target_event(task))
        self._links.release(task)

    async def _progress(self, responder: str, task_id: str, state: TargetState) -> None:
        task = await self._task(responder, task_id)
        if task.state in (TargetState.WAITING, TargetState.UNREACHABLE):
            await self._record(task, [], store.states_set([(task_id, state)]))
            if task.state in (TargetState.WAITING, TargetState.UNREACHABLE):
                task.state = state
                task.query.publish(target_event(task))

    async def answered(self, responder: str, answer: wire.SealedAnswer) -> None:
        """Verify, store and relay a sealed answer; a second delivery of the same answer is accepted again.

        Raises:
            WardgateError: `TASK_UNKNOWN`, `SIGNATURE_REJECTED`, `MESSAGE_*`, `LEDGER_UNAVAILABLE`.
        """
        task = await self._task(responder, answer.task_id)
        if answer.responder != responder:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "answer of another agency")
        parts = [SealedPart(part.header, part.ciphertext, part.signature) for part in answer.parts]
        digest = answer_digest(parts)
        if task.state is TargetState.ANSWERED:
            self._check_repeated(task, digest, task.answer_digest)
            return
        self._verify_answer(task, parts)
        content = answer.SerializeToString()
        entry = self._task_entry(EntryKind.ANSWER_RECEIVED, task, {"answer_sha256": digest.hex()})
        task.storing = True
        try:
            await self._record(task, [entry], store.answer_inserted(task, content, digest))
        except NothingChanged:
            task.storing = False
            await self._settled_before(task, digest)
            return
        finally:
            task.storing = False
        if task.state in OPEN:  # else somebody read it back from the store in this moment, and said so
            task.state, task.answer_digest = TargetState.ANSWERED, digest
            task.query.publish(wire.QueryEvent(answer=answer))
        self._links.release(task)

    async def _settled_before(self, task: LiveTask, digest: bytes) -> None:
        """The task was settled while this answer was on its way into the store, or before, and memory does not know it.

        Raises:
            WardgateError: `TASK_UNKNOWN`: it was not by an answer; `QUERY_CONFLICT`: by another one.
        """
        await self._queries.reconcile(task.query.query_id)
        stored = await self._queries.stored_answer_digest(task.task_id)
        if not stored:
            raise WardgateError(ErrorCode.TASK_UNKNOWN, task.task_id)
        self._check_repeated(task, digest, stored)

    async def _record(self, task: LiveTask, entries: Sequence[Entry], writes: Sequence[Write]) -> None:
        with if_unknown(lambda: self._queries.doubt(task.query.query_id)):
            await self._journal.record(entries, writes)

    def _check_repeated(self, task: LiveTask, digest: bytes, stored: bytes) -> None:
        if digest != stored:
            _log.event(Event.ANSWER_CONFLICT, task_id=task.task_id, responder=task.responder)
            raise WardgateError(ErrorCode.QUERY_CONFLICT, "a second, different answer")
        self._links.release(task)

    def _verify_answer(self, task: LiveTask, parts: Sequence[SealedPart]) -> None:
        header = task.query.header
        agency = self._directory().agency(task.responder)
        expected = AnswerContext(
            query_id=header.query_id,
            task_id=task.task_id,
            requester=header.requester,
            responder=task.responder,
            purpose=header.purpose,
            query_sha256=task.query.digest,
        )
        verify_answer_parts(parts, key=agency.verify_key, expected=expected)

    async def _task(self, responder: str, task_id: str) -> LiveTask:
        task = self._queries.task(task_id)
        if task is not None:
            await self._queries.certain(task.query.query_id)
        if task is None or task.responder != responder or task.state in SETTLED - _SAID:
            raise WardgateError(ErrorCode.TASK_UNKNOWN, task_id)
        if task.query.header.expires_at <= self._clock():
            raise WardgateError(ErrorCode.TASK_UNKNOWN, "expired")
        if self._is_denied(responder):
            raise WardgateError(ErrorCode.CERTIFICATE_REVOKED, responder)
        return task

    def _task_entry(self, kind: EntryKind, task: LiveTask, body: dict[str, str]) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=Actor.agency(task.responder),
            correlation_id=CorrelationId(task.task_id),
            query_id=task.query.query_id,
            body={"task_id": task.task_id, "query_sha256": task.query.digest.hex(), **body},
        )


def _state(task: LiveTask) -> TargetState:
    """Where a task stands now: it may have moved since it was looked at."""
    return task.state
