"""opa-python-client made fit for decisions.

What the library's client lacks or does otherwise, set right here: a private certificate authority (its session
knows only the system's), OPA's error code (it raises before the body is read), a bounded answer, the input sent as
the very bytes that were hashed, no redirects, and no retries on answers (OPA gives a policy's own error as 500,
which it would ask again).
"""

import json
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

import aiohttp
from opa_client import AsyncOpaClient  # type: ignore[import-untyped]  # the package ships no types

from federation.canonical import JsonValue
from federation.policy.engine import UNDEFINED, EntryPoint, Undefined
from keys.secret import Secret

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
SESSION_TIMEOUT_S: Final = 60
"""Only against a connection that hangs for ever; every call has its own deadline."""

_QUERY: Final = "provenance=true&strict-builtin-errors=true"


class OpaRefused(Exception):  # noqa: N818 - an outcome; it never leaves this package
    """OPA answered, but not with a decision. Holds its status and error code, never its text: that quotes the input."""


@dataclass(frozen=True, slots=True)
class OpaAnswer:
    """One answer of the Data API.

    Attributes:
        value: The rule's value.
        revisions: Revision of each bundle the server runs, by the server's name for it.
        version: The server's OPA version.
    """

    value: JsonValue | Literal[Undefined.UNDEFINED]
    revisions: dict[str, str]
    version: str


class DecisionClient(AsyncOpaClient):  # type: ignore[misc]  # a base class without types
    """One session with one OPA server. Made inside the running loop; `close_connection` ends it."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, token: Secret | None, connections: int
    ) -> None:
        super().__init__(
            host=host,
            port=port,
            ssl=tls is not None,
            token=token.reveal().decode() if token else None,
            retries=0,
            timeout=SESSION_TIMEOUT_S,
        )
        self._tls = tls
        self._connections = connections

    async def _init_session(self) -> None:
        self._connector = aiohttp.TCPConnector(
            ssl=self._tls if self._tls is not None else True, limit=self._connections, force_close=False
        )
        self._session = aiohttp.ClientSession(
            headers={**(self.headers or {}), "Accept-Encoding": "identity"},  # compressing costs more than loopback
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=self.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def open(self) -> None:
        """Open the session; no connection is made yet."""
        await self._init_session()

    async def decide(self, entry_point: EntryPoint, input_json: bytes) -> OpaAnswer:
        """Ask for one decision.

        A connection that the server had closed while idle is tried once more: a decision has no side effect.

        Raises:
            OpaRefused: It answered with an error, or with something that is no answer.
            aiohttp.ClientError, TimeoutError: It did not answer.
        """
        try:
            return await self._ask(entry_point, input_json)
        except aiohttp.ServerTimeoutError:
            raise
        except aiohttp.ClientConnectionError:
            return await self._ask(entry_point, input_json)

    async def _ask(self, entry_point: EntryPoint, input_json: bytes) -> OpaAnswer:
        url = f"{self.root_url}/data/{entry_point.value}?{_QUERY}"
        async with self._request(
            "POST",
            url,
            data=b'{"input":' + input_json + b"}",
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
        ) as response:
            body = await _read_bounded(response)
            if response.status != HTTPStatus.OK:
                raise OpaRefused(f"status {response.status} {_error_code(body)}")
        return _answer(body)


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise OpaRefused(f"answer over {MAX_ANSWER_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _error_code(body: bytes) -> str:
    try:
        code = json.loads(body)["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return "without a code"
    return code if isinstance(code, str) and code.isidentifier() else "with an odd code"


def _answer(body: bytes) -> OpaAnswer:
    try:
        found = json.loads(body)
        provenance = found["provenance"]
        revisions = {str(name): str(row["revision"]) for name, row in provenance.get("bundles", {}).items()}
        return OpaAnswer(found.get("result", UNDEFINED), revisions, str(provenance["version"]))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise OpaRefused("not an answer of the Data API") from error
