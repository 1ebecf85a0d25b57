"""The ledger's tables as statements for a service's first migration.

Frozen on purpose: a migration that has run somewhere never changes. A later change to `federation.ledger.tables` gets
its own function here and its own revision in every service. Triggers refuse to alter or delete what was written: no
defence against whoever owns the database (that is what proofs and witnesses are for), but against a mistake of ours.
"""

from typing import Final

import sqlalchemy as sa
from alembic.operations import Operations

_POSITION: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_APPEND_ONLY: Final = ("ledger_entry", "ledger_checkpoint")


def create_ledger(op: Operations) -> None:
    """Create the ledger, empty. For `upgrade()`; `op` is `alembic.op`."""
    op.create_table(
        "ledger_entry",
        sa.Column("entry_index", _POSITION, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("query_id", sa.String(36)),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("nodes", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_ledger_entry_kind", "ledger_entry", ["kind", "entry_index"])
    op.create_index("ix_ledger_entry_query", "ledger_entry", ["query_id", "entry_index"])
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_ledger_head_one_row"),
    )
    op.create_table(
        "ledger_checkpoint",
        sa.Column("size", _POSITION, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "ledger_cosignature",
        sa.Column("size", _POSITION, primary_key=True, autoincrement=False),
        sa.Column("witness", sa.String(128), primary_key=True),
        sa.Column("line", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "witnessed_log",
        sa.Column("origin", sa.String(128), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        _finish_postgresql(op)
    else:
        _finish_sqlite(op)


def drop_ledger(op: Operations) -> None:
    """Remove the ledger with everything in it. For `downgrade()`: there is no way back but a backup."""
    for table in ("witnessed_log", "ledger_cosignature", "ledger_checkpoint", "ledger_head", "ledger_entry"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION ledger_is_append_only()")


def _finish_postgresql(op: Operations) -> None:
    op.execute("INSERT INTO ledger_head (id, size, peaks) VALUES (1, 0, '')")
    op.execute(
        "CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"
        )


def _finish_sqlite(op: Operations) -> None:
    for table in _APPEND_ONLY:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
            )
