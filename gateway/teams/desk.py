"""Carries out what leads order of teams and case grants: verify, decide, *commit* the change with its ledger entry.

Queries that a change ends are cancelled in the same transaction: from that moment they get no further answer, and no
query that the old team was asked for can be admitted any more.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from federation import limits
from federation.actor import Actor
from federation.admission import ReasonGiven, reasons_given
from federation.canonical import JsonObject
from federation.correlation_id import CorrelationId
from federation.directory import Agency, TrustedDirectory
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.finishing import to_the_end
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.ledger.writes import NothingChanged
from federation.policy.decision import TeamDecision
from federation.policy.engine import WAIT_S, EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.policy_input import agency_input, policy_time, requester_input
from federation.team import TeamAction, TeamDocument, TeamOrder, order_input, verify_order
from gateway.store import exchange
from gateway.store import teams as store
from gateway.store.teams import SignedGrant, SignedOrder, SignedTeam
from gateway.teams.changes import GRANT_ACTIONS, next_grant, next_team
from gateway.teams.register import Change, TeamRegister, visible_to
from gateway.teams.withdrawal import Due, Withdrawal
from keys import domains
from keys.digest import sha256
from keys.record_cipher import RecordCipher
from keys.signing import SigningKey


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team with its open case grants."""

    team: SignedTeam
    grants: Sequence[SignedGrant]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gateway's policy refused an order."""

    reasons: Sequence[ReasonGiven]


@dataclass(frozen=True, slots=True)
class _Verified:
    order: TeamOrder
    signed: SignedOrder
    lead: Agency
    correlation_id: CorrelationId


