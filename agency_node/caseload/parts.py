"""What a caseload works with."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.caseload.judging import UNREADABLE_PERCENT
from agency_node.caseload.pseudonyms import Pseudonyms
from agency_node.vault import Vault
from federation.ledger.journal import Journal

T = TypeVar("T")


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
        unreadable_percent: Highest share of rows of a dataset that may be unreadable, percent.
    """

    vault: Vault
    pseudonyms: Pseudonyms
    engine: AsyncEngine
    journal: Journal
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    executor: Executor
    batch_size: int
    unreadable_percent: int = UNREADABLE_PERCENT

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, work)
