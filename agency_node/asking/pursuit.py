"""Follows a stored query to its end: sends it, takes its answers, acknowledges, closes.

Every step is durable here before the gateway is told. A node killed at any moment starts again from the store: the very
same bytes are sent again (the gateway admits them once), answers that came are known by their task, and closing twice
closes once. Where a commit's outcome is not known the query is read back before the next step, and what is open in the
store and followed by nobody is found by looking (`Pursuits.watch`). The reply key's private half is erased when the
picture closes: whoever steals the node later cannot open what was answered.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.asking.answers import read_answer, sealed_parts
from agency_node.store import asked as store
from agency_node.store.asked import AskedState
from agency_node.vault import Kind, Vault
from federation.actor import Actor
from federation.admission import TargetDecision, verify_admission, verify_decision
from federation.answer import answer_digest
from federation.canonical import JsonObject, to_canonical
from federation.centre_seen import CentreSeen
from federation.correlation_id import CorrelationId
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, Family, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.writes import Write
from federation.query import QueryHeader
from federation.telemetry import EventLog
from federation.transport.backoff import Backoff
from federation.transport.correlation import correlated
from federation.vocabulary import TargetState
from federation.wire.v1 import query_pb2 as wire
from keys.digest import sha256
from keys.envelope import SealingKey
from keys.secret import Secret

MAX_INSTANT: Final = 2**40
"""The bound of every time in a signed document (`federation.document.Instant`); the store holds no larger one."""

RESUME_PAUSE_S: Final = 0.25
"""Between two streams of one query: a gateway whose clock is ahead, or that ends streams at once, costs little."""

SWEEP_EVERY_S: Final = 15.0
"""How often it is looked for open queries that nobody follows: well within the minute that one may go unfollowed."""

EXPIRY_GRACE_S: Final = 300
"""How long after its expiry a query is still asked for, so that a node that was down learns the final states."""

CLOCK_FAULT: Final = str(ErrorCode.CLOCK_DIFFERS)
"""A target's fault while its clock is wrong: it takes every query for one of another time."""

_WIRE_STATE: Final = {wire.TargetState.Value(f"TARGET_STATE_{state.name}"): state for state in TargetState}
_SETTLED: Final = frozenset(
    {
        TargetState.NOT_PERMITTED,
        TargetState.ANSWERED,
        TargetState.EXPIRED,
        TargetState.CANCELLED,
        TargetState.REJECTED,
        TargetState.UNDECIDED,
    }
)
_log = EventLog(__name__)


class QueryGateway(Protocol):
    """What a node asks of the gateway about its own queries. Every method raises `WardgateError`."""

    def ask(self, request: wire.AskRequest) -> AsyncIterator[wire.QueryEvent]:
        """Put a query and follow it until the deadline."""
        ...

    def resume(self, query_id: str) -> AsyncIterator[wire.QueryEvent]:
        """Follow a query until it is settled or expired."""
        ...

    async def acknowledge(self, query_id: str, task_ids: list[str], *, close: bool) -> JsonObject:
        """Say which answers are safe; returns the verified receipt."""
        ...


@dataclass(slots=True)
class Pursuit:
    """One query being followed.

    Attributes:
        clocks: How far the clock of each responder is ahead of the gateway's, seconds, where it is wrong; None where
            it is wrong and by how much was not kept.
        in_doubt: The store may have more than is known here.
        refusal: What the query is given up for, as soon as that can be recorded.
        failed: What it was given up for.
    """

    query_id: str
    header: QueryHeader
    header_bytes: bytes
    request: wire.AskRequest
    reply_key: SealingKey
    answered: dict[str, str] = field(default_factory=dict)
    states: dict[str, TargetState] = field(default_factory=dict)
    absences: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, int | None] = field(default_factory=dict)
    admitted: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    in_doubt: bool = False
    last_error: WardgateError | None = None
    refusal: WardgateError | None = None
    failed: WardgateError | None = None


