"""A node whose clock, or whose gateway's, is wrong says so: in health, in its log, to who asks and who answers."""

import pytest

from agency_node.asking.pursuit import CLOCK_FAULT
from agency_node.link.clock import GatewayClock
from agency_node.store import asked as store
from agency_node.store.tables import TaskState
from federation.canonical import JsonObject
from federation.clock_difference import ClockDifference
from federation.clocks import Pairing
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.transport.identity import Party, PartyKind
from federation.vocabulary import TargetState
from federation.wire.v1 import link_pb2 as wire
from federation.wire.v1 import query_pb2
from tests.agency_node.asking.test_pursuit import (
    SETTLED,
    UNSETTLED,
    Chase,
    Gateway,
    Script,
    admission_of,
    answer_of,
    stored,
)
from tests.support.asking import MANAGER, QUESTION, AskedGateway, asking_of, pursuits_of
from tests.support.node_house import NodeHouse, number
from tests.support.two_agencies import NOW, RESPONDER
from tests.support.waiting import until

NODE, GATEWAY = Party(PartyKind.NODE, "testshire-csc"), Party(PartyKind.GATEWAY, "main")
CHILD = number(1)


def compared(ahead_s: int, wrong: "wire.ClockSide.ValueType" = wire.CLOCK_SIDE_UNSPECIFIED) -> GatewayClock:
    """A node whose gateway is so far ahead of it."""
    found = GatewayClock(own=NODE, gateway=GATEWAY, clock=lambda: NOW)
    theirs = Pairing(lambda: NOW + ahead_s)
    theirs.hear(found.reading())
    reading = theirs.reading()
    reading.wrong = wrong
    found.hear(reading)
    return found


@pytest.mark.parametrize("ahead_s", [0, 10, -10])
def test_clocks_within_the_tolerance_agree(ahead_s: int) -> None:
    found = compared(ahead_s)
    assert found.agrees()
    assert found.difference() is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (wire.CLOCK_SIDE_UNSPECIFIED, ""),
        (wire.CLOCK_SIDE_NODE, NODE.uri),
        (wire.CLOCK_SIDE_GATEWAY, GATEWAY.uri),
    ],
)
def test_clocks_that_differ_are_named(wrong: "wire.ClockSide.ValueType", named: str) -> None:
    found = compared(300, wrong)
    assert not found.agrees()
    assert found.difference() == ClockDifference(NODE.uri, GATEWAY.uri, -300, named)
    text = str(found.difference())
    assert f"The clock of {NODE.uri} is about 300 seconds behind that of {GATEWAY.uri}." in text
    assert (f"That of {named} is wrong." if named else "Whose is wrong is not known here.") in text


def test_a_gateway_that_says_nothing_of_the_time_is_not_doubted() -> None:
    found = GatewayClock(own=NODE, gateway=GATEWAY, clock=lambda: NOW)
    found.hear(wire.ClockReading())
    assert found.agrees()


@pytest.mark.parametrize(
    ("shift_s", "told"), [(-31, True), (-30, False), (-7200, True), (3600 + 60, False), (3600 + 61, True)]
)
async def test_a_task_of_another_time_raises_the_alarm_once(
    node: NodeHouse, caplog: pytest.LogCaptureFixture, shift_s: int, *, told: bool
) -> None:
    put = node.federation.ask(CHILD, expiry_s=3600)
    node.clock.now = NOW + shift_s
    await node.intake.examine(put.task)
    arrived = await node.intake.examine(put.task)
    lines = [record for record in caplog.records if Event.TASK_OUT_OF_TIME in str(record.msg)]
    assert len(lines) == (1 if told else 0)
    if told:
        assert arrived is TaskState.EXPIRED
        node.clock.now = NOW  # nothing was kept: set right, it is taken in
        assert not isinstance(await node.intake.examine(put.task), TaskState)


def clock_update(ahead_s: int, state: TargetState = TargetState.WAITING) -> query_pb2.QueryEvent:
    value = query_pb2.TargetState.Value(f"TARGET_STATE_{state.name}")
    update = query_pb2.TargetUpdate(responder=RESPONDER, state=value, clock_ahead_s=ahead_s)
    return query_pb2.QueryEvent(target=update)


