"""Tasks carry the trustee's signature and the epoch it is for; nothing is kept to prove a translation after the fact.

What was put before is of an older version of the wire. Its points are forgotten here, since nobody can be asked with
them any more, and the gateway cancels what is open of it when it starts (`gateway.outdated`).
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TASK = sa.table(
    "task",
    sa.column("query_id", sa.String()),
    *(sa.column(name, sa.LargeBinary()) for name in ("part", "translated", "trustee_element", "trustee_signature")),
)
QUERY = sa.table(
    "query",
    sa.column("query_id", sa.String()),
    *(sa.column(name, sa.LargeBinary()) for name in ("header", "ticket", "ticket_signature")),
)
ANSWER = sa.table("answer", sa.column("query_id", sa.String()))


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False, server_default=sa.text("''"))


def upgrade() -> None:
    op.add_column("task", sa.Column("epoch", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("task", _bytes("trustee_signature"))
    op.execute(sa.update(TASK).values(part=b"", translated=b"", trustee_signature=b""))
    op.drop_column("task", "trustee_element")
    op.drop_column("query", "ticket")
    op.drop_column("query", "ticket_signature")


def downgrade() -> None:
    """What was put in the newer version of the wire cannot be read by the older program: the ledger alone keeps it."""
    for row in op.get_bind().execute(sa.select(QUERY.c.query_id, QUERY.c.header)).all():
        if json.loads(bytes(row.header))["v"] != 1:
            for table in (ANSWER, TASK, QUERY):
                op.execute(sa.delete(table).where(table.c.query_id == row.query_id))
    for name in ("ticket", "ticket_signature"):
        op.add_column("query", _bytes(name))
    op.add_column("task", _bytes("trustee_element"))
    op.execute(sa.update(QUERY).values(ticket=b"", ticket_signature=b""))
    op.execute(sa.update(TASK).values(trustee_element=b""))
    op.drop_column("task", "trustee_signature")
    op.drop_column("task", "epoch")
