"""What happens around every call a server takes, in this order.

1. the method has a row for this server's role, else it is refused without looking for a handler;
2. correlation id: the caller's if well formed, else a fresh one; on every log line, and back in trailing metadata;
3. identity: exactly one party's name in a certificate that is still in date;
4. the deny list, now and for as long as the call runs (`RevocationWatch`);
5. the party is one the row names;
6. how much of this server the caller has taken already (`Occupancy`);
7. only now the request is read, in its turn and within its time;
8. size and form of every message;
9. whatever the servicer raises becomes an error of the catalogue. This is one of the two places that catch everything.

Servicers raise `WardgateError` and ask `current_peer()`. They are `async def`; where answers stream, async generators
or `async def` with `context.write`. Requests that stream are iterated, never taken with `context.read`.

To gRPC every method is one whose requests stream, on the wire there is no difference: it would read a single request
whole before anybody is asked who sent it.
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakValueDictionary

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.limits import MAX_MESSAGE_BYTES
from federation.telemetry import EventLog
from federation.transport import correlation, failures
from federation.transport.identity import ANONYMOUS_PEER, PartyKind, Peer, bind_peer, peer_of
from federation.transport.methods import Callers
from federation.transport.occupancy import CallLimits, Occupancy, Place, network_of
from federation.transport.revocation import RevocationWatch

if TYPE_CHECKING:  # generic in the type stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]
    Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    Handler = grpc.RpcMethodHandler
    Interceptor = grpc.aio.ServerInterceptor

Context = grpc.aio.ServicerContext[Any, Any]
Received = AsyncIterable[bytes]
Work = Callable[["_Arriving", Context], Awaitable[Any]]

_log = EventLog(__name__)
_ANONYMOUS_ONLY: Final = frozenset({PartyKind.ANONYMOUS})


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one server: who may call it, how its messages are read and written, and how large they may be."""

    method: str
    callers: Callers
    max_bytes: int
    is_stream: bool
    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]

    def decode(self, content: bytes) -> Any:  # noqa: ANN401 - whatever message the method takes
        """A request message from its bytes.

        Raises:
            WardgateError: `MESSAGE_TOO_LARGE` or `MESSAGE_MALFORMED`.
        """
        self._check_size(content)
        try:
            return self.read(content)
        except DecodeError as error:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, f"{self.method}: not a protobuf message") from error

    def encode(self, message: Any) -> bytes:  # noqa: ANN401 - whatever message the method gives
        """A response message's bytes.

        Raises:
            WardgateError: `MESSAGE_TOO_LARGE`.
        """
        content = self.write(message)
        self._check_size(content)
        return content

    def _check_size(self, content: bytes) -> None:
        if len(content) > self.max_bytes:
            raise WardgateError(
                ErrorCode.MESSAGE_TOO_LARGE, f"{self.method}: {len(content)} bytes, at most {self.max_bytes}"
            )


class _Arriving:
    """What a caller sends, not read yet."""

    def __init__(self, received: Received, route: Route, turn: asyncio.Semaphore, request_s: float) -> None:
        self._received = received
        self._route = route
        self._turn = turn
        self._request_s = request_s

    async def one(self) -> Any:  # noqa: ANN401 - whatever message the method takes
        """The only request, once it is this call's turn to be read.

        Raises:
            WardgateError: `DEADLINE_EXCEEDED`: it did not come in time; `MESSAGE_*`.
        """
        try:
            async with asyncio.timeout(self._request_s), self._turn, aclosing(self.many()) as requests:
                return await anext(requests)
        except TimeoutError as error:
            raise WardgateError(ErrorCode.DEADLINE_EXCEEDED, f"{self._route.method}: no whole request") from error
        except StopAsyncIteration as error:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, f"{self._route.method}: no request") from error

    def many(self) -> "_Requests":
        """All requests, as they come."""
        return _Requests(self._received, self._route)


class _Requests:
    """A request stream, each message checked and decoded as it is taken."""

    def __init__(self, received: Received, route: Route) -> None:
        self._received = cast("AsyncGenerator[bytes, None]", received.__aiter__())  # what gRPC gives
        self._route = route

    def __aiter__(self) -> "_Requests":
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401 - whatever message the method takes
        return self._route.decode(await self._received.__anext__())

    async def aclose(self) -> None:
        """Finish the stream now, where the servicer did not take all of it."""
        await self._received.aclose()


