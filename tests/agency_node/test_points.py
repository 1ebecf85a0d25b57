"""A node holds the key holders to the points it has seen: another under a running epoch is an alarm and an error."""

from typing import Any

import pytest

from agency_node.asking.own_pseudonyms import OwnPseudonyms
from agency_node.points import PinnedPoints, pin_used
from agency_node.store import points as store
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.seen import PointKey, PointsReplacedError
from federation.vocabulary import Outcome
from keys.holder import HolderKeys, Role
from tests.support.node_house import NodeHouse, log_entry, number
from tests.support.rekeying import rekey
from tests.support.two_agencies import NOW, RESPONDER, Federation

CHILD, STRANGER = number(1), number(2)
HOLDERS: list[Role] = ["gateway", "trustee"]


def holder(federation: Federation, role: Role) -> HolderKeys:
    return federation.gateway if role == "gateway" else federation.trustee


async def indexed(node: NodeHouse) -> None:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()


def publish(node: NodeHouse) -> None:
    """The gateway shows the next directory; the node's follower believes it or refuses it."""
    try:
        node.federation.publish()
    except PointsReplacedError as error:
        node.refused_points = error.points
    else:
        node.refused_points = ()


def replaced(node: NodeHouse, scope: str, role: Role) -> None:
    """The holder uses and publishes another key, and the node hears of it."""
    rekey(holder(node.federation, role), scope)
    publish(node)


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

    replaced(node, RESPONDER, role)

    assert await outcome(node) is Outcome.ERROR
    assert await outcome(node, STRANGER) is Outcome.ERROR


@pytest.mark.parametrize("role", HOLDERS)
@pytest.mark.parametrize("child", [CHILD, STRANGER])
async def test_with_another_point_of_ones_own_nothing_is_asked(node: NodeHouse, role: Role, child: object) -> None:
    """The child on the caseload has a stored pseudonym; the other's would be evaluated live. The node is told alike."""
    await indexed(node)
    found = await own(node).pseudonym_of(CHILD)
    assert found.pseudonym == node.federation.pseudonym(RESPONDER, CHILD)

    replaced(node, RESPONDER, role)

    with pytest.raises(WardgateError) as caught:
        await own(node).pseudonym_of(child)  # type: ignore[arg-type]  # an NHS number
    assert caught.value.code is ErrorCode.POINTS_REPLACED


@pytest.mark.parametrize("role", HOLDERS)
async def test_another_agencys_point_does_not_keep_this_one_from_answering(node: NodeHouse, role: Role) -> None:
    await indexed(node)
    replaced(node, "testshire-csc", role)
    async with node.engine.connect() as connection:
        assert not await node.points.are_replaced(connection)
    assert await node.points.hold()


@pytest.mark.parametrize("role", HOLDERS)
async def test_a_restart_forgets_nothing(node: NodeHouse, role: Role) -> None:
    await indexed(node)
    replaced(node, RESPONDER, role)
    again = PinnedPoints(
        agency=RESPONDER,
        directory=lambda: node.federation.directory,
        refused=lambda: node.refused_points,
        engine=node.engine,
    )
    with pytest.raises(WardgateError) as caught:
        await again.hold()
    assert caught.value.code is ErrorCode.POINTS_REPLACED


@pytest.mark.parametrize("role", HOLDERS)
async def test_the_point_of_before_makes_everything_well_again(node: NodeHouse, role: Role) -> None:
    await indexed(node)
    keys = holder(node.federation, role)
    inside: Any = keys
    right = inside._derive
    replaced(node, RESPONDER, role)
    inside._derive = right
    inside._relate.cache_clear()
    publish(node)
    assert await node.points.hold()
    assert await outcome(node) is Outcome.RECORDS


@pytest.mark.parametrize("role", HOLDERS)
async def test_a_new_epoch_is_no_replacement(node: NodeHouse, role: Role) -> None:
    await indexed(node)
    node.federation.parties[RESPONDER].epochs = (1, 2)
    publish(node)
    assert await node.points.hold()
    await node.caseload.update()
    node.federation.parties[RESPONDER].epochs = (2,)
    publish(node)
    assert await node.points.hold()
    assert await node.entries(EntryKind.ALARM_RAISED) == []

    rekey(holder(node.federation, role), RESPONDER, epoch=2)
    publish(node)
    with pytest.raises(WardgateError):
        await node.points.hold()


async def test_points_are_pinned_with_the_pseudonyms_that_are_made_under_them(node: NodeHouse) -> None:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()  # the directory was not followed yet
    async with node.engine.connect() as connection:
        pinned = await store.points_of(connection, RESPONDER)
    agency = node.federation.directory.agency(RESPONDER)
    assert pinned == {PointKey(RESPONDER, 1, role): agency.points(role)[1] for role in HOLDERS}


@pytest.mark.parametrize("role", HOLDERS)
async def test_no_pseudonym_is_written_beside_those_of_another_point(node: NodeHouse, role: Role) -> None:
    """The holder's proof does not fit the point that is believed; and where it did, what was pinned would not."""
    await indexed(node)
    replaced(node, RESPONDER, role)
    node.sources[0].hold(STRANGER, log_entry(STRANGER))
    with pytest.raises(WardgateError) as caught:
        await node.caseload.update()
    assert caught.value.code is ErrorCode.PROOF_REJECTED
    async with node.engine.begin() as connection:
        assert len((await connection.exec_driver_sql("SELECT 1 FROM child")).all()) == 1
        with pytest.raises(WardgateError) as caught:
            await pin_used(connection, {PointKey(RESPONDER, 1, role): bytes(32)}, NOW)
    assert caught.value.code is ErrorCode.POINTS_REPLACED


async def test_a_node_that_is_not_listed_has_nothing_to_hold_anybody_to(node: NodeHouse) -> None:
    node.federation.publish(RESPONDER)
    assert await node.points.hold()
