"""A decision that fails closed is seen: in the service's log, in its health and in its ledger."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from federation.ledger.entry import EntryKind
from federation.ledger.journal import Journal
from federation.policy.alarms import record_alarms
from federation.policy.bundle import VerifiedBundle
from federation.policy.engine import EntryPoint, Failure
from federation.policy.evaluator import PolicyPoint
from federation.policy.failing import RECORDED_EVERY_S, SHOWN_S, FailedClosed, FailingClosed
from federation.policy.wasm_engine import WasmEngine
from federation.store import sqlite_url
from tests.support.failing_engine import failing_engine
from tests.support.ledger import ORIGIN, Clock, a_journal, opened
from tests.support.logs import log_lines, logging_to
from tests.support.policy import NOW, gateway_input
from tests.support.waiting import until


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def failing(clock: Clock) -> FailingClosed:
    return FailingClosed(clock)


@pytest.fixture
async def watched(engine: WasmEngine, bundle: VerifiedBundle, failing: FailingClosed, clock: Clock) -> PolicyPoint:
    point = PolicyPoint(engine, bundle, clock, failing=failing)
    await point.activate()
    return point


@pytest.fixture
async def journal(tmp_path: Path, clock: Clock) -> AsyncIterator[Journal]:
    async with opened(sqlite_url(tmp_path / "ledger.db")) as engine, a_journal(engine, clock) as journal:
        yield journal


def bad_input() -> dict[str, Any]:
    document = gateway_input()
    document["targets"][1]["id"] = "NOT AN ID"
    return document


async def test_it_is_an_alarm_of_the_catalogue_in_the_services_own_log(watched: PolicyPoint, tmp_path: Path) -> None:
    with logging_to(tmp_path / "log.jsonl") as file:
        done = await watched.decide(EntryPoint.GATEWAY, bad_input(), 5.0)

    (line,) = log_lines(file)
    assert (line["event"], line["level"]) == ("POLICY_FAILED_CLOSED", "alarm")
    assert (line["entry_point"], line["reason_code"]) == (EntryPoint.GATEWAY, Failure.INPUT_REJECTED)
    assert (line["decision_id"], line["detail"]) == (done.record.id, "targets.1.id: pattern")


async def test_a_decision_that_a_policy_made_is_no_alarm(watched: PolicyPoint, tmp_path: Path) -> None:
    with logging_to(tmp_path / "log.jsonl") as file:
        await watched.decide(EntryPoint.GATEWAY, gateway_input(), 5.0)

    assert log_lines(file) == []


async def test_health_shows_it_until_the_entry_point_decides_again(
    watched: PolicyPoint, failing: FailingClosed
) -> None:
    with failing_engine(watched, Failure.BAD_RESULT):
        await watched.decide(EntryPoint.GATEWAY, gateway_input(), 5.0)
    assert failing.now() == {EntryPoint.GATEWAY}

    await watched.decide(EntryPoint.GATEWAY, gateway_input(), 5.0)
    assert failing.now() == frozenset()


@pytest.mark.parametrize(("later_s", "is_shown"), [(SHOWN_S - 1, True), (SHOWN_S, False)])
async def test_health_forgets_what_nobody_asked_again(
    watched: PolicyPoint, failing: FailingClosed, clock: Clock, later_s: float, *, is_shown: bool
) -> None:
    with failing_engine(watched, Failure.UNDEFINED):
        await watched.decide(EntryPoint.GATEWAY, gateway_input(), 5.0)
    clock.now += later_s

    assert bool(failing.now()) is is_shown


async def test_an_askers_unreadable_input_is_recorded_and_does_not_make_the_service_ill(
    watched: PolicyPoint, failing: FailingClosed, journal: Journal
) -> None:
    await watched.decide(EntryPoint.GATEWAY, bad_input(), 5.0)

    assert failing.now() == frozenset()
    assert [entry["failure"] for entry in await recorded(failing, journal, 1)] == [Failure.INPUT_REJECTED]


async def recorded(failing: FailingClosed, journal: Journal, count: int) -> list[dict[str, Any]]:
    """The ledger's alarms, once there are so many."""
    writing = asyncio.create_task(record_alarms(failing, journal))

    async def enough() -> bool:
        return len(await journal.find(EntryKind.ALARM_RAISED)) >= count

    try:
        await until(enough)
    finally:
        writing.cancel()
    found = [(await journal.entries(index, 1))[0].entry for index in await journal.find(EntryKind.ALARM_RAISED)]
    assert all(entry.actor == ORIGIN.replace("/", "://", 1) for entry in found)
    return [json.loads(entry.content)["body"] for entry in found]


async def test_the_ledger_gets_one_alarm_an_hour_for_each_entry_point_and_failure(
    failing: FailingClosed, journal: Journal, clock: Clock
) -> None:
    def fail(failure: Failure, entry_point: EntryPoint = EntryPoint.GATEWAY) -> None:
        failing.failed(FailedClosed(entry_point, failure, "d" * 36, "b" * 64, "", clock()))

    fail(Failure.TIMEOUT)
    fail(Failure.TIMEOUT)
    fail(Failure.UNDEFINED)
    fail(Failure.TIMEOUT, EntryPoint.TEAM)
    clock.now += RECORDED_EVERY_S - 1
    fail(Failure.TIMEOUT)
    clock.now += 1
    fail(Failure.TIMEOUT)

    assert [(entry["entry_point"], entry["failure"]) for entry in await recorded(failing, journal, 4)] == [
        (EntryPoint.GATEWAY, Failure.TIMEOUT),
        (EntryPoint.GATEWAY, Failure.UNDEFINED),
        (EntryPoint.TEAM, Failure.TIMEOUT),
        (EntryPoint.GATEWAY, Failure.TIMEOUT),
    ]


async def test_an_alarm_that_the_ledger_did_not_take_is_written_later(
    failing: FailingClosed, journal: Journal, tmp_path: Path, clock: Clock
) -> None:
    failing.failed(FailedClosed(EntryPoint.NODE, Failure.BAD_RESULT, "d" * 36, "b" * 64, "", clock()))
    async with opened(sqlite_url(tmp_path / "other.db")) as engine:
        closed = a_journal(engine, clock)
        await closed.aclose()
        with pytest.raises(Exception, match="closed"):
            await record_alarms(failing, closed)

    assert len(await recorded(failing, journal, 1)) == 1
