"""A user's question becomes a query: check, decide, make, store, and show the picture as it stands.

This node's own policy speaks first. What it refuses is recorded here and goes nowhere: nobody hears of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.answering.duties import alerts
from agency_node.asking.composing import Asker, Composed, compose
from agency_node.asking.own_policy import CaseGrants, requester_input
from agency_node.asking.picture import QueryView, TargetView, build_picture
from agency_node.asking.pursuit import Pursuit, Pursuits
from agency_node.asking.question import CheckedQuestion, QuestionDocument, Times, check_question
from agency_node.inbox.alerts import new_alerts
from agency_node.store import asked as store
from agency_node.store.asked import AskedState
from agency_node.store.tasks import alerts_opened
from agency_node.users import User, UsersFile
from agency_node.vault import Kind, Vault
from federation.admission import AdmissionRecord, ObligationGiven, ReasonGiven, TargetDecision
from federation.answer import Answer
from federation.canonical import JsonObject, from_json, to_canonical
from federation.counters import Counters
from federation.directory import Agency, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.finishing import to_the_end
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.policy.decision import RequesterDecision
from federation.policy.engine import EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.policy.results import Obligation, Reason
from federation.policy_input import date_in_england
from federation.query import Approval, QueryHeader, parse_query
from federation.transport.correlation import correlated
from federation.vocabulary import TargetState, Urgency
from keys.digest import sha256
from keys.nhs_number import NhsNumber
from keys.pseudonym import Pseudonym
from keys.signing import SigningKey

POLICY_DEADLINE_S: Final = 2.0
DEADLINE_GRACE_S: Final = 1.0
"""The gateway ends its stream at the deadline; its last words need a moment to arrive."""

GATEWAY_SILENT: Final = "The gateway cannot be reached. The query is kept and is sent as soon as it can be."


class PseudonymSource(Protocol):
    """Where this node's own pseudonym of a child comes from: its caseload, or a live evaluation."""

    async def pseudonym_of(self, number: NhsNumber) -> Pseudonym:
        """The child's pseudonym in this agency's scope and newest epoch."""
        ...


