import asyncio
from typing import Any, cast

import grpc
import grpc.aio
import pytest

from federation.clock_difference import ClockDifference
from federation.errors import CATALOGUE, ErrorCode, Status, WardgateError
from federation.transport.backoff import Backoff
from federation.transport.failures import (
    ERROR_CODE_KEY,
    GRPC_STATUS,
    TOLD_KEY,
    RemoteError,
    abort,
    call_errors,
    from_rpc_error,
)
from tests.support.pki import GATEWAY


def failed(status: grpc.StatusCode, details: str = "", *trailing: tuple[str, str]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details, None)


@pytest.mark.parametrize(
    ("status", "details", "code"),
    [
        (grpc.StatusCode.UNAVAILABLE, "failed to connect", ErrorCode.PEER_UNAVAILABLE),
        (grpc.StatusCode.CANCELLED, "", ErrorCode.PEER_UNAVAILABLE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", ErrorCode.DEADLINE_EXCEEDED),
        (grpc.StatusCode.UNAUTHENTICATED, "", ErrorCode.NOT_AUTHENTICATED),
        (grpc.StatusCode.PERMISSION_DENIED, "", ErrorCode.NOT_AUTHORISED),
        (grpc.StatusCode.UNIMPLEMENTED, "", ErrorCode.MESSAGE_MALFORMED),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max", ErrorCode.MESSAGE_TOO_LARGE),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!", ErrorCode.PEER_UNAVAILABLE),
        (grpc.StatusCode.INTERNAL, "", ErrorCode.INTERNAL),
        (grpc.StatusCode.UNKNOWN, "", ErrorCode.INTERNAL),
    ],
)
def test_a_status_without_a_code_of_ours_is_not_an_answer(
    status: grpc.StatusCode, details: str, code: ErrorCode
) -> None:
    error = from_rpc_error(failed(status, details), GATEWAY)

    assert error.code is code
    assert not error.is_answer
    assert error.peer == GATEWAY


def test_every_status_of_the_catalogue_is_one_of_grpc_and_every_one_is_used() -> None:
    assert {status: found.name for status, found in GRPC_STATUS.items()} == {item: item.value for item in Status}
    assert {spec.status for spec in CATALOGUE.values()} == set(Status)


@pytest.mark.parametrize("code", list(ErrorCode))
def test_a_code_counts_only_with_its_own_status(code: ErrorCode) -> None:
    status = GRPC_STATUS[CATALOGUE[code].status]
    others = [other for other in grpc.StatusCode if other not in (status, grpc.StatusCode.OK)]

    assert from_rpc_error(failed(status, "", (ERROR_CODE_KEY, code)), GATEWAY).code is code
    assert not any(from_rpc_error(failed(other, "", (ERROR_CODE_KEY, code)), GATEWAY).is_answer for other in others)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("The period begins on 2026-12-01.", "The period begins on 2026-12-01."),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200),
        ("", "answered INVALID_ARGUMENT"),
        ("\x1b[31mred", "answered INVALID_ARGUMENT"),
        ("caf\xe9", "answered INVALID_ARGUMENT"),
    ],
)
def test_what_the_other_side_tells_besides_is_taken_if_it_can_be_printed(told: str, expected: str) -> None:
    status, code = grpc.StatusCode.INVALID_ARGUMENT, ErrorCode.PERIOD_INVALID

    error = from_rpc_error(failed(status, "", (ERROR_CODE_KEY, code), (TOLD_KEY, told)), GATEWAY)

    assert error.detail.endswith(expected)
    assert len(error.detail) <= 200


def test_without_a_code_of_ours_nothing_told_is_taken() -> None:
    error = from_rpc_error(failed(grpc.StatusCode.UNAVAILABLE, "", (TOLD_KEY, "trust me")), GATEWAY)

    assert "trust me" not in error.detail


def test_a_code_that_the_catalogue_lacks_is_no_answer() -> None:
    error = from_rpc_error(failed(grpc.StatusCode.NOT_FOUND, "", (ERROR_CODE_KEY, "NOT_OURS")), GATEWAY)

    assert error.code is ErrorCode.INTERNAL
    assert not error.is_answer


def test_the_other_sides_text_is_not_repeated() -> None:
    error = from_rpc_error(failed(grpc.StatusCode.UNAVAILABLE, "Jane Doe"), GATEWAY)

    assert "Jane" not in str(error)


async def test_a_cancelled_task_stays_cancelled() -> None:
    async def wait() -> None:
        async with call_errors(GATEWAY):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_around_a_call_stays_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), call_errors(GATEWAY):
            await asyncio.Event().wait()


async def test_a_call_that_grpc_cancelled_is_unavailable() -> None:
    with pytest.raises(RemoteError) as raised:
        async with call_errors(GATEWAY):
            raise asyncio.CancelledError

    assert raised.value.code is ErrorCode.PEER_UNAVAILABLE


async def test_wrong_use_of_grpc_is_not_hidden() -> None:
    with pytest.raises(grpc.aio.UsageError):
        async with call_errors(GATEWAY):
            raise grpc.aio.UsageError("The iterator and read/write APIs may not be mixed on a single RPC.")


async def test_it_is_a_decorator_too() -> None:
    @call_errors(GATEWAY)
    async def call() -> None:
        raise failed(grpc.StatusCode.UNAVAILABLE)

    for _ in range(2):
        with pytest.raises(RemoteError):
            await call()


def test_pauses_are_drawn_below_a_ceiling_that_doubles_to_thirty_seconds() -> None:
    ceilings: list[float] = []

    def uniform(low: float, high: float) -> float:
        assert low == 0
        ceilings.append(high)
        return high

    backoff = Backoff(uniform=uniform)
    for _ in range(9):
        backoff.next_s()

    assert ceilings == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff.attempt == 9


def test_success_starts_again_at_the_shortest() -> None:
    backoff = Backoff(uniform=lambda _, high: high)
    backoff.next_s()
    backoff.next_s()

    backoff.reset()

    assert backoff.next_s() == 0.5
    assert backoff.attempt == 1


class _Context:
    """Remembers how a call was ended."""

    async def abort(
        self, status: grpc.StatusCode, details: str, trailing_metadata: tuple[tuple[str, str], ...]
    ) -> None:
        self.ended = failed(status, details, *trailing_metadata)


@pytest.mark.parametrize(
    "clock", [None, ClockDifference("wardgate://node/a", "wardgate://gateway/main", -300, "wardgate://node/a")]
)
async def test_clocks_that_differ_are_told_to_the_caller(clock: ClockDifference | None) -> None:
    context = _Context()
    error = WardgateError(ErrorCode.QUERY_EXPIRED, "not for others", clock=clock)
    await abort(cast("Any", context), error, "correlation")
    found = from_rpc_error(context.ended, GATEWAY)
    assert (found.code, found.clock) == (ErrorCode.QUERY_EXPIRED, clock)
    assert "not for others" not in str(context.ended.details())
