"""Errors across the wire, both ways.

A server answers with the catalogue's status and public text, and names code and correlation id in trailing metadata;
the detail stays in its own log, but for what an error says that the caller may be told. A client turns that back into
the same `WardgateError`, marked as the other side's.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import grpc
import grpc.aio

from federation.clock_difference import ClockDifference
from federation.errors import CATALOGUE, ErrorCode, Family, Status, WardgateError
from federation.events import Event
from federation.transport.correlation import CORRELATION_KEY
from federation.transport.identity import Party

ERROR_CODE_KEY: Final = "wardgate-error-code"
"""Trailing metadata key."""

TOLD_KEY: Final = "wardgate-error-told"
"""Trailing metadata key of what the caller may be told besides."""

MAX_TOLD_CHARS: Final = 200

CLOCK_KEY: Final = "wardgate-clock"
"""Trailing metadata key: clocks that differ, where that is why a call was refused."""

EVENT_OF: Final = {
    Family.CALLER: Event.CALL_FAILED,
    Family.PEER: Event.CALL_REFUSED,
    Family.OPERATOR: Event.CALL_UNSERVED,
    Family.POLICY: Event.CALL_FAILED,
    Family.INTERNAL: Event.CALL_BROKEN,
}

GRPC_STATUS: Final = {status: grpc.StatusCode[status.name] for status in Status}
"""gRPC's own object for each status of the catalogue."""

_BY_STATUS: Final = {
    grpc.StatusCode.UNAUTHENTICATED: ErrorCode.NOT_AUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: ErrorCode.NOT_AUTHORISED,
    grpc.StatusCode.DEADLINE_EXCEEDED: ErrorCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED: ErrorCode.MESSAGE_MALFORMED,
    grpc.StatusCode.UNAVAILABLE: ErrorCode.PEER_UNAVAILABLE,
    grpc.StatusCode.CANCELLED: ErrorCode.PEER_UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ErrorCode.PEER_UNAVAILABLE,
}
"""What a status means that gRPC itself gave, without a code of ours."""


class RemoteError(WardgateError):
    """An error that a call to another party ended with.

    Attributes:
        peer: Who was called.
        status: gRPC status.
        correlation_id: Under which the other side logged it; empty when it never saw the call.
        is_answer: The other side's program said so itself; false when the network or TLS did.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        peer: Party,
        status: grpc.StatusCode,
        correlation_id: str = "",
        is_answer: bool = False,
        clock: ClockDifference | None = None,
    ) -> None:
        super().__init__(code, detail, clock=clock)
        self.peer = peer
        self.status = status
        self.correlation_id = correlation_id
        self.is_answer = is_answer


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: WardgateError, correlation_id: str) -> None:
    """End a call with an error of the catalogue: status, public text, code, what may be told, clocks that differ."""
    trailing = ((ERROR_CODE_KEY, str(error.code)), (CORRELATION_KEY, correlation_id))
    told = ((TOLD_KEY, error.told[:MAX_TOLD_CHARS]),) if error.told else ()
    clock = ((CLOCK_KEY, error.clock.encoded()),) if error.clock is not None else ()
    await context.abort(GRPC_STATUS[error.spec.status], error.spec.public, trailing_metadata=(*trailing, *told, *clock))


def from_rpc_error(error: grpc.aio.AioRpcError, peer: Party) -> RemoteError:
    """The error of the catalogue that a failed call stands for.

    The code in the trailing metadata counts only together with the status that the catalogue gives it.
    """
    status = error.code()
    pairs = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    trailing = {key: value for key, value in pairs if isinstance(value, str)}
    named = trailing.get(ERROR_CODE_KEY, "")
    if named in ErrorCode.__members__ and GRPC_STATUS[CATALOGUE[ErrorCode(named)].status] is status:
        code, is_answer = ErrorCode(named), True
    else:
        code, is_answer = _code_of(status, error.details() or ""), False
    detail = f"{peer} answered {status.name}" if is_answer else f"call to {peer} ended {status.name}"
    told = trailing.get(TOLD_KEY, "")[:MAX_TOLD_CHARS]
    if is_answer and told.isascii() and told.isprintable():
        detail = told or detail
    return RemoteError(
        code,
        detail,
        peer=peer,
        status=status,
        correlation_id=trailing.get(CORRELATION_KEY, ""),
        is_answer=is_answer,
        clock=ClockDifference.decoded(trailing.get(CLOCK_KEY, "")) if is_answer else None,
    )


def _code_of(status: grpc.StatusCode, details: str) -> ErrorCode:
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED and "message larger than max" in details:
        return ErrorCode.MESSAGE_TOO_LARGE
    return _BY_STATUS.get(status, ErrorCode.INTERNAL)


@asynccontextmanager
async def call_errors(peer: Party) -> AsyncIterator[None]:
    """Turn whatever a gRPC call raises into `RemoteError`; also usable as a decorator.

    gRPC reports a call that ended because its channel was closed (a rotation, a shutdown) as `CancelledError`, which
    would look like the cancellation of the calling task; it becomes `PEER_UNAVAILABLE` unless the task really is being
    cancelled.

    Raises:
        RemoteError: The code is the other side's own where it named one.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, peer) from error
    except (grpc.aio.UsageError, grpc.aio.InternalError) as error:
        if isinstance(error, grpc.aio.UsageError) and "closed" not in str(error):
            raise  # gRPC was used wrongly: a defect, not the network
        raise _closed(peer) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise _closed(peer) from error


def _closed(peer: Party) -> RemoteError:
    return RemoteError(
        ErrorCode.PEER_UNAVAILABLE,
        f"the channel to {peer} was closed during the call",
        peer=peer,
        status=grpc.StatusCode.CANCELLED,
    )
