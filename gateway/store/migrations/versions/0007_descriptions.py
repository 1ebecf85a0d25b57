"""Agencies sign how they are described."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    empty = sa.text("''") if op.get_bind().dialect.name == "postgresql" else sa.text("x''")  # bytes, not text
    op.add_column(
        "enrolment", sa.Column("description_signature", sa.LargeBinary(), nullable=False, server_default=empty)
    )
    op.create_table(
        "proposed_description",
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("description", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(64), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agency"),
    )


def downgrade() -> None:
    op.drop_table("proposed_description")
    op.drop_column("enrolment", "description_signature")
