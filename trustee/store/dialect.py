"""`INSERT ... ON CONFLICT`, which SQLAlchemy spells once for each database."""

from functools import lru_cache

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

Insert = postgresql.Insert | sqlite.Insert


def insert_into(dialect: str, table: Table) -> Insert:
    """An `INSERT` that can be given a conflict clause."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@lru_cache
def insert_new(dialect: str, table: Table) -> Insert:
    """An `INSERT` that leaves an existing row alone: its row count says whether the row was new."""
    return insert_into(dialect, table).on_conflict_do_nothing()
