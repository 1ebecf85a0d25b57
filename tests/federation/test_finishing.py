"""Work that was begun is finished, whoever stops waiting for it."""

import asyncio

import pytest

from federation.finishing import to_the_end


async def test_the_result_and_the_error_of_the_work_reach_the_caller() -> None:
    async def seven() -> int:
        return 7

    async def fails() -> None:
        raise ValueError("as expected")

    assert await to_the_end(seven()) == 7
    with pytest.raises(ValueError, match="as expected"):
        await to_the_end(fails())


async def test_work_goes_on_when_its_caller_is_cancelled() -> None:
    begun, gate, ended, steps = asyncio.Event(), asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> None:
        steps.append("committed")
        begun.set()
        await gate.wait()
        steps.append("known")
        ended.set()

    caller = asyncio.create_task(to_the_end(work()))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    await asyncio.wait_for(ended.wait(), 5)

    assert steps == ["committed", "known"]


async def test_an_error_after_the_caller_has_gone_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await gate.wait()
        raise ValueError("nobody hears of it")

    caller = asyncio.create_task(to_the_end(work()))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    for _ in range(5):  # the work, then its callback
        await asyncio.sleep(0)

    assert "UNHANDLED_EXCEPTION" in str(caplog.records[0].msg)
    assert "nobody hears of it" not in caplog.text
