"""What a worker says, when, and what it does not say. The link is a list."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from agency_node.answering import desk
from agency_node.answering.consideration import Patience
from agency_node.answering.departure import Departure
from agency_node.answering.desk import Reply
from agency_node.answering.intake import Arrival
from agency_node.answering.overlay import Overlay
from agency_node.answering.task import VerifiedTask
from agency_node.answering.weighing import Weighed
from agency_node.answering.worker import Worker
from agency_node.store.tables import TaskState
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.ledger.journal import Journal
from federation.wire.v1 import link_pb2 as wire
from tests.support.node_house import NodeHouse, log_entry, number
from tests.support.two_agencies import Put
from tests.support.waiting import until

CHILD, STRANGER = number(1), number(2)


@dataclass
class Outlet:
    """Keeps what is said; may have gone."""

    said: list[wire.AttachRequest] = field(default_factory=list)
    is_gone: bool = False

    async def say(self, message: wire.AttachRequest) -> None:
        if self.is_gone:
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, "test")
        self.said.append(message)

    @property
    def kinds(self) -> list[str]:
        return [str(message.WhichOneof("message")) for message in self.said]


@dataclass
class Leaving:
    """A clock and a sleep of one's own: every wait is counted, none takes time."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Bench:
    node: NodeHouse
    worker: Worker
    outlet: Outlet
    leaving: Leaving

    async def work(self, put: Put) -> None:
        self.worker.deliver(put.task)
        await until(lambda: self.worker.in_flight == 0)


@pytest.fixture
async def bench(node: NodeHouse) -> AsyncIterator[Bench]:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    leaving, outlet = Leaving(), Outlet()
    worker = Worker(
        intake=node.intake,
        answering=node.answering,
        departure=Departure(quantum_ms=50, monotonic=leaving.monotonic, sleep=leaving.sleep),
        max_in_flight=2,
        sleep=leaving.sleep,
    )
    await worker.attach(outlet)
    yield Bench(node, worker, outlet, leaving)
    await worker.aclose()


async def test_an_answer_that_can_be_made_at_once_is_said_without_an_acceptance(bench: Bench) -> None:
    put = bench.node.federation.ask(CHILD)

    await bench.work(put)

    assert bench.outlet.kinds == ["answer"]
    assert len(await bench.node.entries(EntryKind.ANSWERED)) == 1


async def test_where_no_answer_can_be_made_at_once_acceptance_is_said_before_it_and_with_its_lease(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, weigh = bench.node.federation.ask(CHILD), bench.node.answering._weighing.weigh

    async def weigh_later(*_: object, **__: object) -> Weighed:
        monkeypatch.undo()
        raise WardgateError(ErrorCode.POLICY_UNAVAILABLE, "test")

    monkeypatch.setattr(bench.node.answering._weighing, "weigh", weigh_later)
    await bench.work(put)

    assert bench.node.answering._weighing.weigh == weigh
    assert bench.outlet.kinds == ["accepted", "answer"]
    assert bench.outlet.said[0].accepted.lease_id == put.task.lease_id


async def test_held_and_not_held_are_said_in_the_same_words_at_the_same_moment(bench: Bench) -> None:
    bench.node.overlay = Overlay()
    moments, sizes = [], []
    for child in (CHILD, STRANGER):
        put = bench.node.federation.ask(child)
        began = bench.leaving.now
        await bench.work(put)
        moments.append(round(bench.leaving.now - began, 6))
        sizes.append(bench.outlet.said[-1].ByteSize())

    assert bench.outlet.kinds == ["answer"] * 2
    assert moments == [0.05, 0.05]
    assert sizes[0] == sizes[1]


async def test_a_referral_is_said_and_not_an_answer(bench: Bench) -> None:
    bench.node.overlay = Overlay(categories_refer=("safeguarding_log",))

    await bench.work(bench.node.federation.ask(CHILD))

    assert bench.outlet.kinds == ["referred"]


def unusable(put: Put) -> wire.Task:
    """The requester's task with a signature that does not hold."""
    put.task.admission_signature = bytes(64)
    return put.task


async def test_of_a_task_that_does_not_verify_nothing_is_said_but_that_it_cannot_be_used(bench: Bench) -> None:
    task = unusable(bench.node.federation.ask(CHILD))

    bench.worker.deliver(task)
    await until(lambda: bench.worker.in_flight == 0)

    assert bench.outlet.said == [wire.AttachRequest(rejected=wire.TaskRejected(task_id=task.task_id))]
    assert len(await bench.node.entries(EntryKind.ALARM_RAISED)) == 1


async def test_that_a_task_cannot_be_used_is_said_on_every_link_until_it_is_known_and_alarms_once(bench: Bench) -> None:
    task = unusable(bench.node.federation.ask(CHILD))
    bench.outlet.is_gone = True
    bench.worker.deliver(task)
    await until(lambda: bench.worker.in_flight == 0)

    for _ in range(2):
        outlet = Outlet()
        await bench.worker.attach(outlet)
        await until(lambda: bench.worker.in_flight == 0)
        assert outlet.kinds == ["rejected"]
    await bench.worker.stored(task.task_id)
    outlet = Outlet()
    await bench.worker.attach(outlet)
    await until(lambda: bench.worker.in_flight == 0)
    assert outlet.said == []

    bench.worker.deliver(task)  # a gateway that asks all the same hears it again, and there is no second alarm
    await until(lambda: bench.worker.in_flight == 0)
    assert outlet.kinds == ["rejected"]
    assert len(await bench.node.entries(EntryKind.ALARM_RAISED)) == 1


async def test_a_reply_key_that_is_none_is_refused_and_not_stumbled_over(bench: Bench) -> None:
    put = bench.node.federation.ask(CHILD, reply_key=b"AAA")

    await bench.work(put)

    assert bench.outlet.kinds == ["rejected"]
    (entry,) = await bench.node.entries(EntryKind.ALARM_RAISED)
    assert entry["error"] == "MESSAGE_MALFORMED"


async def test_a_sealed_part_that_does_not_open_is_refused_and_said(bench: Bench) -> None:
    put = bench.node.federation.ask(CHILD, sealed=bytes(5_232))

    await bench.work(put)

    assert bench.outlet.kinds == ["rejected"]
    (entry,) = await bench.node.entries(EntryKind.ALARM_RAISED)
    assert entry["error"] == "ENVELOPE_REJECTED"


async def test_a_task_that_the_ledger_cannot_take_is_not_accepted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = bench.node.federation.ask(CHILD)

    async def fails(*_: object) -> None:
        raise WardgateError(ErrorCode.LEDGER_UNAVAILABLE, "test")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "record", fails)
        await bench.work(put)
    assert bench.outlet.said == []

    await bench.work(put)
    assert bench.outlet.kinds == ["answer"]