class Pursuits:
    """Every query of this node that is not closed."""

    def __init__(
        self,
        *,
        agency: str,
        engine: AsyncEngine,
        journal: Journal,
        vault: Vault,
        gateway: QueryGateway,
        directory: Callable[[], TrustedDirectory],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        heard: Callable[[str, CentreSeen], None] = lambda _peer, _seen: None,
    ) -> None:
        self._agency = agency
        self._heard = heard
        self._engine = engine
        self._journal = journal
        self._vault = vault
        self._gateway = gateway
        self._directory = directory
        self._clock = clock
        self._sleep = sleep
        self._pursuits: dict[str, Pursuit] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unseen = False

    async def resume_all(self) -> int:
        """Take up every open query that nobody follows; returns how many.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        unfollowed = [found for found in await store.open_queries(self._engine) if found not in self._pursuits]
        for query_id in unfollowed:
            try:
                await self.start(query_id)
            except WardgateError as error:
                if error.code is not ErrorCode.QUERY_UNKNOWN:  # it ended meanwhile
                    raise
        return len(unfollowed)

    async def watch(self) -> None:
        """Take up what nobody follows, for ever: first what was open before the start."""
        while True:
            try:
                await self.resume_all()
            except WardgateError as error:
                if not self._unseen:
                    _log.event(Event.RECONCILIATION_FAILED, error=error)
                self._unseen = True
            else:
                self._unseen = False
            await self._sleep(SWEEP_EVERY_S)

    async def start(self, query_id: str) -> Pursuit:
        """Follow a stored query from now on."""
        known = self._pursuits.get(query_id)
        if known is not None:
            return known
        return self.follow(await self._load(query_id))

    def follow(self, pursuit: Pursuit) -> Pursuit:
        """Follow a query that has just been stored, from what is at hand: it is not read back first.

        Returns:
            The one that follows it: two would do everything twice.
        """
        query_id = pursuit.query_id
        if (known := self._pursuits.get(query_id)) is not None:
            return known
        self._pursuits[query_id] = pursuit
        task = asyncio.create_task(self._run(pursuit), name=f"pursuit-{query_id}")
        self._tasks[query_id] = task
        task.add_done_callback(lambda done: self._ended(pursuit, done))
        return pursuit

    def following(self, query_id: str) -> Pursuit | None:
        """The query, if it is being followed."""
        return self._pursuits.get(query_id)

    async def aclose(self) -> None:
        """Stop following; the store keeps everything."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, pursuit: Pursuit, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(pursuit.query_id, None)
        self._pursuits.pop(pursuit.query_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.event(Event.PURSUIT_BROKEN, query_id=pursuit.query_id, error=error)
            pursuit.last_error = WardgateError(ErrorCode.INTERNAL, "pursuit ended")
        pursuit.ready.set()

    async def _load(self, query_id: str) -> Pursuit:
        found = await store.load_asked(self._engine, query_id)
        if found is None or found[0].request is None or found[0].reply_key is None:
            raise WardgateError(ErrorCode.QUERY_UNKNOWN, query_id)
        row, targets = found
        request = wire.AskRequest.FromString(self._vault.open(Kind.ASKED_REQUEST, query_id, row.request))
        reply_key = SealingKey.from_secret(Secret(self._vault.open(Kind.REPLY_KEY, query_id, row.reply_key)))
        return Pursuit(
            query_id=query_id,
            header=QueryHeader.parse_kept(request.header),
            header_bytes=request.header,
            request=request,
            reply_key=reply_key,
            answered=_answered(targets),
            clocks=_wrong_clocks(targets),
            admitted=row.admission is not None,
        )

    async def _run(self, pursuit: Pursuit) -> None:
        with correlated(pursuit.query_id):
            backoff = Backoff()
            while True:
                try:
                    if await self._forward(pursuit):
                        return
                    backoff.reset()
                    await self._sleep(RESUME_PAUSE_S)
                except WardgateError as error:
                    cause, pursuit.last_error = _cause(pursuit, error), error
                    pursuit.in_doubt = pursuit.in_doubt or error.code is ErrorCode.OUTCOME_UNKNOWN
                    if _is_transient(error) or pursuit.refusal is not None:
                        await self._sleep(backoff.next_s())
                    else:
                        pursuit.refusal = cause

    async def _forward(self, pursuit: Pursuit) -> bool:
        """Bring a query as far as it goes now; true when it is over, and that is recorded."""
        if pursuit.in_doubt and await self._read_back(pursuit):
            return True
        if pursuit.refusal is not None:
            await self._give_up(pursuit, pursuit.refusal)
            return True
        if self._clock() >= pursuit.header.expires_at + EXPIRY_GRACE_S:
            await self._end(pursuit, AskedState.CLOSED)
            return True
        if not await self._follow(pursuit):
            return False
        await self._close(pursuit)
        return True

    async def _read_back(self, pursuit: Pursuit) -> bool:
        """Learn from the store what a commit of unknown outcome became; true when it had ended the query."""
        await self._journal.settle()
        found = await store.load_asked(self._engine, pursuit.query_id)
        if found is None:
            raise WardgateError(ErrorCode.QUERY_UNKNOWN, pursuit.query_id)
        row, targets = found
        if row.state != AskedState.OPEN:
            pursuit.failed = WardgateError(ErrorCode(row.error)) if row.error else None
            return True
        pursuit.admitted = row.admission is not None
        pursuit.answered = _answered(targets)
        pursuit.states = {target.responder: TargetState(target.state) for target in targets}
        pursuit.absences = {target.responder: target.absent_until for target in targets}
        pursuit.clocks = _wrong_clocks(targets)
        pursuit.in_doubt = False
        return False

    async def _give_up(self, pursuit: Pursuit, error: WardgateError) -> None:
        if pursuit.admitted and error.code is ErrorCode.QUERY_UNKNOWN:
            await self._end(pursuit, AskedState.CLOSED)  # expired and forgotten at the gateway
            return
        await self._end(pursuit, AskedState.FAILED, error=str(error.code))
        pursuit.failed = error

    async def _follow(self, pursuit: Pursuit) -> bool:
        """Follow one stream to its end; true when nothing more can come."""
        put_anew = not pursuit.admitted or self._clock() < pursuit.header.deadline_at
        events = self._gateway.ask(pursuit.request) if put_anew else self._gateway.resume(pursuit.query_id)
        final = False
        async for event in events:
            if event.WhichOneof("event") == "settled":
                final = event.settled.final
            else:
                await self._take(pursuit, event)
        pursuit.last_error = None
        if not final:
            await self._acknowledge(pursuit)
            pursuit.ready.set()
        return final

    async def _take(self, pursuit: Pursuit, event: wire.QueryEvent) -> None:
        match event.WhichOneof("event"):
            case "admission":
                await self._admission(pursuit, event.admission)
            case "target":
                await self._target(pursuit, event.target)
            case "answer":
                await self._answer(pursuit, event.answer)
            case _:
                raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "empty query event")
        if not pursuit.ready.is_set() and _waits_for_people_alone(pursuit):
            await self._acknowledge(pursuit)
            pursuit.ready.set()

    async def _admission(self, pursuit: Pursuit, admission: wire.Admission) -> None:
        record = verify_admission(
            admission.admission,
            admission.signature,
            query_sha256=sha256(pursuit.header_bytes),
            gateway_key=self._directory().anchors.gateway_key,
        )
        decisions = {
            item.responder: verify_decision(record, item.responder, item.decision) for item in admission.decisions
        }
        if decisions.keys() != pursuit.header.targets.keys():
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "admission does not cover the query's targets")
        if pursuit.admitted:
            return

        targets = [
            store.TargetAdmitted(
                item.responder,
                item.decision,
                state := _opening_state(decisions[item.responder]),
                settled=state in _SETTLED,
            )
            for item in admission.decisions
        ]
        writes = store.admitted(pursuit.query_id, admission=admission.admission, effect=record.effect, targets=targets)
        await self._journal.record([], writes)
        pursuit.admitted = True
        pursuit.states.update({target.responder: target.state for target in targets})

    async def _target(self, pursuit: Pursuit, update: wire.TargetUpdate) -> None:
        state = _WIRE_STATE.get(update.state)
        if state is None or update.responder not in pursuit.header.targets or update.absent_until > MAX_INSTANT:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "target update")
        if state is TargetState.NOT_PERMITTED:
            # Only the signed admission says so. A bare word would take an agency out of what the picture waits for.
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "a target was withdrawn without the gateway's signature")
        if update.responder in pursuit.answered or state is TargetState.ANSWERED:
            return  # An answer counts when it has been opened here, not when the gateway says there is one.
        responder, absent_until, ahead_s = update.responder, update.absent_until, update.clock_ahead_s
        known = (
            pursuit.states.get(responder),
            pursuit.absences.get(responder, 0),
            pursuit.clocks.get(responder, 0) != 0,
        )
        if known == (state, absent_until, bool(ahead_s)):
            if ahead_s:
                pursuit.clocks[responder] = ahead_s  # a clock drifts, and by how much is not kept over a restart
            return
        writes = store.target_moved(
            pursuit.query_id, responder, state=state, absent_until=absent_until, settled=state in _SETTLED
        )
        if bool(ahead_s) != known[2]:  # else a fault of another kind may stand there
            writes += store.target_faulted(pursuit.query_id, responder, CLOCK_FAULT if ahead_s else "")
        await self._journal.record([], writes)
        if state is TargetState.REJECTED:
            _log.event(Event.TARGET_REJECTED, query_id=pursuit.query_id, responder=responder)
        pursuit.states[responder], pursuit.absences[responder] = state, absent_until
        pursuit.clocks[responder] = ahead_s

    async def _answer(self, pursuit: Pursuit, sealed: wire.SealedAnswer) -> None:
        if sealed.responder in pursuit.answered:
            return
        try:
            answer = read_answer(
                sealed,
                header=pursuit.header,
                query_sha256=sha256(pursuit.header_bytes),
                reply_key=pursuit.reply_key,
                directory=self._directory(),
            )
        except WardgateError as error:
            await self._reject(pursuit, sealed, error)
            return
        self._heard(sealed.responder, answer.seen)
        content = self._vault.seal(Kind.ANSWER, f"{pursuit.query_id}/{sealed.responder}", answer.canonical())
        late = self._clock() > pursuit.header.deadline_at
        entry = self._entry(
            EntryKind.ANSWER_OPENED,
            pursuit,
            {
                "responder": sealed.responder,
                "task_id": sealed.task_id,
                "answer_sha256": answer_digest(sealed_parts(sealed)).hex(),
                "late": late,
            },
        )

        writes = store.target_answered(
            pursuit.query_id, sealed.responder, task_id=sealed.task_id, answer=content, late=late
        )
        await self._journal.record([entry], writes)
        pursuit.answered[sealed.responder] = sealed.task_id
        pursuit.states[sealed.responder] = TargetState.ANSWERED

    async def _reject(self, pursuit: Pursuit, sealed: wire.SealedAnswer, error: WardgateError) -> None:
        """An answer that does not verify is no answer: it is kept out of the picture and said so."""
        _log.event(Event.ANSWER_REJECTED, query_id=pursuit.query_id, responder=sealed.responder[:63], code=error.code)
        responder = sealed.responder if sealed.responder in pursuit.header.targets else "unknown"
        entry = self._entry(
            EntryKind.ALARM_RAISED,
            pursuit,
            {"alarm": "ANSWER_REJECTED", "responder": responder, "error": str(error.code)},
        )
        await self._journal.record([entry], store.target_faulted(pursuit.query_id, responder, str(error.code)))

    async def _acknowledge(self, pursuit: Pursuit) -> None:
        """Say which answers are safe, so that the gateway need not keep them."""
        await self._journal.record([], await self._receipt(pursuit, close=False))

    async def _receipt(self, pursuit: Pursuit, *, close: bool) -> list[Write]:
        receipt = await self._gateway.acknowledge(pursuit.query_id, sorted(pursuit.answered.values()), close=close)
        return store.acknowledged(pursuit.query_id, to_canonical(receipt))

    async def _close(self, pursuit: Pursuit) -> None:
        receipt = await self._receipt(pursuit, close=True)
        await self._end(pursuit, AskedState.CLOSED, receipt=receipt)

    async def _end(
        self, pursuit: Pursuit, state: AskedState, *, error: str = "", receipt: Sequence[Write] = ()
    ) -> None:
        body = {"state": state.value, "answered": len(pursuit.answered), "error": error}
        entry = self._entry(EntryKind.PICTURE_CLOSED, pursuit, body)
        await self._journal.record([entry], [*receipt, *store.ended(pursuit.query_id, state, error=error)])

    def _entry(self, kind: EntryKind, pursuit: Pursuit, body: JsonObject) -> Entry:
        return Entry(
            kind=kind,
            at=int(self._clock()),
            actor=Actor.agency(self._agency),
            correlation_id=CorrelationId(pursuit.query_id),
            query_id=pursuit.query_id,
            body={"query_sha256": sha256(pursuit.header_bytes).hex(), **body},
        )


