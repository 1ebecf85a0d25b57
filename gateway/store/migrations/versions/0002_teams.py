"""Teams, case grants, and the signed orders that changed them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "team",
        sa.Column("team_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.PrimaryKeyConstraint("team_id"),
    )
    op.create_table(
        "case_grant",
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("team_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["team.team_id"]),
        sa.PrimaryKeyConstraint("grant_id"),
    )
    op.create_index(op.f("ix_case_grant_team_id"), "case_grant", ["team_id"], unique=False)
    op.create_table(
        "team_order",
        sa.Column("order_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("team_id", sa.String(length=36), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("carried_out_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["team.team_id"]),
        sa.PrimaryKeyConstraint("order_sha256"),
    )
    op.create_index(op.f("ix_team_order_team_id"), "team_order", ["team_id"], unique=False)


def downgrade() -> None:
    for table in ("team_order", "case_grant", "team"):
        op.drop_table(table)