class Gate(Interceptor):
    """The one interceptor of every server.

    Args:
        callers: The rows of the method table that hold here.
        watch: Admits calls and cuts them.
        limits: What one caller may take of this server.
        max_message_bytes: Limit of one message, either way.
    """

    def __init__(
        self,
        *,
        callers: Mapping[str, Callers],
        watch: RevocationWatch,
        limits: CallLimits,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self._callers = callers
        self._watch = watch
        self._max_bytes = max_message_bytes
        self._occupancy = Occupancy(limits)
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._guarded: dict[str, tuple[Handler, Handler]] = {}
        self._refusal: Final = grpc.stream_stream_rpc_method_handler(_refuse)  # answers before it reads anything

    async def intercept_service(  # type: ignore[override] # the stubs do not know that None means nobody serves it
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Find the handler and put the guard around it, once per method."""
        method = handler_call_details.method
        callers = self._callers.get(method)
        if callers is None:
            return self._refusal
        handler = await continuation(handler_call_details)
        known = self._guarded.get(method)
        if known is not None and known[0] is handler:
            return known[1]
        if handler is None:
            return None  # the row exists and nobody serves it here: gRPC says UNIMPLEMENTED
        guarded = self._guard(handler, method, callers)
        self._guarded[method] = (handler, guarded)
        return guarded

    def _guard(self, handler: Handler, method: str, callers: Callers) -> Handler:
        route = Route(
            method,
            callers,
            self._max_bytes,
            bool(handler.request_streaming),
            handler.request_deserializer or bytes,
            handler.response_serializer or bytes,
        )
        call = self._around(_work_of(handler, route), route)
        # Requests arrive raw: reading them inside the guard turns what cannot be read into an error of ours.
        if not handler.response_streaming:
            return grpc.stream_unary_rpc_method_handler(call)
        return grpc.stream_stream_rpc_method_handler(call, response_serializer=route.encode)

    def _around(self, work: Work, route: Route) -> Callable[[Received, Context], Awaitable[Any]]:
        watch, occupancy = self._watch, self._occupancy

        async def guarded(received: Received, context: Context) -> Any:  # noqa: ANN401 - what the method gives
            correlation_id = _begin(context)
            running = place = None
            try:
                peer = _identify(route, context)
                running = watch.enter(peer, route.method)
                _authorise(peer, route)
                occupancy.enter(wanted := _place(peer, context, route))
                place = wanted
                turn = self._turn_of(place.caller)
                return await work(_Arriving(received, route, turn, occupancy.limits.request_s), context)
            except (grpc.aio.AbortError, grpc.aio.InternalError):
                raise  # the servicer ended the call, or the caller is gone and nothing can be sent: gRPC knows both
            except asyncio.CancelledError:
                if running is None or running.cut is None:
                    raise
                running.task.uncancel()
                failure = running.cut
            except WardgateError as error:
                failure = error
                _log.event(failures.EVENT_OF[error.spec.family], method=route.method, error=error)
            except Exception as error:  # noqa: BLE001 - the edge: nothing unforeseen may reach the peer
                failure = WardgateError(ErrorCode.INTERNAL, route.method)
                _log.event(Event.CALL_BROKEN, method=route.method, error=error)
            finally:
                if running is not None:
                    watch.leave(running)
                if place is not None:
                    occupancy.leave(place)
            await failures.abort(context, failure, correlation_id)  # raises
            return None

        return guarded

    def _turn_of(self, caller: str) -> asyncio.Semaphore:
        """By which a caller's requests are read in turn: it lives for as long as a call of the caller does."""
        turn = self._turns.get(caller)
        if turn is None:
            turn = self._turns[caller] = asyncio.Semaphore(self._occupancy.limits.reading_per_caller)
        return turn


def _place(peer: Peer, context: Context, route: Route) -> Place:
    connection = context.peer()
    is_stranger = peer.party.kind is PartyKind.ANONYMOUS
    return Place(network_of(connection) if is_stranger else str(peer.party), connection, route.is_stream)


def _begin(context: Context) -> str:
    correlation_id = correlation.adopt(context.invocation_metadata())
    correlation.bind(correlation_id)
    context.set_trailing_metadata(((correlation.CORRELATION_KEY, correlation_id),))
    return correlation_id


def _identify(route: Route, context: Context) -> Peer:
    peer = ANONYMOUS_PEER if route.callers == _ANONYMOUS_ONLY else peer_of(context.auth_context())
    bind_peer(peer)
    return peer


def _authorise(peer: Peer, route: Route) -> None:
    if peer.party.kind not in route.callers:
        raise WardgateError(ErrorCode.NOT_AUTHORISED, f"{peer.party} may not call {route.method}")


async def _refuse(_: AsyncIterator[bytes], context: Context) -> None:
    correlation_id = _begin(context)
    _log.event(Event.CALL_REFUSED, code=ErrorCode.NOT_AUTHORISED)  # the method's name is the caller's text: not logged
    await failures.abort(context, WardgateError(ErrorCode.NOT_AUTHORISED), correlation_id)


def _work_of(handler: Handler, route: Route) -> Work:
    """The servicer's method, from raw requests on."""
    behaviours = (handler.unary_unary, handler.unary_stream, handler.stream_unary, handler.stream_stream)
    behaviour: Callable[..., Any] = next(found for found in behaviours if found is not None)
    if not (inspect.isasyncgenfunction(behaviour) or inspect.iscoroutinefunction(behaviour)):
        return _misbuilt
    if handler.response_streaming:
        return _many(behaviour, bool(handler.request_streaming))
    return _one(behaviour, route, bool(handler.request_streaming))


async def _misbuilt(_: _Arriving, __: Context) -> None:
    raise TypeError("a servicer's method is `async def`; this one is missing or blocks")


def _one(behaviour: Callable[..., Any], route: Route, streaming: bool) -> Work:  # noqa: FBT001 - internal
    if streaming:

        async def one_of_many(arriving: _Arriving, context: Context) -> bytes:
            async with aclosing(arriving.many()) as requests:
                return route.encode(await behaviour(requests, context))

        return one_of_many

    async def one(arriving: _Arriving, context: Context) -> bytes:
        return route.encode(await behaviour(await arriving.one(), context))

    return one


def _many(behaviour: Callable[..., Any], streaming: bool) -> Work:  # noqa: FBT001 - internal
    give = _give_yielded if inspect.isasyncgenfunction(behaviour) else _give_written

    async def many(arriving: _Arriving, context: Context) -> None:
        if not streaming:
            await give(behaviour(await arriving.one(), context), context)
            return
        async with aclosing(arriving.many()) as requests:
            await give(behaviour(requests, context), context)

    return many


async def _give_yielded(answers: AsyncGenerator[Any, None], context: Context) -> None:
    async with aclosing(answers):
        async for answer in answers:
            await context.write(answer)


async def _give_written(writing: Awaitable[None], _: Context) -> None:
    await writing
