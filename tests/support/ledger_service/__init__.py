"""A small service with a ledger and one table of its own, for tests of the journal and of migrations."""

from sqlalchemy import Column, Integer, MetaData, String, Table

from federation.ledger.tables import include_ledger

metadata = MetaData()
include_ledger(metadata)

THING = Table(
    "thing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("note", String(40), nullable=False, server_default=""),
)
