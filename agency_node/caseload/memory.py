"""What earlier readings of a source knew, for a reading that runs in a worker thread."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.store import children as store
from agency_node.vault import Kind, Vault
from federation.store import store_errors
from keys.nhs_number import NhsNumber

KEYS_AT_ONCE: Final = 1_000
"""Far below what one statement of SQLite or PostgreSQL may hold."""


@dataclass(frozen=True, slots=True)
class StoreMemory:
    """Recalls from the node's store.

    Attributes:
        loop: Where the store is reached; a reading must not run on it.
    """

    source_id: str
    vault: Vault
    engine: AsyncEngine
    loop: asyncio.AbstractEventLoop

    def children_of(self, keys: Collection[str]) -> Mapping[str, Collection[NhsNumber]]:
        """Who stood under each of these keys; see `agency_node.sources.source.Memory`.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`: a number does not decrypt.
        """
        return asyncio.run_coroutine_threadsafe(self._children_of(keys), self.loop).result()

    async def _children_of(self, keys: Collection[str]) -> dict[str, list[NhsNumber]]:
        by_ref = {self.vault.key_ref(self.source_id, key): key for key in keys}
        refs, found = sorted(by_ref), dict[str, list[NhsNumber]]()
        async with store_errors("remembered keys"), self.engine.connect() as connection:
            for at in range(0, len(refs), KEYS_AT_ONCE):
                for row in await store.children_under(connection, self.source_id, refs[at : at + KEYS_AT_ONCE]):
                    number = self.vault.open(Kind.IDENTIFIER, row.child_key, row.identifier).decode()
                    found.setdefault(by_ref[row.key_ref], []).append(NhsNumber(number))
        return found
