"""Notices of misuse know whose they are, for what cause and in which hour, so that many go as one.

Each that waits is the first of its hour: none of them says that there were others.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HOUR_S = 3600


def upgrade() -> None:
    for name, kind in (("user_ref", sa.String(length=64)), ("cause", sa.String(length=129))):
        op.add_column("misuse_report", sa.Column(name, kind, nullable=False, server_default=sa.text("''")))
    op.add_column("misuse_report", sa.Column("hour", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("misuse_report", sa.Column("number", sa.BigInteger(), nullable=False, server_default=sa.text("1")))
    op.add_column("misuse_report", sa.Column("told_at", sa.BigInteger(), nullable=True))
    found = op.get_bind().execute(sa.text("SELECT notice_id, content, stored_at FROM misuse_report")).all()
    for row in found:
        notice = json.loads(bytes(row.content))
        op.get_bind().execute(
            sa.text("UPDATE misuse_report SET user_ref = :user, cause = :cause, hour = :hour WHERE notice_id = :id"),
            {
                "user": notice["user_ref"],
                "cause": f"{notice['reason']} {notice['purpose']}",
                "hour": row.stored_at // HOUR_S,
                "id": row.notice_id,
            },
        )
    op.drop_index("ix_misuse_report_stored_at", table_name="misuse_report")
    op.create_index(
        "ix_misuse_report_user_ref_cause_hour", "misuse_report", ["user_ref", "cause", "hour"], unique=False
    )


def downgrade() -> None:
    """What the gateway knows of is forgotten; what waits goes one by one."""
    op.execute("DELETE FROM misuse_report WHERE told_at IS NOT NULL")
    op.drop_index("ix_misuse_report_user_ref_cause_hour", table_name="misuse_report")
    for column in ("told_at", "number", "hour", "cause", "user_ref"):
        op.drop_column("misuse_report", column)
    op.create_index("ix_misuse_report_stored_at", "misuse_report", ["stored_at"], unique=False)
