"""What a team and its case grants say of somebody, on which day; and which orders and documents are believed."""

import datetime as dt
from typing import Any

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.team import (
    CaseGrantDocument,
    TeamAction,
    TeamDocument,
    TeamMember,
    TeamOrder,
    case_grant_input,
    given,
    order_input,
    verify_case_grant,
    verify_order,
    verify_team,
)
from keys import domains
from keys.signing import SigningKey

TEAM_ID, GRANT_ID = "5d2c1b7e-0000-4000-8000-000000000001", "5d2c1b7e-0000-4000-8000-000000000002"
NOW = 1_795_341_600
TODAY = dt.date(2026, 11, 22)
KEY = SigningKey.generate()


def member(user_ref: str = "u", profession: str = "police", start: str = "2026-01-01", end: str = "") -> TeamMember:
    return TeamMember(agency="testshire-police", user_ref=user_ref, profession=profession, start=start, end=end)


def a_team(*members: TeamMember, **changes: Any) -> TeamDocument:
    team = TeamDocument(
        team_id=TEAM_ID,
        version=1,
        agency="testshire-csc",
        area="testshire",
        members=list(members),
        closed=False,
        changed_at=NOW,
        order_sha256=bytes(32),
    )
    return team.model_copy(update=changes)


def a_grant(**changes: Any) -> CaseGrantDocument:
    grant = CaseGrantDocument(
        grant_id=GRANT_ID,
        version=1,
        team_id=TEAM_ID,
        opened_by="testshire-csc",
        user_ref="lead",
        role="lcpp",
        opened_at=NOW,
        expires_at=NOW + 60,
        closed_at=0,
        order_sha256=bytes(32),
    )
    return grant.model_copy(update=changes)


def an_order(**changes: Any) -> TeamOrder:
    order = TeamOrder(
        action=TeamAction.ADD_MEMBER,
        agency="testshire-csc",
        key_version=1,
        user_ref="lead",
        role="lcpp",
        team_id=TEAM_ID,
        base_version=1,
        area="testshire",
        member=member(),
        grant_id="",
        grant_expires_at=0,
        issued_at=NOW,
        decision_id=GRANT_ID,
    )
    return order.model_copy(update=changes)


@pytest.mark.parametrize(
    ("start", "end", "current"),
    [
        ("2026-11-22", "2026-11-22", True),
        ("2026-11-23", "", False),
        ("2026-01-01", "2026-11-21", False),
        ("2026-01-01", "", True),
    ],
)
def test_both_days_of_a_membership_count(start: str, end: str, current: bool) -> None:  # noqa: FBT001 - a column
    team = a_team(member(start=start, end=end))

    assert team.professions(TODAY) == (["police"] if current else [])
    said = given(a_grant(), team, agency="testshire-police", user_ref="u", today=TODAY)
    assert said.member is current


def test_a_member_is_named_by_agency_and_reference_together() -> None:
    team = a_team(member("u"), member("v", "health"))

    for agency, user_ref, known in (
        ("testshire-police", "v", True),
        ("testshire-police", "w", False),
        ("testshire-school", "u", False),
    ):
        assert given(a_grant(), team, agency=agency, user_ref=user_ref, today=TODAY).member is known
    assert team.professions(TODAY) == ["health", "police"]


def test_a_grant_is_closed_by_itself_or_with_its_team() -> None:
    user = {"agency": "testshire-police", "user_ref": "u", "today": TODAY}

    assert not given(a_grant(), a_team(), **user).closed  # type: ignore[arg-type]  # three arguments of one case
    assert given(a_grant(closed_at=NOW), a_team(), **user).closed  # type: ignore[arg-type]  # as above
    assert given(a_grant(), a_team(closed=True), **user).closed  # type: ignore[arg-type]  # as above


def test_a_grant_is_never_read_with_another_team() -> None:
    with pytest.raises(WardgateError) as caught:
        given(a_grant(team_id=GRANT_ID), a_team(), agency="a-b", user_ref="u", today=TODAY)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED


def test_policy_sees_what_was_given_and_nothing_of_the_child() -> None:
    said = given(a_grant(), a_team(member()), agency="testshire-police", user_ref="u", today=TODAY)

    assert case_grant_input(None) is None
    assert case_grant_input(said) == {
        "id": GRANT_ID,
        "area": "testshire",
        "professions": ["police"],
        "member": True,
        "closed": False,
        "expires_at": NOW + 60,
    }


def test_policy_sees_an_order_with_the_team_before_it() -> None:
    agency = {"id": "testshire-police"}
    team = a_team(member("w", "health"), area="elsewhere", agency="another-csc", closed=True)

    assert order_input(an_order(), team, member_agency=agency, today=TODAY) == {
        "action": "add_member",
        "team": {"agency": "another-csc", "area": "elsewhere", "professions": ["health"], "closed": True},
        "member": {"agency": agency, "profession": "police"},
        "expires_at": 0,
    }
    opening = order_input(an_order(action=TeamAction.OPEN_TEAM), None, member_agency=None, today=TODAY)
    assert opening["team"] == {"agency": "testshire-csc", "area": "testshire", "professions": [], "closed": False}
    assert opening["member"] is None


@pytest.mark.parametrize(("at", "taken"), [(-301, False), (-300, True), (30, True), (31, False)])
def test_an_order_is_fresh(at: int, taken: bool) -> None:  # noqa: FBT001 - a column
    content = an_order(issued_at=NOW + at).canonical()
    signature = KEY.sign(domains.TEAM_ORDER, content)

    if taken:
        assert verify_order(content, signature, key=KEY.verify_key, now=NOW).issued_at == NOW + at
        return
    with pytest.raises(WardgateError) as caught:
        verify_order(content, signature, key=KEY.verify_key, now=NOW)
    assert caught.value.code is ErrorCode.QUERY_EXPIRED


def test_no_signature_stands_for_a_document_of_another_kind() -> None:
    team, grant, order = a_team().canonical(), a_grant().canonical(), an_order().canonical()
    assert verify_team(team, KEY.sign(domains.TEAM, team), key=KEY.verify_key) == a_team()
    assert verify_case_grant(grant, KEY.sign(domains.CASE_GRANT, grant), key=KEY.verify_key) == a_grant()

    for content, domain, verify in (
        (team, domains.CASE_GRANT, lambda *given: verify_team(*given, key=KEY.verify_key)),
        (grant, domains.TEAM, lambda *given: verify_case_grant(*given, key=KEY.verify_key)),
        (order, domains.TEAM, lambda *given: verify_order(*given, key=KEY.verify_key, now=NOW)),
    ):
        with pytest.raises(WardgateError) as caught:
            verify(content, KEY.sign(domain, content))
        assert caught.value.code is ErrorCode.SIGNATURE_REJECTED
