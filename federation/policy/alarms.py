"""Puts into the ledger that decisions fail closed."""

from typing import Final

from federation.actor import Actor
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.policy.failing import FailedClosed, FailingClosed
from federation.transport.correlation import correlation

REASON: Final = "policy_failed_closed"
"""What the ledger's alarm names."""


async def record_alarms(failing: FailingClosed, journal: Journal) -> None:
    """Write one `alarm_raised` for whatever is put down. Runs until cancelled.

    Raises:
        WardgateError: `LEDGER_UNAVAILABLE`; called again, it goes on with what is not written yet.
    """
    while True:
        found = await failing.unrecorded()
        await journal.record([_entry(found, Actor.keeper(journal.key.name))])
        failing.recorded()


def _entry(found: FailedClosed, actor: Actor) -> Entry:
    return Entry(
        kind=EntryKind.ALARM_RAISED,
        at=int(found.at),
        actor=actor,
        correlation_id=correlation(),
        body={
            "reason": REASON,
            "entry_point": found.entry_point,
            "failure": found.failure,
            "decision_id": found.decision_id,
            "bundle": found.bundle,
        },
    )
