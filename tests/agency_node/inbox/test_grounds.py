"""On what ground a person decides, and who may: both as the bundle says."""

from typing import Any

import pytest
from sqlalchemy import select

from agency_node.answering.overlay import Overlay
from agency_node.inbox.deciders import decides, is_for
from agency_node.inbox.grounds import ground_for, grounds_of
from agency_node.store.tables import metadata
from federation.errors import ErrorCode, WardgateError
from federation.exit_codes import ExitCode, exit_code_of
from federation.ledger.entry import EntryKind
from federation.policy.catalogue import Catalogue, ReviewReasonRow
from federation.policy.evaluator import PolicyPoint
from tests.support.hand_policy import hand_policy
from tests.support.node_house import NodeHouse, a_user, log_entry, number

CHILD = number(1)
REVIEW = metadata.tables["review"]


COMPELLED, OFFICER = "COURT_ORDER", "designated_officer"


@pytest.fixture
def catalogue(policy: PolicyPoint) -> Catalogue:
    return policy.catalogue


async def referral(node: NodeHouse) -> str:
    """A referral that waits."""
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = node.federation.ask(CHILD)
    await node.accept(put.task)
    await node.answering.answer(put.task.task_id)
    return (await node.decisions.waiting(node.users[0].id))[0].referral.referral_id


# -- grounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ground", "decision", "purpose", "rests_on"),
    [
        ("not_relevant", "withhold", "FRONT_DOOR", "not_relevant"),
        ("considered", "release", "FRONT_DOOR", "considered"),
        ("", "release", "FRONT_DOOR", "considered"),
        ("", "withhold", "FRONT_DOOR", None),
        ("considered", "withhold", "FRONT_DOOR", None),
        ("not_relevant", "release", "FRONT_DOOR", None),
        ("because", "withhold", "FRONT_DOOR", None),
        ("more_detrimental", "withhold", "FRONT_DOOR", "more_detrimental"),
        ("more_detrimental", "withhold", COMPELLED, None),
        ("outside_the_order", "withhold", COMPELLED, "outside_the_order"),
        ("outside_the_order", "withhold", "FRONT_DOOR", "outside_the_order"),
        ("", "release", COMPELLED, "considered"),
    ],
)
def test_a_ground_carries_its_decision_and_stands_against_a_duty_only_where_the_bundle_says_so(
    catalogue: Catalogue, ground: str, decision: Any, purpose: str, rests_on: str | None
) -> None:
    if rests_on is not None:
        assert ground_for(ground, decision, purpose, catalogue) == rests_on
        return
    with pytest.raises(WardgateError) as caught:
        ground_for(ground, decision, purpose, catalogue)
    error = caught.value
    assert (error.code, exit_code_of(error)) == (ErrorCode.GROUND_UNKNOWN, ExitCode.INPUT_REFUSED)
    assert error.told.isascii()
    assert all(code in error.told for code in grounds_of(decision, purpose, catalogue))
    assert ("more_detrimental" in error.told) == (decision == "withhold" and purpose != COMPELLED)


def test_of_two_grounds_to_release_none_is_taken_for_granted(catalogue: Catalogue) -> None:
    second = {**catalogue.review_reasons, "agreed": ReviewReasonRow(decisions=("release", "withhold"))}
    more = catalogue.model_copy(update={"review_reasons": second})

    with pytest.raises(WardgateError, match="agreed, considered"):
        ground_for("", "release", "FRONT_DOOR", more)
    assert ground_for("agreed", "release", "FRONT_DOOR", more) == "agreed"


def test_under_every_purpose_a_person_can_release_and_withhold(catalogue: Catalogue) -> None:
    for purpose in catalogue.purposes:
        assert grounds_of("release", purpose, catalogue), purpose
        assert grounds_of("withhold", purpose, catalogue), purpose


async def test_the_ground_stands_in_the_ledger_in_the_review_and_before_policy(node: NodeHouse) -> None:
    referral_id = await referral(node)

    await node.decisions.decide("dsl", referral_id, decision="withhold", ground="not_relevant", reason="Another child.")

    body = (await node.entries(EntryKind.REFERRAL_DECIDED))[0]
    async with node.engine.connect() as connection:
        review = (await connection.execute(select(REVIEW))).one()
    assert (body["ground"], body["people"], body["agreed"]) == ("not_relevant", 1, 0)
    assert (review.ground, review.reviewer, review.decision) == ("not_relevant", node.vault.user_ref("dsl"), "withhold")
    await node.answering.answer(node.decided[0])
    decision = (await node.entries(EntryKind.ANSWERED))[0]["decision"]
    assert {reason["code"] for reason in decision["result"]["records"][0]["reasons"]} == {"HUMAN_WITHHELD"}


async def test_a_decision_without_its_ground_is_not_made(node: NodeHouse) -> None:
    referral_id = await referral(node)

    with pytest.raises(WardgateError, match="legal_restriction, more_detrimental, not_relevant"):
        await node.decisions.decide("dsl", referral_id, decision="withhold", reason="No.")

    (view,) = await node.decisions.waiting("dsl")
    assert view.as_json()["grounds"]["release"] == {
        "considered": node.policy.catalogue.review_reasons["considered"].title
    }
    assert await node.entries(EntryKind.REFERRAL_DECIDED) == []


# -- who decides ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "generally", "officers"),
    [
        ({"role": "dsl"}, True, False),
        ({"role": "voluntary_practitioner"}, False, False),
        ({"role": "voluntary_practitioner", "grants": ("decide_referrals",)}, True, False),
        ({"role": "voluntary_practitioner", "grants": (OFFICER,)}, False, True),
        ({"role": "dsl", "grants": (OFFICER, "S47_ENQ")}, True, True),
        ({"role": "no_such_role", "grants": ("no_such_grant",)}, False, False),
    ],
)
def test_who_decides_stands_in_the_bundle_and_a_referral_may_name_others(
    catalogue: Catalogue,
    changes: dict[str, Any],
    generally: bool,  # noqa: FBT001 - a column of the table
    officers: bool,  # noqa: FBT001 - a column of the table
) -> None:
    user = a_user(**changes)
    assert decides(user, catalogue) is is_for(user, (), catalogue) is generally
    assert is_for(user, (OFFICER,), catalogue) is officers


async def test_a_referral_to_certain_people_does_not_exist_for_others(node: NodeHouse) -> None:
    node.users[:] = [a_user("officer", role="voluntary_practitioner", grants=(OFFICER,)), a_user("dsl")]
    with hand_policy(node.policy, roles=(OFFICER,)):
        referral_id = await referral(node)

        assert await node.decisions.waiting("dsl") == []
        for verb in (
            node.decisions.show("dsl", referral_id),
            node.decisions.decide("dsl", referral_id, decision="release", reason="Mine?"),
        ):
            with pytest.raises(WardgateError) as caught:
                await verb
            assert caught.value.code is ErrorCode.REFERRAL_UNKNOWN
        await node.decisions.decide("officer", referral_id, decision="release", reason="Mine.")
    assert len(node.decided) == 1


async def test_whoever_decides_nothing_reads_no_difference_between_a_referral_and_none(node: NodeHouse) -> None:
    with hand_policy(node.policy):
        referral_id = await referral(node)
        node.users.append(a_user("helper", role="voluntary_practitioner", grants=(OFFICER,)))
        for wanted in (referral_id, "0b0e5f0c-3a53-4b57-9b43-3d2f9a1c7e11"):
            with pytest.raises(WardgateError) as caught:
                await node.decisions.show("helper", wanted)
            assert caught.value.code is ErrorCode.NOT_AUTHORISED
