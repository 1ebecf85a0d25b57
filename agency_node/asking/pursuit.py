"""Follows a stored query to its end: sends it, takes its answers, acknowledges, closes.

Every step is durable here before the gateway is told. A node killed at any moment starts again from the store: the very
same bytes are sent again (the gateway admits them once), answers that came are known by their task, and closing twice
closes once. The reply key's private half is erased when the picture closes: whoever steals the node later cannot open
what was answered.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.asking.answers import read_answer, sealed_parts
from agency_node.store import asked as store
from agency_node.store.asked import AskedState
from agency_node.vault import Kind, Vault
from federation.admission import TargetDecision, verify_admission, verify_decision
from federation.answer import answer_digest
from federation.canonical import JsonObject, to_canonical
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, Family, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.writes import Write
from federation.query import QueryHeader, parse_query
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

EXPIRY_GRACE_S: Final = 300
"""How long after its expiry a query is still asked for, so that a node that was down learns the final states."""

_WIRE_STATE: Final = {wire.TargetState.Value(f"TARGET_STATE_{state.name}"): state for state in TargetState}
_SETTLED: Final = frozenset(
    {TargetState.NOT_PERMITTED, TargetState.ANSWERED, TargetState.EXPIRED, TargetState.CANCELLED}
)
_TRANSIENT: Final = frozenset({ErrorCode.PEER_UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED})

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
    """One query being followed."""

    query_id: str
    header: QueryHeader
    header_bytes: bytes
    request: wire.AskRequest
    reply_key: SealingKey
    answered: dict[str, str] = field(default_factory=dict)
    states: dict[str, TargetState] = field(default_factory=dict)
    absences: dict[str, int] = field(default_factory=dict)
    admitted: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    last_error: WardgateError | None = None
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
    ) -> None:
        self._agency = agency
        self._engine = engine
        self._journal = journal
        self._vault = vault
        self._gateway = gateway
        self._directory = directory
        self._clock = clock
        self._sleep = sleep
        self._pursuits: dict[str, Pursuit] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def resume_all(self) -> int:
        """Take up every open query after a start; returns how many."""
        query_ids = await store.open_queries(self._engine)
        for query_id in query_ids:
            await self.start(query_id)
        return len(query_ids)

    async def start(self, query_id: str) -> Pursuit:
        """Follow a stored query from now on."""
        known = self._pursuits.get(query_id)
        if known is not None:
            return known
        pursuit = await self._load(query_id)
        if (known := self._pursuits.get(query_id)) is not None:
            return known  # somebody else was quicker: two followers would do everything twice
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
            header=parse_query(request.header),
            header_bytes=request.header,
            request=request,
            reply_key=reply_key,
            answered={target.responder: target.task_id for target in targets if target.answer is not None},
            admitted=row.admission is not None,
        )

    async def _run(self, pursuit: Pursuit) -> None:
        with correlated(pursuit.query_id):
            backoff = Backoff()
            while self._clock() < pursuit.header.expires_at + EXPIRY_GRACE_S:
                try:
                    if await self._follow(pursuit):
                        await self._close(pursuit)
                        return
                    backoff.reset()
                    await self._sleep(RESUME_PAUSE_S)
                except WardgateError as error:
                    pursuit.last_error = error
                    if not _is_transient(error):
                        await self._give_up(pursuit, error)
                        return
                    await self._sleep(backoff.next_s())
            await self._end(pursuit, AskedState.CLOSED)

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
        absent_until = update.absent_until
        if (pursuit.states.get(update.responder), pursuit.absences.get(update.responder, 0)) == (state, absent_until):
            return  # known already
        await self._journal.record(
            [],
            store.target_moved(
                pursuit.query_id,
                update.responder,
                state=state,
                absent_until=absent_until,
                settled=state in _SETTLED,
            ),
        )
        pursuit.states[update.responder], pursuit.absences[update.responder] = state, absent_until

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
            actor=self._agency,
            correlation_id=pursuit.query_id,
            query_id=pursuit.query_id,
            body={"query_sha256": sha256(pursuit.header_bytes).hex(), **body},
        )


def _opening_state(decision: TargetDecision) -> TargetState:
    return TargetState.NOT_PERMITTED if decision.effect == "deny" else TargetState.WAITING


def _waits_for_people_alone(pursuit: Pursuit) -> bool:
    """Whether all that is still open is with a human at a responder: no deadline is worth waiting for."""
    states = set(pursuit.states.values())
    return TargetState.REFERRED in states and states <= _SETTLED | {TargetState.REFERRED}


def _is_transient(error: WardgateError) -> bool:
    """Whether trying again later can help: the other side is away, or cannot act just now."""
    return error.code in _TRANSIENT or error.spec.family in (Family.OPERATOR, Family.INTERNAL)
