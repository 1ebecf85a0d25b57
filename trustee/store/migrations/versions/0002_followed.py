"""The verified directory stands where every follower keeps it, with what was seen of keys."""

import sqlalchemy as sa
from alembic import op

from federation.following.tables import create_trusted_state

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NAMES = {"content": "gateway-directory", "signature": "gateway-directory-signature", "entry": "gateway-directory-entry"}


def upgrade() -> None:
    create_trusted_state(op)
    found = op.get_bind().execute(sa.text("SELECT * FROM verified_directory")).one_or_none()
    if found is not None:
        for column, name in NAMES.items():
            op.get_bind().execute(
                sa.text(
                    "INSERT INTO trusted_state (name, version, content, updated_at) "
                    "VALUES (:name, :version, :content, :at)"
                ),
                {
                    "name": name,
                    "version": found.version,
                    "content": bytes(getattr(found, column)),
                    "at": found.verified_at,
                },
            )
    op.drop_table("verified_directory")


def downgrade() -> None:
    """What was seen of keys is forgotten."""
    op.create_table(
        "verified_directory",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_verified_directory_one_row"),
    )
    op.execute(
        "INSERT INTO verified_directory (id, version, content, signature, entry, verified_at) "
        "SELECT 1, d.version, d.content, s.content, e.content, d.updated_at FROM trusted_state d "
        "JOIN trusted_state s ON s.name = 'gateway-directory-signature' "
        "JOIN trusted_state e ON e.name = 'gateway-directory-entry' WHERE d.name = 'gateway-directory'"
    )
    op.drop_table("trusted_state")
