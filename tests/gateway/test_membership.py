"""The gateway acts on nobody whom the trustee's register does not show, and passes the register on as it is."""

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.following.alarm import Disbelief
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.register import LIFE_S
from federation.wire.v1 import directory_pb2 as wire
from gateway.membership import Membership
from tests.federation.following.test_register import Desk, OpenDesk, TrusteeSide, clock, open_desk, trustee
from tests.support.trustee_house import Clock

__all__ = ["clock", "open_desk", "trustee"]


class Asked:
    """The trustee, counting what it is asked."""

    def __init__(self, side: TrusteeSide) -> None:
        self.side = side
        self.asked: list[tuple[int, int]] = []

    async def register(self, known_version: int, known_size: int) -> wire.ShownRegister:
        self.asked.append((known_version, known_size))
        return await self.side.register(known_version, known_size)


@pytest.fixture
async def world(open_desk: OpenDesk, trustee: TrusteeSide, clock: Clock) -> tuple[Membership, Asked, Desk]:
    desk, asked = await open_desk(), Asked(trustee)
    journal: Journal = desk.journal
    return (
        Membership(
            asked,
            desk.followed,
            listed=lambda: trustee.listed,
            disbelief=Disbelief(Event.TRUSTEE_NOT_BELIEVED, journal=journal, clock=clock),
            clock=clock,
        ),
        asked,
        desk,
    )


World = tuple[Membership, Asked, Desk]


async def test_nobody_is_acted_on_before_the_register_shows_them(world: World, trustee: TrusteeSide) -> None:
    membership, _, _ = world
    assert membership.current().agencies == {}
    await membership.refresh()
    assert sorted(membership.current().agencies) == ["camden-csc", "met-police"]
    await trustee.approve("uclh")
    await membership.refresh()
    assert sorted(membership.current().agencies) == ["camden-csc", "met-police", "uclh"]


async def test_the_trustee_is_asked_once_for_all_who_know_the_same(world: World) -> None:
    membership, asked, _ = world
    await membership.refresh()
    shown = await membership.shown(0, 0)
    for _ in range(4):
        assert await membership.shown(0, 0) == shown
    assert shown.register
    assert asked.asked == [(0, 0)]
    assert (await membership.shown(1, 0)).head.checkpoint == shown.head.checkpoint
    assert len(asked.asked) == 2


async def test_no_node_sees_a_newer_register_before_this_gateway_believes_it(
    world: World, trustee: TrusteeSide
) -> None:
    membership, _, _ = world
    await membership.refresh()
    await trustee.approve("uclh")
    shown = await membership.shown(0, 0)
    assert b"uclh" in shown.register
    assert "uclh" in membership.current().agencies


async def test_a_trustee_that_is_not_believed_is_an_alarm_and_health_says_so(
    world: World, trustee: TrusteeSide, clock: Clock
) -> None:
    membership, _, desk = world
    await membership.refresh()
    membership.check_current()
    trustee.tamper = lambda shown: shown.Clear()
    await membership.refresh()
    await membership.refresh()
    entries = [Entry.parse(stored.content) for stored in await desk.journal.entries(0, 100)]
    (alarm,) = [entry.body for entry in entries if entry.kind is EntryKind.ALARM_RAISED]
    assert alarm["alarm"] == "TRUSTEE_NOT_BELIEVED"
    with pytest.raises(WardgateError):
        membership.check_current()
    trustee.tamper = None
    await membership.refresh()
    membership.check_current()
    clock.now += LIFE_S
    with pytest.raises(WardgateError) as caught:
        membership.check_current()
    assert caught.value.code is ErrorCode.REGISTER_REJECTED
