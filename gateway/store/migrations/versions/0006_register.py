"""What the gateway verified of the trustee's register."""

from alembic import op

from federation.following.tables import create_trusted_state

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_trusted_state(op)


def downgrade() -> None:
    op.drop_table("trusted_state")
