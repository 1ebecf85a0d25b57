"""Indexes for what is deleted when its time is up: looking for it must not read every row."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("task", "asked_query", "referral")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(f"ix_{table}_expires_at", table, ["expires_at"], unique=False)


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"ix_{table}_expires_at", table_name=table)
