"""The first tables: ledger, caseload, tasks, referrals and reviews, decisions kept for replay, queries put."""

import sqlalchemy as sa
from alembic import op

from federation.ledger.ddl import create_ledger, drop_ledger

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "review",
    "record",
    "referral",
    "holding",
    "asked_target",
    "trusted_state",
    "task",
    "source_state",
    "decision_input",
    "child",
    "asked_query",
    "alert",
)


def upgrade() -> None:
    create_ledger(op)
    op.create_table(
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
    op.create_table(
        "asked_query",
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=200), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("effect", sa.String(length=16), nullable=False),
        sa.Column("broke_glass", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("reply_key", sa.LargeBinary(), nullable=True),
        sa.Column("question", sa.LargeBinary(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=True),
        sa.Column("admission", sa.LargeBinary(), nullable=True),
        sa.Column("receipt", sa.LargeBinary(), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("query_id", name="pk_asked_query"),
    )
    op.create_index("ix_asked_query_state", "asked_query", ["state"], unique=False)
    op.create_index("ix_asked_query_user_id_asked_at", "asked_query", ["user_id", "asked_at"], unique=False)
    op.create_table(
        "child",
        sa.Column("child_key", sa.String(length=32), nullable=False),
        sa.Column("lookup_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("previous_key", sa.LargeBinary(length=32), nullable=True),
        sa.Column("pseudonym", sa.LargeBinary(), nullable=False),
        sa.Column("identifier", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("child_key", name="pk_child"),
        sa.UniqueConstraint("lookup_key", name="uq_child_lookup_key"),
        sa.UniqueConstraint("previous_key", name="uq_child_previous_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_child_epoch", "child", ["epoch"], unique=False)
    op.create_table(
        "decision_input",
        sa.Column("decision_id", sa.String(length=36), nullable=False),
        sa.Column("entry_point", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decision_input"),
    )
    op.create_index("ix_decision_input_decided_at", "decision_input", ["decided_at"], unique=False)
    op.create_table(
        "source_state",
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("complete_at", sa.BigInteger(), nullable=False),
        sa.Column("children", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("source_id", name="pk_source_state"),
    )
    op.create_table(
        "task",
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("requester", sa.String(length=63), nullable=False),
        sa.Column("user_ref", sa.String(length=64), nullable=False),
        sa.Column("break_glass", sa.Boolean(), nullable=False),
        sa.Column("content_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("arrived_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("decision_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("task_id", name="pk_task"),
    )
    op.create_index("ix_task_requester_arrived_at", "task", ["requester", "arrived_at"], unique=False)
    op.create_index("ix_task_requester_query_id", "task", ["requester", "query_id"], unique=True)
    op.create_index("ix_task_state", "task", ["state"], unique=False)
    op.create_table(
        "trusted_state",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_trusted_state"),
    )
    op.create_table(
        "asked_target",
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("responder", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=True),
        sa.Column("decision", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("absent_until", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("fault", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["query_id"], ["asked_query.query_id"], name="fk_asked_target_query_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("query_id", "responder", name="pk_asked_target"),
    )
    op.create_table(
        "holding",
        sa.Column("child_key", sa.String(length=32), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("flags", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["child_key"], ["child.child_key"], name="fk_holding_child_key", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("child_key", "source_id", name="pk_holding"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_holding_source_id", "holding", ["source_id"], unique=False)
    op.create_table(
        "referral",
        sa.Column("referral_id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("reason_salt", sa.LargeBinary(length=32), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["task.task_id"], name="fk_referral_task_id"),
        sa.PrimaryKeyConstraint("referral_id", name="pk_referral"),
        sa.UniqueConstraint("task_id", name="uq_referral_task_id"),
    )
    op.create_index("ix_referral_state_opened_at", "referral", ["state", "opened_at"], unique=False)
    op.create_table(
        "record",
        sa.Column("child_key", sa.String(length=32), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["child_key", "source_id"],
            ["holding.child_key", "holding.source_id"],
            name="fk_record_child_key_source_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("child_key", "source_id", "ref", name="pk_record"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "review",
        sa.Column("referral_id", sa.String(length=36), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("requester", sa.String(length=63), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["referral_id"], ["referral.referral_id"], name="fk_review_referral_id"),
        sa.PrimaryKeyConstraint("referral_id", "ref", name="pk_review"),
    )
    op.create_index(
        "ix_review_requester_purpose_expires_at", "review", ["requester", "purpose", "expires_at"], unique=False
    )


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)
    drop_ledger(op)
