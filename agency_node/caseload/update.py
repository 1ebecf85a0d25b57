"""Brings the caseload up to date with the agency's own systems.

A run reads each source to its end into a spool, compares digests with the store, has pseudonyms made for children not
known before, and writes what changed. A source that cannot be read to its end, or suddenly lists far fewer children,
keeps its last records in force and is marked failing, so that answers say `error` until it can be read again. A child
leaves only when no source lists it any more.
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.caseload.indexing import CaseloadParts, Indexer, Written
from agency_node.caseload.progress import Phase, ProgressCallback, ProgressMeter
from agency_node.caseload.spool import Spool
from agency_node.sources.source import Source
from agency_node.store import children as store
from agency_node.store.tables import SourceHealth
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import EntryKind
from federation.telemetry import EventLog
from federation.transport.correlation import current_correlation_id, mint

SHRUNK_BELOW_PERCENT: Final = 50
"""A source that lists fewer than half the children it listed before is taken for broken, not believed."""

SHRINKING_MATTERS_FROM: Final = 20
"""A source of fewer children may honestly lose more than half of them."""

_log = EventLog(__name__)


@dataclass(slots=True)
class SourceReport:
    """How one source fared in a run.

    Attributes:
        error: Error code; empty when the source was read to its end.
        rejected: Rows that did not become records, by reason.
    """

    source_id: str
    error: str = ""
    children: int = 0
    records: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class CaseloadReport:
    """What a run did.

    Attributes:
        evaluated: Children whose pseudonym was made for the first time.
        moved: Children whose pseudonym was made anew in another epoch.
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
        """Whether every source was read to its end."""
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

    async def update(
        self, *, on_progress: ProgressCallback = lambda _: None, accept_shrinking: bool = False
    ) -> CaseloadReport:
        """Run once; a second call waits for the first. Safe to kill and to repeat.

        Args:
            on_progress: Told where the run stands, on the event loop.
            accept_shrinking: The operator confirms that sources list far fewer children than before.

        Raises:
            WardgateError: What evaluation or the journal raised; the next run goes on where this one stopped.
        """
        async with self._running:
            run = _Run(self._sources, self._parts, on_progress, accept_shrinking=accept_shrinking)
            return await run.run()


class _Run:
    """One run over all sources."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        parts: CaseloadParts,
        on_progress: ProgressCallback,
        *,
        accept_shrinking: bool,
    ) -> None:
        self._sources = sources
        self._parts = parts
        self._on_progress = on_progress
        self._accept_shrinking = accept_shrinking
        self._indexer = Indexer(parts, correlation_id=current_correlation_id() or mint())
        self._report = CaseloadReport()

    async def run(self) -> CaseloadReport:
        await self._parts.journal.record([], self._forget_other_sources)
        await self._follow_epoch()
        for source_id, source in self._sources.items():
            self._report.sources.append(await self._update_source(source_id, source))
        await self._finish()
        return self._report

    async def _forget_other_sources(self, connection: AsyncConnection) -> None:
        await store.forget_other_sources(connection, tuple(self._sources))

    async def _follow_epoch(self) -> None:
        epoch = self._parts.pseudonyms.epoch
        async with self._parts.engine.connect() as connection:
            outdated = await store.count_outdated(connection, epoch)
        if outdated:
            meter = self._meter(Phase.EPOCH, "", outdated)
            self._report.moved = await self._indexer.move_to_epoch(epoch, on_moved=meter.at)
        if self._parts.pseudonyms.overlap_is_over:
            await self._parts.journal.record([], store.forget_previous_epoch)

    # -- one source -----------------------------------------------------------------------------------------------

    async def _update_source(self, source_id: str, source: Source) -> SourceReport:
        before = await self._state_before(source_id)
        with Spool(source_id, self._parts.vault) as spool:
            try:
                await self._read(spool, source, before)
            except (WardgateError, sqlite3.Error) as error:
                return await self._mark_failing(source_id, error, before)
            await self._write(spool)
            report = SourceReport(source_id, "", spool.children, spool.records, dict(spool.rejected))
        await self._mark_read(report)
        return report

    async def _state_before(self, source_id: str) -> store.SourceRow:
        async with self._parts.engine.connect() as connection:
            states = await store.source_states(connection)
        return next((state for state in states if state.source_id == source_id), store.SourceRow(source_id))

    async def _read(self, spool: Spool, source: Source, before: store.SourceRow) -> None:
        meter = self._meter(Phase.READ, spool.source_id, before.children + before.records)
        loop = asyncio.get_running_loop()

        def on_rows(count: int) -> None:
            loop.call_soon_threadsafe(meter.at, count)

        await self._parts.in_thread(lambda: spool.fill(source.read(), on_rows=on_rows))
        if self._has_shrunk(spool.children, before.children):
            raise WardgateError(
                ErrorCode.SOURCE_UNREADABLE, f"lists {spool.children} children where it listed {before.children}"
            )

    def _has_shrunk(self, children: int, before: int) -> bool:
        if self._accept_shrinking or before < SHRINKING_MATTERS_FROM:
            return False
        return children * 100 < before * SHRUNK_BELOW_PERCENT

    async def _write(self, spool: Spool) -> None:
        meter = self._meter(Phase.INDEX, spool.source_id, spool.children)
        after = store.FIRST_KEY
        while after != store.LAST_KEY:
            listed = await self._parts.in_thread(lambda: spool.listed(after, self._parts.batch_size))  # noqa: B023 - awaited at once
            through = listed[-1].child_key if len(listed) == self._parts.batch_size else store.LAST_KEY
            self._report.add(await self._indexer.write_range(spool, listed, after=after, through=through))
            meter.add(len(listed))
            after = through

    async def _mark_failing(self, source_id: str, error: Exception, before: store.SourceRow) -> SourceReport:
        code = str(error.code if isinstance(error, WardgateError) else ErrorCode.SOURCE_UNREADABLE)
        _log.event(Event.SOURCE_FAILED, source=source_id, error=error)
        state = store.SourceRow(
            source_id,
            state=SourceHealth.FAILING,
            tried_at=int(self._parts.clock()),
            complete_at=before.complete_at,
            children=before.children,
            records=before.records,
            error=code,
        )
        is_news = (before.state, before.error) != (state.state, code)
        entries = [self._indexer.entry(EntryKind.SOURCE_FAILED, {"source": source_id, "error": code})]
        await self._parts.journal.record(
            entries if is_news else [], lambda connection: store.set_source_state(connection, state)
        )
        return SourceReport(source_id, error=code)

    async def _mark_read(self, report: SourceReport) -> None:
        now = int(self._parts.clock())
        state = store.SourceRow(
            report.source_id,
            state=SourceHealth.OK,
            tried_at=now,
            complete_at=now,
            children=report.children,
            records=report.records,
        )
        await self._parts.journal.record([], lambda connection: store.set_source_state(connection, state))

    # -- the end --------------------------------------------------------------------------------------------------

    async def _finish(self) -> None:
        report = self._report
        report.left = (await self._parts.journal.record([], store.delete_orphans)).result
        async with self._parts.engine.connect() as connection:
            report.children = await store.count_children(connection)
        _log.event(Event.CASELOAD_INDEXED, count=report.children, state="ok" if report.is_complete else "failing")

    def _meter(self, phase: Phase, source_id: str, total: int) -> ProgressMeter:
        return ProgressMeter(phase, source_id, total, self._on_progress, self._parts.monotonic)
