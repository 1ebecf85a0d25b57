"""The reading half of a ledger's store: prebuilt statements, each standing alone.

Entries and hashes never change, so that several reads of one ledger agree without a transaction around them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from federation.errors import ErrorCode, WardgateError
from federation.ledger.appending import peak_in
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.tables import metadata
from federation.ledger.tree import HASH_BYTES, Frontier, GetNode, closing_entry, peaks_of
from federation.store import reading, store_errors

T = TypeVar("T")

MAX_LIMIT: Final = 10_000
"""Entries in one read: some 10 MB."""

_ENTRY: Final = metadata.tables["ledger_entry"].c
_CHECKPOINT: Final = metadata.tables["ledger_checkpoint"].c
_COSIGNATURE: Final = metadata.tables["ledger_cosignature"].c

_SIZE: Final = select(func.coalesce(func.max(_ENTRY.entry_index) + 1, 0))
_NODES: Final = select(_ENTRY.entry_index, _ENTRY.nodes).where(
    _ENTRY.entry_index.in_(bindparam("places", expanding=True))
)
_COLUMNS: Final = (_ENTRY.entry_index, _ENTRY.content, _ENTRY.nodes, _ENTRY.kind, _ENTRY.query_id, _ENTRY.at)
_PAGE: Final = (
    select(*_COLUMNS)
    .where(_ENTRY.entry_index >= bindparam("start"))
    .order_by(_ENTRY.entry_index)
    .limit(bindparam("count"))
)
_LAST_CHECKPOINT: Final = select(_CHECKPOINT.note).order_by(_CHECKPOINT.size.desc()).limit(1)
_CHECKPOINTS: Final = select(_CHECKPOINT.size, _CHECKPOINT.note).order_by(_CHECKPOINT.size)
_COSIGNATURES: Final = (
    select(_COSIGNATURE.line).where(_COSIGNATURE.size == bindparam("of_size")).order_by(_COSIGNATURE.witness)
)
_COSIGNED_SIZES: Final = select(_COSIGNATURE.witness, func.max(_COSIGNATURE.size).label("size")).group_by(
    _COSIGNATURE.witness
)
_ALL_COSIGNATURES: Final = select(_COSIGNATURE.size, _COSIGNATURE.line).order_by(
    _COSIGNATURE.size, _COSIGNATURE.witness
)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is stored."""

    index: int
    content: bytes
    nodes: bytes
    kind: str
    query_id: str | None
    at: int

    @property
    def entry(self) -> Entry:
        """The content, read.

        Raises:
            WardgateError: `LEDGER_INVALID`.
        """
        return Entry.parse(self.content)


@dataclass(frozen=True, slots=True)
class Criteria:
    """What entries are looked for by; every criterion that is given must hold.

    Attributes:
        kind: Kind of entry.
        query_id: The query they belong to.
        since: Earliest time, seconds since the epoch.
        until: Time before which they were written.
        start: First index to look at.
        limit: At most so many, in order of the ledger.
    """

    kind: EntryKind | None = None
    query_id: str | None = None
    since: int | None = None
    until: int | None = None
    start: int = 0
    limit: int = MAX_LIMIT


