"""From a team, its case grants and an order that policy permits to what stands afterwards. Pure."""

from federation import limits
from federation.errors import ErrorCode, WardgateError
from federation.team import CaseGrantDocument, TeamAction, TeamDocument, TeamMember, TeamOrder

GRANT_ACTIONS = frozenset({TeamAction.OPEN_GRANT, TeamAction.CLOSE_GRANT})


def next_team(order: TeamOrder, team: TeamDocument | None, *, digest: bytes, now: int) -> TeamDocument:
    """The team after an order about it.

    Raises:
        WardgateError: `TEAM_CONFLICT`, `TEAM_MEMBER_UNKNOWN`, `TEAM_FULL`, `MESSAGE_MALFORMED`.
    """
    if team is None:
        return TeamDocument(
            team_id=order.team_id,
            version=1,
            agency=order.agency,
            area=order.area,
            members=[],
            closed=False,
            changed_at=now,
            order_sha256=digest,
        )
    changed = {
        "version": team.version + 1,
        "members": _members(order, team),
        "closed": order.action is TeamAction.CLOSE_TEAM,
        "changed_at": now,
        "order_sha256": digest,
    }
    return team.model_copy(update=changed)


def _members(order: TeamOrder, team: TeamDocument) -> list[TeamMember]:
    if order.action not in (TeamAction.ADD_MEMBER, TeamAction.REMOVE_MEMBER):
        return team.members
    if order.member is None:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "the order names no member")
    known = team.member(order.member.agency, order.member.user_ref)
    if order.action is TeamAction.REMOVE_MEMBER:
        if known is None:
            raise WardgateError(ErrorCode.TEAM_MEMBER_UNKNOWN, team.team_id)
        return [member for member in team.members if member is not known]
    if known is not None:
        raise WardgateError(ErrorCode.TEAM_CONFLICT, "a member already")
    if len(team.members) >= limits.MAX_TEAM_MEMBERS:
        raise WardgateError(ErrorCode.TEAM_FULL, team.team_id)
    return [*team.members, order.member]


def next_grant(order: TeamOrder, grant: CaseGrantDocument | None, *, digest: bytes, now: int) -> CaseGrantDocument:
    """The case grant after an order about it.

    Raises:
        WardgateError: `TEAM_CONFLICT`, `CASE_GRANT_UNKNOWN`, `MESSAGE_MALFORMED`.
    """
    if not order.grant_id:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "the order names no case grant")
    if order.action is TeamAction.OPEN_GRANT:
        if grant is not None:
            raise WardgateError(ErrorCode.TEAM_CONFLICT, "a case grant of this id came before")
        return CaseGrantDocument(
            grant_id=order.grant_id,
            version=1,
            team_id=order.team_id,
            opened_by=order.agency,
            user_ref=order.user_ref,
            role=order.role,
            opened_at=now,
            expires_at=order.grant_expires_at,
            closed_at=0,
            order_sha256=digest,
        )
    if grant is None or grant.team_id != order.team_id:
        raise WardgateError(ErrorCode.CASE_GRANT_UNKNOWN, order.grant_id)
    if grant.closed_at:
        raise WardgateError(ErrorCode.TEAM_CONFLICT, "the case grant is closed already")
    return grant.model_copy(update={"version": grant.version + 1, "closed_at": now, "order_sha256": digest})
