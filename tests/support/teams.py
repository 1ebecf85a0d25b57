"""A team in a gateway's world: what its lead orders, and what its members ask."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from agency_node.asking.composing import Composed
from federation.correlation_id import CorrelationId
from federation.query import Approval
from federation.team import TeamAction, TeamMember, TeamOrder
from gateway.teams.desk import Refusal, TeamView
from keys import domains
from keys.signing import SigningKey
from tests.support.gateway_world import CSC, HEALTH, POLICE, SCHOOL, World

LEAD = "a" * 32
MEMBERS = {
    "education": TeamMember(agency=SCHOOL, user_ref="c" * 32, profession="education", start="2026-10-01"),
    "health": TeamMember(agency=HEALTH, user_ref="d" * 32, profession="health", start="2026-10-01"),
    "police": TeamMember(agency=POLICE, user_ref="e" * 32, profession="police", start="2026-10-01"),
    "social_work": TeamMember(agency=CSC, user_ref=LEAD, profession="social_work", start="2026-10-01"),
}
MANAGER = Approval(role="police_supervisor", kind="manager", user_ref="f" * 32)


@dataclass
class Team:
    """One team as its lead knows it."""

    world: World
    team_id: str = field(default_factory=lambda: str(uuid4()))
    version: int = 0

    def wanted(self, action: TeamAction, **changes: Any) -> TeamOrder:
        order = TeamOrder(
            action=action,
            agency=CSC,
            key_version=1,
            user_ref=LEAD,
            role="lcpp",
            team_id=self.team_id,
            base_version=self.version,
            area="testshire",
            member=None,
            grant_id="",
            grant_expires_at=0,
            issued_at=int(self.world.clock()),
            decision_id=str(uuid4()),
        )
        return order.model_copy(update=changes)

    async def send(self, order: TeamOrder, *, agency: str = "", key: SigningKey | None = None) -> TeamView | Refusal:
        content = order.canonical()
        signature = (key or self.world.secrets.parties[order.agency].signing).sign(domains.TEAM_ORDER, content)
        outcome = await self.world.teams.order(agency or order.agency, content, signature, CorrelationId.mint())
        if isinstance(outcome, TeamView):
            self.version = outcome.team.document.version
        return outcome

    async def order(self, action: TeamAction, **changes: Any) -> TeamView:
        outcome = await self.send(self.wanted(action, **changes))
        assert isinstance(outcome, TeamView), outcome
        return outcome

    async def refused(self, action: TeamAction, **changes: Any) -> list[str]:
        """The reasons for which an order is refused."""
        outcome = await self.send(self.wanted(action, **changes))
        assert isinstance(outcome, Refusal)
        return [reason.code for reason in outcome.reasons]

    async def open(self) -> "Team":
        """A team with a member of every profession."""
        await self.order(TeamAction.OPEN_TEAM)
        for member in MEMBERS.values():
            await self.order(TeamAction.ADD_MEMBER, member=member)
        return self

    async def remove(self, profession: str) -> TeamView:
        return await self.order(TeamAction.REMOVE_MEMBER, member=MEMBERS[profession])

    async def grant(self, *, life_s: int = 86_400) -> str:
        """Open a case grant."""
        grant_id = str(uuid4())
        ends = int(self.world.clock()) + life_s
        await self.order(TeamAction.OPEN_GRANT, grant_id=grant_id, grant_expires_at=ends)
        return grant_id

    def asked(self, grant_id: str, profession: str = "police", **changes: Any) -> Composed:
        """A query that a member puts under a grant."""
        member = MEMBERS[profession]
        settings: dict[str, Any] = {
            "requester": member.agency,
            "targets": [agency for agency in (CSC, SCHOOL, POLICE) if agency != member.agency],
            "user_ref": member.user_ref,
            "role": "macpt_member",
            "approvals": [MANAGER],
            "case_grant": grant_id,
        }
        return self.world.composed(**{**settings, **changes})
