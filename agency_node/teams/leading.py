"""A lead opens and changes teams and case grants: own policy first, then the ledger, then the gateway.

The gateway asks policy once more. An order that it refuses, or that never reaches it, stands in this node's ledger as
ordered; the gateway's own entry tells what was carried out.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import Field

from agency_node.store.asked import decision_kept
from agency_node.teams.gateway import OrderRefused, TeamShown, VerifiedTeams
from agency_node.users import User, UsersFile
from agency_node.vault import Kind, Vault
from agency_node.wording import reasons_shown
from federation.actor import Actor
from federation.admission import ReasonGiven, reasons_given
from federation.canonical import JsonObject
from federation.correlation_id import CorrelationId
from federation.directory import Agency, TrustedDirectory
from federation.document import AgencyName, Code, Document, Instant, IsoDate, Uuid
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.policy.decision import TeamDecision
from federation.policy.engine import WAIT_S, EntryPoint
from federation.policy.evaluator import Evaluated, PolicyPoint
from federation.policy_input import agency_input, policy_time, requester_input
from federation.team import TeamAction, TeamDocument, TeamMember, TeamOrder, order_input
from federation.vocabulary import UserRef
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey


class MemberNamed(Document):
    """A member as the lead names one. To remove, agency and reference suffice; a missing start is today."""

    agency: AgencyName
    user_ref: Code
    profession: Code | Literal[""] = ""
    start: IsoDate | Literal[""] = ""
    end: IsoDate | Literal[""] = ""


class TeamWish(Document):
    """What the command line or a screen sends: who wants what done to which team."""

    user: Annotated[str, Field(min_length=1, max_length=200)]
    action: TeamAction
    team_id: Uuid | Literal[""] = ""
    grant_id: Uuid | Literal[""] = ""
    area: Code | Literal[""] = ""
    member: MemberNamed | None = None
    expires_at: Instant = 0


class Leading:
    """What this agency's leads do."""

    def __init__(
        self,
        *,
        agency: str,
        users: UsersFile,
        directory: Callable[[], TrustedDirectory],
        policy: PolicyPoint,
        teams: VerifiedTeams,
        journal: Journal,
        vault: Vault,
        key: SigningKey,
        clock: Callable[[], float],
    ) -> None:
        self._agency = agency
        self._users = users
        self._directory = directory
        self._policy = policy
        self._teams = teams
        self._journal = journal
        self._vault = vault
        self._key = key
        self._clock = clock

    async def order(self, wish: TeamWish) -> JsonObject:
        """Carry out what a lead wants; the team as it stands afterwards, or why not.

        Raises:
            WardgateError: `USER_UNKNOWN`, `AGENCY_UNKNOWN`, `MESSAGE_MALFORMED`, `TEAM_*`, `CASE_GRANT_UNKNOWN`,
                `POLICY_UNAVAILABLE`, `LEDGER_UNAVAILABLE`, `PEER_UNAVAILABLE`.
        """
        now = int(self._clock())
        user = self._users.current().employed(wish.user, date_in_england(now))
        own = self._directory().agency(self._agency)
        team = None if wish.action is TeamAction.OPEN_TEAM else (await self._teams.team(wish.team_id)).team
        order = self._order(wish, user, own, team, now)
        evaluated = await self._decide(order, user, own, team)
        if not evaluated.decision.permitted:
            await self._record(EntryKind.TEAM_ORDER_REFUSED, order, evaluated)
            return self._refused(reasons_given(evaluated.decision.reasons))
        order = order.model_copy(update={"decision_id": evaluated.record.id})
        content = order.canonical()
        await self._record(EntryKind.TEAM_ORDERED, order, evaluated)
        outcome = await self._teams.order(content, self._key.sign(domains.TEAM_ORDER, content), team_id=order.team_id)
        if isinstance(outcome, OrderRefused):
            return self._refused(outcome.reasons)
        return {"effect": "permit", "reasons": [], "case_grant": order.grant_id, **_shown(outcome)}

    async def show(self, user_id: str, team_id: str) -> JsonObject:
        """A team as it stands, with its open case grants.

        Raises:
            WardgateError: `USER_UNKNOWN`, `TEAM_UNKNOWN`, `PEER_UNAVAILABLE`, `SIGNATURE_REJECTED`.
        """
        self._users.current().employed(user_id, date_in_england(self._clock()))
        return _shown(await self._teams.team(team_id))

    def user_ref(self, user_id: str) -> UserRef:
        """By what other agencies name one of this agency's people.

        Raises:
            WardgateError: `USER_UNKNOWN`.
        """
        user = self._users.current().employed(user_id, date_in_england(self._clock()))
        return self._vault.user_ref(user.id)

    def _order(self, wish: TeamWish, user: User, own: Agency, team: TeamDocument | None, now: int) -> TeamOrder:
        opens_grant = wish.action is TeamAction.OPEN_GRANT
        return TeamOrder(
            action=wish.action,
            agency=self._agency,
            key_version=own.keys.version,
            user_ref=self._vault.user_ref(user.id),
            role=user.role,
            team_id=str(uuid4()) if team is None else team.team_id,
            base_version=0 if team is None else team.version,
            area=(wish.area or own.descriptor.areas[0]) if team is None else team.area,
            member=None if wish.member is None else _member(wish, team, date_in_england(now).isoformat()),
            grant_id=str(uuid4()) if opens_grant else wish.grant_id,
            grant_expires_at=wish.expires_at if opens_grant else 0,
            issued_at=now,
            decision_id=str(uuid4()),
        )

    async def _decide(
        self, order: TeamOrder, user: User, own: Agency, team: TeamDocument | None
    ) -> Evaluated[TeamDecision]:
        now, member = self._clock(), None
        if order.action is TeamAction.ADD_MEMBER and order.member is not None:
            member = agency_input(self._directory().agency(order.member.agency).descriptor)
        document: JsonObject = {
            "time": policy_time(now),
            "requester": requester_input(own.descriptor, user_ref=order.user_ref, role=order.role),
            "user": user.policy_input(self._vault.user_ref(user.id)),
            "order": order_input(order, team, member_agency=member, today=date_in_england(now)),
        }
        return (await self._policy.decide(EntryPoint.TEAM, document, WAIT_S)).decided()

    async def _record(self, kind: EntryKind, order: TeamOrder, evaluated: Evaluated[TeamDecision]) -> None:
        record, now = evaluated.record, int(self._clock())
        entry = Entry(
            kind=kind,
            at=now,
            actor=Actor.agency(self._agency),
            correlation_id=CorrelationId(record.id),
            body={
                "action": order.action.value,
                "team_id": order.team_id,
                "case_grant": order.grant_id,
                "user_ref": order.user_ref,
                "role": order.role,
                "order_sha256": sha256(order.canonical()).hex(),
                "decision": record.body(),
            },
        )
        kept = {
            "decision_id": record.id,
            "entry_point": EntryPoint.TEAM.value,
            "decided_at": now,
            "content": self._vault.seal(Kind.DECISION_INPUT, record.id, evaluated.input_json),
            "result": b"",  # it stands in the entry, in whole
        }
        await self._journal.record([entry], [decision_kept(kept)])

    def _refused(self, reasons: Sequence[ReasonGiven]) -> JsonObject:
        shown = reasons_shown(reasons, self._policy.catalogue)
        return {"effect": "deny", "reasons": shown, "case_grant": "", "team": None, "case_grants": []}


def _member(wish: TeamWish, team: TeamDocument | None, today: str) -> TeamMember:
    named = wish.member
    if named is None or team is None:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a member without a team")
    if wish.action is not TeamAction.REMOVE_MEMBER:
        if not named.profession:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a member without a profession")
        return TeamMember(
            agency=named.agency,
            user_ref=named.user_ref,
            profession=named.profession,
            start=named.start or today,
            end=named.end,
        )
    known = team.member(named.agency, named.user_ref)
    if known is None:
        raise WardgateError(ErrorCode.TEAM_MEMBER_UNKNOWN, team.team_id)
    return known


def _shown(shown: TeamShown) -> JsonObject:
    return {
        "team": shown.team.model_dump(mode="json"),
        "case_grants": [grant.model_dump(mode="json") for grant in shown.grants],
    }
