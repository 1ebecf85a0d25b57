"""Brings the caseload up to date with the agency's own systems.

A run reads each whole source into a spool, judges each of its datasets, lays what was read beside what is stored,
has pseudonyms made for children not known before, and writes what changed. A dataset that is not believed keeps its
last sound records in force and says so, so that absence is not claimed from it. A child or record leaves only when a
sound reading no longer has it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.caseload.assessing import Assessment, counts_of
from agency_node.caseload.beside import ranges
from agency_node.caseload.comparing import compare
from agency_node.caseload.indexing import Indexer, Written
from agency_node.caseload.judging import Counts, share_of
from agency_node.caseload.parts import CaseloadParts
from agency_node.caseload.prepared import Prepared, prepared
from agency_node.caseload.progress import Phase, ProgressCallback, ProgressMeter
from agency_node.caseload.reading_states import dataset_json
from agency_node.caseload.spool import Spool
from agency_node.sources.source import Source
from agency_node.store import children as store
from agency_node.store import readings
from agency_node.store.reading_rows import DatasetRow
from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import EntryKind
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.transport.correlation import correlation
from federation.vocabulary import ReadingState

_log = EventLog(__name__)


@dataclass(slots=True)
class SourceReport:
    """How one source fared in a run.

    Attributes:
        error: Error code of the first dataset that is not believed; empty when all are.
        rejected: Faults of rows, by reason.
        datasets: Each dataset with its state, fault and counts.
    """

    source_id: str
    error: str = ""
    children: int = 0
    records: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    datasets: list[JsonObject] = field(default_factory=list)


@dataclass(slots=True)
class CaseloadReport:
    """What a run did.

    Attributes:
        evaluated: Children whose pseudonym was made for the first time.
        moved: Children that got a pseudonym of another epoch.
        changed: Holdings written: one for each child and source.
        gone: Holdings that their source lists no more.
        left: Children that no source lists any more.
        children: Children on the caseload now.
    """

    sources: list[SourceReport] = field(default_factory=list)
    evaluated: int = 0
    moved: int = 0
    changed: int = 0
    gone: int = 0
    left: int = 0
    children: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every dataset of every source is believed."""
        return not any(source.error for source in self.sources)

    def add(self, written: Written) -> None:
        """Count one batch."""
        self.evaluated += written.evaluated
        self.changed += written.changed
        self.gone += written.gone


