"""What somebody with full access to a ledger's file or export can do to it, short of the signing key."""

import sqlite3
from pathlib import Path

from federation.ledger import export
from federation.ledger.entry import Entry
from federation.ledger.tree import Frontier, leaf_hash


class Database:
    """A ledger's SQLite file in the wrong hands."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for table in ("ledger_entry", "ledger_checkpoint"):
            for act in ("update", "delete"):
                self._connection.execute(f"DROP TRIGGER IF EXISTS {table}_no_{act}")

    def do(self, statement: str, *values: object) -> None:
        self._connection.execute(statement, values)

    def contents(self) -> list[bytes]:
        return [row[0] for row in self._connection.execute("SELECT content FROM ledger_entry ORDER BY entry_index")]

    def alter(self, index: int, content: bytes) -> None:
        """Put another entry in the place of one, with all the columns that repeat it."""
        entry = Entry.parse(content)
        self.do(
            "UPDATE ledger_entry SET content = ?, kind = ?, query_id = ?, at = ? WHERE entry_index = ?",
            content,
            entry.kind.value,
            entry.query_id,
            entry.at,
            index,
        )

    def swap(self, one: int, other: int) -> None:
        contents = self.contents()
        self.alter(one, contents[other])
        self.alter(other, contents[one])

    def remove(self, start: int, end: int) -> None:
        self.do("DELETE FROM ledger_entry WHERE entry_index >= ? AND entry_index < ?", start, end)

    def rehash(self) -> None:
        """Recompute every stored hash from what is there now."""
        frontier = Frontier()
        for index, content in enumerate(self.contents()):
            nodes = frontier.append(leaf_hash(content))
            self.do("UPDATE ledger_entry SET nodes = ? WHERE entry_index = ?", nodes, index)

    def set_leaf_hash(self, index: int, value: bytes) -> None:
        (nodes,) = self._connection.execute("SELECT nodes FROM ledger_entry WHERE entry_index = ?", (index,)).fetchone()
        self.do("UPDATE ledger_entry SET nodes = ? WHERE entry_index = ?", value + nodes[32:], index)

    def close(self) -> None:
        self._connection.close()


class Export:
    """An export in the wrong hands."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size

    def bundle(self, index: int) -> Path:
        return self.folder / export.entries_path(index, min(256, self.size - index * 256))

    def tile(self, level: int, index: int) -> Path:
        return self.folder / export.tile_path(level, index, min(256, (self.size >> 8 * level) - index * 256))

    def contents(self) -> list[bytes]:
        return [
            entry for index in range(-(-self.size // 256)) for entry in export.unbundle(self.bundle(index).read_bytes())
        ]

    def write(self, contents: list[bytes]) -> None:
        """Put other entries in the place of all."""
        for index in range(-(-self.size // 256)):
            part = contents[index * 256 : index * 256 + 256]
            self.bundle(index).write_bytes(b"".join(len(entry).to_bytes(2, "big") + entry for entry in part))

    def alter(self, index: int, content: bytes) -> None:
        contents = self.contents()
        contents[index] = content
        self.write(contents)

    def rehash(self) -> None:
        """Recompute every tile from what is there now."""
        nodes: dict[tuple[int, int], bytes] = {}
        frontier = Frontier()
        for at, content in enumerate(self.contents()):
            completed = frontier.append(leaf_hash(content))
            for level in range(len(completed) // 32):
                nodes[level, ((at + 1) >> level) - 1] = completed[level * 32 : level * 32 + 32]
        for level, index, width in export.tiles(self.size):
            hashes = b"".join(nodes[level * 8, index * 256 + at] for at in range(width))
            self.tile(level, index).write_bytes(hashes)
