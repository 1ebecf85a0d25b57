"""A slow line passes on what is sent, in order, late one way and at once the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sandbox.delaying import LOOPBACK, SlowLine

LATE_S = 0.2


class Echo:
    """A server that gives back what it gets and notes when it came."""

    def __init__(self) -> None:
        self.came: list[float] = []
        self.ended = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.came.append(asyncio.get_running_loop().time())
            writer.write(line)
            await writer.drain()
        self.ended.set()
        writer.close()


@asynccontextmanager
async def a_line(delay_s: float) -> AsyncIterator[tuple[Echo, asyncio.StreamReader, asyncio.StreamWriter]]:
    echo = Echo()
    server = await asyncio.start_server(echo, LOOPBACK, 0)
    slow = SlowLine(server.sockets[0].getsockname()[1], delay_s, prompt_bytes=4)
    async with server:
        async with slow.listening(0) as line:
            reader, writer = await asyncio.open_connection(LOOPBACK, line.sockets[0].getsockname()[1])
            yield echo, reader, writer
            writer.close()
            await writer.wait_closed()
        await asyncio.wait_for(echo.ended.wait(), 60)


@pytest.mark.parametrize("delay_s", [0.0, LATE_S])
async def test_pieces_arrive_in_order_and_not_before_their_time(delay_s: float) -> None:
    async with a_line(delay_s) as (echo, reader, writer):
        writer.write(b"go!\n")  # the first bytes are a connection's handshake: at once
        assert await reader.readline() == b"go!\n"
        echo.came.clear()
        sent = [asyncio.get_running_loop().time()]
        writer.write(b"1\n")
        await asyncio.sleep(0.01)
        sent.append(asyncio.get_running_loop().time())
        writer.write(b"2\n")
        assert [await reader.readline(), await reader.readline()] == [b"1\n", b"2\n"]
        assert all(came - at >= delay_s for at, came in zip(sent, echo.came, strict=True))


async def test_whoever_hangs_up_is_hung_up_on_the_other_side() -> None:
    async with a_line(0.0) as (echo, reader, writer):
        writer.write(b"1\n")
        await reader.readline()
        writer.close()
        await asyncio.wait_for(echo.ended.wait(), 60)


async def test_where_nobody_listens_the_caller_is_hung_up_on() -> None:
    server = await asyncio.start_server(lambda *_: None, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with SlowLine(port, 0.0).listening(0) as line:
        reader, writer = await asyncio.open_connection(LOOPBACK, line.sockets[0].getsockname()[1])
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
        await writer.wait_closed()