class Caseload:
    """The children this agency knows.

    Args:
        sources: The agency's systems.
        parts: What the caseload works with.
    """

    def __init__(self, sources: Sequence[Source], parts: CaseloadParts) -> None:
        self._sources = {source.name: source for source in sources}
        if len(self._sources) != len(sources):
            raise WardgateError(ErrorCode.SETTINGS_INVALID, "two sources of one name")
        self._parts = parts
        self._running = asyncio.Lock()

    @property
    def source_ids(self) -> tuple[str, ...]:
        """Names of the node's sources."""
        return tuple(self._sources)

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """Keep runs away, once one that is under way is over: it replaces what it found when it began."""
        async with self._running:
            yield

    async def compare(self) -> list[JsonObject]:
        """What a run would change, source by source; waits for a run. Writes nothing.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        async with self._running:
            return [await compare(self._parts, name, source) for name, source in self._sources.items()]

    async def follow_epoch(self) -> int:
        """Move children to the newest epoch without reading any source; waits for a run. Returns how many moved.

        Raises:
            WardgateError: What evaluation or the journal raised; the next call goes on where this one stopped.
        """
        async with self._running:
            return await _Run(self._sources, self._parts, lambda _: None).follow_epoch()

    async def update(self, *, on_progress: ProgressCallback = lambda _: None) -> CaseloadReport:
        """Run once; a second call waits for the first. Safe to kill and to repeat.

        Args:
            on_progress: Told where the run stands, on the event loop.

        Raises:
            WardgateError: What evaluation or the journal raised; the next run goes on where this one stopped.
        """
        async with self._running:
            return await _Run(self._sources, self._parts, on_progress).run()


class _Run:
    """One run over all sources."""

    def __init__(self, sources: Mapping[str, Source], parts: CaseloadParts, on_progress: ProgressCallback) -> None:
        self._sources = sources
        self._parts = parts
        self._on_progress = on_progress
        self._indexer = Indexer(parts, correlation_id=correlation())
        self._report = CaseloadReport()

    async def run(self) -> CaseloadReport:
        await self._parts.journal.record([], self._forget_other_sources)
        self._report.moved = await self.follow_epoch()
        for source_id, source in self._sources.items():
            self._report.sources.append(await self._update_source(source_id, source))
        await self._finish()
        return self._report

    async def _forget_other_sources(self, connection: AsyncConnection) -> None:
        await store.forget_other_sources(connection, tuple(self._sources))
        await readings.forget_other_readings(connection, tuple(self._sources))

    async def follow_epoch(self) -> int:
        """Make new pseudonyms for children that have one of an older epoch; returns for how many."""
        epoch = self._parts.pseudonyms.epoch
        async with store_errors("caseload"), self._parts.engine.connect() as connection:
            outdated = await store.count_outdated(connection, epoch)
        moved = 0
        if outdated:
            meter = self._meter(Phase.EPOCH, "", outdated)
            moved = await self._indexer.move_to_epoch(epoch, on_moved=meter.at)
        if self._parts.pseudonyms.overlap_is_over:
            await self._parts.journal.record([], store.forget_previous_epoch)
        return moved

    # -- one source -----------------------------------------------------------------------------------------------

    async def _update_source(self, source_id: str, source: Source) -> SourceReport:
        def meter_for(total: int) -> ProgressMeter:
            return self._meter(Phase.READ, source_id, total)

        async with prepared(self._parts, source_id, source, meter_for=meter_for) as reading:
            await self._write(reading)
            await self._conclude(reading)
            return _report(reading.spool, reading.assessment)

    async def _write(self, reading: Prepared) -> None:
        meter = self._meter(Phase.INDEX, reading.spool.source_id, reading.spool.children)
        async for beside in ranges(self._parts, reading):
            self._report.add(await self._indexer.write_range(beside))
            meter.add(beside.count)

    async def _conclude(self, reading: Prepared) -> None:
        """Say how each dataset stands, and keep the rows that could not be read."""
        spool, assessment, rejects = reading.spool, reading.assessment, reading.rejects
        changed = [row for row in assessment.rows if _is_news(reading.before.get(row.dataset), row)]
        for row in changed:
            _log.event(
                Event.DATASET_CHANGED,
                source=row.source_id,
                dataset=row.dataset,
                state=row.state.value,
                reason_code=row.fault or "none",
                detail=row.detail,
            )
        entries = [
            self._indexer.entry(
                EntryKind.SOURCE_FAILED, {"source": row.source_id, "dataset": row.dataset, "error": row.fault}
            )
            for row in changed
            if row.state is ReadingState.FAILING
        ]
        new = [row for reject_id, row in spool.rejects.items() if reject_id not in rejects.known]
        # Of a dataset that is not believed, rows that were not met are not known to be read.
        untold = assessment.failing
        gone = [
            reject_id
            for reject_id, dataset in rejects.known.items()
            if reject_id not in spool.rejects and dataset not in untold and not assessment.is_void
        ]
        seen = [row for row in rejects.present if row.reject_id in rejects.known]

        async def write(connection: AsyncConnection) -> None:
            await readings.set_dataset_states(connection, spool.source_id, assessment.rows)
            await readings.write_rejects(connection, new=new, seen=seen, gone=gone)

        await self._parts.journal.record(entries, write)

    # -- the end --------------------------------------------------------------------------------------------------

    async def _finish(self) -> None:
        report = self._report
        report.left = (await self._parts.journal.record([], store.delete_orphans)).result
        async with store_errors("caseload"), self._parts.engine.connect() as connection:
            report.children = await store.count_children(connection)
        _log.event(Event.CASELOAD_INDEXED, count=report.children, state="ok" if report.is_complete else "failing")

    def _meter(self, phase: Phase, source_id: str, total: int) -> ProgressMeter:
        return ProgressMeter(phase, source_id, total, self._on_progress, self._parts.monotonic)


def _is_news(before: DatasetRow | None, now: DatasetRow) -> bool:
    """Whether a dataset stands otherwise than before: another state, another fault, or another band.

    That a first reading waits for a person is no news.
    """
    if before is None:
        return now.state is ReadingState.FAILING
    return _standing(before) != _standing(now)


def _standing(row: DatasetRow) -> tuple[object, ...]:
    counts = counts_of(row.counts) or Counts()
    return row.state, row.fault, share_of(counts.unreadable, counts.rows), share_of(counts.unidentified, counts.rows)


def _report(spool: Spool, assessment: Assessment) -> SourceReport:
    failing = next((row for row in assessment.rows if row.state is ReadingState.FAILING), None)
    return SourceReport(
        source_id=spool.source_id,
        error=str(ErrorCode.SOURCE_UNREADABLE) if failing else "",
        children=spool.children,
        records=spool.records,
        rejected=dict(spool.rejected),
        datasets=[dataset_json(row) for row in assessment.rows],
    )
