"""Finds what the node holds of the child behind a pseudonym, and whether that is all there is to know."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agency_node.caseload.grounds import Grounds
from agency_node.caseload.reading_states import failing_datasets, readings_behind
from agency_node.caseload.records import HeldRecord, decode_flags, in_order
from agency_node.caseload.spool import record_row
from agency_node.points import PinnedPoints
from agency_node.store import children as store
from agency_node.store import readings
from agency_node.store.reading_rows import DatasetRow
from agency_node.vault import Kind, Vault
from federation.answer import DatasetReading
from federation.store import reading, store_errors
from keys.nhs_number import NhsNumber
from keys.pseudonym import Pseudonym

MAX_SOURCE_AGE_S: Final = 72 * 3600
"""Over a long weekend nobody may mend a nightly run; older knowledge is no ground to say that nothing is held."""


@dataclass(frozen=True, slots=True, repr=False)
class Found:
    """What is known of a child.

    Attributes:
        number: The child's number; None when the child is not on the caseload.
        records: Newest first.
        flags: Of the child as such, from every source: there may be some where there is no record.
    """

    number: NhsNumber | None
    records: tuple[HeldRecord, ...]
    flags: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return "Found(**)"


class Lookup:
    """Reads the caseload.

    Args:
        engine: The node's store.
        vault: The node's data key.
        source_ids: The sources that together make up what this agency holds.
        epoch: The pseudonym epoch of the newest directory.
        points: The points under which the caseload's pseudonyms were made.
        max_source_age_s: Seconds after its last sound reading at which a dataset counts as failing.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        vault: Vault,
        source_ids: Sequence[str],
        epoch: Callable[[], int],
        points: PinnedPoints,
        max_source_age_s: int = MAX_SOURCE_AGE_S,
    ) -> None:
        self._engine = reading(engine)
        self._vault = vault
        self._source_ids = frozenset(source_ids)
        self._epoch = epoch
        self._points = points
        self._max_source_age_s = max_source_age_s

    async def look(
        self, pseudonym: Pseudonym, asked: Iterable[str], now: float, *, is_newest: bool = True
    ) -> tuple[Found, Grounds]:
        """Everything this node holds of a child (nothing when it does not know the child), and how far it is believed.

        Args:
            pseudonym: The child.
            asked: The categories that the answer is about.
            now: Seconds since the epoch.
            is_newest: Whether the pseudonym is of this agency's newest epoch.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        key = self._vault.lookup_key(pseudonym)
        async with store_errors("lookup"), self._engine.connect() as connection:
            rows = await store.find_held(connection, key)
            grounds = await self._grounds(connection, asked, now, is_newest=is_newest)
        return (self._decrypt(rows) if rows else Found(None, ())), grounds

    async def find(self, pseudonym: Pseudonym) -> Found:
        """Everything this node holds of a child. Raises as `look`."""
        return (await self.look(pseudonym, (), 0.0))[0]

    def _decrypt(self, rows: store.Rows) -> Found:
        child_key = rows[0].child_key
        flags = frozenset[str]().union(*(self._flags(row) for row in {row.source_id: row for row in rows}.values()))
        records = [self._record(row, flags) for row in rows if row.ref is not None]
        number = self._vault.open(Kind.IDENTIFIER, child_key, rows[0].identifier).decode()
        return Found(NhsNumber(number), in_order(records), flags)

    def _flags(self, row: Row[*tuple[object, ...]]) -> frozenset[str]:
        return decode_flags(self._vault.open(Kind.FLAGS, f"{row.child_key}/{row.source_id}", row.flags))

    def _record(self, row: Row[*tuple[object, ...]], child_flags: frozenset[str]) -> HeldRecord:
        payload = self._vault.open(Kind.RECORD, record_row(row.child_key, row.source_id, row.ref), row.payload)
        return HeldRecord.decode(payload, ref=row.ref, source_id=row.source_id, child_flags=child_flags)

    async def failing(self, now: float) -> tuple[str, ...]:
        """What keeps this node from claiming absence of anything, in order: datasets, and what concerns all of them.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        async with store_errors("dataset states"), self._engine.connect() as connection:
            states = await readings.dataset_states(connection)
            whole = await self._whole(connection)
        oldest = int(now) - self._max_source_age_s
        return (*failing_datasets(states, source_ids=self._source_ids, oldest=oldest), *whole)

    async def _grounds(
        self, connection: AsyncConnection, asked: Iterable[str], now: float, *, is_newest: bool
    ) -> Grounds:
        states = await readings.dataset_states(connection)
        return Grounds(self._behind(states, asked, now), await self._whole(connection, is_newest=is_newest))

    def _behind(self, states: Sequence[DatasetRow], asked: Iterable[str], now: float) -> tuple[DatasetReading, ...]:
        oldest = int(now) - self._max_source_age_s
        own = [state for state in states if state.source_id in self._source_ids]
        return readings_behind(own, asked, source_ids=self._source_ids, oldest=oldest)

    async def _whole(self, connection: AsyncConnection, *, is_newest: bool = True) -> tuple[str, ...]:
        """What keeps this node from claiming absence whatever is asked about.

        A node without sources knows nothing and fails as a whole: it must not say that nothing is held. While
        pseudonyms move to another epoch, a task in the new one does not find a child of the old. One in an older epoch
        finds those who have moved, as long as both are in use, but nobody who came since; in an epoch that is over it
        finds nobody; nor does any while the directory shows other points than they were made under.
        """
        oldest = await store.oldest_epoch(connection)
        reasons = [] if self._source_ids else ["no source"]
        if (oldest is not None and oldest < self._epoch()) or not is_newest:
            reasons.append("epoch")
        if await self._points.are_replaced(connection):
            reasons.append("points")
        return tuple(reasons)
