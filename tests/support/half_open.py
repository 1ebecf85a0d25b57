"""Whoever speaks HTTP/2 badly on purpose: calls whose message never ends, with no library that would object.

Frames after RFC 9113, header blocks after RFC 7541 as literals without an index, messages after gRPC over HTTP/2.
"""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from federation.transport.certificates import Credentials

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7, 0x8
ACK, END_HEADERS = 0x1, 0x4
INITIAL_WINDOW = 65_535
FRAME_BYTES = 16_384


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def _literal(text: bytes) -> bytes:
    """Up to 126 bytes, not Huffman coded."""
    assert len(text) < 127
    return bytes([len(text)]) + text


def header_block(path: str, authority: str = "half-open") -> bytes:
    fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    return b"".join(b"\x00" + _literal(name.encode()) + _literal(value.encode()) for name, value in fields)


@dataclass
class HalfOpen:
    """One connection, and what is heard on it.

    Attributes:
        refused: Streams that the server has ended.
        is_over: The server has closed the connection, or said that it will.
        is_settled: The server has said how it wants to be spoken to.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    streams: int = 0
    refused: set[int] = field(default_factory=set)
    is_over: bool = False
    is_settled: bool = False
    _stream_window: int = INITIAL_WINDOW
    _window: int = INITIAL_WINDOW
    _windows: dict[int, int] = field(default_factory=dict)
    most_streams: int = 2**31

    def begin(self, path: str) -> int:
        """Open a stream and promise a body."""
        stream = 2 * self.streams + 1
        self.streams += 1
        self._windows[stream] = self._stream_window
        self.writer.write(frame(HEADERS, END_HEADERS, stream, header_block(path)))
        return stream

    async def half_send(self, path: str, size: int) -> int:
        """Begin a call with a message of so many bytes, of which the last never comes; as much as windows let through.

        Returns:
            Bytes sent.
        """
        stream = self.begin(path)
        left = struct.pack(">BI", 0, size) + bytes(size - 1)
        sent = 0
        while left and not self.is_over and stream not in self.refused:
            allowed = min(len(left), FRAME_BYTES, self._window, self._windows[stream])
            if allowed <= 0:
                if not await self._hears():
                    break
                continue
            self.writer.write(frame(DATA, 0, stream, left[:allowed]))
            left, sent = left[allowed:], sent + allowed
            self._window -= allowed
            self._windows[stream] -= allowed
        return sent

    async def _hears(self) -> bool:
        """Wait a little for a wider window; false when none is given."""
        await self.writer.drain()
        before = (self._window, dict(self._windows))
        for _ in range(10):
            await asyncio.sleep(0.001)
            if self.is_over or (self._window, self._windows) != before:
                return True
        return False

    async def listen(self) -> None:
        """Take what the server says until it hangs up."""
        try:
            while True:
                head = await self.reader.readexactly(9)
                size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
                stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
                self._take(kind, flags, stream, await self.reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            self.is_over = True

    def _take(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(content), 6):
                name, value = struct.unpack(">HI", content[at : at + 6])
                if name == 3:
                    self.most_streams = value
                if name == 4:
                    self._stream_window = value
            self.is_settled = True
            self.writer.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.writer.write(frame(PING, ACK, 0, content))
        elif kind == WINDOW_UPDATE:
            more = struct.unpack(">I", content)[0] & 0x7FFFFFFF
            if stream:
                self._windows[stream] = self._windows.get(stream, 0) + more
            else:
                self._window += more
        elif kind == RST_STREAM or (kind == HEADERS and flags & 0x1):
            self.refused.add(stream)
        elif kind == GOAWAY:
            self.is_over = True


@asynccontextmanager
async def connected(
    port: int,
    *,
    roots: bytes,
    server_name: str,
    credentials: Credentials | None = None,
    folder: str = "",
    address: str = "127.0.0.2",
) -> AsyncIterator[HalfOpen]:
    """A TLS connection with HTTP/2 begun on it.

    Args:
        port: On loopback.
        roots: PEM of the server's authority.
        server_name: A DNS name in its certificate.
        credentials: The client's certificate; none for a stranger.
        folder: Where its files may lie for a moment, which is how Python's ssl reads them.
        address: Where it comes from: another address than that of honest callers.
    """
    context = ssl.create_default_context(cadata=roots.decode())
    context.set_alpn_protocols(["h2"])
    if credentials is not None:
        path = f"{folder}/client.pem"
        with open(path, "wb") as file:  # noqa: ASYNC230, PTH123 - a test's own folder
            file.write(credentials.private_key.reveal() + b"\n" + credentials.chain)
        context.load_cert_chain(path)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=server_name, local_addr=(address, 0)
    )
    writer.write(PREFACE + frame(SETTINGS, 0, 0))
    connection = HalfOpen(reader, writer)
    listening = asyncio.create_task(connection.listen())
    try:
        yield connection
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        writer.transport.abort()
