import sqlalchemy as sa
from alembic import op

from federation.ledger.ddl import create_ledger, drop_ledger

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_ledger(op)
    op.create_table(
        "thing",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False, unique=True),
    )


def downgrade() -> None:
    op.drop_table("thing")
    drop_ledger(op)
