"""Group commit: one task that writes what queued while it was last writing.

No waiting for company, and the more callers there are, the fewer flushes each of them costs. When a job of a group
fails for a reason of its own, everything is undone, the others go again without it, and it goes again alone: only if it
fails there, by itself, does its caller see its exception.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from federation.errors import ErrorCode, WardgateError
from federation.ledger.appending import Appender, Batch, JobFailed, JobOverdue, Transaction
from federation.ledger.entry import Entry
from federation.ledger.writes import Write
from federation.store import DATABASE_ERRORS, describe

T = TypeVar("T")
Apply = Callable[[AsyncConnection], Awaitable[T]]
"""An effect: statements on the connection it is given, and nothing else. May run more than once."""

Effect = Apply[Any] | Sequence[Write] | None
"""An effect as a function, as a list of writes (much cheaper), or none."""

MAX_GROUP_JOBS: Final = 256
"""One transaction; more callers than that gain nothing from going together."""

MAX_QUEUED_JOBS: Final = 10_000
"""Beyond it the disk is not keeping up and callers had better hear so at once."""

APPLY_TIMEOUT_S: Final = 10.0
"""An effect that takes longer holds up every other caller."""

MAX_SUSPECTS: Final = 4
"""With so many failing jobs in one group the rest go one by one too."""

_CALLERS_OWN: Final = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
"""What a statement of an effect may bring upon itself; every other database error is the store's."""

_STORE_FAILURES: Final = (*DATABASE_ERRORS, OSError, TimeoutError)
_TRANSIENT: Final = frozenset({"40001", "40P01"})
"""PostgreSQL: serialisation failure and deadlock, which a repetition cures."""


@dataclass(frozen=True, slots=True)
class Recorded(Generic[T]):
    """What became of one job.

    Attributes:
        result: What its effect returned; None without one.
        indexes: Positions of its entries in the ledger.
    """

    result: T
    indexes: tuple[int, ...]


@dataclass(slots=True, eq=False)
class _Job:
    entries: tuple[Entry, ...]
    effect: Effect
    outcome: asyncio.Future[Recorded[Any]]

    def fail(self, error: BaseException) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def done(self, result: object, first: int) -> None:
        if not self.outcome.done():
            self.outcome.set_result(Recorded(result, tuple(range(first, first + len(self.entries)))))


