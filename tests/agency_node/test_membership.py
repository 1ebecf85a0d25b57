"""A node says who is new among the members of its areas, once, and what is described otherwise than before."""

from dataclasses import replace
from typing import Any

import pytest

from agency_node.membership import Neighbours
from federation.directory import TrustedDirectory
from federation.ledger.entry import EntryKind
from federation.vocabulary import UserRef
from tests.support.node_house import NodeHouse
from tests.support.region import Region

OWN = "camden-csc"


class Shown:
    """The members as a test has them."""

    def __init__(self, *agencies: str) -> None:
        self.region = Region.of(OWN, *agencies)
        self.areas: dict[str, list[str]] = {}
        self.directory = self.region.trusted()

    def __call__(self) -> TrustedDirectory:
        return self.directory

    def publish(self, *without: str) -> None:
        self.directory = self.region.trusted()
        agencies = {
            name: replace(agency, descriptor=agency.descriptor.model_copy(update={"areas": self.areas[name]}))
            if name in self.areas
            else agency
            for name, agency in self.directory.agencies.items()
            if name not in without
        }
        self.directory = replace(self.directory, agencies=agencies)


SOMEBODY = UserRef("ab" * 16)


def neighbours(node: NodeHouse, shown: Shown) -> Neighbours:
    return Neighbours(OWN, shown, shown, engine=node.engine, journal=node.journal, clock=node.clock)


async def told(node: NodeHouse) -> list[Any]:
    return [change for body in await node.entries(EntryKind.MEMBERS_CHANGED) for change in body["changes"]]


async def test_those_who_were_there_at_first_are_no_news_and_who_comes_is_told_once(node: NodeHouse) -> None:
    shown = Shown("met-police", "uclh")
    shown.publish("uclh")
    desk = neighbours(node, shown)
    await desk.load()
    await desk.refresh()
    assert await told(node) == []

    shown.publish()
    await desk.refresh()
    assert await told(node) == [{"agency": "uclh", "change": "new", "kind": "test_kind"}]
    again = neighbours(node, shown)
    await again.load()
    await again.refresh()
    await desk.refresh()
    assert len(await told(node)) == 1
    assert [change["agency"] for change in again.changes()] == ["uclh"]


async def test_a_change_stands_until_a_person_has_seen_it_and_the_ledger_says_who(node: NodeHouse) -> None:
    shown = Shown("met-police", "uclh")
    shown.publish("uclh", "met-police")
    desk = neighbours(node, shown)
    await desk.refresh()
    shown.publish("met-police")
    await desk.refresh()
    first = int(node.clock.now)
    node.clock.now += 400 * 24 * 3600
    shown.publish()
    await desk.refresh()
    assert [change["agency"] for change in desk.changes()] == ["met-police", "uclh"]

    assert await desk.see(SOMEBODY, until=first - 1) == 0
    assert await desk.see(SOMEBODY, until=first) == 1
    again = neighbours(node, shown)
    await again.load()
    assert [change["agency"] for change in again.changes()] == ["met-police"]
    assert await again.see(SOMEBODY, until=int(node.clock.now)) == 1
    assert await again.see(SOMEBODY, until=int(node.clock.now)) == 0
    assert again.changes() == []
    seen = await node.entries(EntryKind.MEMBERS_SEEN)
    assert [body["changes"][0]["agency"] for body in seen] == ["uclh", "met-police"]


async def test_another_description_is_told_and_another_key_of_their_own_is_not(node: NodeHouse) -> None:
    shown = Shown("met-police", "uclh")
    desk = neighbours(node, shown)
    await desk.refresh()
    shown.region.members["uclh"].change_key()
    shown.publish()
    await desk.refresh()
    assert await told(node) == []
    shown.region.members["met-police"].declared_caseload = 7
    shown.publish()
    await desk.refresh()
    assert await told(node) == [{"agency": "met-police", "change": "changed", "kind": "test_kind"}]


async def test_who_is_new_elsewhere_is_not_told(node: NodeHouse) -> None:
    shown = Shown("met-police", "faraway")
    shown.areas["faraway"] = ["elsewhere"]
    shown.publish("faraway")
    desk = neighbours(node, shown)
    await desk.refresh()
    shown.publish()
    await desk.refresh()
    assert await told(node) == []


async def test_a_node_that_is_no_member_yet_takes_nobody_for_known(node: NodeHouse) -> None:
    shown = Shown("met-police")
    shown.publish(OWN)
    desk = neighbours(node, shown)
    await desk.refresh()
    shown.publish()
    await desk.refresh()
    assert await told(node) == []


async def test_a_node_that_is_believed_no_more_says_so_once(node: NodeHouse, caplog: pytest.LogCaptureFixture) -> None:
    """Revoked, or shown by the gateway otherwise than two people approved it: it would be asked nothing any more."""
    shown = Shown("met-police", "uclh")
    shown.publish("uclh")
    desk = neighbours(node, shown)
    await desk.refresh()
    for _ in range(2):
        shown.publish(OWN, "uclh")
        await desk.refresh()
    assert await told(node) == [{"agency": OWN, "change": "left_out", "kind": ""}]
    assert "redacted" not in caplog.text.lower()
    shown.publish("uclh")
    await desk.refresh()
    assert [change["change"] for change in desk.changes()] == ["left_out"], "those it knew are no news when it is back"
    shown.publish()
    await desk.refresh()
    assert [(change["agency"], change["change"]) for change in desk.changes()] == [("uclh", "new"), (OWN, "left_out")]


async def test_a_reset_of_keys_is_told_as_soon_as_it_is_listed_whoever_believes_it(node: NodeHouse) -> None:
    shown, listed = Shown("met-police", "uclh"), Shown("met-police", "uclh")
    listed.region = shown.region
    listed.publish()
    desk = Neighbours(OWN, shown, listed, engine=node.engine, journal=node.journal, clock=node.clock)
    await desk.load()
    await desk.refresh()
    assert await told(node) == []

    shown.region.members["met-police"].reset_keys()
    listed.publish()
    shown.publish("met-police")  # the trustee's people have not approved it
    await desk.refresh()
    reset = {"agency": "met-police", "change": "keys_reset", "kind": "test_kind"}
    assert await told(node) == [reset]
    again = Neighbours(OWN, shown, listed, engine=node.engine, journal=node.journal, clock=node.clock)
    await again.load()
    listed.publish()
    shown.publish("met-police")
    await again.refresh()
    assert await told(node) == [reset], "once, also after a restart"
    assert reset.items() <= again.changes()[0].items()

    shown.region.members["met-police"].reset_keys()
    listed.publish()
    shown.publish("met-police")
    await again.refresh()
    assert await told(node) == [reset, reset]


async def test_a_reset_in_other_areas_is_no_news(node: NodeHouse) -> None:
    shown = Shown("met-police", "uclh")
    shown.areas["met-police"] = ["barnet"]
    shown.publish()
    desk = neighbours(node, shown)
    await desk.load()
    await desk.refresh()
    shown.region.members["met-police"].reset_keys()
    shown.publish()
    await desk.refresh()
    assert await told(node) == []
