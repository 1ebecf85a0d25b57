"""One complete reading of one source, judged, and ready to be laid beside the store."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from agency_node.caseload.assessing import Assessment, Found, assess, counts_of
from agency_node.caseload.memory import StoreMemory
from agency_node.caseload.parts import CaseloadParts
from agency_node.caseload.progress import ProgressMeter
from agency_node.caseload.reconciling import Reconciler, Suspects
from agency_node.caseload.spool import Spool
from agency_node.sources.source import Source
from agency_node.store import readings
from agency_node.store.reading_rows import DatasetRow, RejectRow
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.store import store_errors
from federation.telemetry import EventLog

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Rejects:
    """What is kept of a source's rejects.

    Attributes:
        known: Dataset of each that is stored, by id.
        dismissed: Ids of those that a person dismissed.
        present: Those of this reading that are open, each with the time at which it was first met.
    """

    known: Mapping[str, str]
    dismissed: frozenset[str]
    present: Sequence[RejectRow]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A reading.

    Attributes:
        before: How each dataset stood before it.
    """

    spool: Spool
    assessment: Assessment
    reconciler: Reconciler
    rejects: Rejects
    before: Mapping[str, DatasetRow]


MeterFor = Callable[[int], ProgressMeter]
"""Makes the meter of a reading, from the number of rows expected."""


@asynccontextmanager
async def prepared(
    parts: CaseloadParts, source_id: str, source: Source, *, meter_for: MeterFor
) -> AsyncIterator[Prepared]:
    """Read a whole source and judge it. Writes nothing.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`. What the source raises is part of the assessment.
    """
    now = int(parts.clock())
    before = await _states(parts, source_id)
    with Spool(source_id, parts.vault, now) as spool:
        error = await _read(parts, spool, source, meter_for(_size(before)))
        found = Found(spool.reads, spool.by_dataset(), spool.children, error, now)
        assessment = assess(
            source.datasets, found, before, source_id=source_id, unreadable_percent=parts.unreadable_percent
        )
        rejects = await _rejects(parts, spool, before)
        reconciler = Reconciler(
            spool=spool,
            vault=parts.vault,
            identifying=frozenset(plan.name for plan in source.datasets if plan.identifies),
            failing=assessment.failing,
            is_void=assessment.is_void,
            suspects=Suspects.of(rejects.present, spool.beyond),
            dismissed=rejects.dismissed,
            at=now,
            sound_at={row.dataset: row.sound_at for row in before.values()},
        )
        yield Prepared(spool, assessment, reconciler, rejects, before)


async def _states(parts: CaseloadParts, source_id: str) -> dict[str, DatasetRow]:
    async with store_errors("caseload"), parts.engine.connect() as connection:
        states = await readings.dataset_states(connection)
    return {state.dataset: state for state in states if state.source_id == source_id}


def _size(before: Mapping[str, DatasetRow]) -> int:
    return sum(counts.children + counts.records for row in before.values() if (counts := counts_of(row.counts)))


async def _read(parts: CaseloadParts, spool: Spool, source: Source, meter: ProgressMeter) -> str:
    """Fill the spool; why the reading stopped, or empty."""
    loop = asyncio.get_running_loop()
    memory = StoreMemory(spool.source_id, parts.vault, parts.engine, loop)

    def on_rows(count: int) -> None:
        loop.call_soon_threadsafe(meter.at, count)

    try:
        stopped_by = await parts.in_thread(lambda: spool.fill(source.read(memory), on_rows=on_rows))
    except sqlite3.Error as error:
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"spool of {spool.source_id}") from error
    if stopped_by is None:
        return ""
    _log.event(Event.SOURCE_FAILED, source=spool.source_id, error=stopped_by)
    return f"{stopped_by.code}: {stopped_by.detail}"


async def _rejects(parts: CaseloadParts, spool: Spool, before: Mapping[str, DatasetRow]) -> Rejects:
    async with store_errors("caseload"), parts.engine.connect() as connection:
        known = {row.reject_id: row for row in await readings.known_rejects(connection, spool.source_id)}
    dismissed = frozenset(reject_id for reject_id, row in known.items() if row.dismissed_at)

    def first_met(row: RejectRow) -> int:
        stood, old = before.get(row.dataset), known.get(row.reject_id)
        if old is None:
            return spool.at
        # What was met by a reading that was not believed, or by a run that was stopped, hides what is missing now. What
        # was not met last time may be another row that says the same.
        is_old = stood is None or (old.first_at <= stood.sound_at and old.seen_at >= stood.tried_at)
        return int(old.first_at) if is_old else spool.at

    present = [
        replace(row, first_at=first_met(row)) for reject_id, row in spool.rejects.items() if reject_id not in dismissed
    ]
    return Rejects({reject_id: row.dataset for reject_id, row in known.items()}, dismissed, present)
