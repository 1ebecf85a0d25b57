"""Whatever is killed at whatever moment: nothing is lost, nothing is done twice."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agency_node.answering.consideration import Patience
from agency_node.answering.overlay import Overlay
from agency_node.answering.task import VerifiedTask
from agency_node.answering.weighing import Weighed
from agency_node.store.tables import ReferralState, TaskState, metadata
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal, Recorded
from federation.policy.evaluator import PolicyPoint
from federation.store import open_engine, writing
from keys.digest import sha256
from keys.secret import Secret
from tests.support.node_house import ListSource, NodeHouse, a_node, log_entry, number, url_of
from tests.support.two_agencies import Federation, Put

CHILD = number(1)
REFERRING = Overlay(categories_refer=("safeguarding_log",))


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


class Mortal:
    """A journal whose process dies at one of its calls, before or after the commit."""

    def __init__(self, journal: Journal, at: int, *, after_commit: bool) -> None:
        self._journal = journal
        self._at = at
        self._after_commit = after_commit
        self.calls = 0

    async def record(self, entries: list[Entry], apply: Callable[[Any], Awaitable[Any]] | None = None) -> Recorded[Any]:
        self.calls += 1
        if self.calls == self._at and not self._after_commit:
            raise Killed
        recorded = await self._journal.record(entries, apply)
        if self.calls == self._at:
            raise Killed
        return recorded


async def live(house: NodeHouse, put: Put) -> bytes:
    """The life of a referred task, every step taken again from the start, as after a restart."""
    await house.accept(put.task)
    reply = await house.answering.answer(put.task.task_id)
    for view in await house.decisions.waiting("dsl"):
        await house.decisions.decide("dsl", view.referral.referral_id, decision="release", reason="Needed.")
    if reply.state is TaskState.REFERRED:
        reply = await house.answering.answer(put.task.task_id)
    assert reply.answer is not None
    return reply.answer


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_a_process_that_dies_at_any_write_is_taken_up_by_the_next(
    tmp_path: Path,
    policy: PolicyPoint,
    at: int,
    after_commit: bool,  # noqa: FBT001 - a column of the table
) -> None:
    federation, data_key = Federation(), Secret.random()
    source = ListSource()
    source.hold(CHILD, log_entry(CHILD))
    common: dict[str, Any] = {"federation": federation, "data_key": data_key, "sources": [source], "overlay": REFERRING}
    put = federation.ask(CHILD)
    async with a_node(url_of(tmp_path), policy, **common) as first:
        await first.caseload.update()
        mortal = Mortal(first.journal, at, after_commit=after_commit)
        object.__setattr__(first.responder, "journal", mortal)
        with pytest.raises(Killed):
            await live(first, put)

    async with a_node(url_of(tmp_path), policy, **common) as second:
        answer = await live(second, put)
        assert put.opened(answer).records
        assert await live(second, put) == answer
        for kind in (EntryKind.REFERRAL_OPENED, EntryKind.REFERRAL_DECIDED, EntryKind.ANSWERED):
            assert len(await second.entries(kind)) == 1, kind


async def test_a_ledger_that_cannot_be_written_stops_everything_and_loses_nothing(
    node: NodeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    put = node.federation.ask(CHILD)
    await node.accept(put.task)

    async def fails(*_: object) -> None:
        raise WardgateError(ErrorCode.LEDGER_UNAVAILABLE, "test")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "record", fails)
        with pytest.raises(WardgateError, match="LEDGER_UNAVAILABLE"):
            await node.answering.answer(put.task.task_id)
        with pytest.raises(WardgateError, match="LEDGER_UNAVAILABLE"):
            await node.accept(node.federation.ask(CHILD).task)

    assert await node.entries(EntryKind.ANSWERED) == []
    assert (await node.answering.answer(put.task.task_id)).answer is not None


async def test_of_many_deliveries_at_once_one_is_worked_on(node: NodeHouse) -> None:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    puts = [node.federation.ask(CHILD) for _ in range(5)]

    async def deliver(put: Put) -> bytes | None:
        await node.accept(put.task)
        return (await node.answering.answer(put.task.task_id)).answer

    answers = await asyncio.gather(*(deliver(put) for put in puts for _ in range(4)))

    assert len(set(answers)) == 5
    assert None not in answers
    assert len(await node.entries(EntryKind.ANSWERED)) == 5


async def test_a_cancellation_from_another_process_wins_over_an_answer_in_the_making(node: NodeHouse) -> None:
    node.sources[0].hold(CHILD, log_entry(CHILD))
    await node.caseload.update()
    put = node.federation.ask(CHILD)
    await node.accept(put.task)
    weigh = node.answering._weighing.weigh

    async def cancelled_meanwhile(task: VerifiedTask, *, is_second: bool, patience: Patience) -> Weighed:
        weighed = await weigh(task, is_second=is_second, patience=patience)
        await cancel_elsewhere(node)
        return weighed

    node.answering._weighing.weigh = cancelled_meanwhile  # type: ignore[method-assign]  # on purpose

    reply = await node.answering.answer(put.task.task_id)

    assert (reply.state, reply.answer) == (TaskState.CANCELLED, None)
    assert await node.entries(EntryKind.ANSWERED) == []


async def cancel_elsewhere(node: NodeHouse) -> None:
    """As another process of the same node would."""
    async with writing(node.engine).begin() as connection:
        await connection.execute(metadata.tables["task"].update().values(state=TaskState.CANCELLED.value))


# -- real processes ---------------------------------------------------------------------------------------------------

TASKS, CHILDREN = 12, 40


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_process_killed_again_and_again_loses_nothing_and_answers_once(tmp_path: Path) -> None:
    """`kill -9` at random moments, through indexing, accepting, referring, deciding and answering."""
    federation, data_key = Federation(), Secret.random()
    puts = [federation.ask(number(index)) for index in range(TASKS)]
    (tmp_path / "secrets.json").write_text(
        json.dumps({"federation": federation.secrets(), "data_key": data_key.reveal().hex(), "children": CHILDREN})
    )
    (tmp_path / "tasks.bin").write_bytes(
        b"".join(len(raw).to_bytes(4, "big") + raw for raw in (put.task.SerializeToString() for put in puts))
    )
    rng = random.Random(20261122)
    said: list[str] = []
    deaths = 0
    while "done" not in said:
        # The first lives end early, the last is left alone.
        said += await _one_life(tmp_path, lines=rng.randint(1, 14) if deaths < 5 else 10_000)
        deaths += 1

    await _verify(tmp_path, federation, puts, said)
    assert deaths >= 6


async def _one_life(folder: Path, *, lines: int) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.answering_process", str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said: list[str] = []
    while len(said) < lines and (line := await process.stdout.readline()):
        said.append(line.decode().strip())
    if process.returncode is None and said[-1:] != ["done"]:
        process.kill()
    await process.wait()
    return said


async def _verify(folder: Path, federation: Federation, puts: list[Put], said: list[str]) -> None:
    engine = open_engine(url_of(folder))
    journal = Journal(
        engine, "wardgate/node/testshire-school", federation.parties["testshire-school"].signing, lambda: 0
    )
    try:
        await journal.open()
        entries = [Entry.parse(entry.content) for entry in await journal.entries(0, 10_000)]
        async with engine.connect() as connection:
            tasks = {row.task_id: row for row in (await connection.execute(select(metadata.tables["task"]))).all()}
            referrals = (await connection.execute(select(metadata.tables["referral"].c.state))).scalars().all()
            children = len((await connection.execute(select(metadata.tables["child"].c.child_key))).all())
    finally:
        await journal.aclose()
        await engine.dispose()
    assert children == CHILDREN
    assert (
        sum(entry.body.get("evaluated", 0) for entry in entries if entry.kind is EntryKind.CASELOAD_INDEXED) == CHILDREN
    )
    answered = Counter(str(entry.query_id) for entry in entries if entry.kind is EntryKind.ANSWERED)
    decided = Counter(str(entry.query_id) for entry in entries if entry.kind is EntryKind.REFERRAL_DECIDED)
    assert answered == decided == Counter(put.composed.header.query_id for put in puts)
    assert set(referrals) == {ReferralState.RELEASED}
    for put in puts:
        stored = tasks[put.task.task_id].answer
        assert put.opened(stored).records
        # Every answer that any life spoke of is the one that stands in the store.
        told = {line.split()[2] for line in said if line.startswith(f"answered {put.task.task_id}")}
        assert told == {sha256(stored).hex()}
