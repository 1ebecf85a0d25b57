"""Without a table and columns that were written and never read; with an index for what is deleted in time.

What the table `agency` held stands in the newest directory, and what the columns held in the signed header beside them:
the way down fills the table from nothing, as the next publication would, and the columns with nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("agency")
    op.drop_index("ix_query_open", table_name="query")
    for table, columns in (
        ("query", ("purpose", "deadline_at", "expires_at")),
        ("task", ("lease_id", "lease_expires_at", "expires_at")),
    ):
        for column in columns:
            op.drop_column(table, column)
    op.create_index("ix_query_open", "query", ["closed_at"], unique=False)
    op.create_index("ix_decision_input_age", "decision_input", ["decided_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_decision_input_age", table_name="decision_input")
    op.drop_index("ix_query_open", table_name="query")
    text, number = sa.text("''"), sa.text("0")
    op.add_column("query", sa.Column("purpose", sa.String(), nullable=False, server_default=text))
    op.add_column("query", sa.Column("deadline_at", sa.BigInteger(), nullable=False, server_default=number))
    op.add_column("query", sa.Column("expires_at", sa.BigInteger(), nullable=False, server_default=number))
    op.add_column("task", sa.Column("lease_id", sa.String(), nullable=False, server_default=text))
    op.add_column("task", sa.Column("lease_expires_at", sa.BigInteger(), nullable=False, server_default=number))
    op.add_column("task", sa.Column("expires_at", sa.BigInteger(), nullable=False, server_default=number))
    op.create_index("ix_query_open", "query", ["closed_at", "expires_at"], unique=False)
    op.create_table(
        "agency",
        sa.Column("agency", sa.String(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("agency"),
    )