async def test_an_answer_waits_for_the_ledger_to_come_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    put = bench.node.federation.ask(CHILD)
    record = Journal.record
    calls = 0

    async def fails_twice(journal: Journal, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls in {1, 3}:
            raise WardgateError(ErrorCode.LEDGER_UNAVAILABLE, "test")
        return await record(journal, *given)

    monkeypatch.setattr(Journal, "record", fails_twice)
    await bench.work(put)

    assert bench.outlet.kinds == ["accepted", "answer"]
    assert calls == 4


async def test_what_could_not_be_said_is_said_on_the_next_link(bench: Bench) -> None:
    bench.outlet.is_gone = True
    await bench.work(bench.node.federation.ask(CHILD))
    bench.worker.detach(bench.outlet)
    await bench.work(bench.node.federation.ask(STRANGER))
    following = Outlet()

    await bench.worker.attach(following)
    await until(lambda: bench.worker.in_flight == 0)

    assert following.kinds == ["answer", "answer"]


async def test_what_the_gateway_has_is_not_said_again(bench: Bench) -> None:
    put = bench.node.federation.ask(CHILD)
    await bench.work(put)
    await bench.worker.stored(put.task.task_id)
    following = Outlet()

    await bench.worker.attach(following)
    await until(lambda: bench.worker.in_flight == 0)

    assert following.said == []


async def test_a_decision_made_while_the_task_is_still_being_worked_on_is_not_lost(bench: Bench) -> None:
    bench.node.overlay = Overlay(categories_refer=("safeguarding_log",))
    put = bench.node.federation.ask(CHILD)
    deciding = bench.node.answering.answer_at_once

    async def decided_at_once(arrival: Arrival) -> Reply | None:
        reply = await deciding(arrival)
        if reply is not None and reply.state is TaskState.REFERRED:
            view = (await bench.node.decisions.waiting("dsl"))[0]
            await bench.node.decisions.decide(
                "dsl", view.referral.referral_id, decision="release", reason="Needed at once."
            )
            bench.worker.resume(reply.task_id)
        return reply

    bench.node.answering.answer_at_once = decided_at_once  # type: ignore[method-assign]  # on purpose
    bench.worker.deliver(put.task)

    await until(lambda: "answer" in bench.outlet.kinds)


async def test_no_more_are_worked_on_at_once_than_there_are_places(bench: Bench) -> None:
    weighing = bench.node.answering._weighing.weigh
    inside = most = 0
    pairs = asyncio.Barrier(2)

    async def counted(task: VerifiedTask, *, is_second: bool, patience: Patience) -> Weighed:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        try:
            await pairs.wait()
            return await weighing(task, is_second=is_second, patience=patience)
        finally:
            inside -= 1

    bench.node.answering._weighing.weigh = counted  # type: ignore[method-assign]  # on purpose
    for _ in range(6):
        bench.worker.deliver(bench.node.federation.ask(CHILD).task)
    await until(lambda: bench.worker.in_flight == 0)

    assert most == 2
    assert bench.outlet.kinds.count("answer") == 6


async def test_what_is_due_is_answered_without_being_asked(bench: Bench) -> None:
    bench.node.overlay = Overlay(categories_refer=("safeguarding_log",))
    await bench.work(bench.node.federation.ask(CHILD, expiry_s=3600))
    bench.node.clock.now += 3600 - 60

    watching = asyncio.create_task(bench.worker.watch())
    await until(lambda: "answer" in bench.outlet.kinds)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)

    assert bench.outlet.kinds[0] == "referred"
    assert set(bench.outlet.kinds[1:]) == {"answer"}  # said again as long as nobody acknowledges it


async def test_a_task_that_meets_a_defect_is_stored_and_not_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a defect")

    put = bench.node.federation.ask(CHILD)
    with monkeypatch.context() as patch:
        patch.setattr(desk, "disclose", broken)
        await bench.work(put)
    assert bench.outlet.kinds == ["accepted"]
    assert [task.task_id for task in await bench.node.answering.unfinished()] == [put.task.task_id]

    await bench.worker.attach(bench.outlet)
    await until(lambda: bench.worker.in_flight == 0)
    assert bench.outlet.kinds == ["accepted", "answer"]
