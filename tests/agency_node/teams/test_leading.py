"""A lead's orders: own policy, own ledger, then the gateway, of which only what it signed is believed."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from agency_node.teams.gateway import VerifiedTeams
from agency_node.teams.leading import Leading, MemberNamed, TeamWish
from agency_node.users import UsersFile
from federation.canonical import to_canonical
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.store import sqlite_url
from federation.team import TeamAction
from federation.wire.v1 import team_pb2 as wire
from gateway.servicers.team import team_state
from gateway.teams.desk import Refusal
from keys.signing import SigningKey
from tests.support.gateway_world import CSC, HEALTH, POLICE, SCHOOL, World, a_world
from tests.support.node_house import NodeHouse

LONGEST_S = 90 * 86_400
"""What the shipped rule about teams lets a case grant last."""

USERS = """
[[user]]
id = "lead"
name = "Lea Ding"
role = "lcpp"
training_expires = 2027-06-30

[[user]]
id = "worker"
name = "Wor Ker"
role = "social_worker"
training_expires = 2027-06-30

[[user]]
id = "untrained"
name = "Un Trained"
role = "lcpp"
training_expires = 2026-06-30
"""


@dataclass
class DeskGateway:
    """The gateway's own desk, without the network between; a test may have it lie or be away."""

    world: World
    lie: Callable[[wire.TeamState], None] = lambda _: None
    away: bool = False
    orders: list[bytes] = field(default_factory=list)

    async def order(self, order: bytes, signature: bytes) -> wire.OrderResponse:
        self.orders.append(order)
        if self.away:
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, CorrelationId.mint())
        outcome = await self.world.teams.order(CSC, order, signature, CorrelationId.mint())
        if isinstance(outcome, Refusal):
            reasons = [reason.model_dump(mode="json") for reason in outcome.reasons]
            return wire.OrderResponse(refusal=to_canonical({"reasons": reasons}))
        return wire.OrderResponse(state=self._told(team_state(outcome)))

    async def show(self, request: wire.ShowRequest) -> wire.TeamState:
        view = self.world.teams.show(CSC, team_id=request.team_id, grant_id=request.grant_id)
        return self._told(team_state(view))

    def _told(self, state: wire.TeamState) -> wire.TeamState:
        self.lie(state)
        return state


@dataclass
class Office:
    """A lead's node beside a gateway."""

    leading: Leading
    teams: VerifiedTeams
    gateway: DeskGateway
    node: NodeHouse

    async def order(self, action: TeamAction, user: str = "lead", **changes: Any) -> Any:
        return await self.leading.order(TeamWish(user=user, action=action, **changes))

    async def opened(self) -> str:
        """A whole team."""
        team_id = str((await self.order(TeamAction.OPEN_TEAM))["team"]["team_id"])
        for agency, profession in (
            (SCHOOL, "education"),
            (HEALTH, "health"),
            (POLICE, "police"),
            (CSC, "social_work"),
        ):
            member = MemberNamed(agency=agency, user_ref=profession, profession=profession)
            await self.order(TeamAction.ADD_MEMBER, team_id=team_id, member=member)
        return team_id


@pytest.fixture
async def office(node: NodeHouse, tmp_path: Path, policy: PolicyPoint) -> AsyncIterator[Office]:
    (tmp_path / "users.toml").write_text(USERS)
    async with a_world(sqlite_url(tmp_path / "gateway.db"), policy, enrol=(CSC, SCHOOL, POLICE, HEALTH)) as world:
        gateway, key = DeskGateway(world), world.secrets.signing.verify_key
        teams = VerifiedTeams(gateway, agency=CSC, key=lambda: key, clock=node.clock)
        leading = Leading(
            agency=CSC,
            users=UsersFile(tmp_path / "users.toml"),
            directory=world.directory.current,
            policy=policy,
            teams=teams,
            journal=node.journal,
            vault=node.vault,
            key=world.secrets.parties[CSC].signing,
            clock=node.clock,
        )
        yield Office(leading, teams, gateway, node)


async def code_of(work: Any) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        await work
    return caught.value.code


async def test_a_lead_makes_a_team_and_gives_it_a_case(office: Office) -> None:
    team_id = await office.opened()
    opened = await office.order(TeamAction.OPEN_GRANT, team_id=team_id, expires_at=int(office.node.clock()) + 86_400)

    assert opened["effect"] == "permit"
    shown = await office.leading.show("lead", team_id)
    assert [one["grant_id"] for one in shown["case_grants"]] == [opened["case_grant"]]
    assert sorted(one["profession"] for one in shown["team"]["members"]) == [
        "education",
        "health",
        "police",
        "social_work",
    ]
    said = await office.teams.given(opened["case_grant"], "social_work")
    assert (said.member, said.closed) == (True, False)
    assert not (await office.teams.given(opened["case_grant"], "police")).member

    gateway = [entry.body for entry in await office.gateway.world.entries(EntryKind.TEAM_CHANGED)]
    node = await office.node.entries(EntryKind.TEAM_ORDERED)
    assert [body["order_sha256"] for body in gateway] == [body["order_sha256"] for body in node]
    assert "Ding" not in str(gateway) + str(node)


