"""A query comes in: verify, decide, translate, *commit* decision, tasks and ledger entry in one transaction.

Nothing is dispatched here. A query under a case grant is decided by the team as it stands, and committed only if the
team still stands so: whoever changes a team need look for queries among those that are in flight alone.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final
from uuid import uuid4

from federation import limits
from federation.actor import Actor
from federation.canonical import JsonObject
from federation.correlation_id import CorrelationId
from federation.counters import Counters
from federation.directory import Agency, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.ledger.writes import NothingChanged, Write
from federation.policy.decision import GatewayDecision
from federation.policy.engine import WAIT_S, EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.policy_input import asked, query_input
from federation.query import Part, QueryHeader, Ticket, VerifiedQuery, verify_query
from federation.team import CaseGrantGiven
from federation.vocabulary import TargetState
from federation.wire.v1 import query_pb2 as wire
from gateway.admission import Admitted, admit, gateway_input
from gateway.alarms import Alarms
from gateway.live import LiveQuery, LiveTask
from gateway.misuse import refused_here
from gateway.store import exchange as store
from gateway.teams.register import TeamRegister
from gateway.translation import Outcome, Translated, Translator
from keys.digest import sha256
from keys.record_cipher import RecordCipher
from keys.signing import SigningKey

MAX_LISTED_TARGETS: Final = 100
"""Targets that `query_admitted` names beside the decision."""

LEAST_WAIT_S: Final = 2.0
"""For a decision about a query whose deadline has passed, or nearly: late answers are wanted until it expires."""


class Admitting:
    """Admits queries."""

    def __init__(
        self,
        *,
        journal: Journal,
        policy: PolicyPoint,
        translator: Translator,
        alarms: Alarms,
        counters: Counters,
        teams: TeamRegister,
        directory: Callable[[], TrustedDirectory],
        key: SigningKey,
        cipher: RecordCipher,
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._policy = policy
        self._translator = translator
        self._alarms = alarms
        self._counters = counters
        self._teams = teams
        self._directory = directory
        self._key = key
        self._cipher = cipher
        self._clock = clock

    async def admit(self, header: QueryHeader, request: wire.AskRequest, correlation_id: CorrelationId) -> LiveQuery:
        """Make a new query durable, admitted or refused.

        Raises:
            WardgateError: As `gateway.exchange.Exchange.ask`. With `POLICY_UNAVAILABLE` nothing was decided and nothing
                is recorded: the requester puts the same bytes again.
        """
        while True:
            try:
                return await self._admit(header, request, correlation_id)
            except NothingChanged:
                # The team is no longer as it was decided on: it changed meanwhile, or has long since and the register
                # was not told. Decide again, by what the store says.
                await self._teams.load()

    async def _admit(self, header: QueryHeader, request: wire.AskRequest, correlation_id: CorrelationId) -> LiveQuery:
        await self._teams.certain()
        now = self._clock()
        directory = self._directory()
        agency = directory.agency(header.requester)
        query = self._verify(request, agency, now)
        seen = self._teams.seen(query.header)
        case_grant = None if seen is None else seen.given(now)
        evaluated, targets = await self._decide(query, agency, directory, case_grant)
        _check_epoch(Ticket.parse(request.ticket), agency)
        admitted = admit(
            query,
            evaluated.decision,
            decision_id=evaluated.record.id,
            bundle_digest=bytes.fromhex(evaluated.record.bundle.digest),
            now=now,
            key=self._key,
            case_grant=case_grant,
            catalogue=self._policy.catalogue,
        )
        permitted = [targets[responder] for responder in admitted.permitted]
        outcome = await self._translate(query, request, agency, permitted, correlation_id)
        live = _live_query(query, request.signature, admitted, outcome)
        held = [] if seen is None else seen.unchanged()

        def count() -> None:
            self._counters.add(header.requester, header.user_ref, broke_glass=bool(header.break_glass))

        with if_unknown(count):
            await self._record_admission(live, request, evaluated, held=held, correlation_id=correlation_id, now=now)
        count()
        return live

    def _verify(self, request: wire.AskRequest, agency: Agency, now: float) -> VerifiedQuery:
        if len(request.audit_envelope) > limits.MAX_AUDIT_ENVELOPE_BYTES:
            raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, "audit envelope")
        if len(request.parts) > limits.MAX_TARGETS:
            raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, "parts")
        query = verify_query(
            request.header,
            request.signature,
            parts=[Part(part.responder, part.blinded, part.salt, part.sealed) for part in request.parts],
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

    async def _translate(
        self,
        query: VerifiedQuery,
        request: wire.AskRequest,
        requester: Agency,
        permitted: Sequence[Agency],
        correlation_id: CorrelationId,
    ) -> Outcome:
        try:
            return await self._translator.translate(
                query,
                ticket=request.ticket,
                signature=request.ticket_signature,
                requester=requester,
                targets=permitted,
            )
        except WardgateError as error:
            if error.code is ErrorCode.PROOF_REJECTED:
                await self._alarms.not_proved(query, error, correlation_id)
            raise

    async def _decide(
        self, query: VerifiedQuery, agency: Agency, directory: TrustedDirectory, case_grant: CaseGrantGiven | None
    ) -> tuple[Evaluated[GatewayDecision], dict[str, Agency]]:
        targets: dict[str, Agency] = {}
        for responder in query.header.targets:
            found = directory.agencies.get(responder)
            if found is None or responder == query.header.requester:
                raise WardgateError(ErrorCode.TARGET_UNKNOWN, responder)
            targets[responder] = found
        document = gateway_input(
            query.header,
            requester=agency.descriptor,
            targets=[target.descriptor for target in targets.values()],
            counters=self._counters.view(query.header.requester, query.header.user_ref),
            case_grant=case_grant,
            now=self._clock(),
        )
        left_s = query.header.deadline_at - self._clock()
        evaluated = await self._policy.decide(
            EntryPoint.GATEWAY,
            document,
            min(WAIT_S, max(LEAST_WAIT_S, left_s)),
            parent_id=query.header.decision_id,
        )
        return evaluated.decided(), targets

    async def _record_admission(
        self,
        live: LiveQuery,
        request: wire.AskRequest,
        evaluated: Evaluated[GatewayDecision],
        *,
        held: Sequence[Write],
        correlation_id: CorrelationId,
        now: float,
    ) -> None:
        entry = Entry(
            kind=EntryKind.QUERY_ADMITTED if live.tasks else EntryKind.QUERY_REFUSED,
            at=int(now),
            actor=Actor.agency(live.header.requester),
            correlation_id=correlation_id,
            query_id=live.query_id,
            body={
                "query_sha256": live.digest.hex(),
                "user_ref": live.header.user_ref,
                "role": live.header.role,
                "purpose": live.header.purpose,
                "query": asked(query_input(live.header)),
                "case_grant": live.header.case_grant,
                **_listed(live.header.targets),
                "admission_sha256": sha256(live.admission).hex(),
                "audit_sha256": live.header.audit_sha256.hex(),
                "permitted": sorted(live.tasks),
                "not_translated": sorted(live.rejected()),
                "decision": evaluated.record.body(),
            },
        )
        submission = store.Submission(
            audit_envelope=_kept_envelope(live, request.audit_envelope),
            decision_id=evaluated.record.id,
            decision_input=self._cipher.encrypt(
                evaluated.input_json, associated=b"decision/" + evaluated.record.id.encode()
            ),
            admitted_at=int(now),
        )
        misused = refused_here(live.header, evaluated, self._directory(), now=int(now), correlation_id=correlation_id)
        writes = [*held, *store.query_inserted(live, submission), *(item.write for item in misused)]

        def raise_alarms() -> None:
            for item in misused:
                item.raise_alarm()

        with if_unknown(raise_alarms):
            recorded = await self._journal.record([entry, *(item.entry for item in misused)], writes)
        raise_alarms()
        live.entry_index = recorded.indexes[0]


def _kept_envelope(live: LiveQuery, envelope: bytes) -> bytes:
    """What is kept to account for a query: of a refused one no more than a bound that its agency's rate keeps small."""
    return envelope if live.tasks or len(envelope) <= limits.MAX_REFUSED_ENVELOPE_BYTES else b""


def _listed(targets: Collection[str]) -> JsonObject:
    """Whom the query is to; of very many it stands in the decision's result alone, as an entry holds 64 KiB."""
    return {"targets": sorted(targets)} if len(targets) <= MAX_LISTED_TARGETS else {}


def _check_epoch(ticket: Ticket, requester: Agency) -> None:
    """Any epoch that is in use: a query may have been composed just before the requester's next one was opened."""
    if ticket.epoch not in requester.epochs:
        raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"{ticket.requester} epoch {ticket.epoch}")


def _live_query(query: VerifiedQuery, signature: bytes, admitted: Admitted, outcome: Outcome) -> LiveQuery:
    """The query with a task for each permitted target; one that cannot be translated for is `rejected` at once."""
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
    nothing = {responder: Translated(b"", 0, b"") for responder in outcome.refused}
    for responder, translated in {**outcome.points, **nothing}.items():
        live.tasks[responder] = LiveTask(
            task_id=str(uuid4()),
            query=live,
            part=query.parts[responder].for_target,
            translated=translated,
            decision=decisions[responder],
            state=TargetState.REJECTED if responder in outcome.refused else TargetState.WAITING,
        )
    return live
