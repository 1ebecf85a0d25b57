"""A node holds the key holders to the points it has seen: another under a running epoch is an alarm and an error."""

from typing import Any

import pytest

from agency_node.asking.own_pseudonyms import OwnPseudonyms
from agency_node.points import ALARM, PinnedPoints
from agency_node.store import points as store
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.published import PointKey
from federation.vocabulary import Outcome
from keys.holder import HolderKeys, Role
from tests.support.node_house import NodeHouse, log_entry, number
from tests.support.rekeying import rekey
from tests.support.two_agencies import REQUESTER, RESPONDER, Federation

CHILD, STRANGER = number(1), number(2)
HOLDERS: list[Role] = ["gateway", "trustee"]


def holder(federation: Federation, role: Role) -> HolderKeys:
    return federation.gateway if role == "gateway" else federation.trustee


async def indexed(node: NodeHouse) -> None:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    await node.points.follow()


async def replaced(node: NodeHouse, scope: str, role: Role) -> None:
    """The holder uses and publishes another key, and the node hears of it."""
    rekey(holder(node.federation, role), scope)
    node.federation.publish()
    await node.points.follow()


async def outcome(node: NodeHouse, child: object = CHILD) -> Outcome:
    put = node.federation.ask(child)  # type: ignore[arg-type]  # an NHS number
    await node.accept(put.task)
    reply = await node.answering.answer(put.task.task_id)
    assert reply.answer is not None
    return put.opened(reply.answer).outcome


def own(node: NodeHouse) -> OwnPseudonyms:
    return OwnPseudonyms(engine=node.engine, vault=node.vault, pseudonyms=node.pseudonyms, points=node.points)


@pytest.mark.parametrize("role", HOLDERS)
async def test_another_point_of_ones_own_makes_every_answer_an_error_whatever_is_held(
    node: NodeHouse, role: Role
) -> None:
    await indexed(node)
    assert await outcome(node) is Outcome.RECORDS
    assert await outcome(node, STRANGER) is Outcome.NOTHING_HELD

    await replaced(node, RESPONDER, role)

    assert await outcome(node) is Outcome.ERROR
    assert await outcome(node, STRANGER) is Outcome.ERROR


@pytest.mark.parametrize("role", HOLDERS)
async def test_it_is_an_error_from_the_moment_the_directory_says_so_and_before_anything_is_written(
    node: NodeHouse, role: Role
) -> None:
    await indexed(node)
    rekey(holder(node.federation, role), RESPONDER)
    node.federation.publish()
    assert await outcome(node) is Outcome.ERROR


@pytest.mark.parametrize("role", HOLDERS)
@pytest.mark.parametrize("child", [CHILD, STRANGER])
async def test_with_another_point_of_ones_own_nothing_is_asked(node: NodeHouse, role: Role, child: object) -> None:
    """The child on the caseload has a stored pseudonym; the other's would be evaluated live. The node is told alike."""
    await indexed(node)
    found = await own(node).pseudonym_of(CHILD)
    assert found == node.federation.pseudonym(RESPONDER, CHILD)

    await replaced(node, RESPONDER, role)

    with pytest.raises(WardgateError) as caught:
        await own(node).pseudonym_of(child)  # type: ignore[arg-type]  # an NHS number
    assert caught.value.code is ErrorCode.POINTS_REPLACED


@pytest.mark.parametrize("role", HOLDERS)
@pytest.mark.parametrize("scope", [REQUESTER, RESPONDER])
async def test_another_point_of_anybody_raises_one_alarm_until_it_changes_again(
    node: NodeHouse, scope: str, role: Role
) -> None:
    await indexed(node)
    await replaced(node, scope, role)
    node.federation.publish()
    await node.points.follow()
    (alarm,) = await node.entries(EntryKind.ALARM_RAISED)
    assert (alarm["alarm"], alarm["points"], alarm["count"]) == (ALARM, [f"{scope}/1/{role}"], 1)

    await replaced(node, scope, role)
    assert len(await node.entries(EntryKind.ALARM_RAISED)) == 2


