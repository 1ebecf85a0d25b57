"""Writes the caseload: new pseudonyms, changed holdings, children that moved to another epoch.

One transaction for each batch, with a ledger entry of counts. What is written compares equal the next time, so that a
run that was killed anywhere goes on where it stopped.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.caseload.pseudonyms import Pseudonyms
from agency_node.caseload.spool import Listed, Spool
from agency_node.store import children as store
from agency_node.vault import Kind, Vault
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from keys.nhs_number import NhsNumber

T = TypeVar("T")

ACTOR = "caseload"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseloadParts:
    """What a caseload works with.

    Attributes:
        vault: The node's data key.
        pseudonyms: This agency's half of making pseudonyms.
        engine: The node's store, for reading.
        journal: The only way to write.
        clock: Seconds since the epoch.
        monotonic: Seconds that never go back, for rates.
        executor: Where sources are read, rows encrypted and points multiplied.
        batch_size: Children in one transaction, and in one evaluation.
    """

    vault: Vault
    pseudonyms: Pseudonyms
    engine: AsyncEngine
    journal: Journal
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    executor: Executor
    batch_size: int

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, work)


@dataclass(slots=True)
class Written:
    """Counts of one batch."""

    evaluated: int = 0
    changed: int = 0
    gone: int = 0


class Indexer:
    """Writes batches of one run."""

    def __init__(self, parts: CaseloadParts, *, correlation_id: str) -> None:
        self._parts = parts
        self._correlation_id = correlation_id

    def entry(self, kind: EntryKind, body: dict[str, Any]) -> Entry:
        """A ledger entry of this run."""
        return Entry(
            kind=kind,
            at=int(self._parts.clock()),
            actor=ACTOR,
            correlation_id=self._correlation_id,
            body=body,
        )

    async def write_range(self, spool: Spool, listed: Sequence[Listed], *, after: str, through: str) -> Written:
        """Bring one range of child keys into line with what a source lists.

        Args:
            spool: The complete reading.
            listed: All children of the range that the source lists.
            after: Start of the range, not in it.
            through: End of the range, in it.
        """
        async with self._parts.engine.connect() as connection:
            stored = await store.digests(connection, spool.source_id, after=after, through=through)
            changed = [child for child in listed if stored.get(child.child_key) != child.digest]
            known = await store.known_children(connection, [child.child_key for child in changed])
        gone = sorted(stored.keys() - {child.child_key for child in listed})
        new = [child for child in changed if child.child_key not in known]
        if not changed and not gone:
            return Written()
        change = store.Change(
            source_id=spool.source_id,
            children=await self._child_rows(new),
            holdings=[_holding_row(child, spool.source_id) for child in changed],
            records=await self._parts.in_thread(lambda: _record_rows(spool, changed)),
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
        await self._parts.journal.record([entry], lambda connection: store.apply_change(connection, change))
        return written

    async def _child_rows(self, new: Sequence[Listed]) -> list[dict[str, Any]]:
        if not new:
            return []
        identifiers = {child.child_key: child.identifier for child in new}
        return [
            {"previous_key": None, "identifier": identifiers[row["child_key"]], **row}
            for row in await self._pseudonym_rows(identifiers)
        ]

    async def _pseudonym_rows(self, identifiers: dict[str, bytes]) -> list[dict[str, Any]]:
        """Columns that depend on the epoch, for children whose encrypted numbers are given."""
        vault = self._parts.vault
        numbers = [NhsNumber(vault.open(Kind.IDENTIFIER, key, sealed).decode()) for key, sealed in identifiers.items()]
        epoch, pseudonyms = await self._parts.pseudonyms.evaluate(numbers, use="caseload")
        return [
            {
                "child_key": child_key,
                "lookup_key": vault.lookup_key(pseudonym),
                "pseudonym": vault.seal(Kind.PSEUDONYM, child_key, pseudonym.reveal()),
                "epoch": epoch,
            }
            for child_key, pseudonym in zip(identifiers, pseudonyms, strict=True)
        ]

    async def move_to_epoch(self, epoch: int, *, on_moved: Callable[[int], None]) -> int:
        """Make anew the pseudonyms of children that still have one of an older epoch. Returns how many.

        Until the last is moved, answers say `error`: a task in the new epoch does not find a child of the old.
        """
        moved = 0
        while True:
            async with self._parts.engine.connect() as connection:
                rows = await store.outdated_children(connection, epoch, self._parts.batch_size)
            if not rows:
                return moved
            made = await self._pseudonym_rows({row.child_key: row.identifier for row in rows})
            change = [{f"b_{name}": value for name, value in row.items()} for row in made]
            entry = self.entry(EntryKind.CASELOAD_INDEXED, {"epoch": epoch, "moved": len(change)})
            await self._parts.journal.record([entry], lambda connection: store.move_epoch(connection, change))  # noqa: B023 - awaited at once
            moved += len(change)
            on_moved(moved)


def _holding_row(child: Listed, source_id: str) -> dict[str, Any]:
    return {"child_key": child.child_key, "source_id": source_id, "digest": child.digest, "flags": child.flags}


def _record_rows(spool: Spool, changed: Sequence[Listed]) -> list[dict[str, Any]]:
    return [
        {"child_key": child.child_key, "source_id": spool.source_id, "ref": ref, "payload": payload}
        for child in changed
        for ref, payload in spool.records_of(child.child_key)
    ]