class Reader:
    """Reads one ledger.

    Every method raises `WardgateError` `STORE_UNAVAILABLE` where the database cannot be read.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine: Final = reading(engine)

    async def size(self) -> int:
        """Number of entries."""
        return int(await self._read(_scalar, _SIZE))

    async def frontier(self) -> Frontier:
        """The tree as it is now."""
        size = await self.size()
        peaks = peaks_of(size)
        found = await self.nodes(peaks)
        return Frontier(size, [found[peak] for peak in peaks])

    async def nodes(self, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Stored subtree hashes, by level and index.

        Raises:
            WardgateError: `LEDGER_INVALID`: one is missing.
        """
        places = {(level, index): closing_entry(level, index) for level, index in wanted}
        if not places:
            return {}
        rows = await self._read(_all, _NODES, places=sorted(set(places.values())))
        stored: dict[int, bytes] = {row.entry_index: row.nodes for row in rows}
        return {node: peak_in(stored.get(place, b""), node[0]) for node, place in places.items()}

    async def compute(self, compute: Callable[[GetNode], T]) -> T:
        """Run something of `federation.ledger.tree` over the stored hashes: ask what it needs, fetch, run it."""
        wanted: list[tuple[int, int]] = []

        def note(level: int, index: int) -> bytes:
            wanted.append((level, index))
            return bytes(HASH_BYTES)

        compute(note)
        found = await self.nodes(wanted)
        return compute(lambda level, index: found[level, index])

    async def entries(self, start: int, limit: int) -> list[StoredEntry]:
        """Entries from `start` on, in order."""
        rows = await self._read(_all, _PAGE, start=start, count=_limit(limit))
        return [_stored(row) for row in rows]

    async def search(self, criteria: Criteria) -> list[StoredEntry]:
        """Entries that meet the criteria, in order."""
        return [_stored(row) for row in await self._read(_all, _filtered(select(*_COLUMNS), criteria))]

    async def find(self, criteria: Criteria) -> list[int]:
        """Indexes of the entries that meet the criteria, in order."""
        return [row.entry_index for row in await self._read(_all, _filtered(select(_ENTRY.entry_index), criteria))]

    async def last_checkpoint(self) -> bytes | None:
        """The note of the newest stored checkpoint."""
        found: bytes | None = await self._read(_scalar, _LAST_CHECKPOINT)
        return found

    async def checkpoints(self) -> list[tuple[int, bytes]]:
        """Size and note of every stored checkpoint, smallest first."""
        return [(row.size, row.note) for row in await self._read(_all, _CHECKPOINTS)]

    async def cosignatures(self, size: int) -> list[bytes]:
        """Witnesses' signature lines over the checkpoint of `size`."""
        return [row.line for row in await self._read(_all, _COSIGNATURES, of_size=size)]

    async def all_cosignatures(self) -> dict[int, list[bytes]]:
        """Witnesses' signature lines by the size of the checkpoint that they are over."""
        found: dict[int, list[bytes]] = {}
        for row in await self._read(_all, _ALL_COSIGNATURES):
            found.setdefault(row.size, []).append(row.line)
        return found

    async def cosigned_sizes(self) -> list[tuple[str, int]]:
        """Each witness with the size of the largest checkpoint that it has cosigned."""
        return [(row.witness, row.size) for row in await self._read(_all, _COSIGNED_SIZES)]

    async def _read(self, take: Callable[..., Any], statement: Select[Any], **values: object) -> Any:  # noqa: ANN401 - as `take`
        async with store_errors("ledger read"), self._engine.connect() as connection:
            return await take(connection, statement, values)


async def _all(connection: AsyncConnection, statement: Select[Any], values: dict[str, object]) -> Sequence[Any]:
    return list((await connection.execute(statement, values)).all())


async def _scalar(connection: AsyncConnection, statement: Select[Any], values: dict[str, object]) -> object:
    return (await connection.execute(statement, values)).scalar()


def _filtered(statement: Select[Any], criteria: Criteria) -> Select[Any]:
    found = statement.where(_ENTRY.entry_index >= criteria.start)
    if criteria.kind is not None:
        found = found.where(_ENTRY.kind == criteria.kind.value)
    if criteria.query_id is not None:
        found = found.where(_ENTRY.query_id == criteria.query_id)
    if criteria.since is not None:
        found = found.where(_ENTRY.at >= criteria.since)
    if criteria.until is not None:
        found = found.where(_ENTRY.at < criteria.until)
    return found.order_by(_ENTRY.entry_index).limit(_limit(criteria.limit))


def _stored(row: Any) -> StoredEntry:  # noqa: ANN401 - a row of SQLAlchemy has no static type
    return StoredEntry(row.entry_index, row.content, row.nodes, row.kind, row.query_id, row.at)


def _limit(limit: int) -> int:
    if not 0 < limit <= MAX_LIMIT:
        raise WardgateError(ErrorCode.INTERNAL, f"a read of {limit} entries; at most {MAX_LIMIT}")
    return limit
