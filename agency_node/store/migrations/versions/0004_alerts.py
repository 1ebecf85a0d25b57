"""One alert for each recipient, with whose act it is about; reports of misuse that wait for the gateway.

What is open is split: every recipient has still to see it. What somebody has seen stays seen, under each recipient.
Whose act an alert is about is taken from the task where there is one; of a query that was put here, the node looks at
the query.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from federation.errors import ErrorCode, WardgateError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ALERTS = sa.text(
    "SELECT alert.*, asked_query.purpose AS purpose"
    " FROM alert LEFT JOIN asked_query ON asked_query.query_id = alert.query_id"
)
_TASKS = sa.text(
    "SELECT query_id, requester, user_ref FROM task WHERE requester <> '' AND query_id IN (SELECT query_id FROM alert)"
)
_KEPT = ("query_id", "decision_id", "obligation", "opened_at", "seen_at", "seen_by")


def upgrade() -> None:
    found = op.get_bind().execute(_ALERTS).mappings().all()
    acts = _acts()
    op.drop_table("alert")
    table = op.create_table(
        "alert",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("decision_id", sa.String(length=36), nullable=False),
        sa.Column("obligation", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("agency", sa.String(length=63), nullable=False),
        sa.Column("user_ref", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.Column("seen_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alert"),
    )
    op.create_index("ix_alert_seen_at", "alert", ["seen_at"], unique=False)
    op.create_index("ix_alert_query_id", "alert", ["query_id"], unique=False)
    _insert(table, [row for alert in found for row in _split(alert, acts.get(alert["query_id"], ("", "")))])
    op.create_table(
        "misuse_report",
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("obligation", sa.String(length=64), nullable=False),
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name="pk_misuse_report"),
    )
    op.create_index("ix_misuse_report_stored_at", "misuse_report", ["stored_at"], unique=False)


def _acts() -> dict[str, tuple[str, str]]:
    """Agency and user of each query that was put to this node; none where two agencies used one id."""
    acts: dict[str, set[tuple[str, str]]] = {}
    for row in op.get_bind().execute(_TASKS):
        acts.setdefault(row.query_id, set()).add((row.requester, row.user_ref))
    return {query_id: next(iter(found)) for query_id, found in acts.items() if len(found) == 1}


def _split(alert: Mapping[Any, Any], act: tuple[str, str]) -> list[dict[str, Any]]:
    """One row for each recipient; the first keeps the id."""
    recipients = alert["recipients"].split() or [""]
    return [
        {
            **{name: alert[name] for name in _KEPT},
            "alert_id": alert["alert_id"] if place == 0 else str(uuid4()),
            "recipient": recipient,
            "silent": bool(alert["silent"]),
            "agency": act[0],
            "user_ref": act[1],
            "role": "",
            "purpose": alert["purpose"] or "",
            "code": "",
        }
        for place, recipient in enumerate(recipients)
    ]


def downgrade() -> None:
    """Not while a notice waits: nobody else knows of the misuse that it reports."""
    waiting = op.get_bind().execute(sa.text("SELECT count(*) FROM misuse_report")).scalar_one()
    if waiting:
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"the gateway has not taken {waiting} notices of misuse")
    op.drop_table("misuse_report")
    found = op.get_bind().execute(sa.text("SELECT * FROM alert")).mappings().all()
    op.drop_table("alert")
    table = op.create_table(
        "alert",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("decision_id", sa.String(length=36), nullable=False),
        sa.Column("obligation", sa.String(length=64), nullable=False),
        sa.Column("recipients", sa.String(length=400), nullable=False),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.Column("seen_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alert"),
    )
    op.create_index("ix_alert_seen_at", "alert", ["seen_at"], unique=False)
    rows = [
        {
            **{name: alert[name] for name in _KEPT},
            "alert_id": alert["alert_id"],
            "recipients": alert["recipient"],
            "silent": bool(alert["silent"]),
        }
        for alert in found
    ]
    _insert(table, rows)


def _insert(table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        op.bulk_insert(table, rows)
