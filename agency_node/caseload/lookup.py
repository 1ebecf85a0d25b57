"""Finds what the node holds of the child behind a pseudonym, and whether that is all there is to know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agency_node.caseload.records import HeldRecord, decode_flags, in_order
from agency_node.caseload.spool import record_row
from agency_node.store import children as store
from agency_node.store.tables import SourceHealth
from agency_node.vault import Kind, Vault
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
    """

    number: NhsNumber | None
    records: tuple[HeldRecord, ...]

    def __repr__(self) -> str:
        return "Found(**)"


class Lookup:
    """Reads the caseload.

    Args:
        engine: The node's store.
        vault: The node's data key.
        source_ids: The sources that together make up what this agency holds.
        epoch: The pseudonym epoch of the newest directory.
        max_source_age_s: Seconds after its last complete reading at which a source counts as failing.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        vault: Vault,
        source_ids: Sequence[str],
        epoch: Callable[[], int],
        max_source_age_s: int = MAX_SOURCE_AGE_S,
    ) -> None:
        self._engine = reading(engine)
        self._vault = vault
        self._source_ids = frozenset(source_ids)
        self._epoch = epoch
        self._max_source_age_s = max_source_age_s

    async def look(self, pseudonym: Pseudonym, now: float) -> tuple[Found, tuple[str, ...]]:
        """Everything this node holds of a child (nothing when it does not know the child), and what is failing.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        key = self._vault.lookup_key(pseudonym)
        async with store_errors("lookup"), self._engine.connect() as connection:
            rows = await store.find_held(connection, key)
            failing = await self._failing(connection, now)
        return (self._decrypt(rows) if rows else Found(None, ())), failing

    async def find(self, pseudonym: Pseudonym) -> Found:
        """Everything this node holds of a child. Raises as `look`."""
        return (await self.look(pseudonym, 0.0))[0]

    def _decrypt(self, rows: store.Rows) -> Found:
        child_key = rows[0].child_key
        flags = frozenset[str]().union(*(self._flags(row) for row in {row.source_id: row for row in rows}.values()))
        records = [self._record(row, flags) for row in rows if row.ref is not None]
        number = self._vault.open(Kind.IDENTIFIER, child_key, rows[0].identifier).decode()
        return Found(NhsNumber(number), in_order(records))

    def _flags(self, row: Row[*tuple[object, ...]]) -> frozenset[str]:
        return decode_flags(self._vault.open(Kind.FLAGS, f"{row.child_key}/{row.source_id}", row.flags))

    def _record(self, row: Row[*tuple[object, ...]], child_flags: frozenset[str]) -> HeldRecord:
        payload = self._vault.open(Kind.RECORD, record_row(row.child_key, row.source_id, row.ref), row.payload)
        return HeldRecord.decode(payload, ref=row.ref, source_id=row.source_id, child_flags=child_flags)

    async def failing(self, now: float) -> tuple[str, ...]:
        """Sources whose content is not known, in order. Not empty either while pseudonyms move to another epoch.

        A node without sources knows nothing and fails as a whole: it must not say that nothing is held.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        async with store_errors("source states"), self._engine.connect() as connection:
            return await self._failing(connection, now)

    async def _failing(self, connection: AsyncConnection, now: float) -> tuple[str, ...]:
        states = await store.source_states(connection)
        oldest = await store.oldest_epoch(connection)
        sound = {
            state.source_id
            for state in states
            if state.state is SourceHealth.OK and now - state.complete_at <= self._max_source_age_s
        }
        failing = sorted(self._source_ids - sound)
        if oldest is not None and oldest < self._epoch():
            failing.append("epoch")
        return tuple(failing) if self._source_ids else ("no source",)
