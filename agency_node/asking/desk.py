"""A user's question becomes a query: check, decide, make, store, and show the picture as it stands.

This node's own policy speaks first. What it refuses is recorded here and goes nowhere: nobody hears of the question.
Where policy has a misuse reported, a notice without a word of the question leaves later (`agency_node.asking.reports`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.accounting.viewed import Sight, Viewed, What
from agency_node.answering.duties import alerts
from agency_node.asking.composing import Asker, Composed, OwnPseudonym, compose
from agency_node.asking.deciding import decide_in_time
from agency_node.asking.own_policy import CaseGrants, query_recorded, requester_input
from agency_node.asking.own_pseudonyms import PseudonymSource
from agency_node.asking.pursuit import Pursuit, Pursuits
from agency_node.asking.question import CheckedQuestion, QuestionDocument, Times, check_question
from agency_node.asking.reports import is_reported, notices_due
from agency_node.asking.viewing import Viewing
from agency_node.inbox.alerts import Act, new_alerts
from agency_node.store import asked as store
from agency_node.store.alerts import alerts_opened
from agency_node.store.asked import AskedState
from agency_node.users import User, UsersFile
from agency_node.vault import Kind, Vault
from federation.actor import Actor
from federation.admission import obligations_given, reasons_given
from federation.canonical import JsonObject, to_canonical
from federation.centre_seen import CentreSeen
from federation.clock_difference import ClockDifference
from federation.correlation_id import CorrelationId
from federation.counters import Counters
from federation.directory import Agency, TrustedDirectory
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.finishing import to_the_end
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.writes import Write
from federation.policy.decision import RequesterDecision
from federation.policy.engine import EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.query import Approval, QueryHeader
from federation.transport.correlation import correlated
from federation.vocabulary import TargetState, Urgency
from keys.digest import sha256
from keys.signing import SigningKey

DEADLINE_GRACE_S: Final = 1.0
"""The gateway ends its stream at the deadline; its last words need a moment to arrive."""

NOT_KNOWN_YET: Final = (
    "It is not known yet whether this query was stored: this node's database did not say so. If it was, it is sent and "
    "answers will stand here; if it was not, nobody is asked. Look at it again before you ask again: once the database "
    "is back it is here, or it is unknown."
)
NOT_READABLE: Final = (
    "The query is stored and followed, and this node's database cannot be read just now. Look at it again later."
)
_OF_AN_OLDER_DIRECTORY: Final = frozenset({ErrorCode.TARGET_UNKNOWN, ErrorCode.EPOCH_UNKNOWN})

FOUND_OUT_EVERY_S: Final = 0.5
"""Pause between two questions to the database whether a query was stored."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query as it is to be stored, with the entry that accounts for it."""

    kind: EntryKind
    body: JsonObject
    row: dict[str, Any]
    targets: list[dict[str, Any]]
    evaluated: Evaluated[RequesterDecision]
    act: Act
    reports: Sequence[Write] = ()


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
        test_numbers: bool,
        clock_difference: Callable[[], ClockDifference | None] = lambda: None,
        on_reported: Callable[[], None] = lambda: None,
        seen: Callable[[], CentreSeen] = CentreSeen,
    ) -> None:
        self._seen = seen
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
        self._test_numbers = test_numbers
        self._clock_difference = clock_difference
        self._on_reported = on_reported
        self._reporting = asyncio.Lock()
        self._viewing = Viewing(
            vault=vault,
            directory=directory,
            catalogue=lambda: policy.catalogue,
            pursuits=pursuits,
            clock_difference=clock_difference,
        )
        self._viewed = Viewed(journal, vault, clock)

    async def put(self, document: QuestionDocument) -> JsonObject:
        """Put a question and return its picture when it is whole, or at the deadline.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NHS_NUMBER_INVALID`, `PURPOSE_UNKNOWN`, `CATEGORY_UNKNOWN`, `TIER_UNKNOWN`,
                `PERIOD_INVALID`, `CASE_GRANT_UNKNOWN`, `POLICY_UNAVAILABLE` (nothing was decided, nor recorded as
                refused), `LEDGER_UNAVAILABLE`, `AGENCY_UNKNOWN` (this node is not enrolled), or what the gateway or
                trustee refused.
        """
        try:
            return await self._put(document)
        except WardgateError as error:
            if error.code not in _OF_AN_OLDER_DIRECTORY:
                raise
        # An agency left the directory, or an epoch of a key ended, a moment ago: ask again, under a new id, by the
        # newest one.
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
            test_numbers=self._test_numbers,
        )
        query_id = str(uuid4())
        with correlated(query_id):
            evaluated = await self._decide(question, user, own, query_id)
            if not evaluated.decision.permitted:
                await self._refuse(question, user, query_id=query_id, evaluated=evaluated)
                return await self._picture(query_id, user.id)
            targets = self._targets(question.area)
            if not targets:
                await self._refuse(question, user, query_id=query_id, evaluated=evaluated)
                return await self._picture(query_id, user.id)
            pseudonym = await self._pseudonyms.pseudonym_of(question.child)
            composed = self._compose(
                question, user, query_id=query_id, evaluated=evaluated, pseudonym=pseudonym, targets=targets
            )
            # Whoever hangs up after this leaves a query that is followed to its end, not one that waits for a restart.
            asked = self._asked(question, user, composed, evaluated)
            pursuit = await to_the_end(self._begin(asked, composed))
            if pursuit is None:
                return self._viewing.unread(asked.row, asked.targets, NOT_KNOWN_YET)
            await self._await_picture(pursuit, composed.header.deadline_at)
            try:
                return await self._picture(query_id, user.id)
            except WardgateError as error:
                if error.code is not ErrorCode.STORE_UNAVAILABLE:
                    raise
                return self._viewing.unread(asked.row, asked.targets, NOT_READABLE)

    async def _begin(self, asked: "_Asked", composed: Composed) -> Pursuit | None:
        """Store a query and follow it; None where it is not known whether it was stored.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`: it was not.
        """
        try:
            await self._record(asked)
        except WardgateError as error:
            if error.code is not ErrorCode.OUTCOME_UNKNOWN:
                raise
            was_stored = await self._find_out(composed.header)
            if was_stored is None:
                return None  # if it was, `Pursuits.watch` takes it up
            if not was_stored:
                raise WardgateError(ErrorCode.LEDGER_UNAVAILABLE, "the commit did not take place") from error
        return self._pursuits.follow(
            Pursuit(
                query_id=composed.header.query_id,
                header=composed.header,
                header_bytes=composed.request.header,
                request=composed.request,
                reply_key=composed.reply_key,
            )
        )

    async def _find_out(self, header: QueryHeader) -> bool | None:
        """Whether a query was stored after all; None if that is not known by its deadline."""
        while True:
            try:
                await self._journal.settle()
                return await store.load_asked(self._engine, header.query_id) is not None
            except WardgateError:
                if self._clock() >= header.deadline_at + DEADLINE_GRACE_S:
                    return None
                await asyncio.sleep(FOUND_OUT_EVERY_S)

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
        try:
            return await decide_in_time(self._policy, document, deadline_s=self._times[question.urgency].deadline_s)
        except (WardgateError, asyncio.CancelledError):  # nobody decided, so nothing was asked
            self._counters.take_back(self._agency, ref, broke_glass=bool(question.break_glass))
            raise

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
        pseudonym: OwnPseudonym,
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
            own=pseudonym,
            targets=targets,
            directory=directory,
            times=self._times[question.urgency],
            now=int(self._clock()),
            key=self._key,
            seen=self._seen(),
        )

    def _asked(
        self, question: CheckedQuestion, user: User, composed: Composed, evaluated: Evaluated[RequesterDecision]
    ) -> "_Asked":
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
            "query": query_recorded(evaluated.input_json),
            "case_grant": question.case_grant,
            "targets": sorted(header.targets),
            "decision": evaluated.record.body(),
        }
        act = self._act(question, user, header.query_id, evaluated)
        return _Asked(EntryKind.QUERY_ASKED, body, row, targets, evaluated, act)

    async def _refuse(
        self, question: CheckedQuestion, user: User, *, query_id: str, evaluated: Evaluated[RequesterDecision]
    ) -> None:
        row = self._row(question, query_id, evaluated, AskedState.REFUSED)
        act = self._act(question, user, query_id, evaluated)
        body = {
            "user_ref": act.user_ref,
            "role": act.role,
            "purpose": question.purpose,
            "query": query_recorded(evaluated.input_json),
            "case_grant": question.case_grant,
            "decision": evaluated.record.body(),
        }
        refused = _Asked(EntryKind.QUERY_REFUSED, body, row, [], evaluated, act)
        if not is_reported(evaluated):
            await self._record(refused)
            return
        async with self._reporting:  # each notice says how many there were before it
            reports = await notices_due(
                evaluated,
                act,
                engine=self._engine,
                area=question.area,
                directory=self._directory(),
                key=self._key,
                now=int(self._clock()),
            )
            try:
                await self._record(replace(refused, reports=reports))
            finally:
                self._on_reported()  # also where it is not known whether it was stored: whoever sends them looks

    def _act(
        self, question: CheckedQuestion, user: User, query_id: str, evaluated: Evaluated[RequesterDecision]
    ) -> Act:
        return Act(
            query_id=query_id,
            decision_id=evaluated.record.id,
            agency=self._agency,
            user_ref=self._vault.user_ref(user.id),
            role=user.role,
            purpose=question.purpose,
        )

    async def _record(self, asked: "_Asked") -> None:
        now, query_id, evaluated = int(self._clock()), str(asked.row["query_id"]), asked.evaluated
        entry = Entry(
            kind=asked.kind,
            at=now,
            actor=Actor.agency(self._agency),
            correlation_id=CorrelationId(query_id),
            query_id=query_id,
            body=asked.body,
        )
        decision_input = {
            "decision_id": evaluated.record.id,
            "entry_point": EntryPoint.REQUESTER.value,
            "decided_at": now,
            "content": self._vault.seal(Kind.DECISION_INPUT, evaluated.record.id, evaluated.input_json),
            "result": b"",  # it stands in the entry, in whole
        }
        opened = self._opened(evaluated, query_id, now)
        due = new_alerts(alerts(evaluated.decision.obligations), asked.act, at=now)
        writes = [*store.asked(asked.row, asked.targets, decision_input), *alerts_opened(due), *asked.reports]
        await self._journal.record([entry, *opened], writes)

    def _opened(self, evaluated: Evaluated[RequesterDecision], query_id: str, now: int) -> list[Entry]:
        """What must still be done for the decision to stand: open in the ledger from the same moment on."""
        return [
            Entry(
                kind=EntryKind.OBLIGATION_OPENED,
                at=now,
                actor=Actor.agency(self._agency),
                correlation_id=CorrelationId(query_id),
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
            "reasons": [reason.model_dump(mode="json") for reason in reasons_given(decision.reasons)],
            "obligations": [
                item.model_dump(mode="json") for item in obligations_given(decision.obligations, self._policy.catalogue)
            ],
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
            "child_key": self._vault.child_key(question.child),
        }

    async def _await_picture(self, pursuit: Pursuit, deadline_at: int) -> None:
        wait_s = max(0.0, deadline_at + DEADLINE_GRACE_S - self._clock())
        try:
            await asyncio.wait_for(pursuit.ready.wait(), wait_s)
        except TimeoutError:
            return
        if pursuit.failed is not None:
            failed = pursuit.failed
            if failed.code is ErrorCode.QUERY_EXPIRED and failed.clock is None:
                raise WardgateError(failed.code, failed.detail, clock=self._clock_difference()) from failed
            raise failed

    async def picture(self, query_id: str, user_id: str) -> JsonObject:
        """The picture of a query as it stands now, late answers included. That it was looked at is written down first.

        Raises:
            WardgateError: `USER_UNKNOWN`, or `QUERY_UNKNOWN`: also for a colleague's query; `LEDGER_UNAVAILABLE`.
        """
        user = self._users.current().employed(user_id, date_in_england(self._clock()))
        row, targets = await self._own(query_id, user_id)
        await self._viewed.record(user, [Sight(What.PICTURE, why=row.purpose, query_id=query_id)])
        return self._viewing.picture(row, targets)

    async def _picture(self, query_id: str, user_id: str) -> JsonObject:
        return self._viewing.picture(*await self._own(query_id, user_id))

    async def _own(self, query_id: str, user_id: str) -> tuple[Row[Any], list[Row[Any]]]:
        """A user's own query with its targets."""
        found = await store.load_asked(self._engine, query_id)
        if found is None or found[0].user_id != user_id:
            raise WardgateError(ErrorCode.QUERY_UNKNOWN, "not a query of this user")  # what was typed is not repeated
        if not found[0].question:
            raise WardgateError(ErrorCode.QUERY_UNKNOWN, "erased after its time")
        return found
