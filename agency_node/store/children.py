"""Reads and writes of the caseload: children, what each source holds of them, records. Prebuilt Core statements.

Writes run inside the journal's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Table, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from agency_node.store.tables import Child, Holding, Record, SourceState


def core_table(model: type[SQLModel]) -> Table:
    """The Core table of a model."""
    found: Table = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it at class creation
    return found


CHILD, HOLDING, RECORD, SOURCE = (core_table(model) for model in (Child, Holding, Record, SourceState))

_HELD = (
    select(CHILD.c.child_key, HOLDING.c.source_id, HOLDING.c.flags, RECORD.c.ref, RECORD.c.payload)
    .select_from(CHILD)
    .join(HOLDING, HOLDING.c.child_key == CHILD.c.child_key)
    .outerjoin(RECORD, (RECORD.c.child_key == HOLDING.c.child_key) & (RECORD.c.source_id == HOLDING.c.source_id))
    .where(or_(CHILD.c.lookup_key == bindparam("key"), CHILD.c.previous_key == bindparam("key")))
)
_SOURCES = select(SOURCE)
_CHILD = select(CHILD).where(CHILD.c.child_key == bindparam("child_key"))
_KNOWN = select(CHILD.c.child_key, CHILD.c.epoch, CHILD.c.lookup_key).where(
    CHILD.c.child_key.in_(bindparam("child_keys", expanding=True))
)
_DIGESTS = select(HOLDING.c.child_key, HOLDING.c.digest).where(
    HOLDING.c.source_id == bindparam("source_id"),
    HOLDING.c.child_key > bindparam("after"),
    HOLDING.c.child_key <= bindparam("through"),
)
_OUTDATED = (
    select(CHILD.c.child_key, CHILD.c.identifier)
    .where(CHILD.c.epoch != bindparam("epoch"), CHILD.c.child_key > bindparam("after"))
    .order_by(CHILD.c.child_key)
    .limit(bindparam("most"))
)
_COUNT = select(func.count()).select_from(CHILD)
_COUNT_OUTDATED = select(func.count()).select_from(CHILD).where(CHILD.c.epoch != bindparam("epoch"))
_INSERT_CHILD = insert(CHILD)
_INSERT_HOLDING = insert(HOLDING)
_INSERT_RECORD = insert(RECORD)
_INSERT_SOURCE = insert(SOURCE)
_DELETE_SOURCE = delete(SOURCE).where(SOURCE.c.source_id == bindparam("b_source_id"))
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
_DELETE_OTHER_STATES = delete(SOURCE).where(SOURCE.c.source_id.not_in(bindparam("source_ids", expanding=True)))
_DELETE_ORPHANS = delete(CHILD).where(~exists().where(HOLDING.c.child_key == CHILD.c.child_key))

Rows = Sequence[Row[*tuple[Any, ...]]]

LAST_KEY: Final = "g"
"""Greater than every child key: those are hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one batch of a caseload run writes. Rows are complete: column name to value.

    Attributes:
        source_id: The source whose batch it is.
        children: Children not known before.
        moved: Known children with a pseudonym of another epoch; column names behind `b_`.
        holdings: New or changed holdings; what stood before under the same child and source is replaced.
        records: All records of those holdings.
        gone: Children that the source lists no more.
    """

    source_id: str
    children: Sequence[dict[str, Any]] = ()
    moved: Sequence[dict[str, Any]] = ()
    holdings: Sequence[dict[str, Any]] = ()
    records: Sequence[dict[str, Any]] = ()
    gone: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.children or self.moved or self.holdings or self.gone)


async def find_held(connection: AsyncConnection, key: bytes) -> Rows:
    """Child, source, flags, and record (or None) of every holding of the child with this lookup key."""
    return (await connection.execute(_HELD, {"key": key})).all()


async def find_child(connection: AsyncConnection, child_key: str) -> Row[*tuple[Any, ...]] | None:
    """A child by its number's key."""
    return (await connection.execute(_CHILD, {"child_key": child_key})).one_or_none()


async def source_states(connection: AsyncConnection) -> Rows:
    """How every source fared when last read."""
    return (await connection.execute(_SOURCES)).all()


async def count_children(connection: AsyncConnection) -> int:
    """Children on the caseload."""
    return int((await connection.execute(_COUNT)).scalar_one())


async def count_outdated(connection: AsyncConnection, epoch: int) -> int:
    """Children whose pseudonym is of another epoch."""
    return int((await connection.execute(_COUNT_OUTDATED, {"epoch": epoch})).scalar_one())


async def outdated_children(connection: AsyncConnection, epoch: int, after: str, most: int) -> Rows:
    """Key and encrypted number of children whose pseudonym is of another epoch, in the order of their keys."""
    return (await connection.execute(_OUTDATED, {"epoch": epoch, "after": after, "most": most})).all()


async def known_children(connection: AsyncConnection, child_keys: Sequence[str]) -> set[str]:
    """Which of these children are on the caseload."""
    rows = (await connection.execute(_KNOWN, {"child_keys": list(child_keys)})).all()
    return {row.child_key for row in rows}


async def digests(connection: AsyncConnection, source_id: str, *, after: str, through: str) -> dict[str, str]:
    """Digest of each holding of a source in a range of child keys."""
    found = await connection.execute(_DIGESTS, {"source_id": source_id, "after": after, "through": through})
    return {row.child_key: row.digest for row in found.all()}


async def apply_change(connection: AsyncConnection, change: Change) -> None:
    """Write one batch."""
    if change.children:
        await connection.execute(_INSERT_CHILD, list(change.children))
    if change.moved:
        await connection.execute(_MOVE_EPOCH, list(change.moved))
    replaced = [*(row["child_key"] for row in change.holdings), *change.gone]
    if replaced:
        await connection.execute(
            _DELETE_HOLDING, [{"b_source_id": change.source_id, "b_child_key": key} for key in replaced]
        )
    if change.holdings:
        await connection.execute(_INSERT_HOLDING, list(change.holdings))
    if change.records:
        await connection.execute(_INSERT_RECORD, list(change.records))


async def set_source_state(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Replace what is known of a source."""
    await connection.execute(_DELETE_SOURCE, {"b_source_id": row["source_id"]})
    await connection.execute(_INSERT_SOURCE, row)


async def forget_other_sources(connection: AsyncConnection, source_ids: Sequence[str]) -> None:
    """Drop what sources held that the node has no more."""
    await connection.execute(_DELETE_OTHER_SOURCES, {"source_ids": list(source_ids)})
    await connection.execute(_DELETE_OTHER_STATES, {"source_ids": list(source_ids)})


async def delete_orphans(connection: AsyncConnection) -> int:
    """Delete children that no source lists; how many."""
    return (await connection.execute(_DELETE_ORPHANS)).rowcount


async def forget_previous_epoch(connection: AsyncConnection) -> int:
    """The overlap of two epochs is over: old pseudonyms find nothing any more. How many were forgotten."""
    return (await connection.execute(_FORGET_PREVIOUS)).rowcount
