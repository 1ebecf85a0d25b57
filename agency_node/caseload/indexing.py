"""Writes the caseload: new pseudonyms, changed holdings, children that moved to another epoch.

One transaction for each batch, with a ledger entry of counts. What is written compares equal the next time, so that a
run that was killed anywhere goes on where it stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.caseload.beside import Beside
from agency_node.caseload.parts import CaseloadParts
from agency_node.caseload.spool import Listed, Spool
from agency_node.points import pin_used
from agency_node.store import children as store
from agency_node.vault import Kind
from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.ledger.entry import Entry, EntryKind
from federation.seen import PointKey
from federation.store import store_errors
from keys.nhs_number import NhsNumber

T = TypeVar("T")
Rows = list[dict[str, Any]]
"""Rows of a table: column name to value."""


@dataclass(slots=True)
class Written:
    """Counts of one batch."""

    evaluated: int = 0
    changed: int = 0
    gone: int = 0


class Indexer:
    """Writes batches of one run."""

    def __init__(self, parts: CaseloadParts, *, correlation_id: CorrelationId) -> None:
        self._parts = parts
        self._correlation_id = correlation_id

    def entry(self, kind: EntryKind, body: dict[str, Any]) -> Entry:
        """A ledger entry of this run."""
        return Entry(
            kind=kind,
            at=int(self._parts.clock()),
            actor=Actor.keeper(self._parts.journal.key.name),
            correlation_id=self._correlation_id,
            body=body,
        )

    async def write_range(self, beside: Beside) -> Written:
        """Bring one range of child keys into line with what a source lists."""
        spool, stored = beside.spool, beside.digests
        kept: dict[str, Listed] = {}
        async for chunk in beside.chunks():
            kept.update(await self._parts.in_thread(partial(_as_they_stand, spool, chunk.child_keys)))
        changed = [child for child in kept.values() if stored.get(child.child_key) != child.digest]
        gone = sorted(set(beside.missing) - kept.keys())
        if not changed and not gone:
            return Written()
        async with store_errors("caseload"), self._parts.engine.connect() as connection:
            known = await store.known_children(connection, [child.child_key for child in changed])
        new = [child for child in changed if child.child_key not in known]
        children, points = await self._child_rows(new)
        change = store.Change(
            source_id=spool.source_id,
            children=children,
            holdings=[_holding_row(child, spool.source_id) for child in changed],
            records=await self._parts.in_thread(lambda: _record_rows(spool, changed)),
            keys=[row for child in changed for row in _key_rows(child, spool.source_id)],
            gone=gone,
        )
        written = Written(len(new), len(changed), len(gone))
        body = {
            "source": spool.source_id,
            "evaluated": written.evaluated,
            "changed": written.changed,
            "gone": written.gone,
            "records": len(change.records),
        }
        entry = self.entry(EntryKind.CASELOAD_INDEXED, body)

        async def apply(connection: AsyncConnection) -> None:
            await pin_used(connection, points, int(self._parts.clock()))
            await store.apply_change(connection, change)

        await self._parts.journal.record([entry], apply)
        return written

    async def _child_rows(self, new: Sequence[Listed]) -> tuple[Rows, Mapping[PointKey, bytes]]:
        if not new:
            return [], {}
        identifiers = {child.child_key: child.identifier for child in new}
        made, points = await self._pseudonym_rows(identifiers)
        return [{"previous_key": None, "identifier": identifiers[row["child_key"]], **row} for row in made], points

    async def _pseudonym_rows(self, identifiers: dict[str, bytes]) -> tuple[Rows, Mapping[PointKey, bytes]]:
        """Columns that depend on the epoch, for children whose encrypted numbers are given; and the points behind."""
        vault = self._parts.vault
        numbers = [NhsNumber(vault.open(Kind.IDENTIFIER, key, sealed).decode()) for key, sealed in identifiers.items()]
        made = await self._parts.pseudonyms.evaluate(numbers, use="caseload")
        rows = [
            {
                "child_key": child_key,
                "lookup_key": vault.lookup_key(pseudonym),
                "pseudonym": vault.seal(Kind.PSEUDONYM, child_key, pseudonym.reveal()),
                "epoch": made.epoch,
            }
            for child_key, pseudonym in zip(identifiers, made.pseudonyms, strict=True)
        ]
        return rows, made.points

    async def _move(self, points: Mapping[PointKey, bytes], change: Rows, connection: AsyncConnection) -> None:
        await pin_used(connection, points, int(self._parts.clock()))
        await store.move_epoch(connection, change)

    async def move_to_epoch(self, epoch: int, *, on_moved: Callable[[int], None]) -> int:
        """Make new pseudonyms for children that still have one of an older epoch. Returns how many.

        Until the last is moved, answers say `error`: a task in the new epoch does not find a child of the old.
        """
        moved = 0
        while True:
            async with store_errors("caseload"), self._parts.engine.connect() as connection:
                rows = await store.outdated_children(connection, epoch, self._parts.batch_size)
            if not rows:
                return moved
            made, points = await self._pseudonym_rows({row.child_key: row.identifier for row in rows})
            change = [{f"b_{name}": value for name, value in row.items()} for row in made]
            entry = self.entry(EntryKind.CASELOAD_INDEXED, {"epoch": epoch, "moved": len(change)})
            await self._parts.journal.record([entry], partial(self._move, points, change))
            moved += len(change)
            on_moved(moved)


def _as_they_stand(spool: Spool, child_keys: Sequence[str]) -> dict[str, Listed]:
    """Children as they are to stand; those that leave are not among them."""
    found = [spool.child(child_key) for child_key in child_keys]
    return {child.child_key: child for child in found if child is not None}


def _holding_row(child: Listed, source_id: str) -> dict[str, Any]:
    return {
        "child_key": child.child_key,
        "source_id": source_id,
        "digest": child.digest,
        "flags": child.flags,
        "absent_since": child.absent_since,
    }


def _key_rows(child: Listed, source_id: str) -> list[dict[str, Any]]:
    return [{"source_id": source_id, "key_ref": key, "child_key": child.child_key} for key in child.keys]


def _record_rows(spool: Spool, changed: Sequence[Listed]) -> list[dict[str, Any]]:
    return [
        {"child_key": child.child_key, "source_id": spool.source_id, **asdict(record)}
        for child in changed
        for record in spool.records_of(child.child_key)
    ]
