"""Reads of notices that wait for the gateway, and the writes that the journal makes durable: prebuilt statements.

What one person tries for one cause in one hour is a group: its first notice goes at once, and when the hour is over its
last one, which says how many there were, goes for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.store.children import core_table
from agency_node.store.tables import MisuseReport
from federation.ledger.writes import Write

REPORT = core_table(MisuseReport)

_WAITS = REPORT.c.told_at.is_(None)
_GROUP = and_(
    REPORT.c.user_ref == bindparam("user_ref"), REPORT.c.cause == bindparam("cause"), REPORT.c.hour == bindparam("hour")
)
_INSERT = insert(REPORT)
_HIGHEST = select(func.coalesce(func.max(REPORT.c.number), 0)).where(_GROUP)
_DUE = (
    select(
        REPORT.c.user_ref,
        REPORT.c.cause,
        REPORT.c.hour,
        func.max(REPORT.c.number).label("number"),
        func.min(REPORT.c.stored_at).label("since"),
    )
    .where(_WAITS, or_(REPORT.c.number == 1, REPORT.c.hour < bindparam("this_hour")))
    .group_by(REPORT.c.user_ref, REPORT.c.cause, REPORT.c.hour)
)
_LAST = (
    select(REPORT)
    .where(_GROUP, _WAITS, REPORT.c.number == bindparam("number"))
    .order_by(REPORT.c.stored_at.desc(), REPORT.c.notice_id)
    .limit(1)
)
_OTHERS = (
    select(REPORT)
    .where(_GROUP, _WAITS, REPORT.c.number <= bindparam("number"), REPORT.c.notice_id != bindparam("notice_id"))
    .order_by(REPORT.c.number, REPORT.c.notice_id)
    .limit(bindparam("most"))
)
_COUNT = select(func.count()).select_from(REPORT).where(_WAITS)
_TELL = (
    update(REPORT).where(REPORT.c.notice_id == bindparam("b_notice_id"), _WAITS).values(told_at=bindparam("b_told_at"))
)
_FORGET = delete(REPORT).where(REPORT.c.told_at.is_not(None), REPORT.c.hour < bindparam("b_this_hour"))


@dataclass(frozen=True, slots=True)
class Group:
    """What one person tries for one cause in one hour of the clock; see `agency_node.store.tables.MisuseReport`."""

    user_ref: str
    cause: str
    hour: int


@dataclass(frozen=True, slots=True)
class Due:
    """A group of which the gateway is to hear now.

    Attributes:
        number: Of the notice to send: it goes for all of the group up to it.
        since: When the oldest of them was stored, seconds since the epoch.
    """

    group: Group
    number: int
    since: int


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A notice that waits; see `agency_node.store.tables.MisuseReport`."""

    notice_id: str
    obligation: str
    query_id: str
    content: bytes
    signature: bytes
    stored_at: int
    group: Group
    number: int


def reports_stored(reports: Sequence[StoredReport]) -> list[Write]:
    """Notices that the gateway is to have."""
    return [Write(_INSERT, [_row(report) for report in reports])] if reports else []


def _row(report: StoredReport) -> dict[str, object]:
    row = asdict(report)
    return {**row, **row.pop("group"), "told_at": None}


def reports_told(reports: Sequence[StoredReport], *, at: int, this_hour: int) -> list[Write]:
    """The gateway knows of these; `NothingChanged` where that was written down before."""
    rows = [{"b_notice_id": report.notice_id, "b_told_at": at} for report in reports]
    return [Write(_TELL, rows, must_change=True), Write.one(_FORGET, {"b_this_hour": this_hour})]


async def highest_number(connection: AsyncConnection, group: Group) -> int:
    """How many of a group there have been; 0 for none."""
    return int((await connection.execute(_HIGHEST, asdict(group))).scalar_one())


async def due_reports(connection: AsyncConnection, *, this_hour: int) -> list[Due]:
    """What the gateway is to hear now: groups without a first word, and those whose hour is over, in no order."""
    rows = (await connection.execute(_DUE, {"this_hour": this_hour})).all()
    return [Due(Group(row.user_ref, row.cause, row.hour), row.number, row.since) for row in rows]


async def report_to_send(connection: AsyncConnection, due: Due) -> StoredReport | None:
    """The notice that goes for a group; None where the gateway knows of it."""
    found = await _reports(connection, _LAST, due, {"number": due.number})
    return found[0] if found else None


async def reports_with(connection: AsyncConnection, report: StoredReport, most: int) -> list[StoredReport]:
    """The others that a notice goes for, and that are not written down as told."""
    values = {"number": report.number, "notice_id": report.notice_id, "most": most}
    return await _reports(connection, _OTHERS, report, values)


async def _reports(
    connection: AsyncConnection, statement: Select[Any], of: Due | StoredReport, values: Mapping[str, object]
) -> list[StoredReport]:
    rows = (await connection.execute(statement, {**asdict(of.group), **values})).all()
    return [
        StoredReport(
            notice_id=row.notice_id,
            obligation=row.obligation,
            query_id=row.query_id,
            content=row.content,
            signature=row.signature,
            stored_at=row.stored_at,
            group=of.group,
            number=row.number,
        )
        for row in rows
    ]


async def count_waiting(connection: AsyncConnection) -> int:
    """Of how many attempts the gateway has yet to hear."""
    return int((await connection.execute(_COUNT)).scalar_one())
