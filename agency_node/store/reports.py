"""Reads of notices that wait for the gateway, and the writes that the journal makes durable: prebuilt statements."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.store.children import core_table
from agency_node.store.tables import MisuseReport
from federation.ledger.writes import Write

REPORT = core_table(MisuseReport)

_INSERT = insert(REPORT)
_WAITING = (
    select(REPORT)
    .where(
        or_(
            REPORT.c.stored_at > bindparam("at"),
            and_(REPORT.c.stored_at == bindparam("at"), REPORT.c.notice_id > bindparam("notice_id")),
        )
    )
    .order_by(REPORT.c.stored_at, REPORT.c.notice_id)
    .limit(bindparam("most"))
)
_COUNT = select(func.count()).select_from(REPORT)
_DELETE = delete(REPORT).where(REPORT.c.notice_id == bindparam("b_notice_id"))


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A notice that waits; see `agency_node.store.tables.MisuseReport`."""

    notice_id: str
    obligation: str
    query_id: str
    content: bytes
    signature: bytes
    stored_at: int


def reports_stored(reports: Sequence[StoredReport]) -> list[Write]:
    """Notices that the gateway is to have."""
    return [Write(_INSERT, [asdict(report) for report in reports])] if reports else []


def report_acknowledged(notice_id: str) -> list[Write]:
    """The gateway has it; `NothingChanged` where that was written down before."""
    return [Write.one(_DELETE, {"b_notice_id": notice_id}, must_change=True)]


async def waiting_reports(
    connection: AsyncConnection, most: int, *, after: StoredReport | None = None
) -> list[StoredReport]:
    """The oldest notices that the gateway has not acknowledged, from behind one of them on."""
    start = {"at": after.stored_at, "notice_id": after.notice_id} if after else {"at": -1, "notice_id": ""}
    rows = (await connection.execute(_WAITING, {**start, "most": most})).all()
    return [
        StoredReport(row.notice_id, row.obligation, row.query_id, row.content, row.signature, row.stored_at)
        for row in rows
    ]


async def count_waiting(connection: AsyncConnection) -> int:
    """How many notices the gateway has not acknowledged."""
    return int((await connection.execute(_COUNT)).scalar_one())
