"""Reads and writes of the caseload: children, what each source holds of them, records. Prebuilt Core statements.

Writes run inside the journal's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Table, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from agency_node.store.tables import Child, Holding, Record, SourceKey


def core_table(model: type[SQLModel]) -> Table:
    """The Core table of a model."""
    found: Table = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it at class creation
    return found


CHILD, HOLDING, RECORD, KEY = (core_table(model) for model in (Child, Holding, Record, SourceKey))

_HELD = (
    select(CHILD.c.child_key, CHILD.c.identifier, HOLDING.c.source_id, HOLDING.c.flags, RECORD.c.ref, RECORD.c.payload)
    .select_from(CHILD)
    .join(HOLDING, HOLDING.c.child_key == CHILD.c.child_key)
    .outerjoin(RECORD, (RECORD.c.child_key == HOLDING.c.child_key) & (RECORD.c.source_id == HOLDING.c.source_id))
    .where(or_(CHILD.c.lookup_key == bindparam("key"), CHILD.c.previous_key == bindparam("key")))
)
_CHILD = select(CHILD).where(CHILD.c.child_key == bindparam("child_key"))
_KNOWN = select(CHILD.c.child_key, CHILD.c.epoch, CHILD.c.lookup_key).where(
    CHILD.c.child_key.in_(bindparam("child_keys", expanding=True))
)
_DIGESTS = select(HOLDING.c.child_key, HOLDING.c.digest).where(
    HOLDING.c.source_id == bindparam("source_id"),
    HOLDING.c.child_key > bindparam("after"),
    HOLDING.c.child_key <= bindparam("through"),
)
_STORED = (
    select(CHILD.c.identifier, HOLDING.c.child_key, HOLDING.c.flags, HOLDING.c.absent_since)
    .join(CHILD, CHILD.c.child_key == HOLDING.c.child_key)
    .where(
        HOLDING.c.source_id == bindparam("source_id"), HOLDING.c.child_key.in_(bindparam("child_keys", expanding=True))
    )
)
_STORED_RECORDS = select(
    RECORD.c.child_key, RECORD.c.ref, RECORD.c.dataset, RECORD.c.digest, RECORD.c.absent_since, RECORD.c.payload
).where(RECORD.c.source_id == bindparam("source_id"), RECORD.c.child_key.in_(bindparam("child_keys", expanding=True)))
_STORED_KEYS = select(KEY.c.child_key, KEY.c.key_ref).where(
    KEY.c.source_id == bindparam("source_id"), KEY.c.child_key.in_(bindparam("child_keys", expanding=True))
)
_UNDER_KEYS = (
    select(KEY.c.key_ref, CHILD.c.child_key, CHILD.c.identifier)
    .join(CHILD, CHILD.c.child_key == KEY.c.child_key)
    .where(KEY.c.source_id == bindparam("source_id"), KEY.c.key_ref.in_(bindparam("key_refs", expanding=True)))
)
_OUTDATED = (
    select(CHILD.c.child_key, CHILD.c.identifier).where(CHILD.c.epoch < bindparam("epoch")).limit(bindparam("most"))
)
_COUNT = select(func.count()).select_from(CHILD)
_COUNT_OUTDATED = select(func.count()).select_from(CHILD).where(CHILD.c.epoch < bindparam("epoch"))
_OLDEST = select(func.min(CHILD.c.epoch))
_INSERT_CHILD = insert(CHILD)
_INSERT_HOLDING = insert(HOLDING)
_INSERT_RECORD = insert(RECORD)
_INSERT_KEY = insert(KEY)
_MOVE_EPOCH = (
    update(CHILD)
    .where(CHILD.c.child_key == bindparam("b_child_key"))
    .values(
        previous_key=CHILD.c.lookup_key,
        lookup_key=bindparam("b_lookup_key"),
        pseudonym=bindparam("b_pseudonym"),
        epoch=bindparam("b_epoch"),
    )
)
_FORGET_PREVIOUS = update(CHILD).where(CHILD.c.previous_key.is_not(None)).values(previous_key=None)
_DELETE_HOLDING = delete(HOLDING).where(
    HOLDING.c.source_id == bindparam("b_source_id"), HOLDING.c.child_key == bindparam("b_child_key")
)
_DELETE_OTHER_SOURCES = delete(HOLDING).where(HOLDING.c.source_id.not_in(bindparam("source_ids", expanding=True)))
_DELETE_ORPHANS = delete(CHILD).where(~exists().where(HOLDING.c.child_key == CHILD.c.child_key))

Rows = Sequence[Row[*tuple[Any, ...]]]

FIRST_KEY: Final = ""
"""Less than every child key."""

LAST_KEY: Final = "g"
"""Greater than every child key: those are hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one batch of a caseload run writes. Rows are complete: column name to value.

    Attributes:
        source_id: The source whose batch it is.
        children: Children not known before.
        holdings: New or changed holdings; what stood before under the same child and source is replaced.
        records: All records of those holdings.
        keys: All keys under which the source knows those children.
        gone: Children that the source lists no more.
    """

    source_id: str
    children: Sequence[dict[str, Any]] = ()
    holdings: Sequence[dict[str, Any]] = ()
    records: Sequence[dict[str, Any]] = ()
    keys: Sequence[dict[str, Any]] = ()
    gone: Sequence[str] = ()


async def find_held(connection: AsyncConnection, key: bytes) -> Rows:
    """Child, source, flags, and record (or None) of every holding of the child with this lookup key."""
    return (await connection.execute(_HELD, {"key": key})).all()


async def find_child(connection: AsyncConnection, child_key: str) -> Row[*tuple[Any, ...]] | None:
    """A child by its number's key."""
    return (await connection.execute(_CHILD, {"child_key": child_key})).one_or_none()


