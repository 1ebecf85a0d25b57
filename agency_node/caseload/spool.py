"""One reading of one source, set aside until it is complete: nothing of a reading that stops early comes into force.

The spool is an anonymous temporary SQLite file that vanishes with the process, so that a caseload of a million records
needs neither its memory nor a second reading. Values stand in it encrypted, as they will stand in the store. Blocking:
used in a worker thread.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self

from sqlalchemy import Row

from agency_node.caseload.records import encode_flags, encode_record, united
from agency_node.caseload.rejects import may_be_anybodys, reject_row
from agency_node.sources.record import SourceChild, SourceRecord
from agency_node.sources.source import DatasetRead, Rejected, SourceRow
from agency_node.store.reading_rows import RejectRow
from agency_node.vault import Kind, Vault
from federation.errors import WardgateError
from keys.nhs_number import NhsNumber

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -32768;
CREATE TABLE child (child_key TEXT PRIMARY KEY, identifier BLOB NOT NULL, absent_since INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE flag (child_key TEXT NOT NULL, flag TEXT NOT NULL, PRIMARY KEY (child_key, flag)) WITHOUT ROWID;
CREATE TABLE key (child_key TEXT NOT NULL, key_ref TEXT NOT NULL, PRIMARY KEY (child_key, key_ref)) WITHOUT ROWID;
CREATE TABLE record (child_key TEXT NOT NULL, ref TEXT NOT NULL, dataset TEXT NOT NULL, digest TEXT NOT NULL,
  absent_since INTEGER NOT NULL, payload BLOB NOT NULL);
"""
_SORT = "CREATE INDEX record_by_child ON record (child_key, ref)"
_REPEATED = "SELECT child_key, ref FROM record GROUP BY child_key, ref HAVING COUNT(*) > 1"
_CHILDREN = "SELECT child_key, identifier, absent_since FROM child WHERE child_key > ? ORDER BY child_key LIMIT ?"
_SOME_CHILDREN = "SELECT child_key, identifier, absent_since FROM child WHERE child_key = ?"
_FLAGS = "SELECT flag FROM flag WHERE child_key = ? ORDER BY flag"
_KEYS = "SELECT key_ref FROM key WHERE child_key = ? ORDER BY key_ref"
_RECORDS = "SELECT ref, dataset, digest, absent_since, payload FROM record WHERE child_key = ? ORDER BY ref, rowid"
_RECORD = "SELECT ref, dataset, digest, absent_since, payload FROM record WHERE child_key = ? AND ref = ?"
_BY_DATASET = "SELECT dataset, COUNT(*), COUNT(DISTINCT child_key) FROM record GROUP BY dataset"

PROGRESS_ROWS: Final = 1_000
MAX_REJECTS_KEPT: Final = 10_000
"""Of one dataset, and apart from them of its rows that may be anybody's: more than a person reads.

What is beyond is counted only.
"""


def record_row(child_key: str, source_id: str, ref: str) -> str:
    """The name of a record's row, to which its ciphertext is bound."""
    return f"{child_key}/{source_id}/{ref}"


@dataclass(frozen=True, slots=True)
class SpooledRecord:
    """A record as it stands in the spool, and will stand in the store.

    Attributes:
        payload: Encrypted.
    """

    ref: str
    dataset: str
    digest: str
    absent_since: int
    payload: bytes

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """As the store has it."""
        return cls(row.ref, row.dataset, row.digest, row.absent_since, row.payload)


@dataclass(slots=True)
class Listed:
    """A child as one source has it now.

    Attributes:
        identifier: Encrypted NHS number, as the store keeps it.
        flags: Encrypted flags of the child as such.
        keys: Keyed hashes of the source's keys for it.
        digest: Over flags, keys and records.
    """

    child_key: str
    identifier: bytes
    flags: bytes
    keys: tuple[str, ...]
    absent_since: int
    digest: str


