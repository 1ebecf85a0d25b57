"""This node's own pseudonym of a child: from its caseload where it has one of the newest epoch, else evaluated live.

Where the directory shows other points than the caseload was indexed under, no pseudonym is used at all: nobody who is
asked would know the child by it, and everybody would say that nothing is held.
"""

from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.asking.composing import OwnPseudonym
from agency_node.caseload.pseudonyms import Pseudonyms
from agency_node.points import PinnedPoints
from agency_node.store import children as store
from agency_node.vault import Kind, Vault
from federation.store import reading, store_errors
from keys.nhs_number import NhsNumber
from keys.pseudonym import Pseudonym


class PseudonymSource(Protocol):
    """Where this node's own pseudonym of a child comes from: its caseload, or a live evaluation."""

    async def pseudonym_of(self, number: NhsNumber) -> OwnPseudonym:
        """The child's pseudonym in this agency's scope and newest epoch."""
        ...


class OwnPseudonyms:
    """`PseudonymSource` over caseload and holders."""

    def __init__(self, *, engine: AsyncEngine, vault: Vault, pseudonyms: Pseudonyms, points: PinnedPoints) -> None:
        self._engine = reading(engine)
        self._vault = vault
        self._pseudonyms = pseudonyms
        self._points = points

    async def pseudonym_of(self, number: NhsNumber) -> OwnPseudonym:
        """The child's pseudonym in this agency's scope and newest epoch.

        Raises:
            WardgateError: `POINTS_REPLACED`, `STORE_UNAVAILABLE`, `QUOTA_EXCEEDED`, `TRUSTEE_UNAVAILABLE`,
                `PROOF_REJECTED`, ...
        """
        child_key = self._vault.child_key(number)
        async with store_errors("own pseudonym"), self._engine.connect() as connection:
            await self._points.check(connection)
            row = await store.find_child(connection, child_key)
        if row is not None and row.epoch == self._pseudonyms.epoch:
            return OwnPseudonym(Pseudonym(self._vault.open(Kind.PSEUDONYM, child_key, row.pseudonym)), row.epoch)
        made = await self._pseudonyms.evaluate([number], use="query")
        return OwnPseudonym(made.pseudonyms[0], made.epoch)
