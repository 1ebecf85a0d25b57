import asyncio

import pytest

from federation import supervision
from federation.errors import ErrorCode, WardgateError
from federation.supervision import OnCrash, Supervisor
from federation.transport.backoff import Backoff
from tests.support.transport import Clock


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "Backoff", lambda: Backoff(uniform=lambda _, high: high / 1000))


async def test_a_task_that_may_be_late_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    done, tries = asyncio.Event(), 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ValueError("Jane Doe")
        done.set()

    supervisor = Supervisor()
    supervisor.start("link", work, on_crash=OnCrash.RESTART)
    await asyncio.wait_for(done.wait(), 10)

    assert not supervisor.is_stopping
    assert caplog.text.count("TASK_RESTARTED") == 2
    assert "'task': 'link'" in caplog.text
    assert "Jane" not in caplog.text
    await supervisor.aclose()


async def test_a_task_the_service_needs_stops_it(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ValueError("Jane Doe")

    supervisor = Supervisor()
    supervisor.start("ledger-writer", work, on_crash=OnCrash.STOP)

    with pytest.raises(WardgateError) as raised:
        await asyncio.wait_for(supervisor.until_stopped(), 10)
    assert raised.value.code is ErrorCode.INTERNAL
    assert "ledger-writer" in raised.value.detail
    assert "TASK_CRASHED" in caplog.text
    assert "Jane" not in caplog.text
    await supervisor.aclose()


async def test_an_error_of_the_catalogue_keeps_its_code_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise WardgateError(ErrorCode.LEDGER_UNAVAILABLE)

    supervisor = Supervisor()
    supervisor.start("ledger-writer", work, on_crash=OnCrash.STOP)
    supervisor.start("service", supervisor.until_stopped, on_crash=OnCrash.STOP)

    with pytest.raises(WardgateError) as raised:
        await asyncio.wait_for(supervisor.until_stopped(), 10)
    await asyncio.sleep(0)
    assert raised.value.code is ErrorCode.LEDGER_UNAVAILABLE
    assert caplog.text.count("TASK_CRASHED") == 1
    await supervisor.aclose()


async def test_a_task_that_returns_is_done_and_stops_nothing() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        ended.set()

    supervisor = Supervisor()
    for on_crash in OnCrash:
        supervisor.start("once", work, on_crash=on_crash)
    await asyncio.wait_for(ended.wait(), 10)
    await asyncio.sleep(0)

    assert not supervisor.is_stopping


async def test_a_requested_stop_is_no_failure() -> None:
    supervisor = Supervisor()
    supervisor.request_stop()

    await asyncio.wait_for(supervisor.until_stopped(), 10)
    supervisor.raise_failure()


async def test_closing_waits_until_every_task_is_gone() -> None:
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(True)

    supervisor = Supervisor()
    for on_crash in OnCrash:
        supervisor.start("work", work, on_crash=on_crash)
    await asyncio.sleep(0)
    await supervisor.aclose()

    assert cleaned == [True, True]


async def test_a_task_that_ran_well_for_long_is_started_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, ceilings, done = Clock(0), [], asyncio.Event()

    def uniform(_: float, high: float) -> float:
        ceilings.append(high)
        return 0

    async def work() -> None:
        clock.now += supervision.HEALTHY_AFTER_S if len(ceilings) == 3 else 1
        if len(ceilings) == 5:
            done.set()
            return
        raise ValueError

    monkeypatch.setattr(supervision, "Backoff", lambda: Backoff(uniform=uniform))
    supervisor = Supervisor(monotonic=clock)
    supervisor.start("link", work, on_crash=OnCrash.RESTART)
    await asyncio.wait_for(done.wait(), 10)

    assert ceilings == [0.5, 1, 2, 0.5, 1]
    await supervisor.aclose()
