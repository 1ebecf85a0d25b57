"""Erases what has served its time. Each erasing is itself recorded; nothing is ever taken out of the ledger.

Inputs and results of decisions, and reasons of human decisions with their salts, are kept as long as decisions may have
to be accounted for; messages and sealed answers of ended tasks only as long as they may have to be looked into. Erasing
a salt erases the link from the ledger's commitment to the reason.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.store import referrals as referral_store
from agency_node.store import tasks as store
from federation.actor import Actor
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.transport.correlation import correlation

DAY_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Periods:
    """How long things are kept, days.

    Attributes:
        decisions: Inputs and results for replay, reasons of human decisions: seven years by default, the middle of the
            six to eight that records of access are commonly kept.
        tasks: Messages and sealed answers after their query has expired.
    """

    decisions: int = 7 * 365
    tasks: int = 30


@dataclass(frozen=True, slots=True)
class Erased:
    """What one run erased."""

    decisions: int
    reasons: int
    referrals: int
    tasks: int
    reviews: int

    @property
    def is_nothing(self) -> bool:
        """Whether nothing had served its time."""
        return not any(asdict(self).values())


class Retention:
    """Applies the periods of one node."""

    def __init__(self, journal: Journal, *, clock: Callable[[], float], periods: Periods | None = None) -> None:
        self._journal = journal
        self._clock = clock
        self._periods = periods or Periods()

    async def apply(self) -> Erased:
        """Erase what is due.

        The entry names the two moments; it stands in the same transaction, so that nothing vanishes unrecorded.

        Raises:
            WardgateError: `LEDGER_UNAVAILABLE`: nothing was erased.
        """
        now = int(self._clock())
        decided_before = now - self._periods.decisions * DAY_S
        expired_before = now - self._periods.tasks * DAY_S

        async def erase(connection: AsyncConnection) -> Erased:
            return Erased(
                decisions=await store.forget_inputs(connection, decided_before),
                reasons=await referral_store.forget_reasons(connection, decided_before),
                referrals=await referral_store.forget_content(connection, expired_before),
                tasks=await store.forget_task_content(connection, expired_before),
                reviews=await referral_store.forget_reviews(connection, now),
            )

        entry = Entry(
            kind=EntryKind.RETENTION_APPLIED,
            at=now,
            actor=Actor.keeper(self._journal.key.name),
            correlation_id=correlation(),
            body={"decided_before_at": decided_before, "expired_before_at": expired_before},
        )
        return (await self._journal.record([entry], erase)).result
