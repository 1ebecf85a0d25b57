"""An agency that lost its keys gets new ones."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_reset",
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("agency", "token_sha256", "progress", "invited_by")
        ),
        sa.Column("token_expires_at", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.LargeBinary(), nullable=False)
            for name in (
                "descriptor",
                "certificate_request",
                "statement",
                "statement_signature",
                "description_signature",
            )
        ),
        sa.PrimaryKeyConstraint("agency"),
    )


def downgrade() -> None:
    op.drop_table("key_reset")
