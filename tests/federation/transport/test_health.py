import asyncio

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from federation.errors import ErrorCode, WardgateError
from federation.transport import health as module
from federation.transport.health import Health
from federation.transport.identity import Party
from tests.support.pki import ALICE, CAMDEN, TRUSTEE
from tests.support.transport import Clock, World

EOF = grpc.aio.EOF  # type: ignore[attr-defined] # missing in the type stubs
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Component:
    """Usable as the test says; an exception is raised."""

    def __init__(self, state: bool | Exception = True) -> None:  # noqa: FBT001, FBT002 - the thing itself
        self.state = state
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


async def test_all_components_usable_is_serving() -> None:
    health = Health({"ledger": Component(), "policy": Component()})

    assert await health.is_serving()
    assert await health.report() == {"ledger": True, "policy": True}


@pytest.mark.parametrize(
    "state", [False, WardgateError(ErrorCode.LEDGER_UNAVAILABLE), OSError("disk"), asyncio.CancelledError()]
)
async def test_one_component_that_is_not_usable_is_not_serving_and_named(state: bool | Exception) -> None:  # noqa: FBT001 - parametrised
    health = Health({"ledger": Component(state), "policy": Component()})

    assert not await health.is_serving()
    assert await health.report() == {"ledger": False, "policy": True}


async def test_a_component_that_does_not_say_is_not_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs() -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(module, "COMPONENT_TIMEOUT_S", 0.01)

    assert await Health({"trustee": hangs}).report() == {"trustee": False}


async def test_questions_within_a_second_share_one_look() -> None:
    clock, ledger = Clock(0), Component()
    health = Health({"ledger": ledger}, monotonic=clock)

    await asyncio.gather(*(health.report() for _ in range(10)))
    assert ledger.asked == 1
    clock.now += module.FRESH_S
    await health.report()

    assert ledger.asked == 2


async def test_changes_are_logged_once_each_way(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clock, ledger = Clock(0), Component()
    health = Health({"ledger": ledger}, monotonic=clock)
    for state in (True, False, False, True, True):
        ledger.state = state
        clock.now += 10
        await health.report()

    assert caplog.text.count("COMPONENT_UNUSABLE") == 1
    assert caplog.text.count("COMPONENT_USABLE") == 1


async def test_a_service_that_is_stopping_is_not_serving() -> None:
    health = Health({"ledger": Component()})

    health.drain()

    assert not await health.is_serving()


@pytest.mark.parametrize("party", [CAMDEN, ALICE, TRUSTEE])
async def test_any_party_may_ask_over_the_wire(party: Party) -> None:
    world, health = World(), Health({"ledger": Component(), "trustee": Component(state=False)})
    async with world.serving(health) as server, world.calling(server, party) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        whole = await stub.Check(health_pb2.HealthCheckRequest())
        ledger = await stub.Check(health_pb2.HealthCheckRequest(service="ledger"))
        listed = await stub.List(health_pb2.HealthListRequest())
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Check(health_pb2.HealthCheckRequest(service="lodger"))

    assert whole.status == NOT_SERVING
    assert ledger.status == SERVING
    assert {name: found.status for name, found in listed.statuses.items()} == {
        "": NOT_SERVING,
        "ledger": SERVING,
        "trustee": NOT_SERVING,
    }
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_watcher_hears_of_each_change_and_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCH_INTERVAL_S", 0.01)
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    ledger = Component()
    world, health = World(), Health({"ledger": ledger})
    async with world.serving(health) as server, world.calling(server) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        first = await watch.read()
        ledger.state = False
        second = await watch.read()
        ledger.state = True
        third = await watch.read()
        health.drain()
        last = await watch.read()
        end = await watch.read()

    assert [first.status, second.status, third.status, last.status] == [SERVING, NOT_SERVING, SERVING, NOT_SERVING]
    assert end is EOF
