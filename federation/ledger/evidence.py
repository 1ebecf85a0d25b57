"""What an offline verification reads: an export's files, or a ledger's SQLite file."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from federation.errors import ErrorCode, WardgateError
from federation.ledger import export
from federation.ledger.checkpoint import Checkpoint, with_cosignatures
from federation.ledger.tree import HASH_BYTES, closing_entry, node_hash

_PRIMARY_CODE: Final = 0xFF
"""Part of a SQLite error code that names its kind."""


@dataclass(frozen=True, slots=True)
class Item:
    """One position of a ledger as it is found.

    Attributes:
        index: The position.
        content: The entry; None where it is missing.
        stored: Level and hash of the subtrees said to end here; a hash is empty where it is missing.
        copies_agree: Whether columns that repeat the content do so rightly, and nothing is stored that should not be.
    """

    index: int
    content: bytes | None
    stored: tuple[tuple[int, bytes], ...]
    copies_agree: bool = True


class Evidence(Protocol):
    """A ledger to be verified."""

    notes: list[tuple[str, bytes]]
    """Name and content of every checkpoint note."""
    count: int
    """Positions that there are or should be."""

    def items(self, start: int, end: int) -> Iterator[Item]:
        """Positions in order, missing ones included."""

    def node(self, level: int, index: int) -> bytes | None:
        """The stored hash of a complete subtree."""

    def cosigned(self, witness: str) -> bytes | None:
        """The newest checkpoint that carries a signature line by a witness of this name, as it stands; unverified."""

    def close(self) -> None:
        """Let go of what was opened."""


Row = tuple[int, object, object, object, object, object]
"""`entry_index, kind, query_id, at, content, nodes`, of whatever type somebody made them."""


def items_of(rows: Iterable[Row], start: int, end: int) -> Iterator[Item]:
    """Positions `start` to `end` in order, missing ones included, from the rows that a database has of them."""
    expected = start
    for index, kind, query_id, at, content, nodes in rows:
        yield from (Item(missing, None, ()) for missing in range(expected, index))
        expected = index + 1
        if not isinstance(content, bytes) or not isinstance(nodes, bytes):
            yield Item(index, None, ())
            continue
        hashes = [nodes[place : place + HASH_BYTES] for place in range(0, len(nodes), HASH_BYTES)]
        levels = (index + 1 & -(index + 1)).bit_length()
        stored = tuple((level, hashes[level] if level < len(hashes) else b"") for level in range(levels))
        agree = len(hashes) == levels and _copies_agree(content, kind, query_id, at)
        yield Item(index, content, stored, agree)
    yield from (Item(missing, None, ()) for missing in range(expected, end))


def hash_of(nodes: bytes, level: int) -> bytes | None:
    """The hash of a level among those that an entry completed; None where it is missing."""
    found = nodes[level * HASH_BYTES : (level + 1) * HASH_BYTES]
    return found if len(found) == HASH_BYTES else None


class ExportEvidence:
    """An export in the `tlog-tiles` layout.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`: it cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory: Final = directory
        self.notes = [(export.CHECKPOINT_FILE, _read(directory / export.CHECKPOINT_FILE))]
        folder = directory / export.CHECKPOINTS_FOLDER
        if folder.is_dir():
            self.notes += [(f"{folder.name}/{path.name}", _read(path)) for path in sorted(folder.iterdir())]
        self.count = _size_claimed(self.notes[0][1])
        self._tile: Final = lru_cache(maxsize=64)(self._load_tile)

    def items(self, start: int, end: int) -> Iterator[Item]:
        """Positions in order, missing ones included."""
        for bundle in range(start // export.TILE_WIDTH, -(-end // export.TILE_WIDTH)):
            first = bundle * export.TILE_WIDTH
            contents = self._bundle(bundle)
            for index in range(max(start, first), min(end, first + export.TILE_WIDTH)):
                at = index - first
                yield Item(index, contents[at] if at < len(contents) else None, tuple(self._ending_at(index)))

    def node(self, level: int, index: int) -> bytes | None:
        """The stored hash of a complete subtree, worked out inside its tile."""
        tile_level, height = divmod(level, export.TILE_HEIGHT)
        tile, at = divmod(index << height, export.TILE_WIDTH)
        hashes = self._tile(tile_level, tile)[at * HASH_BYTES : (at + (1 << height)) * HASH_BYTES]
        if len(hashes) != HASH_BYTES << height:
            return None
        row = [hashes[place : place + HASH_BYTES] for place in range(0, len(hashes), HASH_BYTES)]
        while len(row) > 1:
            row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
        return row[0]

    def cosigned(self, witness: str) -> bytes | None:
        """The newest checkpoint that carries a signature line by a witness of this name, as it stands; unverified."""
        line = f"\n\N{EM DASH} {witness} ".encode()
        newest_first = sorted((note for _, note in self.notes if line in note), key=_size_claimed, reverse=True)
        return next(iter(newest_first), None)

    def close(self) -> None:
        """Nothing is open."""

    def _ending_at(self, index: int) -> Iterator[tuple[int, bytes]]:
        level = 0
        while (index + 1) % (1 << level) == 0:
            yield level, self.node(level, ((index + 1) >> level) - 1) or b""
            level += export.TILE_HEIGHT

    def _bundle(self, index: int) -> list[bytes]:
        width = min(export.TILE_WIDTH, self.count - index * export.TILE_WIDTH)
        if width <= 0:
            return []
        with suppress(ValueError):
            return list(export.unbundle(_read_or_nothing(self._directory / export.entries_path(index, width))))
        return []

    def _load_tile(self, level: int, index: int) -> bytes:
        hashes = self.count >> (level * export.TILE_HEIGHT)
        width = min(export.TILE_WIDTH, hashes - index * export.TILE_WIDTH)
        return _read_or_nothing(self._directory / export.tile_path(level, index, width)) if width > 0 else b""


class SqliteEvidence:
    """A service's SQLite file, read in one snapshot, whether the service runs or not.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`: it cannot be read, or holds no ledger.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._connection: Final = open_for_reading(path)
            # A column turned into text must be reported as what it is, not end the reading.
            self._connection.text_factory = lambda raw: raw.decode(errors="replace")
            self._connection.execute("BEGIN")
            notes = self._connection.execute("SELECT size, note FROM ledger_checkpoint ORDER BY size DESC").fetchall()
            (self.count,) = self._connection.execute(
                "SELECT coalesce(max(entry_index) + 1, 0) FROM ledger_entry"
            ).fetchone()
        except sqlite3.Error as error:
            raise unreadable(path, error) from error
        self.notes = [(f"checkpoint of {size}", note if isinstance(note, bytes) else b"") for size, note in notes]

    def items(self, start: int, end: int) -> Iterator[Item]:
        """Positions in order, missing ones included."""
        return items_of(self._rows(start, end), start, end)

    def node(self, level: int, index: int) -> bytes | None:
        """The stored hash of a complete subtree."""
        row = self._connection.execute(
            "SELECT nodes FROM ledger_entry WHERE entry_index = ?", (closing_entry(level, index),)
        ).fetchone()
        return hash_of(row[0] if row else b"", level)

    def cosigned(self, witness: str) -> bytes | None:
        """The newest checkpoint that carries a signature line by a witness of this name, as it stands; unverified."""
        row = self._connection.execute(
            "SELECT note, line FROM ledger_cosignature JOIN ledger_checkpoint USING (size) "
            "WHERE witness = ? ORDER BY size DESC LIMIT 1",
            (witness,),
        ).fetchone()
        return with_cosignatures(*row) if row and all(isinstance(part, bytes) for part in row) else None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _rows(self, start: int, end: int) -> Iterator[Row]:
        return self._connection.execute(
            "SELECT entry_index, kind, query_id, at, content, nodes FROM ledger_entry "
            "WHERE entry_index >= ? AND entry_index < ? ORDER BY entry_index",
            (start, end),
        )


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a SQLite file without changing it, beside a running service or on read-only media.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        # In WAL mode SQLite wants to create files beside; where it may not and nobody writes, it need not.
        refused = error.sqlite_errorcode & _PRIMARY_CODE in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
        if not refused or path.with_name(f"{path.name}-wal").exists():
            raise
        return sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def unreadable(path: Path, error: Exception) -> WardgateError:
    """The error for something that cannot be read."""
    number = getattr(error, "sqlite_errorname", None) or getattr(error, "errno", None) or ""
    return WardgateError(ErrorCode.STORE_UNAVAILABLE, f"{path}: {type(error).__name__} {number}".rstrip())


def _copies_agree(content: bytes, kind: object, query_id: object, at: object) -> bool:
    try:
        found = json.loads(content)
        return (found["kind"], found["query_id"] or None, found["at"]) == (kind, query_id, at)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _read_or_nothing(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise unreadable(path, error) from error


def _size_claimed(note: bytes) -> int:
    """The size a note speaks of, before its signature is checked."""
    return Checkpoint.of_text(note.partition(b"\n\n")[0] + b"\n").size
