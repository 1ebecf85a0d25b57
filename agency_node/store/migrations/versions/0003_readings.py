"""Readings by dataset, rows that could not be read, and the keys under which a source knows a child.

What was held is read again: records know now of which dataset they are, and the next reading says so.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("record")
    op.drop_table("holding")
    op.drop_table("source_state")
    op.create_table(
        "holding",
        sa.Column("child_key", sa.String(length=32), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("flags", sa.LargeBinary(), nullable=False),
        sa.Column("absent_since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["child_key"], ["child.child_key"], name="fk_holding_child_key", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("child_key", "source_id", name="pk_holding"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_holding_source_id", "holding", ["source_id"], unique=False)
    op.create_table(
        "record",
        sa.Column("child_key", sa.String(length=32), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("absent_since", sa.BigInteger(), nullable=False),
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
        "source_key",
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("key_ref", sa.String(length=32), nullable=False),
        sa.Column("child_key", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["child_key", "source_id"],
            ["holding.child_key", "holding.source_id"],
            name="fk_source_key_child_key_source_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source_id", "key_ref", "child_key", name="pk_source_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_source_key_child_key_source_id", "source_key", ["child_key", "source_id"], unique=False)
    op.create_table(
        "dataset_state",
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("identifies", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fault", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.String(length=400), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("sound_at", sa.BigInteger(), nullable=False),
        sa.Column("as_at", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("baseline", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("acceptance", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "dataset", name="pk_dataset_state"),
    )
    op.create_table(
        "reject",
        sa.Column("reject_id", sa.String(length=32), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("is_attributed", sa.Boolean(), nullable=False),
        sa.Column("has_flags", sa.Boolean(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("dismissed_at", sa.BigInteger(), nullable=False),
        sa.Column("dismissal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("reject_id", name="pk_reject"),
    )
    op.create_index("ix_reject_source_id_dataset", "reject", ["source_id", "dataset"], unique=False)


def downgrade() -> None:
    for table in ("reject", "dataset_state", "source_key", "record", "holding"):
        op.drop_table(table)
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
