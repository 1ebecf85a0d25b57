"""The floor in gRPC: a fan-out over streams that nodes dialled, with mutual TLS, and nothing else.

One question fans out as one message down each node's stream; each answer comes up the same stream and goes on to
whoever asked, as it does in a whole query. Messages are bytes of the same sizes. Nothing is checked, decided, stored or
sealed.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from bench.floors import Order, Place, Role, Sizes, play, ready_file, until_told
from bench.pki import FLOOR, channel_credentials, server_credentials

MODULE: Final = "bare_grpc"
_SERVICE: Final = "bench.Floor"
_ID_BYTES: Final = 8
_SIZE_BYTES: Final = 4
_HELLO: Final = b"hello"
"""The first message down a stream: it is up."""
_OPTIONS: Final = (("grpc.max_receive_message_length", 8 << 20), ("grpc.max_send_message_length", 8 << 20))
_CALL_OPTIONS: Final = (
    *_OPTIONS,
    ("grpc.ssl_target_name_override", FLOOR.dns_name),
    ("grpc.use_local_subchannel_pool", 1),
)


class _Gateway:
    """Hands messages on."""

    def __init__(self) -> None:
        self._links: list[asyncio.Queue[bytes]] = []
        self._asks: dict[bytes, asyncio.Queue[bytes]] = {}
        self._ids = itertools.count()

    async def attach(self, messages: AsyncIterator[bytes], context: Any) -> None:  # noqa: ANN401 - gRPC's own
        """A node's stream."""
        outbox: asyncio.Queue[bytes] = asyncio.Queue()
        outbox.put_nowait(_HELLO)
        self._links.append(outbox)
        reader = asyncio.create_task(self._read(messages))
        try:
            while True:
                await context.write(await outbox.get())
        finally:
            reader.cancel()

    async def _read(self, messages: AsyncIterator[bytes]) -> None:
        async for message in messages:
            self._asks[message[:_ID_BYTES]].put_nowait(message)

    async def ask(self, request: bytes, context: Any) -> None:  # noqa: ANN401 - gRPC's own
        """Fan a question out, and hand every answer on as it comes."""
        order = Order.read(request)
        ask_id = next(self._ids).to_bytes(_ID_BYTES)
        answers = self._asks[ask_id] = asyncio.Queue()
        task = (ask_id + order.answer.to_bytes(_SIZE_BYTES)).ljust(order.task, b"\0")
        for link in self._links[: order.targets]:
            link.put_nowait(task)
        for _ in range(order.targets):
            await context.write(await answers.get())
        del self._asks[ask_id]

    async def ping(self, request: bytes, _: Any) -> bytes:  # noqa: ANN401 - gRPC's own
        """One call and back."""
        return request


async def serve(place: Place) -> None:
    """The gateway."""
    gateway = _Gateway()
    server = grpc.aio.server(options=_OPTIONS)
    handlers = {
        "Attach": grpc.stream_stream_rpc_method_handler(gateway.attach),
        "Ask": grpc.unary_stream_rpc_method_handler(gateway.ask),
        "Ping": grpc.unary_unary_rpc_method_handler(gateway.ping),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    server.add_secure_port(f"127.0.0.1:{place.port}", server_credentials(place.folder))
    await server.start()
    await until_told(ready_file(place.folder, MODULE, "gateway"))
    await server.stop(None)


async def hold(place: Place) -> None:
    """Every node, each on a connection of its own."""
    up = [asyncio.Event() for _ in range(place.most)]
    nodes = [asyncio.create_task(_node(place, event)) for event in up]
    await asyncio.gather(*(event.wait() for event in up))
    await until_told(ready_file(place.folder, MODULE, "nodes"))
    for node in nodes:
        node.cancel()
    await asyncio.gather(*nodes, return_exceptions=True)


async def _node(place: Place, up: asyncio.Event) -> None:
    async with _channel(place.folder, place.port) as channel:
        call = channel.stream_stream(f"/{_SERVICE}/Attach")(wait_for_ready=True)
        await call.read()
        up.set()
        while message := await call.read():
            size = int.from_bytes(message[_ID_BYTES : _ID_BYTES + _SIZE_BYTES])
            await call.write(message[:_ID_BYTES].ljust(size, b"\0"))


def _channel(folder: Path, port: int) -> Any:  # noqa: ANN401 - the stubs ask for serialisers, and bytes need none
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", channel_credentials(folder), options=_CALL_OPTIONS)


class GrpcFanOut:
    """Asks the floor's gateway."""

    def __init__(self, folder: Path, port: int) -> None:
        self._channel = _channel(folder, port)
        self._ask = self._channel.unary_stream(f"/{_SERVICE}/Ask")
        self._ping = self._channel.unary_unary(f"/{_SERVICE}/Ping")

    async def ask(self, targets: int, sizes: Sizes) -> None:
        """Ask so many nodes and wait for every answer.

        Raises:
            AssertionError: One is missing, or of another size.
        """
        answers = 0
        async for answer in self._ask(Order(targets, sizes.task, sizes.answer).frame(sizes.ask)):
            answers += len(answer) == sizes.answer
        if answers != targets:
            raise AssertionError(f"{answers} answers of {targets}")

    async def ping(self) -> None:
        """One small call and back: the shortest way to another process."""
        await self._ping(b"\0" * 64)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._channel.close(None)


ROLES: Final[dict[str, Role]] = {"gateway": serve, "nodes": hold}

if __name__ == "__main__":
    play(ROLES)
