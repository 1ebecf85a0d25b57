"""Whose clock is wrong, as the gateway sees it: by the signed time of a query, and by what links measure."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from agency_node.link.clock import GatewayClock
from federation.clock_difference import ClockDifference
from federation.clocks import Pairing
from federation.errors import ErrorCode, WardgateError
from federation.limits import MAX_CLOCK_SKEW_S
from federation.transport.identity import Party, PartyKind, Peer, bind_peer
from federation.wire.v1 import link_pb2
from federation.wire_version import WIRE_VERSION
from gateway.clocks import Clocks
from gateway.servicers.link import LinkServicer
from tests.support.gateway_world import CSC, POLICE, SCHOOL, World
from tests.support.two_agencies import NOW
from tests.support.waiting import until

NODE, GATEWAY = f"wardgate://node/{CSC}", "wardgate://gateway/main"


def compared(clocks: Clocks, agency: str, ahead_s: int) -> None:
    """An agency's clock, so far ahead, is measured over one message there and back."""
    theirs = Pairing(lambda: NOW + ahead_s)
    theirs.hear(clocks.reading(agency))
    clocks.hear(agency, theirs.reading())


async def refusal(world: World, ahead_s: int) -> ClockDifference | None:
    composed = world.composed(targets=[SCHOOL], now=NOW + ahead_s)
    with pytest.raises(WardgateError) as caught:
        await world.stream(composed).opening()
    assert caught.value.code is ErrorCode.QUERY_EXPIRED
    return caught.value.clock


async def test_a_requester_from_the_future_is_told_by_how_much(world: World) -> None:
    assert await refusal(world, 300) == ClockDifference(NODE, GATEWAY, 300)


async def test_a_query_within_the_skew_is_admitted(world: World) -> None:
    admission = await world.put(world.composed(targets=[SCHOOL], now=NOW + MAX_CLOCK_SKEW_S))
    assert admission.effect == "permit"


async def test_with_two_others_that_agree_the_requester_is_named(world: World) -> None:
    for agency, ahead_s in ((CSC, 300), (SCHOOL, 0), (POLICE, 1)):
        compared(world.clocks, agency, ahead_s)
    assert await refusal(world, 300) == ClockDifference(NODE, GATEWAY, 300, wrong=NODE)
    assert world.clocks.own_is_right()


async def test_with_two_others_that_differ_the_same_way_the_gateway_is_named(world: World) -> None:
    for agency in (CSC, SCHOOL, POLICE):
        compared(world.clocks, agency, 300)
    assert await refusal(world, 300) == ClockDifference(NODE, GATEWAY, 300, wrong=GATEWAY)
    assert not world.clocks.own_is_right()
    assert world.clocks.ahead_s(SCHOOL) == 0  # it is not the school's clock that is wrong


async def test_one_that_differs_alone_does_not_make_the_gateway_doubt_itself(world: World) -> None:
    compared(world.clocks, CSC, -7200)
    assert world.clocks.own_is_right()
    compared(world.clocks, SCHOOL, 0)
    compared(world.clocks, POLICE, 7200)
    assert world.clocks.own_is_right()  # two that differ, each its own way


async def test_a_query_that_merely_ended_names_no_clock(world: World) -> None:
    composed = world.composed(targets=[SCHOOL], expiry_s=60)
    world.clock.now += 61
    with pytest.raises(WardgateError) as caught:
        await world.stream(composed).opening()
    assert caught.value.clock is None


@pytest.mark.parametrize("ahead_s", [-7200, 7200])
async def test_whoever_asks_hears_that_a_responders_clock_is_wrong(world: World, ahead_s: int) -> None:
    for agency, ahead in ((SCHOOL, ahead_s), (POLICE, 0), (CSC, 0)):
        compared(world.clocks, agency, ahead)
    composed = world.composed(targets=[SCHOOL, POLICE])
    stream = world.stream(composed)
    await stream.opening()
    event = await stream.take()
    assert (event.target.responder, event.target.clock_ahead_s) == (SCHOOL, ahead_s)
    await stream.aclose()
    compared(world.clocks, SCHOOL, 0)
    resumed = world.resumed(composed)
    await resumed.opening()
    assert (await resumed.take()).target.clock_ahead_s == 0
    await resumed.aclose()


async def test_a_link_compares_both_clocks_with_its_first_messages(world: World) -> None:
    bind_peer(Peer(Party(PartyKind.NODE, SCHOOL), "01", "", NOW + 3600))
    servicer = LinkServicer(links=world.links, answers=world.answers, clocks=world.clocks, caseloads=world.caseloads)
    node = GatewayClock(own=Party(PartyKind.NODE, SCHOOL), gateway=Party(PartyKind.GATEWAY, "main"), clock=_ahead)
    said: asyncio.Queue[link_pb2.AttachRequest] = asyncio.Queue()

    async def requests() -> AsyncIterator[link_pb2.AttachRequest]:
        while True:
            yield await said.get()

    said.put_nowait(
        link_pb2.AttachRequest(hello=link_pb2.Hello(max_in_flight=4, clock=node.reading(), wire_version=WIRE_VERSION))
    )
    stream = servicer.Attach(requests(), cast("Any", None))
    probe = (await anext(stream)).probe
    node.hear(probe.clock)
    said.put_nowait(link_pb2.AttachRequest(probe_reply=link_pb2.Probe(nonce=probe.nonce, clock=node.reading())))
    await until(lambda: world.clocks.ahead_s(SCHOOL) == 7200)
    assert node.difference() == ClockDifference(f"wardgate://node/{SCHOOL}", GATEWAY, 7200)
    await cast("Any", stream).aclose()


async def test_calls_in_place_of_a_stream_compare_both_clocks(world: World) -> None:
    bind_peer(Peer(Party(PartyKind.NODE, SCHOOL), "01", "", NOW + 3600))
    servicer = LinkServicer(links=world.links, answers=world.answers, clocks=world.clocks, caseloads=world.caseloads)
    node = GatewayClock(own=Party(PartyKind.NODE, SCHOOL), gateway=Party(PartyKind.GATEWAY, "main"), clock=_ahead)
    for _ in range(2):
        request = link_pb2.ClaimRequest(max_tasks=1, wait_s=0, clock=node.reading(), wire_version=WIRE_VERSION)
        node.hear((await servicer.Claim(request, cast("Any", None))).clock)
    assert not node.agrees()
    assert world.clocks.ahead_s(SCHOOL) == 7200


def _ahead() -> float:
    return NOW + 7200
