"""Reads of alerts, and the writes that the journal makes durable: prebuilt Core statements."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, bindparam, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.store.children import core_table
from agency_node.store.tables import Alert, AskedQuery
from federation.ledger.writes import Write

ALERT, ASKED = core_table(Alert), core_table(AskedQuery)

_NEW = {column.name: bindparam(f"b_{column.name}", type_=column.type) for column in ALERT.c}
_INSERT = insert(ALERT).from_select(
    list(_NEW),
    select(*_NEW.values()).where(
        ~exists().where(
            ALERT.c.query_id == _NEW["query_id"],
            ALERT.c.agency == _NEW["agency"],
            ALERT.c.obligation == _NEW["obligation"],
            ALERT.c.recipient == _NEW["recipient"],
        )
    ),
)
"""A recipient is alerted to an obligation once for each query."""
_WITH_ASKER = select(ALERT, ASKED.c.user_id.label("asker")).outerjoin(ASKED, ASKED.c.query_id == ALERT.c.query_id)
_OPEN = _WITH_ASKER.where(ALERT.c.seen_at.is_(None)).order_by(ALERT.c.opened_at, ALERT.c.alert_id)
_BY_ID = _WITH_ASKER.where(ALERT.c.alert_id == bindparam("alert_id"))
_SEE = (
    update(ALERT)
    .where(ALERT.c.alert_id == bindparam("b_alert_id"), ALERT.c.seen_at.is_(None))
    .values(seen_at=bindparam("b_seen_at"), seen_by=bindparam("b_seen_by"))
)


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert as it is first stored; see `agency_node.store.tables.Alert`."""

    alert_id: str
    query_id: str
    decision_id: str
    obligation: str
    recipient: str
    silent: bool
    agency: str
    user_ref: str
    role: str
    purpose: str
    code: str
    opened_at: int


def alerts_opened(alerts: Sequence[NewAlert]) -> list[Write]:
    """Alerts that wait for their recipients; each recipient is alerted to an obligation once for each query."""
    rows = [{f"b_{name}": value for name, value in asdict(alert).items()} for alert in alerts]
    return [Write(_INSERT, [{**row, "b_seen_at": None, "b_seen_by": None} for row in rows])] if rows else []


async def unseen_alerts(connection: AsyncConnection) -> Sequence[Row[*tuple[Any, ...]]]:
    """Alerts that their recipients have not seen, oldest first.

    `asker` is who put the query, by the id this node knows them under; None where it was not put here.
    """
    return (await connection.execute(_OPEN)).all()


async def find_alert(connection: AsyncConnection, alert_id: str) -> Row[*tuple[Any, ...]] | None:
    """One alert, with its `asker` as above."""
    return (await connection.execute(_BY_ID, {"alert_id": alert_id})).one_or_none()


async def see_alert(connection: AsyncConnection, alert_id: str, *, seen_at: int, seen_by: str) -> bool:
    """A recipient has seen it; False when somebody had already."""
    values = {"b_alert_id": alert_id, "b_seen_at": seen_at, "b_seen_by": seen_by}
    return (await connection.execute(_SEE, values)).rowcount == 1
