"""The server engine: a real OPA, for those who already run one or want its decision log and bundle plane.

The server gets `bundle.tar.gz` of the same signed bundle by its own means. Every answer names the revision it was made
with; an answer of another revision is not used.
"""

import asyncio
import ipaddress
import ssl
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import aiohttp

from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import BundleId, VerifiedBundle
from federation.policy.engine import (
    EVALUATION_S,
    Activation,
    EngineIdentity,
    EntryPoint,
    Failure,
    Health,
    RawDecision,
)
from federation.policy.golden import GOLDEN_DEADLINE_S, check_golden
from federation.policy.opa_client import DecisionClient, OpaRefused
from keys.secret import Secret

NAME: Final = "opa-server"
HEALTH_DEADLINE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class OpaServer:
    """Where the server is and how to speak to it.

    Attributes:
        host: Name or address.
        port: Port of its API.
        tls: Context with the private authority, and our certificate where the server wants one; None for plain HTTP,
            which is accepted on the loopback interface only.
        token: Bearer token, where the server wants one.
        bundle_name: The name the server's configuration gives the bundle.
        connections: How many decisions may be under way at once; further ones wait.

    Raises:
        WardgateError: `SETTINGS_INVALID`: plain HTTP across a network.
    """

    host: str = "127.0.0.1"
    port: int = 8181
    tls: ssl.SSLContext | None = None
    token: Secret | None = None
    bundle_name: str = "wardgate"
    connections: int = 32

    def __post_init__(self) -> None:
        if self.tls is None and not _is_loopback(self.host):
            raise WardgateError(ErrorCode.SETTINGS_INVALID, "an OPA server across a network needs TLS")


@dataclass(frozen=True, slots=True)
class _Serving:
    """What the server is expected to run."""

    bundle: BundleId
    label: str
    opa_version: str


class ServerEngine:
    """`PolicyEngine` over a real OPA server."""

    def __init__(self, server: OpaServer) -> None:
        self._server = server
        self._places = asyncio.Semaphore(server.connections)
        self._client: DecisionClient | None = None
        self._serving: _Serving | None = None
        self._closed = False
        self._activating = asyncio.Lock()

    @property
    def identity(self) -> EngineIdentity:
        """Name and versions; the server's own once it has answered."""
        return _identity(self._serving.opa_version if self._serving else "unknown")

    async def activate(self, bundle: VerifiedBundle) -> Activation:
        """Check that the server runs this bundle and gives its golden decisions, then expect it from then on.

        Raises:
            WardgateError: `BUNDLE_REJECTED`, or `POLICY_UNAVAILABLE` when the engine is closed.
        """
        async with self._activating:
            if self._closed:
                raise WardgateError(ErrorCode.POLICY_UNAVAILABLE, "engine is closed")
            client = await self._open()
            following = _Serving(bundle.id, bundle.manifest.label, bundle.manifest.opa_version)
            golden = await check_golden(
                bundle, lambda entry, given: self._evaluate(client, following, entry, given, GOLDEN_DEADLINE_S)
            )
            previous, self._serving = self._serving, following
            return Activation(self.identity, bundle.id, previous.bundle if previous else None, golden)

    async def decide(self, entry_point: EntryPoint, input_json: bytes, *, deadline_s: float) -> RawDecision:
        """Ask the server; see `PolicyEngine.decide`."""
        client, serving = self._client, self._serving
        if client is None or serving is None:
            detail = "closed" if self._closed else "no bundle is active"
            return RawDecision(self.identity, None, failure=Failure.UNAVAILABLE, detail=detail)
        return await self._evaluate(client, serving, entry_point, input_json, deadline_s)

    async def _evaluate(
        self, client: DecisionClient, serving: _Serving, entry_point: EntryPoint, input_json: bytes, deadline_s: float
    ) -> RawDecision:
        started = time.monotonic()

        def failed(failure: Failure, detail: str) -> RawDecision:
            spent = round((time.monotonic() - started) * 1_000_000)
            return RawDecision(self.identity, None, failure=failure, detail=detail, evaluation_us=spent)

        try:
            async with asyncio.timeout(deadline_s), self._places, asyncio.timeout(EVALUATION_S):
                started = time.monotonic()
                answer = await client.decide(entry_point, input_json)
        except TimeoutError:
            return failed(Failure.TIMEOUT, "deadline")
        except OpaRefused as error:
            return failed(Failure.UNAVAILABLE, str(error))
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            return failed(Failure.UNAVAILABLE, type(error).__name__)
        revision = answer.revisions.get(self._server.bundle_name, "")
        if not revision:  # it listens before it has read its bundle: an answer of no policy at all
            return failed(Failure.UNAVAILABLE, "the server has no bundle yet")
        if revision != serving.label:
            return failed(Failure.STALE_BUNDLE, "the server runs another revision")
        spent = round((time.monotonic() - started) * 1_000_000)
        return RawDecision(_identity(answer.version), serving.bundle, answer.value, evaluation_us=spent)

    async def health(self) -> Health:
        """Ask the server whether it and its bundles are well."""
        client, serving = self._client, self._serving
        if client is None or serving is None:
            return Health(ready=False, engine=self.identity, bundle=None, detail="no bundle is active")
        try:
            async with asyncio.timeout(HEALTH_DEADLINE_S):
                ready = bool(await client.check_health(query={"bundles": "true"}))
        except TimeoutError:
            ready = False
        return Health(ready, self.identity, serving.bundle, "" if ready else "server is not healthy")

    async def aclose(self) -> None:
        """Close the session. Idempotent."""
        self._closed = True
        client, self._client = self._client, None
        self._serving = None
        if client is not None:
            await client.close_connection()

    async def _open(self) -> DecisionClient:
        if self._client is None:
            server = self._server
            client = DecisionClient(
                f"[{server.host}]" if ":" in server.host else server.host,
                server.port,
                tls=server.tls,
                token=server.token,
                connections=server.connections,
            )
            await client.open()
            self._client = client
        return self._client


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _identity(opa_version: str) -> EngineIdentity:
    client = f"opa-python-client {version('opa-python-client')}"
    return EngineIdentity(NAME, f"opa {opa_version}, {client}", strict=True)
