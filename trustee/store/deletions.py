"""What the trustee deletes when its time is up. Periods: `trustee.settings.Retention`."""

from typing import Final

from sqlalchemy import and_

from federation.limits import MAX_CLOCK_SKEW_S
from federation.retention import DAY_S, Deletion
from trustee.quotas import Window
from trustee.store.tables import Alarm, Counter, SeenBatch, SeenTicket, table

_BATCH, _TICKET, _COUNTER, _ALARM = (table(model) for model in (SeenBatch, SeenTicket, Counter, Alarm))

DELETIONS: Final[tuple[Deletion, ...]] = (
    Deletion(
        what="batches",
        text="That a batch was presented, a little after it is refused as expired: replicas' clocks may differ as far "
        "as signers' may.",
        after_s=MAX_CLOCK_SKEW_S,
        table=_BATCH,
        due=lambda before: _BATCH.c.expires_at < before,
    ),
    Deletion(
        what="tickets",
        text="That a ticket was presented, likewise.",
        after_s=MAX_CLOCK_SKEW_S,
        table=_TICKET,
        due=lambda before: _TICKET.c.expires_at < before,
    ),
    Deletion(
        what="counters",
        text="Counters of hours and days. Those of an epoch stay: its quota is for its whole life.",
        setting="counters_days",
        table=_COUNTER,
        due=lambda before: and_(_COUNTER.c.period != Window.EPOCH, _COUNTER.c.start < before),
    ),
    Deletion(
        what="alarms",
        text="That an alarm or a refusal was recorded in an hour; the ledger keeps it.",
        after_s=DAY_S,
        table=_ALARM,
        due=lambda before: _ALARM.c.hour_start < before,
    ),
)
