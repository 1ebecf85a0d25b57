"""Teams at the gateway: who changes them, who asks under their case grants, and what ends when they change."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from federation import limits
from federation.admission import AdmissionRecord
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.engine import Failure
from federation.policy.evaluator import PolicyPoint
from federation.store import sqlite_url
from federation.team import TeamAction, TeamMember, verify_case_grant, verify_team
from federation.translation import Refused, Translation
from gateway.teams.desk import TeamView
from keys.signing import SigningKey
from tests.support.failing_engine import failing_engine
from tests.support.gateway_world import (
    CSC,
    FARAWAY,
    HEALTH,
    POLICE,
    SCHOOL,
    Secrets,
    World,
    a_world,
    messages_in,
    tasks_in,
)
from tests.support.teams import MEMBERS, Team
from tests.support.two_agencies import Clock

ENROLLED = (CSC, SCHOOL, POLICE, HEALTH, FARAWAY)


@pytest.fixture
async def team(tmp_path: Any, policy: PolicyPoint) -> AsyncIterator[Team]:
    """A whole team, on SQLite."""
    async with a_world(sqlite_url(tmp_path / "gateway.db"), policy, enrol=ENROLLED) as world:
        yield await Team(world).open()


async def admitted(world: World, composed: Any, requester: str = POLICE) -> AdmissionRecord:
    stream = world.stream(composed, requester=requester)
    try:
        return await stream.opening()
    finally:
        await stream.aclose()


async def refused(work: Any) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        await work
    return caught.value.code


def codes(admission: AdmissionRecord) -> list[str]:
    return [reason.code for reason in admission.reasons]


# -- asking -----------------------------------------------------------------------------------------------------------


async def test_a_member_asks_under_a_grant_and_sees_what_the_role_gives(team: Team) -> None:
    composed = team.asked(await team.grant())

    admission = await admitted(team.world, composed)

    assert (admission.effect, codes(admission)) == ("permit", ["TIER_ABOVE_ROLE"])
    given = admission.case_grant
    assert given is not None
    assert (given.id, given.area, given.member, given.closed) == (composed.header.case_grant, "testshire", True, False)
    assert given.professions == sorted(MEMBERS)


async def test_without_a_grant_a_member_asks_nothing(team: Team) -> None:
    admission = await admitted(team.world, team.asked(""))

    assert (admission.effect, codes(admission)) == ("deny", ["CASE_GRANT_MISSING"])
    assert admission.case_grant is None


async def test_a_grant_that_the_gateway_does_not_know_is_refused(team: Team) -> None:
    unknown = team.asked("00000000-0000-4000-8000-000000000000")

    assert await team.world.refusal(unknown.request, requester=POLICE) is ErrorCode.CASE_GRANT_UNKNOWN
    assert await team.world.count("query") == await team.world.count("task") == 0


async def test_nobody_else_asks_under_the_grant_of_a_team(team: Team) -> None:
    grant_id = await team.grant()
    colleague = await admitted(team.world, team.asked(grant_id, user_ref="9" * 32))
    lead = await admitted(
        team.world, team.asked(grant_id, "social_work", user_ref="8" * 32, role="team_manager"), requester=CSC
    )

    assert codes(colleague) == codes(lead) == ["CASE_GRANT_NOT_MEMBER"]
    assert team.world.trustee.asked == []


async def test_a_membership_runs_from_its_first_to_its_last_day(team: Team) -> None:
    grant_id = await team.grant()
    today = {"agency": POLICE, "user_ref": "7" * 32, "profession": "police", "start": "2026-11-22", "end": "2026-11-22"}
    await team.order(TeamAction.ADD_MEMBER, member=TeamMember(**today))
    tomorrow = {**today, "user_ref": "6" * 32, "start": "2026-11-23", "end": ""}
    await team.order(TeamAction.ADD_MEMBER, member=TeamMember(**tomorrow))

    first = await admitted(team.world, team.asked(grant_id, user_ref="7" * 32))
    second = await admitted(team.world, team.asked(grant_id, user_ref="6" * 32))

    assert (first.effect, codes(second)) == ("permit", ["CASE_GRANT_NOT_MEMBER"])


# -- removal and closing ----------------------------------------------------------------------------------------------


async def test_removal_ends_the_members_open_queries_and_lets_no_further_answer_through(stored_team: Team) -> None:
    team, world = stored_team, stored_team.world
    school = world.attach(SCHOOL)
    grant_id = await team.grant()
    other = await team.order(
        TeamAction.ADD_MEMBER,
        member=TeamMember(agency=HEALTH, user_ref="7" * 32, profession="health", start="2026-10-01"),
    )
    composed, colleague = team.asked(grant_id, "health"), team.asked(grant_id, "health", user_ref="7" * 32)
    stream = world.stream(composed, requester=HEALTH)
    await stream.opening()
    await admitted(world, colleague, requester=HEALTH)
    tasks = {task.header: task.task_id for task in tasks_in(school)}
    police = await world.task_of(composed, POLICE)
    await world.answers.answered(POLICE, world.sealed(composed, police.task_id, POLICE))

    view = await team.remove("health")

    assert other.team.document.version + 1 == view.team.document.version
    cancelled = [
        message.cancelled.task_id for message in messages_in(school) if message and message.HasField("cancelled")
    ]
    assert cancelled == [tasks[composed.request.header]]
    late = world.sealed(composed, tasks[composed.request.header], SCHOOL)
    assert await world.answer_refusal(SCHOOL, late) is ErrorCode.TASK_UNKNOWN
    assert await world.count("answer") == 0
    assert await world.count("task", "state = 'cancelled'") == 2
    await stream.rest()
    again = world.resumed(composed, requester=HEALTH)
    events = await again.rest()
    assert [event for event in events if event.WhichOneof("event") == "answer"] == []
    assert events[-1].settled.final
    still_open = world.sealed(colleague, tasks[colleague.request.header], SCHOOL)
    await world.answers.answered(SCHOOL, still_open)
    (changed,) = [entry for entry in await world.entries(EntryKind.TEAM_CHANGED) if entry.body["withdrawn"]]
    assert changed.body["withdrawn"] == [composed.header.query_id]
    (ended,) = await world.entries(EntryKind.QUERY_CANCELLED)
    assert (ended.query_id, ended.body["case_grant"]) == (composed.header.query_id, grant_id)


async def test_the_next_query_of_a_removed_member_is_refused_at_once(team: Team) -> None:
    grant_id = await team.grant()
    await team.order(
        TeamAction.ADD_MEMBER,
        member=TeamMember(agency=POLICE, user_ref="7" * 32, profession="police", start="2026-10-01"),
    )
    await team.remove("police")

    assert codes(await admitted(team.world, team.asked(grant_id))) == ["CASE_GRANT_NOT_MEMBER"]
    assert (await admitted(team.world, team.asked(grant_id, user_ref="7" * 32))).effect == "permit"


async def test_a_team_that_lacks_a_profession_asks_nothing_until_it_is_whole_again(team: Team) -> None:
    grant_id = await team.grant()
    composed = team.asked(grant_id)
    await admitted(team.world, composed)

    await team.remove("health")

    assert (await team.world.entries(EntryKind.QUERY_CANCELLED))[0].query_id == composed.header.query_id
    assert codes(await admitted(team.world, team.asked(grant_id))) == ["CASE_GRANT_TEAM_INCOMPLETE"]
    await team.order(TeamAction.ADD_MEMBER, member=MEMBERS["health"])
    assert (await admitted(team.world, team.asked(grant_id))).effect == "permit"


@pytest.mark.parametrize("action", [TeamAction.CLOSE_GRANT, TeamAction.CLOSE_TEAM])
async def test_closing_ends_every_query_under_the_grant(team: Team, action: TeamAction) -> None:
    grant_id = await team.grant()
    queries = [team.asked(grant_id), team.asked(grant_id, "health")]
    await admitted(team.world, queries[0])
    await admitted(team.world, queries[1], requester=HEALTH)
    assert all(team.world.queries.is_live(query.header.query_id) for query in queries)
    plain = team.world.composed()
    await team.world.put(plain)

    await team.order(action, **({"grant_id": grant_id} if action is TeamAction.CLOSE_GRANT else {}))

    assert codes(await admitted(team.world, team.asked(grant_id))) == ["CASE_GRANT_CLOSED"]
    assert team.world.queries.is_live(plain.header.query_id)
    assert not any(team.world.queries.is_live(query.header.query_id) for query in queries)


async def test_a_grant_that_runs_out_ends_the_queries_under_it(team: Team) -> None:
    composed = team.asked(await team.grant(life_s=3_600))
    await admitted(team.world, composed)
    team.world.clock.now += 3_599
    assert await team.world.withdrawal.sweep() == 0

    team.world.clock.now += 1

    assert await team.world.withdrawal.sweep() == 1
    assert not team.world.queries.is_live(composed.header.query_id)
    assert await team.world.withdrawal.sweep() == 0


async def test_a_query_that_is_being_admitted_while_its_member_is_removed_is_decided_anew(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant_id, translate = await team.grant(), team.world.trustee.translate

    async def meanwhile(ticket: bytes, signature: bytes, halves: Any) -> Sequence[Translation | Refused]:
        monkeypatch.undo()
        await team.remove("police")
        return await translate(ticket, signature, halves)

    monkeypatch.setattr(team.world.trustee, "translate", meanwhile)

    admission = await admitted(team.world, team.asked(grant_id))

    assert admission.effect == "deny"
    assert "CASE_GRANT_NOT_MEMBER" in codes(admission)
    assert await team.world.count("task") == 0


# -- orders -----------------------------------------------------------------------------------------------------------


async def test_every_change_is_signed_kept_and_in_the_ledger(team: Team) -> None:
    grant_id = await team.grant()
    view = team.world.teams.show(POLICE, team_id=team.team_id)
    key = team.world.secrets.signing.verify_key

    document = verify_team(view.team.content, view.team.signature, key=key)
    (grant,) = [verify_case_grant(one.content, one.signature, key=key) for one in view.grants]

    assert (document.version, grant.grant_id) == (5, grant_id)
    entries = await team.world.entries(EntryKind.TEAM_CHANGED)
    assert [entry.body["action"] for entry in entries] == ["open_team", *["add_member"] * 4, "open_grant"]
    assert await team.world.count("team_order") == len(entries)
    assert document.order_sha256.hex() == entries[-2].body["order_sha256"]


async def test_an_order_that_comes_twice_is_carried_out_once(team: Team) -> None:
    order = team.wanted(TeamAction.REMOVE_MEMBER, member=MEMBERS["health"])
    first, second = await team.send(order), await team.send(order)

    assert isinstance(first, TeamView)
    assert isinstance(second, TeamView)
    assert first.team == second.team
    await team.order(TeamAction.ADD_MEMBER, member=MEMBERS["health"])
    assert await refused(team.send(order)) is ErrorCode.TEAM_CONFLICT


async def test_an_order_is_taken_from_its_own_agency_fresh_and_truly_signed(team: Team) -> None:
    order = team.wanted(TeamAction.CLOSE_TEAM)

    assert await refused(team.send(order, agency=POLICE)) is ErrorCode.NOT_AUTHORISED
    assert await refused(team.send(order, key=SigningKey.generate())) is ErrorCode.SIGNATURE_REJECTED
    assert await refused(team.send(order.model_copy(update={"key_version": 2}))) is ErrorCode.SIGNATURE_REJECTED
    now = order.issued_at
    for at in (now - 301, now + 31):
        assert await refused(team.send(order.model_copy(update={"issued_at": at}))) is ErrorCode.QUERY_EXPIRED
    await team.send(order.model_copy(update={"issued_at": now - 300}))


async def test_only_a_lead_changes_a_team_and_a_refusal_is_recorded(team: Team) -> None:
    assert await team.refused(TeamAction.CLOSE_TEAM, role="social_worker") == ["TEAM_LEAD_NOT_ENTITLED"]
    assert await team.refused(TeamAction.CLOSE_TEAM, agency=POLICE) == ["TEAM_LEAD_NOT_ENTITLED", "TEAM_NOT_OWN"]
    outside = MEMBERS["police"].model_copy(update={"agency": FARAWAY, "profession": "education"})
    assert await team.refused(TeamAction.ADD_MEMBER, member=outside) == ["TEAM_MEMBER_OUTSIDE_AREA"]

    assert len(await team.world.entries(EntryKind.TEAM_ORDER_REFUSED)) == 3
    assert not team.world.teams.show(CSC, team_id=team.team_id).team.document.closed


async def test_a_case_is_given_to_a_whole_team_alone(team: Team) -> None:
    await team.remove("police")
    life = {"grant_id": "10000000-0000-4000-8000-000000000000", "grant_expires_at": int(team.world.clock()) + 60}

    assert await team.refused(TeamAction.OPEN_GRANT, **life) == ["CASE_GRANT_TEAM_INCOMPLETE"]


@pytest.mark.parametrize(
    ("action", "changes", "code"),
    [
        (TeamAction.ADD_MEMBER, {"member": MEMBERS["health"]}, ErrorCode.TEAM_CONFLICT),
        (TeamAction.ADD_MEMBER, {"member": MEMBERS["health"], "base_version": 4}, ErrorCode.TEAM_CONFLICT),
        (TeamAction.OPEN_TEAM, {"base_version": 0}, ErrorCode.TEAM_CONFLICT),
        (
            TeamAction.REMOVE_MEMBER,
            {"member": MEMBERS["health"].model_copy(update={"user_ref": "0"})},
            ErrorCode.TEAM_MEMBER_UNKNOWN,
        ),
        (TeamAction.REMOVE_MEMBER, {}, ErrorCode.MESSAGE_MALFORMED),
        (TeamAction.CLOSE_GRANT, {"grant_id": "0" * 8 + "-0000-4000-8000-" + "0" * 12}, ErrorCode.CASE_GRANT_UNKNOWN),
        (TeamAction.CLOSE_GRANT, {}, ErrorCode.MESSAGE_MALFORMED),
        (TeamAction.CLOSE_TEAM, {"team_id": "0" * 8 + "-0000-4000-8000-" + "0" * 12}, ErrorCode.TEAM_UNKNOWN),
    ],
)
async def test_an_order_that_does_not_fit_the_team_changes_nothing(
    team: Team, action: TeamAction, changes: dict[str, Any], code: ErrorCode
) -> None:
    assert await refused(team.send(team.wanted(action, **changes))) is code
    assert len(await team.world.entries(EntryKind.TEAM_CHANGED)) == 5


async def test_a_closed_grant_is_not_closed_again(team: Team) -> None:
    grant_id = await team.grant()
    await team.order(TeamAction.CLOSE_GRANT, grant_id=grant_id)

    assert await refused(team.order(TeamAction.CLOSE_GRANT, grant_id=grant_id)) is ErrorCode.TEAM_CONFLICT
    assert team.world.teams.show(CSC, team_id=team.team_id).grants == []
    assert team.world.teams.show(POLICE, grant_id=grant_id).grants[0].document.closed_at > 0


async def test_to_those_who_have_no_part_in_it_a_team_does_not_exist(team: Team) -> None:
    grant_id = await team.grant()

    for named, code in (
        ({"team_id": team.team_id}, ErrorCode.TEAM_UNKNOWN),
        ({"grant_id": grant_id}, ErrorCode.CASE_GRANT_UNKNOWN),
    ):
        team.world.teams.show(HEALTH, **named)
        with pytest.raises(WardgateError) as caught:
            team.world.teams.show(FARAWAY, **named)
        assert caught.value.code is code


async def test_what_cannot_be_recorded_is_not_done(team: Team) -> None:
    composed = team.asked(await team.grant())
    await admitted(team.world, composed)
    await team.world.break_ledger()

    assert await refused(team.remove("police")) is ErrorCode.LEDGER_UNAVAILABLE

    await team.world.mend_ledger()
    assert team.world.queries.is_live(composed.header.query_id)
    assert team.world.teams.show(CSC, team_id=team.team_id).team.document.version == 5


@pytest.mark.parametrize("after", [0, 1])
async def test_what_cannot_be_decided_is_not_done_and_refused_to_nobody(
    team: Team, policy: PolicyPoint, after: int
) -> None:
    """The engine goes away before the order is decided, or before the queries that it ends are."""
    composed = team.asked(await team.grant())
    await admitted(team.world, composed)
    with failing_engine(policy, Failure.TIMEOUT, after=after):
        assert await refused(team.remove("police")) is ErrorCode.POLICY_UNAVAILABLE
        assert await team.world.withdrawal.sweep() == 0
    assert team.world.queries.is_live(composed.header.query_id)
    assert await team.world.entries(EntryKind.TEAM_ORDER_REFUSED, EntryKind.QUERY_CANCELLED) == []
    assert team.world.teams.show(CSC, team_id=team.team_id).team.document.version == 5

    await team.remove("police")
    assert not team.world.queries.is_live(composed.header.query_id)


async def test_teams_and_grants_outlive_a_restart(tmp_path: Any, policy: PolicyPoint) -> None:
    secrets, clock, url = Secrets(), Clock(), sqlite_url(tmp_path / "gateway.db")
    async with a_world(url, policy, secrets=secrets, clock=clock, enrol=ENROLLED) as before:
        team = await Team(before).open()
        grant_id = await team.grant()
        composed = team.asked(grant_id)
        await admitted(before, composed)

    async with a_world(url, policy, secrets=secrets, clock=clock, enrol=ENROLLED) as after:
        team.world = after
        assert await after.withdrawal.sweep() == 0
        assert (await admitted(after, team.asked(grant_id, "health"), requester=HEALTH)).effect == "permit"
        await team.remove("police")
        assert not after.queries.is_live(composed.header.query_id)


async def test_a_grant_that_ran_out_while_the_gateway_was_off_is_worked_on_by_nobody(
    tmp_path: Any, policy: PolicyPoint
) -> None:
    secrets, clock, url = Secrets(), Clock(), sqlite_url(tmp_path / "gateway.db")
    async with a_world(url, policy, secrets=secrets, clock=clock, enrol=ENROLLED) as before:
        team = await Team(before).open()
        composed, plain = team.asked(await team.grant(life_s=60)), before.composed()
        await admitted(before, composed)
        await before.put(plain)

    clock.now += 60
    async with a_world(url, policy, secrets=secrets, clock=clock, enrol=ENROLLED) as after:
        assert [task.header for task in tasks_in(after.attach(SCHOOL))] == [plain.request.header]
        (ended,) = await after.entries(EntryKind.QUERY_CANCELLED)
        assert ended.query_id == composed.header.query_id


async def test_there_is_an_end_to_members_grants_and_teams(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    more = MEMBERS["police"].model_copy(update={"user_ref": "7" * 32})
    monkeypatch.setattr(limits, "MAX_TEAM_MEMBERS", 5)
    await team.order(TeamAction.ADD_MEMBER, member=more)
    another = more.model_copy(update={"user_ref": "6" * 32})
    assert await refused(team.order(TeamAction.ADD_MEMBER, member=another)) is ErrorCode.TEAM_FULL

    monkeypatch.setattr(limits, "MAX_OPEN_GRANTS", 1)
    grant_id = await team.grant()
    assert await refused(team.grant()) is ErrorCode.TEAM_FULL
    await team.order(TeamAction.CLOSE_GRANT, grant_id=grant_id)
    await team.grant()

    monkeypatch.setattr(limits, "MAX_OPEN_TEAMS", 1)
    assert await refused(Team(team.world).order(TeamAction.OPEN_TEAM)) is ErrorCode.TEAM_FULL
    await team.order(TeamAction.CLOSE_TEAM)
    await Team(team.world).order(TeamAction.OPEN_TEAM)


@pytest.fixture
async def stored_team(store_url: str, policy: PolicyPoint) -> AsyncIterator[Team]:
    """A whole team, on each kind of store."""
    async with a_world(store_url, policy, enrol=ENROLLED) as world:
        yield await Team(world).open()
