"""Misuse that was refused: notices of agencies, and what the gateway refused itself."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "misuse",
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("agency", sa.String(length=63), nullable=False),
        sa.Column("refused_by", sa.String(length=16), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id"),
    )
    op.create_index("ix_misuse_recent", "misuse", ["agency", "reported_at"], unique=False)


def downgrade() -> None:
    op.drop_table("misuse")