async def test_a_targets_wrong_clock_is_its_fault_until_it_answers(
    node: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = node.federation.ask(CHILD)
    query_id = await stored(node, put)
    chase = Chase(node, Script([admission_of(put), clock_update(7200), UNSETTLED], [answer_of(put), SETTLED]))
    faults = list[tuple[str, int]]()
    acknowledge = chase.script.acknowledge

    async def watched(query: str, task_ids: list[str], *, close: bool) -> JsonObject:
        faults.append(((await chase.rows(query_id))[1].fault, len(task_ids)))
        return await acknowledge(query, task_ids, close=close)

    monkeypatch.setattr(chase.script, "acknowledge", watched)
    await chase.run(query_id)
    assert faults == [(CLOCK_FAULT, 0), ("", 1)]


async def test_a_clock_that_was_set_right_is_no_fault_any_more(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD)
    query_id = await stored(node, put)
    chase = Chase(node, Script([admission_of(put), clock_update(-7200), clock_update(0), SETTLED]))
    await chase.run(query_id)
    _, target = await chase.rows(query_id)
    assert target.fault == ""


async def test_how_far_a_clock_is_off_is_not_known_after_a_restart_until_the_gateway_says_it(node: NodeHouse) -> None:
    put = node.federation.ask(CHILD)
    query_id = await stored(node, put)
    await node.journal.record([], store.target_faulted(query_id, RESPONDER, CLOCK_FAULT))
    pursuits = pursuits_of(node, Gateway([admission_of(put), clock_update(-7200)]))

    pursuit = await pursuits.start(query_id)

    assert pursuit.clocks == {RESPONDER: None}
    await until(lambda: pursuit.clocks == {RESPONDER: -7200})
    await pursuits.aclose()


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [
        (7200, "is about 7200 seconds ahead of the gateway's"),
        (-11, "is about 11 seconds behind the gateway's"),
        (None, "differs from the gateway's"),
        (0, ""),
    ],
)
async def test_a_picture_names_the_clock_of_a_target_and_makes_up_no_number(
    node: NodeHouse, monkeypatch: pytest.MonkeyPatch, ahead_s: int | None, words: str
) -> None:
    node.users = [MANAGER]
    pursuits = pursuits_of(node, AskedGateway(node.federation, silent=True))
    asking = asking_of(node, pursuits, lambda: None)

    async def at_once(*_: object) -> None: ...

    monkeypatch.setattr(asking, "_await_picture", at_once)
    query_id = (await asking.put(QUESTION))["query_id"]
    pursuit = pursuits.following(query_id)
    assert pursuit is not None
    pursuit.clocks = {RESPONDER: ahead_s}

    warnings = [text for text in (await asking.picture(query_id, "manager"))["warnings"] if "The clock of" in text]

    assert [words in text for text in warnings] == ([True] if words else [])
    await pursuits.aclose()


@pytest.mark.parametrize("known_by", ["the gateway", "this node's own link"])
async def test_whoever_asks_is_told_whose_clock_made_the_query_fail(node: NodeHouse, known_by: str) -> None:
    node.users = [MANAGER]
    told = ClockDifference(NODE.uri, GATEWAY.uri, -300, GATEWAY.uri)
    by_gateway = known_by == "the gateway"
    gateway = AskedGateway(node.federation, expired=True, clock=told if by_gateway else None)
    pursuits = pursuits_of(node, gateway)
    asking = asking_of(node, pursuits, lambda: None if by_gateway else told)
    with pytest.raises(WardgateError) as caught:
        await asking.put(QUESTION)
    assert (caught.value.code, caught.value.clock) == (ErrorCode.QUERY_EXPIRED, told)
    await pursuits.aclose()


async def test_a_picture_names_the_clocks_as_long_as_they_differ(
    node: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.users = [MANAGER]
    told = ClockDifference(NODE.uri, GATEWAY.uri, 300)
    difference: list[ClockDifference | None] = [told]
    pursuits = pursuits_of(node, AskedGateway(node.federation, silent=True))
    asking = asking_of(node, pursuits, lambda: difference[0])

    async def at_once(*_: object) -> None: ...

    monkeypatch.setattr(asking, "_await_picture", at_once)
    picture = await asking.put(QUESTION)
    assert str(told) in picture["warnings"]
    difference[0] = None
    assert str(told) not in (await asking.picture(picture["query_id"], "manager"))["warnings"]
    await pursuits.aclose()