async def test_removal_needs_no_more_than_agency_and_reference(office: Office) -> None:
    team_id = await office.opened()

    left = await office.order(
        TeamAction.REMOVE_MEMBER, team_id=team_id, member=MemberNamed(agency=POLICE, user_ref="police")
    )

    assert [one["user_ref"] for one in left["team"]["members"]] == ["education", "health", "social_work"]
    nobody = MemberNamed(agency=POLICE, user_ref="nobody")
    unknown = office.order(TeamAction.REMOVE_MEMBER, team_id=team_id, member=nobody)
    assert await code_of(unknown) is ErrorCode.TEAM_MEMBER_UNKNOWN


@pytest.mark.parametrize(("user", "reason"), [("worker", "TEAM_LEAD_NOT_ENTITLED"), ("untrained", "TRAINING_EXPIRED")])
async def test_what_own_policy_refuses_goes_nowhere(office: Office, user: str, reason: str) -> None:
    refused = await office.order(TeamAction.OPEN_TEAM, user=user)

    assert (refused["effect"], [item["code"] for item in refused["reasons"]]) == ("deny", [reason])
    assert refused["reasons"][0]["text"]
    assert office.gateway.orders == []
    (entry,) = await office.node.entries(EntryKind.TEAM_ORDER_REFUSED)
    assert entry["action"] == "open_team"
    async with office.node.engine.connect() as connection:
        kept = (await connection.execute(text("SELECT entry_point FROM decision_input"))).scalars().all()
    assert kept == ["wardgate/team/decision"]


async def test_what_the_gateway_refuses_is_told_with_its_reasons(office: Office) -> None:
    """By the gateway's clock, which is a little behind, the longest grant would last too long."""
    team_id, orders = await office.opened(), len(office.gateway.orders)
    office.gateway.world.clock.now -= 10

    refused = await office.order(
        TeamAction.OPEN_GRANT, team_id=team_id, expires_at=int(office.node.clock()) + LONGEST_S
    )

    assert (refused["effect"], [item["code"] for item in refused["reasons"]]) == ("deny", ["CASE_GRANT_TOO_LONG"])
    assert len(office.gateway.orders) == orders + 1


async def test_an_order_is_in_the_ledger_before_it_leaves(office: Office) -> None:
    office.gateway.away = True

    assert await code_of(office.order(TeamAction.OPEN_TEAM)) is ErrorCode.PEER_UNAVAILABLE

    assert len(await office.node.entries(EntryKind.TEAM_ORDERED)) == len(office.gateway.orders) == 1


async def test_who_is_unknown_or_no_team_is_a_clear_error(office: Office) -> None:
    assert await code_of(office.order(TeamAction.OPEN_TEAM, user="nobody")) is ErrorCode.USER_UNKNOWN
    unknown = "5d2c1b7e-0000-4000-8000-000000000001"
    assert await code_of(office.order(TeamAction.CLOSE_TEAM, team_id=unknown)) is ErrorCode.TEAM_UNKNOWN
    assert await code_of(office.teams.given(unknown, "u")) is ErrorCode.CASE_GRANT_UNKNOWN
    with pytest.raises(WardgateError):
        office.leading.user_ref("nobody")
    assert office.leading.user_ref("lead") == office.node.vault.user_ref("lead")


async def test_only_what_the_gateway_signed_of_this_very_team_is_believed(office: Office) -> None:
    team_id, other_id = await office.opened(), await office.opened()
    ends = int(office.node.clock()) + 86_400
    grant = (await office.order(TeamAction.OPEN_GRANT, team_id=team_id, expires_at=ends))["case_grant"]
    second = (await office.order(TeamAction.OPEN_GRANT, team_id=team_id, expires_at=ends))["case_grant"]
    other = await office.gateway.show(wire.ShowRequest(team_id=other_id))
    another = await office.gateway.show(wire.ShowRequest(grant_id=second))
    stranger = SigningKey.generate()

    def unsigned(state: wire.TeamState) -> None:
        state.team.signature = stranger.sign("team", state.team.document)

    lies: list[Callable[[wire.TeamState], None]] = [
        unsigned,
        lambda state: state.team.CopyFrom(other.team),
        lambda state: state.grants[0].CopyFrom(another.grants[0]),
        lambda state: state.ClearField("grants"),
    ]
    for lie in lies:
        office.gateway.lie = lie
        assert await code_of(office.teams.given(grant, "police")) is ErrorCode.SIGNATURE_REJECTED
    for lie in lies[:2]:
        office.gateway.lie = lie
        assert await code_of(office.leading.show("lead", team_id)) is ErrorCode.SIGNATURE_REJECTED
