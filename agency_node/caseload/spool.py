"""One reading of one source, set aside until it is complete: nothing of a reading that breaks off comes into force.

The spool is an anonymous temporary SQLite file that vanishes with the process, so that a caseload of a million records
needs neither its memory nor a second reading. What stands in it is encrypted as it will stand in the store. Blocking:
used in a worker thread.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from agency_node.caseload.records import encode_flags, encode_record
from agency_node.sources.record import SourceChild, SourceRecord
from agency_node.sources.source import Rejected, SourceRow
from agency_node.vault import Kind, Vault
from keys.nhs_number import NhsNumber

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -32768;
CREATE TABLE child (child_key TEXT PRIMARY KEY, identifier BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE flag (child_key TEXT NOT NULL, flag TEXT NOT NULL, PRIMARY KEY (child_key, flag)) WITHOUT ROWID;
CREATE TABLE record (child_key TEXT NOT NULL, ref TEXT NOT NULL, digest TEXT NOT NULL, payload BLOB NOT NULL);
"""
_SORT = "CREATE UNIQUE INDEX record_by_child ON record (child_key, ref)"
_CHILDREN = "SELECT child_key, identifier FROM child WHERE child_key > ? ORDER BY child_key LIMIT ?"
_FLAGS = "SELECT child_key, flag FROM flag WHERE child_key > ? AND child_key <= ? ORDER BY child_key, flag"
_DIGESTS = "SELECT child_key, ref, digest FROM record WHERE child_key > ? AND child_key <= ? ORDER BY child_key, ref"
_RECORDS = "SELECT ref, payload FROM record WHERE child_key = ? ORDER BY ref"

PROGRESS_ROWS = 1_000


def record_row(child_key: str, source_id: str, ref: str) -> str:
    """The name of a record's row, to which its ciphertext is bound."""
    return f"{child_key}/{source_id}/{ref}"


@dataclass(slots=True)
class Listed:
    """A child as one source has it now.

    Attributes:
        identifier: Encrypted NHS number, as the store keeps it.
        flags: Encrypted flags of the child as such.
        digest: Over flags and records.
    """

    child_key: str
    identifier: bytes
    flags: bytes
    digest: str


@dataclass(slots=True)
class Spool:
    """A complete reading of one source, in the order of child keys. Close it."""

    source_id: str
    vault: Vault
    children: int = 0
    records: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    _database: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        # "" names an anonymous file on disk. Each call comes from one worker thread at a time.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def fill(self, rows: Iterable[SourceRow], *, on_rows: Callable[[int], None]) -> None:
        """Take in a whole reading.

        Args:
            rows: What `Source.read` yields.
            on_rows: Told how many rows there were so far, now and then.

        Raises:
            WardgateError: What the source raised: the reading is void.
        """
        self._database.execute("BEGIN")
        for number, row in enumerate(rows, start=1):
            self._take(row)
            if number % PROGRESS_ROWS == 0:
                on_rows(number)
        self._database.execute(_SORT)
        self._database.execute("COMMIT")
        self.children = self._count("child")
        self.records = self._count("record")

    def _take(self, row: SourceRow) -> None:
        match row:
            case SourceChild(child=child, flags=flags):
                child_key = self._list(child)
                self._database.executemany(
                    "INSERT OR IGNORE INTO flag VALUES (?, ?)", [(child_key, flag) for flag in flags]
                )
            case SourceRecord(child=child):
                self._add(self._list(child), row)
            case Rejected(reason=reason):
                self.rejected[reason.value] += 1

    def _list(self, child: NhsNumber) -> str:
        child_key = self.vault.child_key(child)
        if self._database.execute("SELECT 1 FROM child WHERE child_key = ?", (child_key,)).fetchone() is None:
            sealed = self.vault.seal(Kind.IDENTIFIER, child_key, child.canonical().encode())
            self._database.execute("INSERT INTO child VALUES (?, ?)", (child_key, sealed))
        return child_key

    def _add(self, child_key: str, record: SourceRecord) -> None:
        try:
            payload = encode_record(record)
        except ValueError:
            self.rejected["value_invalid"] += 1
            return
        ref = self.vault.record_ref(self.source_id, record.source_ref)
        sealed = self.vault.seal(Kind.RECORD, record_row(child_key, self.source_id, ref), payload)
        self._database.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?)", (child_key, ref, self.vault.content_digest(payload), sealed)
        )

    def _count(self, table: str) -> int:
        return int(self._database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])  # noqa: S608 - own names

    def listed(self, after: str, most: int) -> list[Listed]:
        """The next children in the order of their keys."""
        rows = self._database.execute(_CHILDREN, (after, most)).fetchall()
        if not rows:
            return []
        through = rows[-1][0]
        flags: dict[str, set[str]] = {}
        for child_key, flag in self._database.execute(_FLAGS, (after, through)):
            flags.setdefault(child_key, set()).add(flag)
        content: dict[str, list[str]] = {}
        for child_key, ref, digest in self._database.execute(_DIGESTS, (after, through)):
            content.setdefault(child_key, []).append(f"{ref}:{digest}")
        return [
            self._listed(key, identifier, frozenset(flags.get(key, ())), content.get(key, []))
            for key, identifier in rows
        ]

    def _listed(self, child_key: str, identifier: bytes, flags: frozenset[str], content: list[str]) -> Listed:
        plain = encode_flags(flags)
        return Listed(
            child_key=child_key,
            identifier=identifier,
            flags=self.vault.seal(Kind.FLAGS, f"{child_key}/{self.source_id}", plain),
            digest=self.vault.content_digest(plain + "\n".join(content).encode()),
        )

    def records_of(self, child_key: str) -> Iterator[tuple[str, bytes]]:
        """Reference and encrypted payload of each record of a child."""
        yield from self._database.execute(_RECORDS, (child_key,))
