"""The link over real gRPC and mutual TLS, through networks that keep streams, cut them, stall them or refuse them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from agency_node.answering.departure import Departure
from agency_node.answering.overlay import Overlay
from agency_node.answering.worker import Worker
from agency_node.link.clock import GatewayClock
from agency_node.link.holding import GrpcLinkGateway, Link, LinkTimes
from agency_node.store.tables import TaskState, metadata
from federation.ledger.entry import EntryKind
from federation.transport.backoff import Backoff
from federation.transport.identity import Party, PartyKind
from tests.support.link_gateway import LinkGateway
from tests.support.node_house import NodeHouse, log_entry, number
from tests.support.proxy import Proxy, proxy_to
from tests.support.transport import World
from tests.support.two_agencies import Put
from tests.support.waiting import until

NODE, GATEWAY = Party(PartyKind.NODE, "testshire-school"), Party(PartyKind.GATEWAY, "main")
CHILD = number(1)
TASK = metadata.tables["task"]
TIMES = LinkTimes(fallback_s=1.5, deaths=2, deaths_window_s=60.0, steady_s=60.0, silence_s=1.0)


@dataclass
class Setting:
    """A node with its link, a network and a gateway."""

    node: NodeHouse
    gateway: LinkGateway
    proxy: Proxy
    link: Link
    worker: Worker

    def put(self) -> Put:
        put = self.node.federation.ask(CHILD)
        self.gateway.offer(put.task)
        return put

    async def state(self, put: Put) -> str:
        async with self.node.engine.connect() as connection:
            row = (await connection.execute(select(TASK.c.state).where(TASK.c.task_id == put.task.task_id))).first()
        return row.state if row else ""

    async def until_state(self, state: TaskState, *puts: Put) -> None:
        async def reached() -> bool:
            return [await self.state(put) for put in puts] == [state] * len(puts)

        await until(reached)

    async def until_stored(self, *puts: Put) -> None:
        await self.until_state(TaskState.STORED, *puts)

    async def until_streams(self, count: int) -> None:
        await until(lambda: self.gateway.streams >= count)


@asynccontextmanager
async def setting(node: NodeHouse, gateway: LinkGateway, times: LinkTimes = TIMES) -> AsyncIterator[Setting]:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    world = World()
    async with (
        world.serving(*gateway.handlers()) as server,
        proxy_to(server.port) as proxy,
        world.calling(server, port=proxy.port) as channel,
    ):
        worker = Worker(
            intake=node.intake,
            answering=node.answering,
            departure=Departure(quantum_ms=10, monotonic=asyncio.get_running_loop().time, sleep=asyncio.sleep),
            max_in_flight=4,
        )
        link = Link(
            GrpcLinkGateway(channel),
            worker,
            clock=GatewayClock(own=NODE, gateway=GATEWAY, clock=node.clock),
            max_in_flight=4,
            absent_until=lambda: 77,
            caseload_epoch=lambda: 3,
            times=times,
            backoff=Backoff(first_s=0.05, longest_s=0.1),
        )
        running = asyncio.create_task(link.run())
        try:
            yield Setting(node, gateway, proxy, link, worker)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_tasks_come_down_and_answers_go_up(node: NodeHouse) -> None:
    async with setting(node, LinkGateway()) as its:
        puts = [its.put() for _ in range(6)]

        await its.until_stored(*puts)

        for put in puts:
            assert its.gateway.kinds(put.task.task_id) == ["answer"]
            assert put.opened(its.gateway.answers[put.task.task_id][0].SerializeToString()).records
        assert its.link.is_up
        assert its.gateway.hellos[0].max_in_flight == 4
        assert its.gateway.hellos[0].absent_until == 77
        assert its.gateway.hellos[0].caseload_epoch == 3
        assert [kind for kind, _ in its.gateway.said if kind == "probe_reply"]


async def test_an_answer_that_was_not_acknowledged_is_sent_again_on_the_next_link(node: NodeHouse) -> None:
    gateway = LinkGateway(acknowledges=False)
    async with setting(node, gateway) as its:
        put = its.put()
        await gateway.until_answered(put.task.task_id)
        assert await its.state(put) == TaskState.ANSWERED

        gateway.acknowledges = True
        its.proxy.kill_all()
        await its.until_stored(put)

        sent = {answer.SerializeToString() for answer in gateway.answers[put.task.task_id]}
        assert len(gateway.answers[put.task.task_id]) >= 2
        assert len(sent) == 1
        assert len(await node.entries(EntryKind.ANSWERED)) == 1


async def test_a_link_cut_again_and_again_loses_no_task(node: NodeHouse) -> None:
    async with setting(node, LinkGateway(), LinkTimes(deaths=1000, silence_s=1.0)) as its:
        puts = []
        for cut in range(5):
            puts += [its.put() for _ in range(3)]
            await its.until_streams(cut + 1)
            its.proxy.kill_all()

        await its.until_stored(*puts)

        assert its.gateway.streams > 5
        assert len(await node.entries(EntryKind.ANSWERED)) == 15


async def test_where_streams_are_refused_tasks_are_fetched_call_by_call(node: NodeHouse) -> None:
    gateway = LinkGateway(refuses_streams=True)
    async with setting(node, gateway) as its:
        puts = [its.put() for _ in range(3)]

        await its.until_stored(*puts)

        assert (gateway.streams, gateway.claims > 0) == (0, True)
        for put in puts:
            assert gateway.kinds(put.task.task_id) == ["answer"]


async def test_a_stream_is_tried_again_later(node: NodeHouse) -> None:
    gateway = LinkGateway(refuses_streams=True)
    async with setting(node, gateway) as its:
        first = its.put()
        await its.until_stored(first)

        gateway.refuses_streams = False
        await until(lambda: gateway.streams > 0)
        second = its.put()
        await its.until_stored(second)


async def test_a_network_that_kills_every_stream_is_got_along_with(node: NodeHouse) -> None:
    gateway = LinkGateway(probe_s=0.05)
    async with setting(node, gateway) as its:
        its.proxy.longest_s = 0.15
        await until(lambda: gateway.claims > 0)
        puts = [its.put() for _ in range(2)]

        await its.until_stored(*puts)


async def test_a_stream_that_is_deaf_is_closed_and_replaced(node: NodeHouse) -> None:
    async with setting(node, LinkGateway()) as its:
        first = its.put()
        await its.until_stored(first)
        streams = its.gateway.streams

        its.proxy.stalled = True
        second = its.put()
        await until(lambda: not its.link.is_up)
        its.proxy.stalled = False
        await its.until_stored(second)

        assert its.gateway.streams > streams or its.gateway.claims > 0


async def test_a_gateway_that_is_away_is_waited_for(node: NodeHouse) -> None:
    async with setting(node, LinkGateway()) as its:
        its.proxy.refusing = True
        its.proxy.kill_all()
        put = its.put()
        await asyncio.sleep(0.5)
        assert not its.link.is_up

        its.proxy.refusing = False
        await its.until_stored(put)


async def test_a_referral_is_announced_on_every_link_and_answered_after_the_decision(node: NodeHouse) -> None:
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    async with setting(node, LinkGateway()) as its:
        put = its.put()
        await its.gateway.until_said("referred", put.task.task_id)
        announced = its.gateway.kinds(put.task.task_id).count("referred")
        its.proxy.kill_all()
        await until(lambda: its.gateway.kinds(put.task.task_id).count("referred") > announced)

        view = (await node.decisions.waiting("dsl"))[0]
        await node.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="Needed.")
        its.worker.resume(put.task.task_id)

        await its.until_stored(put)
        assert put.opened(its.gateway.answers[put.task.task_id][0].SerializeToString()).records


async def test_a_decision_made_while_there_was_no_link_is_answered_on_the_next(node: NodeHouse) -> None:
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    async with setting(node, LinkGateway()) as its:
        put = its.put()
        await its.gateway.until_said("referred", put.task.task_id)
        its.proxy.refusing = True
        its.proxy.kill_all()
        view = (await node.decisions.waiting("dsl"))[0]
        await node.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="Needed.")
        # As the node's composition does: an attempt at a link may have looked through the store before the decision.
        its.worker.resume(put.task.task_id)
        its.proxy.refusing = False

        await its.until_stored(put)


@pytest.mark.parametrize("refuses_streams", [False, True], ids=["stream", "call by call"])
async def test_a_task_that_does_not_verify_is_neither_accepted_nor_answered_but_rejected_once(
    node: NodeHouse,
    refuses_streams: bool,  # noqa: FBT001 - pytest names it
) -> None:
    async with setting(node, LinkGateway(refuses_streams=refuses_streams)) as its:
        bad = node.federation.ask(CHILD)
        bad.task.signature = bytes(64)
        its.gateway.offer(bad.task)
        good = its.put()

        await its.until_stored(good)

        async def alarmed() -> bool:
            return bool(await node.entries(EntryKind.ALARM_RAISED))

        await until(alarmed)

        await its.gateway.until_said("rejected", bad.task.task_id)
        await its.until_state(TaskState.REJECTED, bad)
        assert its.gateway.kinds(bad.task.task_id) == ["rejected"]


async def test_a_cancelled_task_is_not_answered(node: NodeHouse) -> None:
    node.overlay = Overlay(categories_refer=("safeguarding_log",))
    async with setting(node, LinkGateway()) as its:
        put = its.put()
        await its.gateway.until_said("referred", put.task.task_id)

        its.gateway.cancel(put.task.task_id)

        await its.until_state(TaskState.CANCELLED, put)
        assert await node.decisions.waiting("dsl") == []


async def test_an_answer_that_the_gateway_no_longer_wants_is_let_go_call_by_call_too(node: NodeHouse) -> None:
    gateway = LinkGateway(refuses_streams=True)
    async with setting(node, gateway) as its:
        put = node.federation.ask(CHILD)
        await node.accept(put.task)

        await its.until_state(TaskState.CANCELLED, put)


async def test_no_more_tasks_are_worked_on_at_once_than_the_node_said(node: NodeHouse) -> None:
    async with setting(node, LinkGateway()) as its:
        puts = [its.put() for _ in range(20)]

        await its.until_stored(*puts)

        assert its.gateway.most_at_once <= 4


async def test_what_a_hello_says_is_said_again_when_it_changes(node: NodeHouse) -> None:
    async with setting(node, LinkGateway()) as its:
        await its.until_stored(its.put())

        await its.link.say_again()

        await until(lambda: len(its.gateway.hellos) == 2)


@pytest.mark.parametrize("refuses_streams", [False, True])
async def test_a_restart_finishes_what_was_begun(
    node: NodeHouse,
    refuses_streams: bool,  # noqa: FBT001 - a column of the table
) -> None:
    put = node.federation.ask(CHILD)
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    await node.accept(put.task)
    node.sources[0].rows.clear()
    gateway = LinkGateway(refuses_streams=refuses_streams)
    gateway.tasks[put.task.task_id] = put.task

    async with setting(node, gateway) as its:
        await its.until_stored(put)

        assert len(await node.entries(EntryKind.ANSWERED)) == 1
