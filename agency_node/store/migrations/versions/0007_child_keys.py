"""Whom a question was about: a keyed hash beside every question asked here and every task taken in.

Rows that are there already keep none: what they were about was never stored beside them, and cannot be made from here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("asked_query", "task")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("child_key", sa.String(length=32), nullable=True))
        op.create_index(f"ix_{table}_child_key", table, ["child_key"], unique=False)


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_child_key", table_name=table)
        op.drop_column(table, "child_key")
