"""The hostile network that later tests rely on does what it says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.proxy import LOOPBACK, Proxy, proxy_to


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while content := await reader.read(1024):
                writer.write(content)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(echo, LOOPBACK, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[Proxy], Awaitable[Ends]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    writers = []

    async def connecting(proxy: Proxy) -> Ends:
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        writers.append(writer)
        return reader, writer

    yield connecting
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)


async def is_cut(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), 10) == b""
    except ConnectionError:
        return True


async def test_bytes_go_both_ways(echo_port: int, connect: Connect) -> None:
    async with proxy_to(echo_port) as proxy:
        reader, writer = await connect(proxy)
        writer.write(b"hello")

        assert await reader.readexactly(5) == b"hello"
        assert proxy.accepted == proxy.open_connections == 1


async def test_an_idle_connection_is_cut_and_a_busy_one_is_not(echo_port: int, connect: Connect) -> None:
    async with proxy_to(echo_port, idle_s=0.3) as proxy:
        idle, _ = await connect(proxy)
        busy, writer = await connect(proxy)
        for _ in range(8):
            writer.write(b"x")
            await busy.readexactly(1)
            await asyncio.sleep(0.1)

        assert await is_cut(idle)
        assert proxy.killed == 1
        assert proxy.open_connections == 1


async def test_an_old_connection_is_cut_however_busy(echo_port: int, connect: Connect) -> None:
    async with proxy_to(echo_port, longest_s=0.1) as proxy:
        reader, writer = await connect(proxy)
        writer.write(b"x")
        await reader.readexactly(1)

        assert await is_cut(reader)


async def test_all_connections_can_be_cut_and_new_ones_refused(echo_port: int, connect: Connect) -> None:
    async with proxy_to(echo_port) as proxy:
        reader, writer = await connect(proxy)
        writer.write(b"x")
        await reader.readexactly(1)
        proxy.refusing = True
        proxy.kill_all()
        other, _ = await connect(proxy)

        assert await is_cut(reader)
        assert await is_cut(other)
        assert proxy.open_connections == 0


async def test_a_stalled_proxy_keeps_connections_and_passes_nothing(echo_port: int, connect: Connect) -> None:
    async with proxy_to(echo_port) as proxy:
        reader, writer = await connect(proxy)
        proxy.stalled = True
        writer.write(b"x")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.2)
        proxy.stalled = False

        assert await asyncio.wait_for(reader.readexactly(1), 10) == b"x"


async def test_a_target_that_is_down_cuts_the_connection(connect: Connect) -> None:
    async with proxy_to(1) as proxy:
        reader, _ = await connect(proxy)

        assert await is_cut(reader)
