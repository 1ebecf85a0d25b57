"""A node follows its epochs between runs, and knows how far it is."""

import asyncio

import pytest

from agency_node.caseload.moving import AFTER_FAILURE_S, LOOK_EVERY_S, EpochFollower
from federation.errors import ErrorCode, WardgateError
from tests.support.node_house import NodeHouse, log_entry, number
from tests.support.two_agencies import RESPONDER
from tests.support.waiting import until

CHILDREN = [number(position) for position in range(3)]


class Followed:
    """A follower of a house, what it told, and its pauses, which take no time."""

    def __init__(self, node: NodeHouse) -> None:
        self.told: list[int] = []
        self.pauses: list[float] = []
        self.is_ready = asyncio.Event()
        self.follower = EpochFollower(
            node.caseload,
            engine=node.engine,
            agency=lambda: node.federation.directory.agency(RESPONDER),
            ready=self._ready,
            changed=self._changed,
            sleep=self._sleep,
        )

    async def _ready(self) -> None:
        await self.is_ready.wait()

    async def _changed(self) -> None:
        self.told.append(self.follower.oldest)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


def publish(node: NodeHouse, *epochs: int) -> None:
    node.federation.parties[RESPONDER].epochs = epochs
    node.federation.publish()


async def indexed(node: NodeHouse) -> None:
    for child in CHILDREN:
        node.sources[0].hold(child, log_entry(child, f"log:{child.identifier_input().hex()}"))
    await node.caseload.update()


async def test_children_are_moved_as_soon_as_the_directory_shows_the_epoch_and_no_source_is_read(
    node: NodeHouse,
) -> None:
    await indexed(node)
    followed, readings = Followed(node), node.sources[0].readings
    await followed.follower.once()
    assert (followed.follower.oldest, followed.told) == (1, [1])
    publish(node, 1, 2)

    await followed.follower.once()

    assert (followed.follower.oldest, followed.told) == (2, [1, 2])
    assert node.sources[0].readings == readings
    for epoch in (1, 2):
        found = await node.lookup.find(node.federation.pseudonym(RESPONDER, CHILDREN[0], epoch))
        assert found.number == CHILDREN[0]


async def test_when_the_overlap_is_over_old_pseudonyms_are_forgotten(node: NodeHouse) -> None:
    await indexed(node)
    followed = Followed(node)
    for epochs in ((1,), (1, 2), (2,)):
        publish(node, *epochs)
        await followed.follower.once()
    assert (await node.lookup.find(node.federation.pseudonym(RESPONDER, CHILDREN[0], 1))).number is None
    assert (await node.lookup.find(node.federation.pseudonym(RESPONDER, CHILDREN[0], 2))).number == CHILDREN[0]
    assert followed.told == [1, 2]


async def test_a_caseload_without_children_is_where_the_directory_is(node: NodeHouse) -> None:
    followed = Followed(node)
    assert followed.follower.oldest == 0
    for epochs in ((1,), (1, 2)):
        publish(node, *epochs)
        await followed.follower.once()
    assert followed.told == [1, 2]


async def test_what_cannot_be_moved_stays_said_to_be_where_it_is_and_is_tried_again(
    node: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await indexed(node)
    followed = Followed(node)
    followed.is_ready.set()
    await followed.follower.once()
    publish(node, 1, 2)
    evaluate = node.federation.evaluate

    async def away(_batch: object) -> object:
        raise WardgateError(ErrorCode.TRUSTEE_UNAVAILABLE, "test")

    monkeypatch.setattr(node.federation, "evaluate", away)
    running = asyncio.create_task(followed.follower.run())
    await until(lambda: len(followed.pauses) >= 2)
    assert (followed.pauses[:2], followed.follower.oldest) == ([AFTER_FAILURE_S] * 2, 1)
    monkeypatch.setattr(node.federation, "evaluate", evaluate)
    await until(lambda: followed.follower.oldest == 2)
    await until(lambda: followed.pauses[-1] == LOOK_EVERY_S)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert followed.told == [1, 2]


async def test_nothing_is_looked_at_before_the_agency_is_enrolled(node: NodeHouse) -> None:
    followed = Followed(node)
    running = asyncio.create_task(followed.follower.run())
    await asyncio.sleep(0.02)
    assert (followed.follower.oldest, followed.pauses) == (0, [])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
