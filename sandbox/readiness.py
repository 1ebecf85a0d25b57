"""Waits until a sandbox's services say that they are usable: by their own health, never by time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from grpc_health.v1 import health_pb2, health_pb2_grpc

from federation.errors import ErrorCode, WardgateError
from federation.transport.certificates import HeldCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from gateway import keychain as gateway_keys
from gateway.settings import GatewaySettings
from keys.keyring import Keyring
from sandbox.local_calls import NodeCaller
from sandbox.processes import Started

PAUSE_S: Final = 0.1
CALL_S: Final = 5.0


async def until(
    check: Callable[[], Awaitable[bool]], *, what: str, process: Started | None, log: Path, wait_s: float
) -> None:
    """Wait until `check` is true.

    Raises:
        WardgateError: `PEER_UNAVAILABLE`, naming the log to read, when the process ended or the time is over.
    """
    end = time.monotonic() + wait_s
    while True:
        try:
            if await check():
                return
        except WardgateError as error:
            if error.code not in (ErrorCode.PEER_UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED):
                raise
        if process is not None and not process.is_running():
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, f"{what} ended at its start; see {log}")
        if time.monotonic() > end:
            raise WardgateError(ErrorCode.PEER_UNAVAILABLE, f"{what} is not ready after {wait_s:.0f} s; see {log}")
        await asyncio.sleep(PAUSE_S)


class GatewayProbe:
    """Asks the gateway's health, as its own machine's health check does."""

    def __init__(self, settings: GatewaySettings) -> None:
        keychain = gateway_keys.load_keychain(Keyring(settings.keys_dir))
        certificates = HeldCertificates(keychain.health_credentials(settings.party, now=time.time()))
        self._party = settings.party
        self._channel = RotatingChannel(f"127.0.0.1:{settings.listen.port}", settings.party, certificates)
        self._stub = health_pb2_grpc.HealthStub(self._channel)

    async def components(self) -> dict[str, bool]:
        """Each component by name; the whole under the empty name."""
        async with call_errors(self._party):
            response = await self._stub.List(health_pb2.HealthListRequest(), timeout=CALL_S)
        serving = health_pb2.HealthCheckResponse.SERVING
        return {name: status.status == serving for name, status in response.statuses.items()}

    async def is_serving(self) -> bool:
        """Whether all of it is usable, the trustee included."""
        return (await self.components()).get("", False)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._channel.close(None)


async def is_ready(node: NodeCaller) -> bool:
    """Whether a node is attached, and its caseload has been read once."""
    found = await node.status()
    return bool(found["link"]["attached"]) and bool(found["caseload"]["indexed"])
