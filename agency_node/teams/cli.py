"""`wardgate node team …` and `wardgate node grant …`: what a lead does with multi-agency child protection teams."""

import json
import time
from typing import Annotated

import typer

from agency_node.local_calls import Agency, Config, Dir, Json, User, call_node, find_settings
from agency_node.settings import NodeSettings
from agency_node.teams.leading import TeamWish
from federation.canonical import JsonObject, to_canonical
from federation.command import emit, fail_with_code
from federation.team import TeamAction
from federation.wire.v1 import local_pb2, local_pb2_grpc

team_app = typer.Typer(no_args_is_help=True, help="Multi-agency child protection teams that this agency leads.")
grant_app = typer.Typer(no_args_is_help=True, help="Case grants: a team's members may ask about one case.")

TeamId = Annotated[str, typer.Argument(help="The team's id.")]
GrantId = Annotated[str, typer.Argument(help="The case grant's id.")]
MemberAgency = Annotated[str, typer.Option("--member-agency", help="Id of the member's agency.")]
MemberRef = Annotated[
    str, typer.Option("--member", help="The member's reference: `wardgate node user-ref` at the member's agency.")
]

DAY_S = 86_400
DEFAULT_GRANT_DAYS = 21
"""As long as a section 47 enquiry stands before it is justified again."""


@team_app.command("open")
@fail_with_code
def team_open(
    user: User,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    area: Annotated[str, typer.Option("--area", help="The team's area; default: the agency's first.")] = "",
    as_json: Json = False,
) -> None:
    """Open a team without members."""
    settings = find_settings(config, directory, agency)
    _order(settings, {"user": user, "action": TeamAction.OPEN_TEAM.value, "area": area}, as_json=as_json)


@team_app.command("add")
@fail_with_code
def team_add(
    team_id: TeamId,
    user: User,
    member_agency: MemberAgency,
    member: MemberRef,
    profession: Annotated[str, typer.Option("--profession", help="education, health, police, social_work, ...")],
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    start: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD; default: today.")] = "",
    end: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD; default: none.")] = "",
    as_json: Json = False,
) -> None:
    """Add a member to a team."""
    settings = find_settings(config, directory, agency)
    named: JsonObject = {
        "agency": member_agency,
        "user_ref": member,
        "profession": profession,
        "start": start,
        "end": end,
    }
    wish = {"user": user, "action": TeamAction.ADD_MEMBER.value, "team_id": team_id, "member": named}
    _order(settings, wish, as_json=as_json)


@team_app.command("remove")
@fail_with_code
def team_remove(
    team_id: TeamId,
    user: User,
    member_agency: MemberAgency,
    member: MemberRef,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """Remove a member at once: their open queries under the team's case grants end."""
    settings = find_settings(config, directory, agency)
    named: JsonObject = {"agency": member_agency, "user_ref": member}
    wish = {"user": user, "action": TeamAction.REMOVE_MEMBER.value, "team_id": team_id, "member": named}
    _order(settings, wish, as_json=as_json)


@team_app.command("close")
@fail_with_code
def team_close(
    team_id: TeamId,
    user: User,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """Close a team and, with it, all of its case grants."""
    settings = find_settings(config, directory, agency)
    _order(settings, {"user": user, "action": TeamAction.CLOSE_TEAM.value, "team_id": team_id}, as_json=as_json)


@team_app.command("show")
@fail_with_code
def team_show(
    team_id: TeamId,
    user: User,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """Show a team as it stands, with its open case grants."""
    settings = find_settings(config, directory, agency)
    emit(_team(settings, user, team_id), as_json=as_json)


@grant_app.command("open")
@fail_with_code
def grant_open(
    team_id: TeamId,
    user: User,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How long it lasts.")] = DEFAULT_GRANT_DAYS,
    as_json: Json = False,
) -> None:
    """Open a case grant for a whole team; which child it is about stays among the agencies."""
    settings = find_settings(config, directory, agency)
    ends = int(time.time()) + days * DAY_S
    wish = {"user": user, "action": TeamAction.OPEN_GRANT.value, "team_id": team_id, "expires_at": ends}
    _order(settings, wish, as_json=as_json)


@grant_app.command("close")
@fail_with_code
def grant_close(
    team_id: TeamId,
    grant_id: GrantId,
    user: User,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """Close a case grant at once: all open queries under it end."""
    settings = find_settings(config, directory, agency)
    wish = {"user": user, "action": TeamAction.CLOSE_GRANT.value, "team_id": team_id, "grant_id": grant_id}
    _order(settings, wish, as_json=as_json)


@grant_app.command("list")
@fail_with_code
def grant_list(
    team_id: TeamId,
    user: User,
    config: Config = None,
    directory: Dir = None,
    agency: Agency = "",
    as_json: Json = False,
) -> None:
    """List a team's open case grants."""
    settings = find_settings(config, directory, agency)
    emit({"case_grants": _team(settings, user, team_id)["case_grants"]}, as_json=as_json)


def _team(settings: NodeSettings, user: str, team_id: str) -> JsonObject:
    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.ShowTeamResponse = await stub.ShowTeam(
            local_pb2.ShowTeamRequest(user=user, team_id=team_id)
        )
        return response.team

    found: JsonObject = json.loads(call_node(settings, call))
    return found


def _order(settings: NodeSettings, wish: JsonObject, *, as_json: bool) -> None:
    content = TeamWish.parse(to_canonical(wish)).canonical()

    async def call(stub: "local_pb2_grpc.LocalServiceAsyncStub") -> bytes:
        response: local_pb2.OrderTeamResponse = await stub.OrderTeam(local_pb2.OrderTeamRequest(wish=content))
        return response.outcome

    emit(json.loads(call_node(settings, call)), as_json=as_json)