class Asking:
    """The node's asking half."""

    def __init__(
        self,
        *,
        agency: str,
        users: UsersFile,
        directory: Callable[[], TrustedDirectory],
        refresh_directory: Callable[[], Awaitable[None]],
        policy: PolicyPoint,
        case_grants: CaseGrants,
        pseudonyms: PseudonymSource,
        pursuits: Pursuits,
        engine: AsyncEngine,
        journal: Journal,
        vault: Vault,
        counters: Counters,
        key: SigningKey,
        times: Mapping[Urgency, Times],
        clock: Callable[[], float],
    ) -> None:
        self._agency = agency
        self._users = users
        self._directory = directory
        self._refresh_directory = refresh_directory
        self._policy = policy
        self._case_grants = case_grants
        self._pseudonyms = pseudonyms
        self._pursuits = pursuits
        self._engine = engine
        self._journal = journal
        self._vault = vault
        self._counters = counters
        self._key = key
        self._times = times
        self._clock = clock

    async def put(self, document: QuestionDocument) -> JsonObject:
        """Put a question and return its picture when it is whole, or at the deadline.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NHS_NUMBER_INVALID`, `PURPOSE_UNKNOWN`, `CATEGORY_UNKNOWN`, `TIER_UNKNOWN`,
                `PERIOD_INVALID`, `CASE_GRANT_UNKNOWN`, `LEDGER_UNAVAILABLE`, `AGENCY_UNKNOWN` (this node is not
                enrolled), or what the gateway or trustee refused.
        """
        try:
            return await self._put(document)
        except WardgateError as error:
            if error.code is not ErrorCode.TARGET_UNKNOWN:
                raise
        # An agency left the directory a moment ago: ask again, under a new id, whom the newest one lists.
        await self._refresh_directory()
        return await self._put(document)

    async def _put(self, document: QuestionDocument) -> JsonObject:
        user = self._users.current().get(document.user)
        own = self._directory().agency(self._agency)
        question = check_question(
            document,
            approvals=self._approvals(document, user),
            catalogue=self._policy.catalogue,
            home_area=own.descriptor.areas[0],
            today=date_in_england(self._clock()),
        )
        query_id = str(uuid4())
        with correlated(query_id):
            evaluated = await self._decide(question, user, own, query_id)
            if not evaluated.decision.permitted:
                await self._refuse(question, query_id, evaluated)
                return await self._picture(query_id, user.id)
            targets = self._targets(question.area)
            if not targets:
                await self._refuse(question, query_id, evaluated)
                return await self._picture(query_id, user.id)
            pseudonym = await self._pseudonyms.pseudonym_of(question.child)
            composed = self._compose(
                question, user, query_id=query_id, evaluated=evaluated, pseudonym=pseudonym, targets=targets
            )
            # Whoever hangs up after this leaves a query that is followed to its end, not one that waits for a restart.
            pursuit = await to_the_end(self._begin(question, composed, evaluated))
            await self._await_picture(pursuit, composed.header.deadline_at)
            return await self._picture(query_id, user.id)

    async def _begin(
        self, question: CheckedQuestion, composed: Composed, evaluated: Evaluated[RequesterDecision]
    ) -> Pursuit:
        await self._store(question, composed, evaluated)
        return await self._pursuits.start(composed.header.query_id)

    def _approvals(self, document: QuestionDocument, asker: User) -> list[Approval]:
        """The colleagues named as having approved, with the role each has here. Nobody approves their own question.

        Raises:
            WardgateError: `USER_UNKNOWN`.
        """
        users, today = self._users.current(), date_in_england(self._clock())
        approvers = [
            (users.employed(named.user, today), named.kind) for named in document.approvals if named.user != asker.id
        ]
        return [
            Approval(role=approver.role, kind=kind, user_ref=self._vault.user_ref(approver.id))
            for approver, kind in approvers
        ]

    async def _decide(
        self, question: CheckedQuestion, user: User, own: Agency, query_id: str
    ) -> Evaluated[RequesterDecision]:
        ref = self._vault.user_ref(user.id)
        case_grant = await self._case_grants(question.case_grant, ref) if question.case_grant else None
        now = int(self._clock())
        document = requester_input(
            question,
            query_id=query_id,
            agency=own.descriptor,
            user=user,
            ref=ref,
            counters=self._counters.view(self._agency, ref),
            case_grant=case_grant,
            now=now,
            expires_at=now + self._times[question.urgency].expiry_s,
        )
        # Counted before policy is waited for: questions put side by side must see one another.
        self._counters.add(self._agency, ref, broke_glass=bool(question.break_glass))
        return await self._policy.decide(EntryPoint.REQUESTER, document, POLICY_DEADLINE_S)

    def _targets(self, area: str) -> dict[str, Agency]:
        """Every agency of the area that the signed directory lists: none can be left out by choice."""
        return {
            agency_id: agency
            for agency_id, agency in sorted(self._directory().agencies.items())
            if agency_id != self._agency and area in agency.descriptor.areas
        }

    def _compose(
        self,
        question: CheckedQuestion,
        user: User,
        *,
        query_id: str,
        evaluated: Evaluated[RequesterDecision],
        pseudonym: Pseudonym,
        targets: Mapping[str, Agency],
    ) -> Composed:
        directory = self._directory()
        return compose(
            question,
            query_id=query_id,
            decision_id=evaluated.record.id,
            asker=Asker(
                agency=directory.agency(self._agency),
                user_ref=self._vault.user_ref(user.id),
                user_id=user.id,
                user_name=user.name,
                role=user.role,
            ),
            pseudonym=pseudonym,
            targets=targets,
            directory=directory,
            times=self._times[question.urgency],
            now=int(self._clock()),
            key=self._key,
        )

    async def _store(
        self, question: CheckedQuestion, composed: Composed, evaluated: Evaluated[RequesterDecision]
    ) -> None:
        header = composed.header
        row = self._row(question, header.query_id, evaluated, AskedState.OPEN) | {
            "deadline_at": header.deadline_at,
            "expires_at": header.expires_at,
            "header": composed.request.header,
            "request": self._vault.seal(Kind.ASKED_REQUEST, header.query_id, composed.request.SerializeToString()),
            "reply_key": self._vault.seal(Kind.REPLY_KEY, header.query_id, composed.reply_key.secret.reveal()),
        }
        targets = [
            {
                "query_id": header.query_id,
                "responder": responder,
                "state": TargetState.WAITING.value,
                "absent_until": 0,
                "late": False,
                "settled": False,
                "fault": "",
            }
            for responder in header.targets
        ]
        body = {
            "query_sha256": sha256(composed.request.header).hex(),
            "user_ref": header.user_ref,
            "role": header.role,
            "purpose": header.purpose,
            "targets": sorted(header.targets),
            "decision": evaluated.record.body(),
        }
        await self._record(EntryKind.QUERY_ASKED, body=body, row=row, targets=targets, evaluated=evaluated)

    async def _refuse(self, question: CheckedQuestion, query_id: str, evaluated: Evaluated[RequesterDecision]) -> None:
        row = self._row(question, query_id, evaluated, AskedState.REFUSED)
        body = {"purpose": question.purpose, "decision": evaluated.record.body()}
        await self._record(EntryKind.QUERY_REFUSED, body=body, row=row, targets=[], evaluated=evaluated)

    async def _record(
        self,
        kind: EntryKind,
        *,
        body: JsonObject,
        row: dict[str, Any],
        targets: list[dict[str, Any]],
        evaluated: Evaluated[RequesterDecision],
    ) -> None:
        now, query_id = int(self._clock()), str(row["query_id"])
        entry = Entry(kind=kind, at=now, actor=self._agency, correlation_id=query_id, query_id=query_id, body=body)
        decision_input = {
            "decision_id": evaluated.record.id,
            "entry_point": EntryPoint.REQUESTER.value,
            "decided_at": now,
            "content": self._vault.seal(Kind.DECISION_INPUT, evaluated.record.id, evaluated.input_json),
            "result": b"",  # it stands in the entry, in whole
        }
        opened = self._opened(evaluated, query_id, now)
        due = new_alerts(
            alerts(evaluated.decision.obligations), query_id=query_id, decision_id=evaluated.record.id, at=now
        )
        writes = [*store.asked(row, targets, decision_input), *alerts_opened(due)]
        await self._journal.record([entry, *opened], writes)

    def _opened(self, evaluated: Evaluated[RequesterDecision], query_id: str, now: int) -> list[Entry]:
        """What must still be done for the decision to stand: open in the ledger from the same moment on."""
        return [
            Entry(
                kind=EntryKind.OBLIGATION_OPENED,
                at=now,
                actor=self._agency,
                correlation_id=query_id,
                query_id=query_id,
                body={"obligation": item.id, "type": item.type, "decision_id": evaluated.record.id},
            )
            for item in evaluated.decision.obligations
            if item.mandatory
        ]

    def _row(
        self,
        question: CheckedQuestion,
        query_id: str,
        evaluated: Evaluated[RequesterDecision],
        state: AskedState,
    ) -> dict[str, Any]:
        now = int(self._clock())
        decision = evaluated.decision
        kept = {
            "justification": question.justification,
            "reasons": [_reason(reason).model_dump(mode="json") for reason in decision.reasons],
            "obligations": [_obligation(item).model_dump(mode="json") for item in decision.obligations],
        }
        return {
            "query_id": query_id,
            "user_id": question.user_id,
            "purpose": question.purpose,
            "state": state.value,
            "effect": "deny" if state is AskedState.REFUSED else "permit",
            "broke_glass": bool(question.break_glass),
            "asked_at": now,
            "deadline_at": now,
            "expires_at": now,
            "request": None,
            "reply_key": None,
            "question": self._vault.seal(Kind.ASKED_QUESTION, query_id, to_canonical(kept)),
            "header": None,
            "admission": None,
            "receipt": None,
            "error": "",
        }

    async def _await_picture(self, pursuit: Pursuit, deadline_at: int) -> None:
        wait_s = max(0.0, deadline_at + DEADLINE_GRACE_S - self._clock())
        try:
            await asyncio.wait_for(pursuit.ready.wait(), wait_s)
        except TimeoutError:
            return
        if pursuit.failed is not None:
            raise pursuit.failed

    async def picture(self, query_id: str, user_id: str) -> JsonObject:
        """The picture of a query as it stands now, late answers included.

        Raises:
            WardgateError: `USER_UNKNOWN`, or `QUERY_UNKNOWN`: also for a colleague's query.
        """
        self._users.current().employed(user_id, date_in_england(self._clock()))
        return await self._picture(query_id, user_id)

    async def _picture(self, query_id: str, user_id: str) -> JsonObject:
        found = await store.load_asked(self._engine, query_id)
        if found is None or found[0].user_id != user_id:
            raise WardgateError(ErrorCode.QUERY_UNKNOWN, "not a query of this user")  # what was typed is not repeated
        row, targets = found
        return build_picture(
            self._query_view(row), [self._target_view(row, target) for target in targets], self._policy.catalogue
        )

    def _query_view(self, row: Row[Any]) -> QueryView:
        kept = from_json(
            self._vault.open(Kind.ASKED_QUESTION, row.query_id, row.question), max_bytes=64 * 1024, what="question"
        )
        admission = AdmissionRecord.parse(row.admission) if row.admission else None
        reasons = [ReasonGiven.model_validate(item, strict=False) for item in kept["reasons"]]
        obligations = [ObligationGiven.model_validate(item, strict=False) for item in kept["obligations"]]
        pursuit = self._pursuits.following(row.query_id)
        silent = pursuit is not None and pursuit.last_error is not None and admission is None
        return QueryView(
            query_id=row.query_id,
            purpose=row.purpose,
            effect=row.effect,
            asked_at=row.asked_at,
            deadline_at=row.deadline_at,
            expires_at=row.expires_at,
            closed=row.state != AskedState.OPEN,
            reasons=[*reasons, *(admission.reasons if admission else [])],
            obligations=[*obligations, *(admission.obligations if admission else [])],
            header=self._header(row),
            warnings=[GATEWAY_SILENT] if silent else [],
            receipt=from_json(row.receipt, max_bytes=64 * 1024, what="receipt") if row.receipt else None,
            error=row.error,
        )

    def _header(self, row: Row[Any]) -> QueryHeader | None:
        return parse_query(row.header) if row.header else None

    def _target_view(self, row: Row[Any], target: Row[Any]) -> TargetView:
        agency = self._directory().agencies.get(target.responder)
        decision = TargetDecision.parse(target.decision) if target.decision else None
        answer = None
        if target.answer is not None:
            place = f"{row.query_id}/{target.responder}"
            answer = Answer.parse(self._vault.open(Kind.ANSWER, place, target.answer))
        return TargetView(
            agency=target.responder,
            name=agency.descriptor.name if agency else target.responder,
            kind=agency.descriptor.kind if agency else "",
            state=TargetState(target.state),
            settled=target.settled,
            late=target.late,
            absent_until=target.absent_until,
            reasons=tuple(decision.reasons) if decision else (),
            obligations=tuple(decision.obligations) if decision else (),
            answer=answer,
            fault=target.fault,
        )


def _reason(reason: Reason) -> ReasonGiven:
    return ReasonGiven(code=reason.code, audience=reason.audience, severity=reason.severity)


def _obligation(item: Obligation) -> ObligationGiven:
    return ObligationGiven(id=item.id, type=item.type, mandatory=item.mandatory, params=dict(item.params))
