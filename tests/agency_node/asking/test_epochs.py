"""Questions while this agency's or a target's epoch is turned: the epoch that is said is the pseudonym's own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from agency_node.asking.composing import OwnPseudonym
from agency_node.asking.own_pseudonyms import OwnPseudonyms
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.query import Ticket
from federation.wire.v1 import query_pb2 as wire
from keys.nhs_number import NhsNumber
from tests.support.asking import MANAGER, QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.node_house import NodeHouse, log_entry, number
from tests.support.two_agencies import REQUESTER, RESPONDER

CHILD = number(1)


@dataclass
class Asked(AskedGateway):
    """Keeps the tickets, and refuses so many first questions for their epoch."""

    refusals: int = 0
    tickets: list[Ticket] = field(default_factory=list)

    async def ask(self, request: wire.AskRequest) -> AsyncIterator[wire.QueryEvent]:
        self.tickets.append(Ticket.parse(request.ticket))
        if self.refusals:
            self.refusals -= 1
            raise WardgateError(ErrorCode.EPOCH_UNKNOWN, "test")
        async for event in super().ask(request):
            yield event


def turn(node: NodeHouse, agency: str, *epochs: int) -> None:
    node.federation.parties[agency].epochs = epochs
    node.federation.publish()


@pytest.fixture
def manager(node: NodeHouse) -> NodeHouse:
    node.users.append(MANAGER)
    return node


@pytest.mark.parametrize("epochs", [(1, 2), (2,)])
async def test_a_directory_that_comes_between_pseudonym_and_question_does_not_relabel_the_pseudonym(
    manager: NodeHouse, epochs: tuple[int, ...]
) -> None:
    """A pseudonym of one epoch sent out as one of another is a child that nobody knows: "nothing held", everywhere."""
    gateway = Asked(manager.federation)
    asking = asking_of(manager, pursuits_of(manager, gateway))

    class Between:
        async def pseudonym_of(self, found: NhsNumber) -> OwnPseudonym:
            made = OwnPseudonym(manager.federation.pseudonym(REQUESTER, found, 1), 1)
            turn(manager, REQUESTER, *epochs)
            await asyncio.sleep(0)
            return made

    asking._pseudonyms = Between()
    await asking.put(QUESTION)
    (ticket,) = gateway.tickets
    assert ticket.epoch == 1


async def test_a_stored_pseudonym_and_one_evaluated_live_come_with_their_epoch(node: NodeHouse) -> None:
    own = OwnPseudonyms(engine=node.engine, vault=node.vault, pseudonyms=node.pseudonyms, points=node.points)
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    assert await own.pseudonym_of(CHILD) == OwnPseudonym(node.federation.pseudonym(RESPONDER, CHILD, 1), 1)
    turn(node, RESPONDER, 1, 2)
    of_two = OwnPseudonym(node.federation.pseudonym(RESPONDER, CHILD, 2), 2)
    assert await own.pseudonym_of(CHILD) == of_two  # evaluated: the caseload has not moved
    await node.caseload.update()
    assert await own.pseudonym_of(CHILD) == of_two


async def test_a_question_whose_epoch_has_just_ended_is_put_again_by_the_newest_directory(manager: NodeHouse) -> None:
    gateway = Asked(manager.federation, refusals=1)
    picture: Any = await asking_of(manager, pursuits_of(manager, gateway)).put(QUESTION)
    assert len({ticket.query_sha256 for ticket in gateway.tickets}) == 2
    assert picture["completeness"] == "complete"
    assert len(await manager.entries(EntryKind.QUERY_ASKED)) == 2


async def test_one_that_is_refused_again_is_refused(manager: NodeHouse) -> None:
    gateway = Asked(manager.federation, refusals=2)
    with pytest.raises(WardgateError) as caught:
        await asking_of(manager, pursuits_of(manager, gateway)).put(QUESTION)
    assert caught.value.code is ErrorCode.EPOCH_UNKNOWN
    assert len(gateway.tickets) == 2