def _answered(targets: Sequence[Any]) -> dict[str, str]:
    """Which responders' answers were opened, with their tasks."""
    return {target.responder: target.task_id for target in targets if target.answer is not None}


def _wrong_clocks(targets: Sequence[Any]) -> dict[str, int | None]:
    """Which responders' clocks were wrong when they were last heard of; by how much is not kept."""
    return {target.responder: None for target in targets if target.fault == CLOCK_FAULT}


def _opening_state(decision: TargetDecision) -> TargetState:
    return TargetState.NOT_PERMITTED if decision.effect == "deny" else TargetState.WAITING


def _waits_for_people_alone(pursuit: Pursuit) -> bool:
    """Whether all that is still open is with a human at a responder: no deadline is worth waiting for."""
    states = set(pursuit.states.values())
    return TargetState.REFERRED in states and states <= _SETTLED | {TargetState.REFERRED}


def _cause(pursuit: Pursuit, error: WardgateError) -> WardgateError:
    """Why a query comes to nothing: of one that expired before it was admitted, what kept it from being admitted."""
    expired = error.code is ErrorCode.QUERY_EXPIRED and not pursuit.admitted
    return pursuit.last_error if expired and pursuit.last_error is not None else error


def _is_transient(error: WardgateError) -> bool:
    """Whether trying again later can help: the other side is away, or cannot act just now."""
    return error.spec.retryable or error.spec.family in (Family.OPERATOR, Family.INTERNAL)
