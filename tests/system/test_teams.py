"""A multi-agency child protection team, end to end, through separate processes."""

import json
from typing import Any

import pytest

from agency_node.teams.leading import MemberNamed, TeamWish
from federation.ledger.entry import EntryKind
from federation.team import TeamAction
from tests.support.box import Box, until

pytestmark = pytest.mark.system

REFERRED = "999 000 0050"
"""Held by police, who decide by a person what is told of it."""
LEAD = "lead"
MEMBERS = (
    ("small-csc", LEAD, "social_work"),
    ("small-police", "boss", "police"),
    ("small-school", "dsl", "education"),
    ("small-health", "nurse", "health"),
)


def run(region: Box, *arguments: str, agency: str = "small-csc", user: str = LEAD) -> Any:
    """What a command prints."""
    place = ("--dir", str(region.folder.root), "--agency", agency)
    done = region.wardgate("node", *arguments, *place, *(("--user", user) if user else ()), "--json")
    assert done.code == 0, done.err
    return done.json


def ask(region: Box, grant_id: str) -> Any:
    """A member at the health agency asks about the case."""
    question = (
        "ask", "--purpose", "S47_ENQ", "--child", REFERRED, "--category", "police_incident:T1",
        "--attest", "strategy_discussion_held", "--attest", "reasonable_cause_significant_harm",
        "--approval", "screener:manager", "--family-informed", "unsafe", "--justification", "Strategy discussion.",
    )  # fmt: skip
    return run(region, *question, "--grant", grant_id, agency="small-health", user="panel")


def states(picture: Any) -> dict[str, str]:
    return {target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]}


def codes(picture: Any) -> set[str]:
    return {reason["code"] for reason in picture["reasons"]}


def test_a_member_asks_under_a_grant_until_removed(region: Box) -> None:
    panel = run(region, "user-ref", "panel", agency="small-health", user="")["user_ref"]
    team_id = run(region, "team", "open")["team"]["team_id"]
    for agency, user, profession in MEMBERS:
        named = MemberNamed(agency=agency, user_ref=region.user_ref(agency, user), profession=profession)
        region.order_team(TeamWish(user=LEAD, action=TeamAction.ADD_MEMBER, team_id=team_id, member=named))
    member = ("--member-agency", "small-health", "--member", panel)
    run(region, "team", "add", team_id, *member, "--profession", "health")
    grant_id = run(region, "grant", "open", team_id, "--days", "3")["case_grant"]
    assert [one["grant_id"] for one in run(region, "grant", "list", team_id)["case_grants"]] == [grant_id]

    before = open_referrals(region)
    picture = ask(region, grant_id)

    assert picture["effect"] == "permit"
    assert states(picture)["small-police"] == "referred"
    (referral,) = open_referrals(region) - before

    run(region, "team", "remove", team_id, *member)

    query = picture["query_id"]
    until(lambda: region.picture(query, agency="small-health", user="panel")["closed"], wait_s=60)
    assert states(region.picture(query, agency="small-health", user="panel"))["small-police"] == "cancelled"
    until(lambda: referral not in open_referrals(region), wait_s=60)
    assert "answered" not in {entry["kind"] for entry in region.entries("small-police", query_id=query)}
    after = ask(region, grant_id)
    assert (after["effect"], codes(after)) == ("deny", {"CASE_GRANT_NOT_MEMBER"})

    run(region, "grant", "close", team_id, grant_id)
    assert run(region, "team", "close", team_id)["team"]["closed"] is True
    assert run(region, "team", "show", team_id)["team"]["closed"] is True
    changed = [entry["body"]["action"] for entry in region.entries("gateway", kind=EntryKind.TEAM_CHANGED)]
    ordered = [entry["body"]["action"] for entry in region.entries("small-csc", kind=EntryKind.TEAM_ORDERED)]
    assert (
        changed
        == ordered
        == ["open_team", *["add_member"] * 5, "open_grant", "remove_member", "close_grant", "close_team"]
    )


def open_referrals(region: Box) -> set[str]:
    found = run(region, "inbox", "list", agency="small-police", user="boss")["referrals"]
    return {one["referral_id"] for one in found if one["state"] == "open"}


def test_whoever_does_not_lead_changes_nothing(region: Box) -> None:
    refused = region.order_team(TeamWish(user="hub", action=TeamAction.OPEN_TEAM))

    assert refused["effect"] == "deny"
    assert [reason["code"] for reason in refused["reasons"]] == ["TEAM_LEAD_NOT_ENTITLED"]
    assert refused["reasons"][0]["text"]


def test_a_grant_of_nobody_is_a_coded_error(region: Box) -> None:
    nobodys = ("--grant", "00000000-0000-4000-8000-000000000000")

    done = region.wardgate(*region.asking(REFERRED, more=nobodys))

    assert (done.code, json.loads(done.err)["error"]["code"]) == (10, "CASE_GRANT_UNKNOWN")