@pytest.mark.parametrize("role", HOLDERS)
async def test_another_agencys_point_does_not_keep_this_one_from_answering(node: NodeHouse, role: Role) -> None:
    await indexed(node)
    await replaced(node, "testshire-csc", role)
    async with node.engine.connect() as connection:
        assert not await node.points.are_replaced(connection)
    assert await node.points.hold()


@pytest.mark.parametrize("role", HOLDERS)
async def test_a_restart_forgets_nothing(node: NodeHouse, role: Role) -> None:
    await indexed(node)
    await replaced(node, RESPONDER, role)
    again = PinnedPoints(
        agency=RESPONDER,
        directory=lambda: node.federation.directory,
        engine=node.engine,
        journal=node.journal,
        clock=node.clock,
    )
    await again.follow()
    with pytest.raises(WardgateError) as caught:
        await again.hold()
    assert caught.value.code is ErrorCode.POINTS_REPLACED


@pytest.mark.parametrize("role", HOLDERS)
async def test_the_point_of_before_makes_everything_well_again(node: NodeHouse, role: Role) -> None:
    await indexed(node)
    keys = holder(node.federation, role)
    inside: Any = keys
    right = inside._derive
    await replaced(node, RESPONDER, role)
    inside._derive = right
    inside._relate.cache_clear()
    node.federation.publish()
    await node.points.follow()
    assert await node.points.hold()
    assert await outcome(node) is Outcome.RECORDS


@pytest.mark.parametrize("role", HOLDERS)
async def test_a_new_epoch_is_no_replacement(node: NodeHouse, role: Role) -> None:
    await indexed(node)
    node.federation.parties[RESPONDER].epochs = (1, 2)
    node.federation.publish()
    await node.points.follow()
    assert await node.points.hold()
    await node.caseload.update()
    node.federation.parties[RESPONDER].epochs = (2,)
    node.federation.publish()
    await node.points.follow()
    assert await node.points.hold()
    assert await node.entries(EntryKind.ALARM_RAISED) == []

    rekey(holder(node.federation, role), RESPONDER, epoch=2)
    node.federation.publish()
    with pytest.raises(WardgateError):
        await node.points.hold()


async def test_points_are_pinned_with_the_pseudonyms_that_are_made_under_them(node: NodeHouse) -> None:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()  # the directory was not followed yet
    async with node.engine.connect() as connection:
        pinned = await store.all_points(connection)
    agency = node.federation.directory.agency(RESPONDER)
    assert pinned == {PointKey(RESPONDER, 1, role): agency.points(role)[1] for role in HOLDERS}


@pytest.mark.parametrize("role", HOLDERS)
async def test_no_pseudonym_is_written_beside_those_of_another_point(node: NodeHouse, role: Role) -> None:
    await indexed(node)
    await replaced(node, RESPONDER, role)
    node.sources[0].hold(STRANGER, log_entry(STRANGER))
    with pytest.raises(WardgateError) as caught:
        await node.caseload.update()
    assert caught.value.code is ErrorCode.POINTS_REPLACED
    async with node.engine.connect() as connection:
        assert len((await connection.exec_driver_sql("SELECT 1 FROM child")).all()) == 1


async def test_a_node_that_is_not_listed_has_nothing_to_hold_anybody_to(node: NodeHouse) -> None:
    node.federation.publish(RESPONDER)
    await node.points.follow()
    assert await node.points.hold()


async def test_an_agency_that_left_and_comes_back_is_held_to_what_it_had(node: NodeHouse) -> None:
    await indexed(node)
    node.federation.publish(REQUESTER)
    await node.points.follow()
    await replaced(node, REQUESTER, "gateway")
    (alarm,) = await node.entries(EntryKind.ALARM_RAISED)
    assert alarm["points"] == [f"{REQUESTER}/1/gateway"]
