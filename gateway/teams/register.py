"""Every team and case grant as it stands, in memory in front of the store: a query under a grant costs no read.

After a change of which it is not known whether it took place the register is *in doubt*, and is read again before
anything is decided by it.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.ledger.journal import Journal
from federation.ledger.writes import Write
from federation.query import QueryHeader
from federation.team import CaseGrantDocument, CaseGrantGiven, TeamDocument, given
from gateway.store import teams as store
from gateway.store.teams import SignedGrant, SignedTeam


@dataclass(frozen=True, slots=True)
class Change:
    """What an order makes of a team or of one of its case grants.

    Attributes:
        team: The team afterwards; unchanged where the order is about a grant.
        grant: The grant afterwards; None where the order is about the team.
    """

    team: SignedTeam
    grant: SignedGrant | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A case grant and its team, of the versions that a decision saw."""

    header: QueryHeader
    grant: CaseGrantDocument
    team: TeamDocument

    def given(self, now: float) -> CaseGrantGiven:
        """What the grant says of the query's user at a moment, seconds since the epoch."""
        user = {"agency": self.header.requester, "user_ref": self.header.user_ref}
        return given(self.grant, self.team, **user, today=date_in_england(now))

    def unchanged(self) -> list[Write]:
        """What a commit holds to: that grant and team are still of these versions."""
        return store.held_still(self.team, self.grant)


class TeamRegister:
    """The teams and case grants of this gateway."""

    def __init__(self, engine: AsyncEngine, journal: Journal) -> None:
        self._engine = engine
        self._journal = journal
        self._is_doubted = False
        self._teams: dict[str, SignedTeam] = {}
        self._grants: dict[str, SignedGrant] = {}

    async def load(self) -> None:
        """Take up what the store holds, where it is newer than what is here.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        teams, grants = await store.load(self._engine)
        for team in teams:
            known_team = self.team(team.document.team_id)
            if known_team is None or known_team.document.version < team.document.version:
                self._teams[team.document.team_id] = team
        for grant in grants:
            known_grant = self.grant(grant.document.grant_id)
            if known_grant is None or known_grant.document.version < grant.document.version:
                self._grants[grant.document.grant_id] = grant

    def doubt(self) -> None:
        """Remember that the store may hold a change that is not here."""
        self._is_doubted = True

    async def certain(self) -> None:
        """Read the store again, if there is a doubt.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `STORE_UNAVAILABLE`.
        """
        if self._is_doubted:
            await self._journal.settle()
            await self.load()
            self._is_doubted = False

    def adopt(self, change: Change) -> None:
        """Take over a change that has become durable."""
        self._teams[change.team.document.team_id] = change.team
        if change.grant is not None:
            self._grants[change.grant.document.grant_id] = change.grant

    def team(self, team_id: str) -> SignedTeam | None:
        """A team."""
        return self._teams.get(team_id)

    def grant(self, grant_id: str) -> SignedGrant | None:
        """A case grant, closed or not."""
        return self._grants.get(grant_id)

    def open_grants(self, team_id: str, now: float) -> list[SignedGrant]:
        """The grants of a team that are neither closed nor past, the oldest first."""
        found = [
            grant for grant in self._grants.values() if grant.document.team_id == team_id and _runs(grant.document, now)
        ]
        return sorted(found, key=lambda grant: (grant.document.opened_at, grant.document.grant_id))

    def open_teams(self, agency: str) -> int:
        """How many teams an agency leads that are not closed."""
        teams = (team.document for team in self._teams.values())
        return sum(team.agency == agency and not team.closed for team in teams)

    def seen(self, header: QueryHeader, change: Change | None = None) -> "Seen | None":
        """The case grant that a query names, with its team; None where it names none.

        Args:
            header: The query.
            change: As if this had happened.

        Raises:
            WardgateError: `CASE_GRANT_UNKNOWN`.
        """
        return Seen(header, *self._of(header.case_grant, change)) if header.case_grant else None

    def _of(self, grant_id: str, change: Change | None) -> tuple[CaseGrantDocument, TeamDocument]:
        changed = change.grant if change is not None else None
        grant = changed if changed is not None and changed.document.grant_id == grant_id else self.grant(grant_id)
        if grant is None:
            raise WardgateError(ErrorCode.CASE_GRANT_UNKNOWN, grant_id)
        team_id = grant.document.team_id
        team = change.team if change is not None and change.team.document.team_id == team_id else self._teams[team_id]
        return grant.document, team.document


def visible_to(agency: str, team: TeamDocument) -> bool:
    """Whether an agency leads a team or has a member in it: to all others it does not exist."""
    return agency == team.agency or any(member.agency == agency for member in team.members)


def _runs(grant: CaseGrantDocument, now: float) -> bool:
    return not grant.closed_at and now < grant.expires_at
