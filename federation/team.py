"""Teams and case grants: the signed documents, and what a grant says of one user today.

A *team* is a multi-agency child protection team (Children Act 2004 s.16EA) of one area; a *case grant* lets its members
ask about one case. The gateway keeps both and never learns which child a grant is about: only the agencies know. A lead
changes either by a signed *order*. Nothing here performs I/O, and nothing here decides: whether a team is complete, or
a grant holds, is for policy to say.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from federation import limits
from federation.canonical import JsonObject
from federation.document import AgencyName, Code, Document, Hex32, Instant, IsoDate, Uuid
from federation.errors import ErrorCode, WardgateError
from federation.query import verify_signed
from keys import domains
from keys.signing import VerifyKey

MAX_ORDER_AGE_S: Final = 300
"""An order is carried out while its lead looks on; one that comes later is refused."""

Version = Annotated[int, Field(ge=1)]


class TeamAction(StrEnum):
    """What a lead can order."""

    OPEN_TEAM = "open_team"
    ADD_MEMBER = "add_member"
    REMOVE_MEMBER = "remove_member"
    CLOSE_TEAM = "close_team"
    OPEN_GRANT = "open_grant"
    CLOSE_GRANT = "close_grant"


class TeamMember(Document):
    """One member: an opaque user reference that only the member's own agency can resolve.

    `start` and `end` are calendar days in England, both included; an empty `end` is none.
    """

    agency: AgencyName
    user_ref: Code
    profession: Code
    start: IsoDate
    end: IsoDate | Literal[""] = ""

    def is_current(self, today: date) -> bool:
        """Whether the membership runs on a day."""
        return self.start <= today.isoformat() and (not self.end or today.isoformat() <= self.end)


class TeamDocument(Document):
    """One version of a team, signed by the gateway. `order_sha256` names the signed order that made it."""

    v: Literal[1] = 1
    team_id: Uuid
    version: Version
    agency: AgencyName
    area: Code
    members: Annotated[list[TeamMember], Field(max_length=limits.MAX_TEAM_MEMBERS)]
    closed: bool
    changed_at: Instant
    order_sha256: Hex32

    def professions(self, today: date) -> list[str]:
        """Professions of the members whose membership runs on a day, each once, in order."""
        return sorted({member.profession for member in self.members if member.is_current(today)})

    def member(self, agency: str, user_ref: str) -> TeamMember | None:
        """The member of this agency and reference, whenever the membership runs."""
        return next((one for one in self.members if (one.agency, one.user_ref) == (agency, user_ref)), None)


class CaseGrantDocument(Document):
    """One version of a case grant, signed by the gateway: 1 when it is opened, 2 when it is closed."""

    v: Literal[1] = 1
    grant_id: Uuid
    version: Version
    team_id: Uuid
    opened_by: AgencyName
    user_ref: Code
    role: Code
    opened_at: Instant
    expires_at: Instant
    closed_at: Instant
    order_sha256: Hex32


class CaseGrantGiven(Document):
    """What a case grant says of one user at one moment: what policy sees, and what an admission carries."""

    id: Uuid
    area: Code
    professions: Annotated[list[Code], Field(max_length=limits.MAX_TEAM_MEMBERS)]
    member: bool
    closed: bool
    expires_at: Instant


class TeamOrder(Document):
    """What a lead wants done, signed by the lead's agency.

    `base_version` is the version of the team that the lead saw, 0 for one that is to be opened: an order about a team
    that has changed since is refused, and so is one that comes twice. `grant_id` and `grant_expires_at` speak of case
    grants alone.
    """

    v: Literal[1] = 1
    action: TeamAction
    agency: AgencyName
    key_version: Version
    user_ref: Code
    role: Code
    team_id: Uuid
    base_version: Annotated[int, Field(ge=0)]
    area: Code
    member: TeamMember | None
    grant_id: Uuid | Literal[""]
    grant_expires_at: Instant
    issued_at: Instant
    decision_id: Uuid


def verify_order(content: bytes, signature: bytes, *, key: VerifyKey, now: float) -> TeamOrder:
    """Check an order as the gateway does before it decides anything.

    Raises:
        WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`.
    """
    order = TeamOrder.parse(content)
    verify_signed(key, signature, domains.TEAM_ORDER, content)
    if not now - MAX_ORDER_AGE_S <= order.issued_at <= now + limits.MAX_CLOCK_SKEW_S:
        raise WardgateError(ErrorCode.QUERY_EXPIRED, "order")
    return order


def verify_team(content: bytes, signature: bytes, *, key: VerifyKey) -> TeamDocument:
    """Check that the gateway says this of a team.

    Raises:
        WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`.
    """
    verify_signed(key, signature, domains.TEAM, content)
    return TeamDocument.parse(content)


def verify_case_grant(content: bytes, signature: bytes, *, key: VerifyKey) -> CaseGrantDocument:
    """Check that the gateway says this of a case grant.

    Raises:
        WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED`.
    """
    verify_signed(key, signature, domains.CASE_GRANT, content)
    return CaseGrantDocument.parse(content)


def given(grant: CaseGrantDocument, team: TeamDocument, *, agency: str, user_ref: str, today: date) -> CaseGrantGiven:
    """What a case grant says of one user today. Pure.

    Raises:
        WardgateError: `SIGNATURE_REJECTED`: the grant is another team's.
    """
    if grant.team_id != team.team_id:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "a case grant of another team")
    member = team.member(agency, user_ref)
    return CaseGrantGiven(
        id=grant.grant_id,
        area=team.area,
        professions=team.professions(today),
        member=member is not None and member.is_current(today),
        closed=team.closed or grant.closed_at > 0,
        expires_at=grant.expires_at,
    )


def case_grant_input(grant: CaseGrantGiven | None) -> JsonObject | None:
    """A case grant as policy sees it; None where the query names none."""
    return None if grant is None else grant.model_dump(mode="json")


def order_input(
    order: TeamOrder, team: TeamDocument | None, *, member_agency: JsonObject | None, today: date
) -> JsonObject:
    """An order as `wardgate/team/decision` sees it.

    Args:
        order: What is wanted.
        team: The team as it stands; None for one that is to be opened.
        member_agency: The agency of the member to be added, as policy sees agencies; None for every other order.
        today: England's calendar date.
    """
    state: JsonObject = {
        "agency": team.agency if team else order.agency,
        "area": team.area if team else order.area,
        "professions": list(team.professions(today)) if team else [],
        "closed": team.closed if team else False,
    }
    member: JsonObject | None = None
    if order.action is TeamAction.ADD_MEMBER and order.member is not None and member_agency is not None:
        member = {"agency": member_agency, "profession": order.member.profession}
    return {
        "action": order.action.value,
        "team": state,
        "member": member,
        "expires_at": order.grant_expires_at,
    }
