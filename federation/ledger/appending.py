"""What the journal asks of a database: append entries, alone or at the end of a transaction with their effect."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry
from federation.ledger.tree import HASH_BYTES, Frontier, leaf_hash
from federation.ledger.writes import Write

Row = tuple[int, str, str | None, int, bytes, bytes]
"""`entry_index, kind, query_id, at, content, nodes`: the columns of `ledger_entry`, in order."""


class JobFailed(Exception):  # noqa: N818 - not an error of the store: one job's own, on its way to that job's caller
    """A job cannot go on, for a reason of its own; the connection is sound.

    Attributes:
        position: Which job of the group.
        reason: What its caller gets.
    """

    def __init__(self, position: int, reason: Exception) -> None:
        super().__init__(position)
        self.position = position
        self.reason = reason


class JobOverdue(JobFailed):
    """A job did not come to an end and was stopped, so that the state of the connection is not known."""


def is_sound_after(error: BaseException) -> bool:
    """Whether the connection can be used again after a rollback."""
    return isinstance(error, JobFailed) and not isinstance(error, JobOverdue)


@dataclass(frozen=True, slots=True)
class Batch:
    """The writes of one job.

    Attributes:
        position: Which job of the group.
    """

    position: int
    writes: Sequence[Write]


class Transaction(Protocol):
    """One open transaction."""

    @property
    def connection(self) -> AsyncConnection:
        """Where statements go."""

    async def write(self, batch: Batch) -> None:
        """Run the writes of a job, at the latest before the commit.

        Raises:
            JobFailed: One of them failed by itself; also raised by `commit`.
        """

    async def commit(self, entries: Sequence[Entry]) -> int:
        """Append `entries` and commit.

        Returns:
            Index of the first one.
        """


class Appender(Protocol):
    """The writing half of a ledger's store. One task uses it, one call at a time.

    Whatever a database raises comes through as it is; after it nothing has been applied, and the next call starts on a
    fresh connection.
    """

    async def append(self, entries: Sequence[Entry], batches: Sequence[Batch] = ()) -> int:
        """Run writes and append in a transaction of their own; returns the index of the first entry.

        Raises:
            JobFailed: A write failed by itself.
        """

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction; leaving it without `commit` undoes it."""

    def known(self) -> Frontier | None:
        """The tree as it is committed now, where that is known without asking the database."""

    async def aclose(self) -> None:
        """Give the connection back."""


def grow(frontier: Frontier, entries: Sequence[Entry]) -> tuple[Frontier, list[Row]]:
    """Add entries to a copy of the tree.

    Returns:
        The grown tree, and the rows to insert.
    """
    grown = frontier.copy()
    rows: list[Row] = []
    for entry in entries:
        index = grown.size
        nodes = grown.append(leaf_hash(entry.content))
        rows.append((index, entry.kind.value, entry.query_id, entry.at, entry.content, nodes))
    return grown, rows


def peak_in(nodes: bytes, level: int) -> bytes:
    """The node of `level` among those that an entry completed.

    Raises:
        WardgateError: `LEDGER_INVALID`: it is not there.
    """
    found = nodes[level * HASH_BYTES : (level + 1) * HASH_BYTES]
    if len(found) != HASH_BYTES:
        raise WardgateError(ErrorCode.LEDGER_INVALID, "a stored subtree hash is missing")
    return found