async def count_children(connection: AsyncConnection) -> int:
    """Children on the caseload."""
    return int((await connection.execute(_COUNT)).scalar_one())


async def count_outdated(connection: AsyncConnection, epoch: int) -> int:
    """Children whose pseudonym is of an older epoch."""
    return int((await connection.execute(_COUNT_OUTDATED, {"epoch": epoch})).scalar_one())


async def outdated_children(connection: AsyncConnection, epoch: int, most: int) -> Rows:
    """Key and encrypted number of some children whose pseudonym is of an older epoch."""
    return (await connection.execute(_OUTDATED, {"epoch": epoch, "most": most})).all()


async def oldest_epoch(connection: AsyncConnection) -> int | None:
    """The oldest epoch of any pseudonym in the store; None when there is no child."""
    found: int | None = (await connection.execute(_OLDEST)).scalar_one()
    return found


async def known_children(connection: AsyncConnection, child_keys: Sequence[str]) -> set[str]:
    """Which of these children are on the caseload."""
    rows = (await connection.execute(_KNOWN, {"child_keys": list(child_keys)})).all()
    return {row.child_key for row in rows}


async def digests(connection: AsyncConnection, source_id: str, *, after: str, through: str) -> dict[str, str]:
    """Digest of each holding of a source in a range of child keys."""
    found = await connection.execute(_DIGESTS, {"source_id": source_id, "after": after, "through": through})
    return {row.child_key: row.digest for row in found.all()}


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store has of some children of one source: rows as they stand, still encrypted."""

    holdings: Rows
    records: Rows
    keys: Rows


async def stored(connection: AsyncConnection, source_id: str, child_keys: Sequence[str]) -> Stored:
    """Everything a source held of these children when it was last written."""
    by = {"source_id": source_id, "child_keys": list(child_keys)}
    return Stored(
        (await connection.execute(_STORED, by)).all(),
        (await connection.execute(_STORED_RECORDS, by)).all(),
        (await connection.execute(_STORED_KEYS, by)).all(),
    )


async def children_under(connection: AsyncConnection, source_id: str, key_refs: Sequence[str]) -> Rows:
    """Key, child and encrypted number of every child that stood under one of a source's keys."""
    return (await connection.execute(_UNDER_KEYS, {"source_id": source_id, "key_refs": list(key_refs)})).all()


async def apply_change(connection: AsyncConnection, change: Change) -> None:
    """Write one batch."""
    if change.children:
        await connection.execute(_INSERT_CHILD, list(change.children))
    replaced = [*(row["child_key"] for row in change.holdings), *change.gone]
    if replaced:
        await connection.execute(
            _DELETE_HOLDING, [{"b_source_id": change.source_id, "b_child_key": key} for key in replaced]
        )
    if change.holdings:
        await connection.execute(_INSERT_HOLDING, list(change.holdings))
    if change.records:
        await connection.execute(_INSERT_RECORD, list(change.records))
    if change.keys:
        await connection.execute(_INSERT_KEY, list(change.keys))


async def move_epoch(connection: AsyncConnection, moved: Sequence[dict[str, Any]]) -> None:
    """Give children the pseudonym of another epoch; column names behind `b_`. The old one still finds them."""
    await connection.execute(_MOVE_EPOCH, list(moved))


async def forget_other_sources(connection: AsyncConnection, source_ids: Sequence[str]) -> None:
    """Drop what sources held that the node has no more."""
    await connection.execute(_DELETE_OTHER_SOURCES, {"source_ids": list(source_ids)})


async def delete_orphans(connection: AsyncConnection) -> int:
    """Delete children that no source lists; how many."""
    return (await connection.execute(_DELETE_ORPHANS)).rowcount


async def forget_previous_epoch(connection: AsyncConnection) -> int:
    """The overlap of two epochs is over: old pseudonyms find nothing any more. How many were forgotten."""
    return (await connection.execute(_FORGET_PREVIOUS)).rowcount
