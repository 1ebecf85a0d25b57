"""The first tables: ledger, counters, what was presented, alarms, caseloads, epochs, directory, deny list."""

import sqlalchemy as sa
from alembic import op

from federation.ledger.ddl import create_ledger, drop_ledger

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "verified_deny_list",
    "verified_directory",
    "scope_epochs",
    "caseload",
    "alarm",
    "seen_ticket",
    "seen_batch",
    "counter",
)


def upgrade() -> None:
    create_ledger(op)
    op.create_table(
        "counter",
        sa.Column("agency", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("period", sa.String(32), primary_key=True),
        sa.Column("start", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Index("ix_counter_period", "period", "start"),
    )
    op.create_table(
        "seen_batch",
        sa.Column("agency", sa.String(63), primary_key=True),
        sa.Column("batch_id", sa.String(36), primary_key=True),
        sa.Column("header_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Index("ix_seen_batch_expiry", "expires_at"),
    )
    op.create_table(
        "seen_ticket",
        sa.Column("agency", sa.String(63), primary_key=True),
        sa.Column("query_sha256", sa.LargeBinary(32), primary_key=True),
        sa.Column("ticket_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("translated", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Index("ix_seen_ticket_expiry", "expires_at"),
    )
    op.create_table(
        "alarm",
        sa.Column("subject", sa.String(96), primary_key=True),
        sa.Column("reason", sa.String(32), primary_key=True),
        sa.Column("hour_start", sa.BigInteger(), primary_key=True, autoincrement=False),
    )
    op.create_table(
        "caseload",
        sa.Column("agency", sa.String(63), primary_key=True),
        sa.Column("children", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "scope_epochs",
        sa.Column("scope", sa.String(63), primary_key=True),
        sa.Column("oldest", sa.BigInteger(), nullable=False),
        sa.Column("newest", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "verified_directory",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_verified_directory_one_row"),
    )
    op.create_table(
        "verified_deny_list",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_verified_deny_list_one_row"),
    )


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)
    drop_ledger(op)
