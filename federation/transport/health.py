"""A health answer that is true (`grpc.health.v1`): SERVING only if every named component can be used."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from federation.events import Event
from federation.telemetry import EventLog

FRESH_S: Final = 1.0
"""Answers within one second share one look, so that asking often costs nothing."""

COMPONENT_TIMEOUT_S: Final = 2.0
"""A component that does not say in this time whether it can be used cannot be used."""

WATCH_INTERVAL_S: Final = 2.0

Check = Callable[[], Awaitable[bool]]
"""Says whether a component can be used; raising means no."""

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN: Final = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
_log = EventLog(__name__)


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # the package has no types for its stubs
    """Health of a service and of each of its components by name, such as `ledger`, `policy`, `keys`, `trustee`.

    The service as a whole has the empty name, as the protocol prescribes.
    """

    def __init__(self, components: Mapping[str, Check], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._components = dict(components)
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._looked_at = float("-inf")
        self._found: dict[str, bool] = {}
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """Say NOT_SERVING from now on: the service is about to stop."""
        self._draining.set()

    async def report(self) -> dict[str, bool]:
        """Whether each component can be used, by name."""
        async with self._lock:
            if self._monotonic() - self._looked_at >= FRESH_S:
                self._found, self._looked_at = await self._look(), self._monotonic()
            return dict(self._found)

    async def is_serving(self) -> bool:
        """Whether the whole service is usable."""
        return not self._draining.is_set() and all((await self.report()).values())

    async def _look(self) -> dict[str, bool]:
        looks = (asyncio.wait_for(check(), COMPONENT_TIMEOUT_S) for check in self._components.values())
        outcomes = await asyncio.gather(*looks, return_exceptions=True)
        found = {}
        for name, outcome in zip(self._components, outcomes, strict=True):
            found[name] = outcome is True
            if found[name] != self._found.get(name, True):
                event = Event.COMPONENT_USABLE if found[name] else Event.COMPONENT_UNUSABLE
                _log.event(event, component=name, error=outcome if isinstance(outcome, BaseException) else None)
        return found

    async def _status_of(self, name: str) -> health_pb2.HealthCheckResponse.ServingStatus:
        if name and name not in self._components:
            return _UNKNOWN
        usable = (await self.report())[name] if name else all((await self.report()).values())
        return _SERVING if usable and not self._draining.is_set() else _NOT_SERVING

    async def Check(  # noqa: N802 - gRPC dictates the name
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        """Status of the service, or of one component; NOT_FOUND for any other name, as the protocol prescribes."""
        status = await self._status_of(request.service)
        if status == _UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such component")
        return health_pb2.HealthCheckResponse(status=status)

    async def List(  # noqa: N802 - gRPC dictates the name
        self, _: health_pb2.HealthListRequest, __: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthListResponse:
        """Status of the service and of every component."""
        statuses = {name: await self._status_of(name) for name in ("", *self._components)}
        return health_pb2.HealthListResponse(
            statuses={name: health_pb2.HealthCheckResponse(status=status) for name, status in statuses.items()}
        )

    async def Watch(  # noqa: N802 - gRPC dictates the name
        self, request: health_pb2.HealthCheckRequest, _: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Status now and whenever it changes, until the service stops."""
        told = None
        while not self._draining.is_set():
            status = await self._status_of(request.service)
            if status != told:
                yield health_pb2.HealthCheckResponse(status=status)
                told = status
            await self._pause()
        yield health_pb2.HealthCheckResponse(status=await self._status_of(request.service))

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._draining.wait(), WATCH_INTERVAL_S)
        except TimeoutError:
            return
