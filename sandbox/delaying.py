"""A slow line: passes bytes to a port of this machine, and what the caller sends only after a while.

A region's agency with `slow_ms` reaches the gateway over one: `python -m sandbox.delaying --listen PORT --target PORT
--delay-ms N`. It reads nothing: what passes is encrypted.
"""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

LOOPBACK: Final = "127.0.0.1"
CHUNK: Final = 64 * 1024
PROMPT_BYTES: Final = 8 * 1024
"""So much of each connection passes at once: its handshake, for which nobody waits long. An answer is larger."""


class SlowLine:
    """Connections to one port.

    Attributes:
        target: The port that they are passed on to.
        delay_s: How much later what the caller sends arrives there; what comes back is passed on at once.
        prompt_bytes: The first so many of each connection are passed on at once.
    """

    def __init__(self, target: int, delay_s: float, *, prompt_bytes: int = PROMPT_BYTES) -> None:
        self.target = target
        self.delay_s = delay_s
        self.prompt_bytes = prompt_bytes

    @contextlib.asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[asyncio.Server]:
        """Listen; 0 lets the system choose a port. At the end of the block every connection is cut."""
        running: set[asyncio.Task[None]] = set()

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._pass_on(reader, writer))
            running.add(task)
            task.add_done_callback(running.discard)

        async with await asyncio.start_server(begin, LOOPBACK, port) as server:
            try:
                yield server
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            there_reader, there_writer = await asyncio.open_connection(LOOPBACK, self.target)
            writers.append(there_writer)
            ways = [self._late(reader, there_writer), self._at_once(there_reader, writer)]
            await _until_one_ends([asyncio.create_task(way) for way in ways])
        except OSError:
            return  # one side is gone: so is the connection
        finally:
            for open_one in writers:
                open_one.close()
            await asyncio.gather(*(open_one.wait_closed() for open_one in writers), return_exceptions=True)

    async def _at_once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()

    async def _late(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on in order, each piece so much later than it came: pieces do not wait for one another."""
        await _pass(reader, writer, self.prompt_bytes)
        clock = asyncio.get_running_loop().time
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def take() -> None:
            while chunk := await reader.read(CHUNK):
                pieces.put_nowait((clock() + self.delay_s, chunk))
            pieces.put_nowait((clock() + self.delay_s, b""))

        taking = asyncio.create_task(take())
        try:
            while True:
                due, chunk = await pieces.get()
                await asyncio.sleep(due - clock())
                if not chunk:
                    return
                writer.write(chunk)
                await writer.drain()
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
    """Pass on so many bytes at once, or as many as come."""
    while count and (chunk := await reader.read(min(count, CHUNK))):
        writer.write(chunk)
        await writer.drain()
        count -= len(chunk)


async def _until_one_ends(ways: list[asyncio.Task[None]]) -> None:
    """Wait for the first of them, and end the others."""
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _serve(listen: int, line: SlowLine) -> None:
    async with line.listening(listen) as server:
        await server.serve_forever()


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--target", type=int, required=True)
    parser.add_argument("--delay-ms", type=int, required=True)
    options = parser.parse_args()
    asyncio.run(_serve(options.listen, SlowLine(options.target, options.delay_ms / 1000)))


if __name__ == "__main__":
    main()