class TeamDesk:
    """The gateway's verbs about teams."""

    def __init__(
        self,
        *,
        register: TeamRegister,
        withdrawal: Withdrawal,
        policy: PolicyPoint,
        journal: Journal,
        directory: Callable[[], TrustedDirectory],
        key: SigningKey,
        cipher: RecordCipher,
        clock: Callable[[], float],
    ) -> None:
        self._register = register
        self._withdrawal = withdrawal
        self._policy = policy
        self._journal = journal
        self._directory = directory
        self._key = key
        self._cipher = cipher
        self._clock = clock
        self._changing = asyncio.Lock()

    async def order(
        self, agency: str, content: bytes, signature: bytes, correlation_id: CorrelationId
    ) -> TeamView | Refusal:
        """Carry out a signed order, once however often it comes.

        Raises:
            WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`, `NOT_AUTHORISED`, `QUERY_EXPIRED`, `AGENCY_UNKNOWN`,
                `TEAM_*`, `CASE_GRANT_UNKNOWN`, `POLICY_UNAVAILABLE`, `LEDGER_UNAVAILABLE`.
        """
        claimed = TeamOrder.parse(content)
        if claimed.agency != agency:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "order of another agency")
        lead = self._directory().agency(agency)
        if claimed.key_version != lead.keys.version:
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "signed with a key of another version")
        order = verify_order(content, signature, key=lead.verify_key, now=self._clock())
        verified = _Verified(order, SignedOrder(sha256(content), content, signature), lead, correlation_id)
        return await to_the_end(self._carry_out(verified))

    def show(self, agency: str, *, team_id: str = "", grant_id: str = "") -> TeamView:
        """A team by its id, or by that of one of its case grants, which is then shown even if it has ended.

        Raises:
            WardgateError: `TEAM_UNKNOWN`, `CASE_GRANT_UNKNOWN`: also for a team that is none of the caller's business.
        """
        if not grant_id:
            team = self._register.team(team_id)
            if team is None or not visible_to(agency, team.document):
                raise WardgateError(ErrorCode.TEAM_UNKNOWN)
            return self._view(team)
        grant = self._register.grant(grant_id)
        team = None if grant is None else self._register.team(grant.document.team_id)
        if grant is None or team is None or not visible_to(agency, team.document):
            raise WardgateError(ErrorCode.CASE_GRANT_UNKNOWN)
        return TeamView(team, [grant])

    def _view(self, team: SignedTeam) -> TeamView:
        return TeamView(team, self._register.open_grants(team.document.team_id, self._clock()))

    async def _carry_out(self, asked: _Verified) -> TeamView | Refusal:
        order = asked.order
        async with self._changing:
            await self._register.certain()
            team, grant = self._register.team(order.team_id), self._register.grant(order.grant_id)
            done = {item.document.order_sha256 for item in (team, grant) if item is not None}
            if asked.signed.digest in done and team is not None:
                return self._view(team)
            _check_base(order, team)
            evaluated = await self._decide(asked, team.document if team else None)
            if not evaluated.decision.permitted:
                await self._record(asked, evaluated, EntryKind.TEAM_ORDER_REFUSED)
                return Refusal(reasons_given(evaluated.decision.reasons))
            change = self._change(asked, team, grant)
            due = await self._withdrawal.due(change)
            await self._record(asked, evaluated, EntryKind.TEAM_CHANGED, change, due)
            self._register.adopt(change)
            self._withdrawal.finish(due)
            await self._withdrawal.sweep()  # what was admitted by the old team while its change was under way
            return self._view(change.team)

    async def _decide(self, asked: _Verified, team: TeamDocument | None) -> Evaluated[TeamDecision]:
        order, now = asked.order, self._clock()
        document: JsonObject = {
            "time": policy_time(now),
            "requester": requester_input(asked.lead.descriptor, user_ref=order.user_ref, role=order.role),
            "user": None,
            "order": order_input(order, team, member_agency=self._member_agency(order), today=date_in_england(now)),
        }
        return (await self._policy.decide(EntryPoint.TEAM, document, WAIT_S, parent_id=order.decision_id)).decided()

    def _member_agency(self, order: TeamOrder) -> JsonObject | None:
        if order.action is not TeamAction.ADD_MEMBER or order.member is None:
            return None
        return agency_input(self._directory().agency(order.member.agency).descriptor)

    def _change(self, asked: _Verified, team: SignedTeam | None, grant: SignedGrant | None) -> Change:
        order, digest, now = asked.order, asked.signed.digest, int(self._clock())
        if order.action in GRANT_ACTIONS and team is not None:
            open_grants = self._register.open_grants(order.team_id, now)
            if order.action is TeamAction.OPEN_GRANT and len(open_grants) >= limits.MAX_OPEN_GRANTS:
                raise WardgateError(ErrorCode.TEAM_FULL, order.team_id)
            following = next_grant(order, grant.document if grant else None, digest=digest, now=now)
            content = following.canonical()
            return Change(team, SignedGrant(following, content, self._key.sign(domains.CASE_GRANT, content)))
        if team is None and self._register.open_teams(order.agency) >= limits.MAX_OPEN_TEAMS:
            raise WardgateError(ErrorCode.TEAM_FULL, order.agency)
        document = next_team(order, team.document if team else None, digest=digest, now=now)
        content = document.canonical()
        return Change(SignedTeam(document, content, self._key.sign(domains.TEAM, content)))

    async def _record(
        self,
        asked: _Verified,
        evaluated: Evaluated[TeamDecision],
        kind: EntryKind,
        change: Change | None = None,
        due: Sequence[Due] = (),
    ) -> None:
        order, record, now = asked.order, evaluated.record, int(self._clock())
        entry = Entry(
            kind=kind,
            at=now,
            actor=Actor.agency(order.agency),
            correlation_id=asked.correlation_id,
            body={
                "action": order.action.value,
                "team_id": order.team_id,
                "case_grant": order.grant_id,
                "user_ref": order.user_ref,
                "role": order.role,
                "order_sha256": asked.signed.digest.hex(),
                "withdrawn": sorted(item.query.query_id for item in due),
                "decision": record.body(),
                **({} if change is None else _made(change)),
            },
        )
        kept = self._cipher.encrypt(evaluated.input_json, associated=b"decision/" + record.id.encode())
        writes = [exchange.decision_kept(record.id, kept, now)]
        if change is not None:
            writes.append(
                store.team_written(change.team) if change.grant is None else store.grant_written(change.grant)
            )
            writes.append(store.order_kept(asked.signed, order.team_id, now))
        writes.extend(write for item in due for write in item.writes)

        def doubt() -> None:
            self._register.doubt()
            self._withdrawal.doubt(due)

        try:
            with if_unknown(doubt):
                await self._journal.record([entry, *(item.entry for item in due)], writes)
        except NothingChanged:
            self._register.doubt()  # the team that stands is not the one that is here
            raise WardgateError(ErrorCode.TEAM_CONFLICT, order.team_id) from None


def _check_base(order: TeamOrder, team: SignedTeam | None) -> None:
    """An order is about the team that its lead saw.

    Raises:
        WardgateError: `TEAM_UNKNOWN`, `TEAM_CONFLICT`.
    """
    opens = order.action is TeamAction.OPEN_TEAM
    if team is None and not opens:
        raise WardgateError(ErrorCode.TEAM_UNKNOWN)
    if team is not None and not visible_to(order.agency, team.document):
        raise WardgateError(ErrorCode.TEAM_UNKNOWN)
    if order.base_version != (0 if team is None else team.document.version) or (opens and team is not None):
        raise WardgateError(ErrorCode.TEAM_CONFLICT, order.team_id)


def _made(change: Change) -> JsonObject:
    """What a change made, by its hash: anybody who is shown the document can see that it is this one."""
    made = change.team if change.grant is None else change.grant
    return {"version": made.document.version, "document_sha256": sha256(made.content).hex()}