@dataclass(slots=True)
class Spool:
    """A complete reading of one source, in the order of child keys. Close it.

    Attributes:
        reads: How each dataset fared, as the source said.
        rejects: Rows that could not be read, by id.
        named: Keyed hashes of the source's keys that rows name and nobody has now, with those rows' ids; an empty id is
            that of a row beyond those that are kept.
        beyond: Datasets with more rows that may be anybody's than are kept, and whether one beyond may carry flags.
    """

    source_id: str
    vault: Vault
    at: int
    children: int = 0
    records: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    reads: dict[str, DatasetRead] = field(default_factory=dict)
    rejects: dict[str, RejectRow] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    beyond: dict[str, bool] = field(default_factory=dict)
    _kept: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _places: dict[str, dict[tuple[str, int], int]] = field(default_factory=dict)
    _database: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        # "" names an anonymous file on disk. Each call comes from one worker thread at a time.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def fill(self, rows: Iterable[SourceRow], *, on_rows: Callable[[int], None]) -> WardgateError | None:
        """Take in a whole reading.

        Args:
            rows: What `Source.read` yields.
            on_rows: Told how many rows there were so far, now and then.

        Returns:
            What the source raised: the reading stopped there, and nothing but flags may be taken from it.
        """
        self._database.execute("BEGIN")
        stopped_by = None
        try:
            for number, row in enumerate(rows, start=1):
                self._take(row)
                if number % PROGRESS_ROWS == 0:
                    on_rows(number)
        except WardgateError as error:
            stopped_by = error
        self._database.execute(_SORT)
        for child_key, ref in self._database.execute(_REPEATED).fetchall():
            self._unite(child_key, ref)
        self._database.execute("COMMIT")
        self.children = self._count("child")
        self.records = self._count("record")
        return stopped_by

    def _take(self, row: SourceRow) -> None:
        match row:
            case SourceChild(child=child, flags=flags, keys=keys):
                child_key = self._list(child)
                self.add_flags(child_key, flags)
                self.add_keys(child_key, (self.vault.key_ref(self.source_id, key) for key in keys))
            case SourceRecord(child=child):
                self._add(self._list(child), row)
            case Rejected():
                self._reject(row)
            case DatasetRead(dataset=dataset):
                self.reads[dataset] = row

    def _reject(self, rejected: Rejected) -> None:
        self.rejected[rejected.reason.value] += 1
        reject_id = self._keep(rejected)
        for key in rejected.keys:
            self.named.setdefault(self.vault.key_ref(self.source_id, key), set()).add(reject_id)

    def _keep(self, rejected: Rejected) -> str:
        """The id of a row that could not be read; empty when there are too many to keep it."""
        counted = (rejected.dataset, may_be_anybodys(rejected))
        if self._kept[counted] >= MAX_REJECTS_KEPT:
            if may_be_anybodys(rejected):
                self.beyond[rejected.dataset] = rejected.has_flags or self.beyond.get(rejected.dataset, False)
            return ""
        first = reject_row(rejected, self.source_id, self.vault, at=self.at)
        places = self._places.setdefault(first.reject_id, {})
        # Of rows that say the same a further one is another row: it may be the one that went missing today.
        occurrence = places.setdefault((rejected.file, rejected.line), len(places) + 1)
        kept = first
        if occurrence > 1:
            kept = reject_row(rejected, self.source_id, self.vault, at=self.at, occurrence=occurrence)
        if self.rejects.setdefault(kept.reject_id, kept) is kept:
            self._kept[counted] += 1
        return kept.reject_id

    def _list(self, child: NhsNumber) -> str:
        child_key = self.vault.child_key(child)
        if self._database.execute("SELECT 1 FROM child WHERE child_key = ?", (child_key,)).fetchone() is None:
            sealed = self.vault.seal(Kind.IDENTIFIER, child_key, child.canonical().encode())
            self._database.execute("INSERT INTO child VALUES (?, ?, 0)", (child_key, sealed))
        return child_key

    def _add(self, child_key: str, record: SourceRecord) -> None:
        ref = self.vault.record_ref(self.source_id, record.source_ref)
        self._put(child_key, self._sealed(child_key, ref, record.dataset, encode_record(record)))

    def _unite(self, child_key: str, ref: str) -> None:
        """Rows that say something of one record become one: flags united, what they disagree about unreadable."""
        first, *others = [record for record in self.records_of(child_key) if record.ref == ref]
        payload = self.opened(child_key, first)
        for other in others:
            payload = united(payload, self.opened(child_key, other))
        self.replace_record(child_key, self._sealed(child_key, ref, first.dataset, payload))

    def _sealed(self, child_key: str, ref: str, dataset: str, payload: bytes, absent_since: int = 0) -> SpooledRecord:
        sealed = self.vault.seal(Kind.RECORD, record_row(child_key, self.source_id, ref), payload)
        return SpooledRecord(ref, dataset, self.vault.content_digest(payload), absent_since, sealed)

    def _put(self, child_key: str, record: SpooledRecord) -> None:
        self._database.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)",
            (child_key, record.ref, record.dataset, record.digest, record.absent_since, record.payload),
        )

    def _count(self, table: str) -> int:
        return int(self._database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])  # noqa: S608 - own names

    # -- what the reading found -----------------------------------------------------------------------------------

    def by_dataset(self) -> dict[str, tuple[int, int]]:
        """Records and children of each dataset that has any."""
        return {name: (records, children) for name, records, children in self._database.execute(_BY_DATASET)}

    def listed(self, after: str, most: int) -> list[Listed]:
        """The next children in the order of their keys."""
        return [self._listed(*row) for row in self._database.execute(_CHILDREN, (after, most)).fetchall()]

    def child(self, child_key: str) -> Listed | None:
        """One child."""
        found = self._database.execute(_SOME_CHILDREN, (child_key,)).fetchone()
        return self._listed(*found) if found else None

    def _listed(self, child_key: str, identifier: bytes, absent_since: int) -> Listed:
        plain, keys = encode_flags(self.flags_of(child_key)), self.keys_of(child_key)
        content = [f"{record.ref}:{record.digest}:{record.absent_since}" for record in self.records_of(child_key)]
        described = "\n".join([*keys, str(absent_since), *content]).encode()
        return Listed(
            child_key=child_key,
            identifier=identifier,
            flags=self.vault.seal(Kind.FLAGS, f"{child_key}/{self.source_id}", plain),
            keys=keys,
            absent_since=absent_since,
            digest=self.vault.content_digest(plain + described),
        )

    def flags_of(self, child_key: str) -> frozenset[str]:
        """Flags of a child as such."""
        return frozenset(flag for (flag,) in self._database.execute(_FLAGS, (child_key,)))

    def keys_of(self, child_key: str) -> tuple[str, ...]:
        """Keyed hashes of the source's keys for a child."""
        return tuple(key for (key,) in self._database.execute(_KEYS, (child_key,)))

    def records_of(self, child_key: str) -> Iterator[SpooledRecord]:
        """The records of a child."""
        for row in self._database.execute(_RECORDS, (child_key,)).fetchall():
            yield SpooledRecord(*row)

    def record(self, child_key: str, ref: str) -> SpooledRecord | None:
        """One record of a child."""
        found = self._database.execute(_RECORD, (child_key, ref)).fetchone()
        return SpooledRecord(*found) if found else None

    def opened(self, child_key: str, record: SpooledRecord) -> bytes:
        """A record's payload in the clear."""
        return self.vault.open(Kind.RECORD, record_row(child_key, self.source_id, record.ref), record.payload)

    # -- what is carried over from the store ----------------------------------------------------------------------

    def carry_child(self, child_key: str, identifier: bytes, keys: Iterable[str], *, absent_since: int) -> None:
        """List a child that the reading does not have."""
        self._database.execute("INSERT INTO child VALUES (?, ?, ?)", (child_key, identifier, absent_since))
        self.add_keys(child_key, keys)

    def add_keys(self, child_key: str, keys: Iterable[str]) -> None:
        """Add keyed hashes of the source's keys for a child."""
        self._database.executemany("INSERT OR IGNORE INTO key VALUES (?, ?)", [(child_key, key) for key in keys])

    def set_absent_since(self, child_key: str, absent_since: int) -> None:
        """Say since when the source has not had a child."""
        self._database.execute("UPDATE child SET absent_since = ? WHERE child_key = ?", (absent_since, child_key))

    def add_flags(self, child_key: str, flags: Iterable[str]) -> None:
        """Put flags on a child as such."""
        rows = [(child_key, flag) for flag in flags]
        self._database.executemany("INSERT OR IGNORE INTO flag VALUES (?, ?)", rows)

    def drop_child(self, child_key: str) -> None:
        """Take a child out."""
        for table in ("child", "flag", "key", "record"):
            self._database.execute(f"DELETE FROM {table} WHERE child_key = ?", (child_key,))  # noqa: S608 - own names

    def carry_record(self, child_key: str, record: SpooledRecord) -> None:
        """Take over a record as the store has it, in place of the reading's."""
        self.drop_record(child_key, record.ref)
        self._put(child_key, record)

    def write_record(self, child_key: str, like: SpooledRecord, payload: bytes, *, absent_since: int = 0) -> None:
        """Give a record another payload."""
        self.replace_record(child_key, self._sealed(child_key, like.ref, like.dataset, payload, absent_since))

    def replace_record(self, child_key: str, record: SpooledRecord) -> None:
        """Put a record in the place of all of its reference."""
        self.drop_record(child_key, record.ref)
        self._put(child_key, record)

    def drop_record(self, child_key: str, ref: str) -> None:
        """Take a record out."""
        self._database.execute("DELETE FROM record WHERE child_key = ? AND ref = ?", (child_key, ref))
