"""A proxy between a service and PostgreSQL that loses the reply to a commit.

Armed with bytes that pass from the client to the server (a kind of ledger entry, a state), it lets the
server finish that transaction, drops the reply with every connection, and lets nobody in for a while: what a switch to
a standby, or a cut of the network in the wrong moment, looks like. It speaks as much of the protocol as that needs
(PostgreSQL documentation, "Frontend/Backend Protocol"), over Unix sockets, without passwords or encryption.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from federation.ledger import postgres_appender, tree
from federation.ledger.journal import Journal

CHUNK = 64 * 1024
SOCKET = ".s.PGSQL.5432"
READY, COMMAND = b"Z", b"C"
IDLE = b"I"

REFUSED_S = 0.5
"""How long nobody gets in, in tests."""
ASKED_S = 0.2


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_marked: bool = False
    """The armed bytes went over it in the transaction that is under way."""

    def cut(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


@dataclass
class LosingProxy:
    """Passes everything on until it is armed.

    Attributes:
        folder: The socket's folder, what a client gives as its host.
        target: The server's socket.
        lost: How many commits had their reply dropped.
        refusing: Nobody gets in.
    """

    folder: Path
    target: Path
    lost: int = 0
    refusing: bool = False
    _armed: bytes = b""
    _refuse_s: float = 0.0
    _open: set[_Connection] = field(default_factory=set)
    _let_in_again: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, url: str) -> str:
        """The same database through this proxy."""
        base, _, _ = url.partition("?host=")
        return f"{base}?host={self.folder}"

    def arm(self, marker: str, *, refuse_s: float) -> None:
        """Lose the reply to the next commit of a transaction in which these bytes pass."""
        self._armed, self._refuse_s = marker.encode(), refuse_s
        self._let_in_again.clear()

    async def until_lost(self) -> None:
        """Wait until it has happened and everybody is let in again."""
        await asyncio.wait_for(self._let_in_again.wait(), 20)

    def cut_all(self) -> None:
        """Cut every connection, now."""
        for connection in list(self._open):
            connection.cut()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            onward_reader, onward = await asyncio.open_unix_connection(str(self.target))
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, onward)
        self._open.add(connection)
        ways = [
            asyncio.create_task(self._up(connection, reader)),
            asyncio.create_task(self._down(connection, onward_reader)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            connection.cut()
            self._open.discard(connection)

    async def _up(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        before = b""
        while content := await reader.read(CHUNK):
            if self._armed and self._armed in before + content:
                connection.is_marked = True
            before = content[-len(self._armed) :] if self._armed else b""
            connection.server.write(content)
            await connection.server.drain()

    async def _down(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        held, tags = b"", list[bytes]()
        while True:
            kind = await reader.readexactly(1)
            size = await reader.readexactly(4)
            body = await reader.readexactly(int.from_bytes(size) - 4)
            held += kind + size + body
            if kind == COMMAND:
                tags.append(body.rstrip(b"\0"))
            if kind == READY and connection.is_marked and body == IDLE:
                connection.is_marked = False
                if not any(tag.startswith(b"ROLLBACK") for tag in tags):
                    self._lose()
                    return
            if kind == READY or not tags:  # what follows the end of a command is held back until its fate is known
                connection.client.write(held)
                await connection.client.drain()
                held, tags = b"", []

    def _lose(self) -> None:
        self._armed = b""
        self.lost += 1
        self.refusing = True
        self.cut_all()
        asyncio.get_running_loop().call_later(self._refuse_s, self._let_in)

    def _let_in(self) -> None:
        self.refusing = False
        self._let_in_again.set()


@asynccontextmanager
async def losing_proxy(url: str, folder: Path) -> AsyncIterator[LosingProxy]:
    """A running proxy in front of the server of a database's URL.

    Args:
        url: As `tests.support.postgres` gives it.
        folder: An empty folder with a short path: a socket's name has at most about 100 bytes.
    """
    _, _, host = url.partition("?host=")
    proxy = LosingProxy(folder, Path(host) / SOCKET)
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_unix_server(accept, str(folder / SOCKET))
    try:
        yield proxy
    finally:
        server.close()
        tasks = list(serving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder with a name short enough for a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="wg-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal asks what became of a commit for less time than the database is away: the outcome is not known."""
    monkeypatch.setattr(postgres_appender, "SETTLED_WITHIN_S", ASKED_S)


async def assert_whole(journal: Journal) -> None:
    """Every entry stands in the tree exactly as it is stored."""
    frontier = tree.Frontier()
    for entry in await journal.entries(0, 10_000):
        assert (entry.index, entry.nodes) == (frontier.size, frontier.append(tree.leaf_hash(entry.content)))
    head = await journal.checkpoint()
    assert (head.size, head.root) == (frontier.size, frontier.root())
