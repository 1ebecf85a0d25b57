"""A TCP proxy on loopback that treats connections as hostile networks do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
CHUNK = 64 * 1024


@dataclass(eq=False)
class Connection:
    """One connection through the proxy and when bytes last went over it, either way."""

    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    moved_at: float

    def kill(self) -> None:
        """Cut it without goodbye."""
        for writer in self.writers:
            writer.transport.abort()


@dataclass
class Proxy:
    """Passes bytes on to `target_port` until told otherwise.

    Attributes:
        target_port: Where connections go.
        idle_s: A connection over which nothing moved for so long is cut; None never.
        longest_s: No connection lives longer; None for ever.
        refusing: New connections are cut at once.
        stalled: Connections stay open and nothing moves: connected but deaf.
        accepted: Connections taken so far.
        killed: Connections cut for being idle or old, or by `kill_all`.
    """

    target_port: int
    idle_s: float | None = None
    longest_s: float | None = None
    refusing: bool = False
    accepted: int = 0
    killed: int = 0
    port: int = 0
    _open: set[Connection] = field(default_factory=set)
    _moving: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def stalled(self) -> bool:
        return not self._moving.is_set()

    @stalled.setter
    def stalled(self, value: bool) -> None:
        (self._moving.clear if value else self._moving.set)()

    def kill_all(self) -> None:
        """Cut every connection now."""
        for connection in list(self._open):
            self._kill(connection)

    def _kill(self, connection: Connection) -> None:
        self.killed += 1
        connection.kill()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refusing:
            writer.transport.abort()
            return
        try:
            onward_reader, onward = await asyncio.open_connection(LOOPBACK, self.target_port)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection((writer, onward), asyncio.get_running_loop().time())
        self._open.add(connection)
        ways = [
            asyncio.create_task(self._pass(connection, reader, onward)),
            asyncio.create_task(self._pass(connection, onward_reader, writer)),
            asyncio.create_task(self._watch(connection)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            connection.kill()
            self._open.discard(connection)

    async def _pass(self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(CHUNK):
            await self._moving.wait()
            connection.moved_at = asyncio.get_running_loop().time()
            writer.write(content)
            await writer.drain()

    async def _watch(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(0.02)
            idle = self.idle_s is not None and loop.time() - connection.moved_at >= self.idle_s
            old = self.longest_s is not None and loop.time() - began >= self.longest_s
            if idle or old:
                self._kill(connection)
                return


@asynccontextmanager
async def proxy_to(
    target_port: int, *, idle_s: float | None = None, longest_s: float | None = None
) -> AsyncIterator[Proxy]:
    """A running proxy; clients connect to `.port`."""
    proxy = Proxy(target_port, idle_s=idle_s, longest_s=longest_s)
    proxy.stalled = False
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, LOOPBACK, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        tasks = list(serving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
