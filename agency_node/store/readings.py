"""Reads and writes of what readings left behind: states of datasets, and rows that could not be read.

Prebuilt Core statements. Writes run inside the journal's transaction.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.store.children import Rows, core_table
from agency_node.store.reading_rows import DatasetRow, RejectRow
from agency_node.store.tables import DatasetState, Reject
from federation.vocabulary import ReadingState

STATE, REJECT = core_table(DatasetState), core_table(Reject)

_STATES = select(STATE).order_by(STATE.c.source_id, STATE.c.dataset)
_DELETE_STATES = delete(STATE).where(STATE.c.source_id == bindparam("b_source_id"))
_INSERT_STATE = insert(STATE)
_SET_BASELINE = (
    update(STATE)
    .where(STATE.c.source_id == bindparam("b_source_id"), STATE.c.dataset == bindparam("b_dataset"))
    .values(baseline=bindparam("b_baseline"), accepted_at=bindparam("b_at"), acceptance=bindparam("b_acceptance"))
)
_DELETE_OTHER_STATES = delete(STATE).where(STATE.c.source_id.not_in(bindparam("source_ids", expanding=True)))
_DELETE_OTHER_REJECTS = delete(REJECT).where(REJECT.c.source_id.not_in(bindparam("source_ids", expanding=True)))

_REJECTS = select(REJECT).order_by(REJECT.c.source_id, REJECT.c.dataset, REJECT.c.first_at, REJECT.c.reject_id)
_EXPLAINED = select(REJECT.c.reject_id).where(
    REJECT.c.source_id == bindparam("source_id"),
    REJECT.c.dataset == bindparam("dataset"),
    REJECT.c.seen_at == bindparam("tried_at"),
    REJECT.c.is_attributed.is_(False),
    REJECT.c.dismissed_at == 0,
)
_REJECT = select(REJECT).where(REJECT.c.reject_id == bindparam("reject_id"))
_KNOWN_REJECTS = select(
    REJECT.c.reject_id, REJECT.c.dataset, REJECT.c.first_at, REJECT.c.seen_at, REJECT.c.dismissed_at
).where(REJECT.c.source_id == bindparam("source_id"))
_INSERT_REJECT = insert(REJECT)
_SEE_REJECT = (
    update(REJECT)
    .where(REJECT.c.reject_id == bindparam("b_reject_id"))
    .values(seen_at=bindparam("b_seen_at"), first_at=bindparam("b_first_at"))
)
_DELETE_REJECT = delete(REJECT).where(REJECT.c.reject_id == bindparam("b_reject_id"))
_DISMISS = (
    update(REJECT)
    .where(REJECT.c.reject_id == bindparam("b_reject_id"), REJECT.c.dismissed_at == 0)
    .values(dismissed_at=bindparam("b_at"), dismissal=bindparam("b_dismissal"))
)


async def dataset_states(connection: AsyncConnection) -> list[DatasetRow]:
    """How every dataset of every source stands, in order."""
    rows = (await connection.execute(_STATES)).mappings().all()
    return [DatasetRow(**{**row, "state": ReadingState(row["state"])}) for row in rows]


async def set_dataset_states(connection: AsyncConnection, source_id: str, states: Sequence[DatasetRow]) -> None:
    """Replace what is known of a source's datasets."""
    await connection.execute(_DELETE_STATES, {"b_source_id": source_id})
    if states:
        await connection.execute(_INSERT_STATE, [{**asdict(row), "state": row.state.value} for row in states])


async def accept_baseline(
    connection: AsyncConnection, row: DatasetRow, *, baseline: str, acceptance: bytes, at: int
) -> None:
    """Hold a dataset's readings against another baseline from now on."""
    by = {
        "b_source_id": row.source_id,
        "b_dataset": row.dataset,
        "b_baseline": baseline,
        "b_acceptance": acceptance,
        "b_at": at,
    }
    await connection.execute(_SET_BASELINE, by)


async def forget_other_readings(connection: AsyncConnection, source_ids: Sequence[str]) -> None:
    """Drop what is known of sources that the node has no more."""
    await connection.execute(_DELETE_OTHER_STATES, {"source_ids": list(source_ids)})
    await connection.execute(_DELETE_OTHER_REJECTS, {"source_ids": list(source_ids)})


async def rejects(connection: AsyncConnection) -> Rows:
    """Every row that could not be read, in order."""
    return (await connection.execute(_REJECTS)).all()


async def explained_by(connection: AsyncConnection, row: DatasetRow) -> list[str]:
    """Ids of open ones that may be anybody's, and that the last reading of a dataset met."""
    by = {"source_id": row.source_id, "dataset": row.dataset, "tried_at": row.tried_at}
    return list((await connection.execute(_EXPLAINED, by)).scalars())


async def find_reject(connection: AsyncConnection, reject_id: str) -> Any:  # noqa: ANN401 - a row
    """One of them, or None."""
    return (await connection.execute(_REJECT, {"reject_id": reject_id})).one_or_none()


async def known_rejects(connection: AsyncConnection, source_id: str) -> Rows:
    """Those of one source: id, dataset, when first and last met, when dismissed."""
    return (await connection.execute(_KNOWN_REJECTS, {"source_id": source_id})).all()


async def write_rejects(
    connection: AsyncConnection, *, new: Sequence[RejectRow], seen: Sequence[RejectRow], gone: Sequence[str]
) -> None:
    """Keep new ones, note those that were met again, drop those that read now."""
    if gone:
        await connection.execute(_DELETE_REJECT, [{"b_reject_id": reject_id} for reject_id in gone])
    if seen:
        rows = [{"b_reject_id": row.reject_id, "b_seen_at": row.seen_at, "b_first_at": row.first_at} for row in seen]
        await connection.execute(_SEE_REJECT, rows)
    if new:
        await connection.execute(_INSERT_REJECT, [asdict(row) for row in new])


async def dismiss_reject(connection: AsyncConnection, reject_id: str, *, dismissal: bytes, at: int) -> int:
    """A person says that an open one need not be read; how many that was."""
    by = {"b_reject_id": reject_id, "b_dismissal": dismissal, "b_at": at}
    return (await connection.execute(_DISMISS, by)).rowcount
