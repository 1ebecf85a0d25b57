"""One query from admission to receipt.

Order is the safety of this module: verify, decide, translate, *commit* (decision, tasks and ledger entry in one
transaction), dispatch; verify an answer, *commit* it with its entry, relay it; *commit* the acknowledgement, delete.
A process killed between any two steps finds everything in the store; every step is idempotent on the query or task id.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final
from uuid import uuid4
from weakref import WeakValueDictionary

from federation import limits
from federation.counters import Counters
from federation.directory import Agency, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.finishing import to_the_end
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.policy.decision import GatewayDecision
from federation.policy.engine import EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.query import Part, QueryHeader, Ticket, VerifiedQuery, parse_query, verify_query
from federation.vocabulary import TargetState
from federation.wire.v1 import ledger_pb2
from federation.wire.v1 import query_pb2 as wire
from gateway.admission import Admitted, admit, gateway_input
from gateway.dispatch import Links
from gateway.live import OPEN, LiveQuery, LiveTask, target_event
from gateway.proofs import inclusion_proof
from gateway.queries import Queries
from gateway.store import exchange as store
from gateway.translation import Translator
from keys.digest import sha256
from keys.record_cipher import RecordCipher
from keys.signing import SigningKey

POLICY_DEADLINE_S: Final = 2.0
"""A decision takes about a millisecond; one that takes seconds is a fault and denies."""


class Exchange:
    """The life of queries at the gateway."""

    def __init__(
        self,
        *,
        queries: Queries,
        journal: Journal,
        policy: PolicyPoint,
        translator: Translator,
        links: Links,
        counters: Counters,
        directory: Callable[[], TrustedDirectory],
        key: SigningKey,
        cipher: RecordCipher,
        clock: Callable[[], float],
    ) -> None:
        self._queries = queries
        self._journal = journal
        self._policy = policy
        self._translator = translator
        self._links = links
        self._counters = counters
        self._directory = directory
        self._key = key
        self._cipher = cipher
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # -- asking ---------------------------------------------------------------------------------------------------

    async def ask(
        self, requester: str, request: wire.AskRequest, correlation_id: str
    ) -> AsyncIterator[wire.QueryEvent]:
        """Admit a query (once, however often it is put) and stream what happens.

        Raises:
            WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`, `QUERY_CONFLICT`, `TARGET_UNKNOWN`,
                `EPOCH_UNKNOWN`, `TRUSTEE_UNAVAILABLE`, `LEDGER_UNAVAILABLE`, or what the trustee refused.
        """
        header = parse_query(request.header)
        if header.requester != requester:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "query of another agency")
        # A requester that hangs up while its query is committed must not leave one that nobody is ever handed.
        query, is_new = await to_the_end(self._find_or_admit(header, request, correlation_id))
        async for event in self._follow(query, until=header.deadline_at, is_new=is_new):
            yield event

    async def _find_or_admit(
        self, header: QueryHeader, request: wire.AskRequest, correlation_id: str
    ) -> tuple[LiveQuery, bool]:
        """The query, and whether it was admitted just now."""
        query_id = header.query_id
        async with self._alone_with(query_id):
            query = await self._queries.find(query_id)
            if query is None:
                return await self._admit(header, request, correlation_id), True
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

    async def _admit(self, header: QueryHeader, request: wire.AskRequest, correlation_id: str) -> LiveQuery:
        now = self._clock()
        directory = self._directory()
        agency = directory.agency(header.requester)
        query = self._verify(request, agency, now)
        evaluated, targets = await self._decide(query, agency, directory, now)
        _check_epochs(Ticket.parse(request.ticket), agency, targets)
        admitted = admit(
            query,
            evaluated.decision,
            decision_id=evaluated.record.id,
            bundle_digest=bytes.fromhex(evaluated.record.bundle.digest),
            now=now,
            key=self._key,
        )
        points = await self._translator.translate(
            ticket=request.ticket,
            signature=request.ticket_signature,
            requester=header.requester,
            epoch=agency.epoch,
            targets={responder: targets[responder].epoch for responder in admitted.permitted},
        )
        live = _live_query(query, request.signature, admitted, points)
        await self._record_admission(live, request, evaluated, correlation_id=correlation_id, now=now)
        self._counters.add(header.requester, header.user_ref, broke_glass=bool(header.break_glass))
        self._queries.add(live)
        self._links.offer(live.tasks.values())
        return live

    def _verify(self, request: wire.AskRequest, agency: Agency, now: float) -> VerifiedQuery:
        if len(request.audit_envelope) > limits.MAX_AUDIT_ENVELOPE_BYTES:
            raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, "audit envelope")
        if len(request.parts) > limits.MAX_TARGETS:
            raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, "parts")
        query = verify_query(
            request.header,
            request.signature,
            parts=[Part(part.responder, part.blinded, part.sealed) for part in request.parts],
            ticket=request.ticket,
            audit_envelope=request.audit_envelope,
            key=agency.verify_key,
            now=now,
        )
        if query.header.requester_key_version != agency.keys.version:
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "signed with a key of another version")
        if query.header.directory_version > self._directory().version:
            # Every responder would wait for a directory that does not exist, and hold a place for this query.
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, f"no version {query.header.directory_version} yet")
        return query

    async def _decide(
        self, query: VerifiedQuery, agency: Agency, directory: TrustedDirectory, now: float
    ) -> tuple[Evaluated[GatewayDecision], dict[str, Agency]]:
        targets: dict[str, Agency] = {}
        for responder in query.header.targets:
            found = directory.agencies.get(responder)
            if found is None or responder == query.header.requester:
                raise WardgateError(ErrorCode.TARGET_UNKNOWN, responder)
            targets[responder] = found
        document = gateway_input(
            query,
            requester=agency.descriptor,
            targets=[target.descriptor for target in targets.values()],
            counters=self._counters.view(query.header.requester, query.header.user_ref),
            now=now,
        )
        evaluated = await self._policy.decide(
            EntryPoint.GATEWAY, document, POLICY_DEADLINE_S, parent_id=query.header.decision_id
        )
        return evaluated, targets

    async def _record_admission(
        self,
        live: LiveQuery,
        request: wire.AskRequest,
        evaluated: Evaluated[GatewayDecision],
        correlation_id: str,
        now: float,
    ) -> None:
        entry = Entry(
            kind=EntryKind.QUERY_ADMITTED if live.tasks else EntryKind.QUERY_REFUSED,
            at=int(now),
            actor=live.header.requester,
            correlation_id=correlation_id,
            query_id=live.query_id,
            body={
                "query_sha256": live.digest.hex(),
                "user_ref": live.header.user_ref,
                "role": live.header.role,
                "purpose": live.header.purpose,
                "admission_sha256": sha256(live.admission).hex(),
                "audit_sha256": live.header.audit_sha256.hex(),
                "permitted": sorted(live.tasks),
                "decision": evaluated.record.body(),
            },
        )
        submission = store.Submission(
            ticket=request.ticket,
            ticket_signature=request.ticket_signature,
            audit_envelope=request.audit_envelope,
            decision_id=evaluated.record.id,
            decision_input=self._cipher.encrypt(
                evaluated.input_json, associated=b"decision/" + evaluated.record.id.encode()
            ),
            admitted_at=int(now),
        )
        recorded = await self._journal.record([entry], store.query_inserted(live, submission))
        live.entry_index = recorded.indexes[0]

    # -- following ------------------------------------------------------------------------------------------------

    async def _follow(self, query: LiveQuery, *, until: int, is_new: bool = False) -> AsyncIterator[wire.QueryEvent]:
        with query.watching() as queue:
            yield query.admission_event()
            for task in query.tasks.values():
                event = self._target_event(task)
                # The admission just said that this target waits; it need not be said of each again.
                if not is_new or task.state is not TargetState.WAITING or event.target.absent_until:
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
        return target_event(task, absent_until=self._links.absent_until(task.responder))

    async def _set_states(self, tasks: Sequence[LiveTask], state: TargetState) -> None:
        await self._journal.record([], store.states_set([(task.task_id, state) for task in tasks]))
        for task in tasks:
            if task.state in OPEN:
                task.state = state

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
        async with self._alone_with(query_id):
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
            await self._journal.record([self._close_entry(query, len(tasks))], writes)
            self._end(query)
        elif tasks:
            await self._journal.record([], store.answers_deleted([task.task_id for task in tasks]))
            for task in tasks:
                task.acknowledged = True

    def _alone_with(self, query_id: str) -> asyncio.Lock:
        """For one call at a time; lives as long as anybody waits for it."""
        return self._locks.setdefault(query_id, asyncio.Lock())

    def _close_entry(self, query: LiveQuery, acknowledged: int) -> Entry:
        return Entry(
            kind=EntryKind.QUERY_CLOSED,
            at=int(self._clock()),
            actor=query.header.requester,
            correlation_id=query.query_id,
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
        async with self._alone_with(query_id):
            tasks = query.open_tasks()
            if not tasks:
                return
            entry = Entry(
                kind=EntryKind.QUERY_CANCELLED,
                at=int(self._clock()),
                actor=requester,
                correlation_id=query_id,
                query_id=query_id,
                body={"query_sha256": query.digest.hex()},
            )
            cancelled = [(task.task_id, TargetState.CANCELLED) for task in tasks]
            await self._journal.record([entry], store.states_set(cancelled))
            for task in tasks:
                self._settle(task, TargetState.CANCELLED)

    def _settle(self, task: LiveTask, state: TargetState) -> None:
        """End a task that is still open; an answer that was stored in the same moment stands."""
        if task.state in OPEN:
            task.state = state
            self._links.cancel(task.responder, task.task_id)
            task.query.publish(self._target_event(task))

    def _end(self, query: LiveQuery) -> None:
        for task in query.open_tasks():
            self._settle(task, TargetState.CANCELLED)
        query.closed = True
        self._queries.drop(query.query_id)

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
        async with self._alone_with(query.query_id):
            if query.closed or any(task.storing for task in query.tasks.values()):
                return False
            changes = [
                (task, TargetState.UNREACHABLE if not task.connected else TargetState.EXPIRED)
                for task in query.open_tasks()
            ]
            entry = Entry(
                kind=EntryKind.TARGET_EXPIRED,
                at=now,
                actor="gateway",
                correlation_id=query.query_id,
                query_id=query.query_id,
                body={"targets": {task.responder: state.value for task, state in changes}},
            )
            writes = store.states_set([(task.task_id, state) for task, state in changes])
            await self._journal.record([entry], [*writes, *store.query_closed(query.query_id, now)])
            for task, state in changes:
                self._settle(task, state)
            query.closed = True
            self._queries.drop(query.query_id)
            return True


def _check_epochs(ticket: Ticket, requester: Agency, targets: Mapping[str, Agency]) -> None:
    """Both holders must multiply for the same epochs: if they did not, a child would silently not be found."""
    if ticket.epoch != requester.epoch:
        raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"{ticket.requester} epoch {ticket.epoch}")
    for point in ticket.points:
        if point.epoch != targets[point.responder].epoch:
            raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"{point.responder} epoch {point.epoch}")


def _live_query(
    query: VerifiedQuery, signature: bytes, admitted: Admitted, points: Mapping[str, tuple[bytes, bytes]]
) -> LiveQuery:
    live = LiveQuery(
        header=query.header,
        header_bytes=query.header_bytes,
        signature=signature,
        digest=query.digest,
        admission=admitted.content,
        admission_signature=admitted.signature,
        decisions=admitted.decisions,
    )
    decisions = dict(admitted.decisions)
    for responder, (halfway, whole) in points.items():
        live.tasks[responder] = LiveTask(
            task_id=str(uuid4()),
            query=live,
            part=query.parts[responder],
            trustee_element=halfway,
            translated=whole,
            decision=decisions[responder],
            state=TargetState.WAITING,
        )
    return live
