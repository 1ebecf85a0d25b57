"""What one would build without any of this: JSON over HTTP with aiohttp, the gateway calling each node, mutual TLS.

Requests and answers are JSON objects of the same sizes. One process plays every node, on a connection for each call in
flight; the gateway gathers all answers into one. Nothing is checked, decided, stored or sealed.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from bench.floors import Place, Role, Sizes, play, ready_file, until_told
from bench.pki import FLOOR, ssl_context

MODULE: Final = "bare_http"
_MAX_BYTES: Final = 8 << 20
_FRAME_BYTES: Final = 40
"""What keys and quotes of one padded object take, about."""


def _padded(content: dict[str, Any], size: int) -> dict[str, Any]:
    return {**content, "padding": "0" * max(0, size - _FRAME_BYTES)}


def _session(folder: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=ssl_context(folder, serves=False)))


async def _serve(folder: Path, port: int, path: str, handler: Any) -> web.AppRunner:  # noqa: ANN401 - aiohttp's own
    app = web.Application(client_max_size=_MAX_BYTES)
    app.router.add_post(path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=ssl_context(folder, serves=True), backlog=1024).start()
    return runner


async def serve(place: Place) -> None:
    """The gateway."""
    async with _session(place.folder) as session:

        async def ask_one(order: dict[str, int]) -> Any:  # noqa: ANN401 - a JSON value
            body = json.dumps(_padded({"answer": order["answer"]}, order["task"]))
            async with session.post(
                f"https://127.0.0.1:{place.nodes_port}/task", data=body, server_hostname=FLOOR.dns_name
            ) as response:
                return await response.json()

        async def ask(request: web.Request) -> web.Response:
            order = await request.json()
            answers = await asyncio.gather(*(ask_one(order) for _ in range(order["targets"])))
            return web.json_response({"answers": answers})

        runner = await _serve(place.folder, place.port, "/ask", ask)
        await until_told(ready_file(place.folder, MODULE, "gateway"))
        await runner.cleanup()


async def hold(place: Place) -> None:
    """Every node."""

    async def answer(request: web.Request) -> web.Response:
        order = await request.json()
        return web.json_response(_padded({"outcome": "records"}, order["answer"]))

    runner = await _serve(place.folder, place.nodes_port, "/task", answer)
    await until_told(ready_file(place.folder, MODULE, "nodes"))
    await runner.cleanup()


class HttpFanOut:
    """Asks the fan-out over HTTP."""

    def __init__(self, folder: Path, port: int) -> None:
        self._session = _session(folder)
        self._url = f"https://127.0.0.1:{port}/ask"

    async def ask(self, targets: int, sizes: Sizes) -> None:
        """Ask so many nodes and wait for all answers in one.

        Raises:
            AssertionError: One is missing.
        """
        order = _padded({"targets": targets, "task": sizes.task, "answer": sizes.answer}, sizes.ask)
        async with self._session.post(self._url, json=order, server_hostname=FLOOR.dns_name) as response:
            answers = (await response.json())["answers"]
        if len(answers) != targets:
            raise AssertionError(f"{len(answers)} answers of {targets}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


ROLES: Final[dict[str, Role]] = {"gateway": serve, "nodes": hold}

if __name__ == "__main__":
    play(ROLES)