class GroupWriter:
    """Queues jobs and commits them in groups.

    Args:
        appender: The store.
        check: Called once before the first commit; what it raises, every waiting caller gets.
    """

    def __init__(self, appender: Appender, check: Callable[[], Awaitable[None]]) -> None:
        self._appender: Final = appender
        self._check: Final = check
        self._jobs: Final = deque[_Job]()
        self._wake: Final = asyncio.Event()
        self._idle: Final = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def write(self, entries: Sequence[Entry], effect: Effect) -> Recorded[Any]:
        """See `federation.ledger.journal.Journal.record`."""
        if not entries and not effect:
            raise WardgateError(ErrorCode.INTERNAL, "nothing to record")
        if self._task is not None and asyncio.current_task() is self._task:
            raise WardgateError(ErrorCode.INTERNAL, "an effect called the journal, which would wait for itself")
        if len(self._jobs) >= MAX_QUEUED_JOBS:
            raise _unavailable(f"{MAX_QUEUED_JOBS} calls are waiting")
        job = _Job(tuple(entries), effect, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._wake.set()
        self._idle.clear()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="ledger-writer")
        return await job.outcome

    async def drain(self) -> None:
        """Wait until every job that was handed in has its outcome."""
        if self._task is not None:
            await self._idle.wait()

    async def aclose(self) -> None:
        """Finish what is queued, then give the store back."""
        self._closed = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._appender.aclose()

    async def _run(self) -> None:
        try:
            while self._jobs or not self._closed:
                if not self._jobs:
                    self._wake.clear()
                    self._idle.set()
                    await self._wake.wait()
                    continue
                waiting = [self._jobs.popleft() for _ in range(min(len(self._jobs), MAX_GROUP_JOBS))]
                # Whoever stopped waiting before the write began has cancelled it.
                await self._settle([job for job in waiting if not job.outcome.done()])
        finally:
            _fail_all(self._jobs, _unavailable("the journal's writer was stopped"))
            self._jobs.clear()
            self._idle.set()

    async def _settle(self, jobs: list[_Job]) -> None:
        """Give every job its outcome."""
        try:
            await self._check()
            for job in await self._commit_together(jobs):
                await self._commit_alone(job)
        except asyncio.CancelledError:
            _fail_all(jobs, WardgateError(ErrorCode.OUTCOME_UNKNOWN, "the journal's writer was stopped meanwhile"))
            raise
        except WardgateError as error:
            _fail_all(jobs, error)
        except _STORE_FAILURES as error:
            _fail_all(jobs, _unavailable(describe(error)), error)
        except Exception as error:  # noqa: BLE001 - a defect must reach the callers, and the writer has to go on
            _fail_all(jobs, WardgateError(ErrorCode.INTERNAL, type(error).__name__), error)

    async def _commit_together(self, jobs: Sequence[_Job]) -> list[_Job]:
        """Commit as many as go together; returns those that have to go alone."""
        together, alone = list(jobs), list[_Job]()
        while together and len(alone) < MAX_SUSPECTS:
            try:
                await self._commit(together)
            except JobFailed as failed:
                alone.append(together.pop(failed.position))
            except DBAPIError as error:
                if not _is_transient(error):
                    raise
                break
            else:
                return alone
        return [*together, *alone]

    async def _commit_alone(self, job: _Job) -> None:
        try:
            try:
                await self._commit([job])
            except DBAPIError as error:
                if not _is_transient(error):
                    raise
                await self._commit([job])
        except JobFailed as failed:
            job.fail(failed.reason)

    async def _commit(self, jobs: Sequence[_Job]) -> None:
        try:
            await self._write(jobs)
        except WardgateError as error:
            if error.code is not ErrorCode.OUTCOME_UNKNOWN:
                raise
            _fail_all(jobs, error)
            raise _unavailable("nothing was begun after a commit whose outcome is not known") from error

    async def _write(self, jobs: Sequence[_Job]) -> None:
        entries = [entry for job in jobs for entry in job.entries]
        results: list[object] = [None] * len(jobs)
        if any(callable(job.effect) for job in jobs):
            async with self._appender.begin() as transaction:
                for position, job in enumerate(jobs):
                    results[position] = await _run_effect(job.effect, transaction, position)
                first = await transaction.commit(entries)
        else:
            first = await self._appender.append(entries, _batches(jobs))
        for job, result in zip(jobs, results, strict=True):
            job.done(result, first)
            first += len(job.entries)


def _batches(jobs: Sequence[_Job]) -> list[Batch]:
    """The writes of jobs none of which has a function."""
    return [
        Batch(position, job.effect)
        for position, job in enumerate(jobs)
        if job.effect is not None and not callable(job.effect)
    ]


async def _run_effect(effect: Effect, transaction: Transaction, position: int) -> object:
    if callable(effect):
        return await _apply(effect, transaction, position)
    if effect:
        await transaction.write(Batch(position, effect))
    return None


async def _apply(apply: Apply[Any], transaction: Transaction, position: int) -> object:
    limit = asyncio.timeout(APPLY_TIMEOUT_S)
    try:
        async with limit:
            return await apply(transaction.connection)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise JobOverdue(position, WardgateError(ErrorCode.INTERNAL, "an effect was cancelled from within")) from None
    except _CALLERS_OWN as error:
        raise JobFailed(position, error) from error
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        if limit.expired():
            raise JobOverdue(position, _unavailable(f"an effect took over {APPLY_TIMEOUT_S:.0f} s")) from error
        raise JobFailed(position, error) from error


def _is_transient(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _TRANSIENT


def _unavailable(detail: str) -> WardgateError:
    return WardgateError(ErrorCode.LEDGER_UNAVAILABLE, detail)


def _fail_all(jobs: Iterable[_Job], error: WardgateError, cause: BaseException | None = None) -> None:
    for job in jobs:
        own = WardgateError(error.code, error.detail)  # each caller gets its own: tracebacks grow as they are raised
        own.__cause__ = cause or error.__cause__
        job.fail(own)
