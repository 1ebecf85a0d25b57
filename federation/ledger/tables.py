"""The ledger's tables: one model for SQLite and PostgreSQL.

Every service has them in its own database, in one migration history with its own tables (`federation.ledger.ddl` has
the statements, `include_ledger` the model), because an entry and its effect are one transaction.
"""

import re
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, String
from sqlalchemy.orm import declared_attr, registry
from sqlmodel import Field, SQLModel

metadata: Final = MetaData()
"""The ledger's tables alone."""

KIND_CHARS: Final = 32
QUERY_ID_CHARS: Final = 36
NAME_CHARS: Final = 128

# On SQLite an INTEGER primary key is the row's own address: appending touches the end of one tree only.
_Position = BigInteger().with_variant(Integer(), "sqlite")


class LedgerTable(SQLModel, registry=registry(metadata=metadata)):
    """Base of the ledger's tables, named as their classes are: `LedgerEntry` is `ledger_entry`."""

    @declared_attr.directive
    def __tablename__(cls) -> str:  # type: ignore[mutable-override] # noqa: N805 - SQLModel declares a wider type; a declared attribute is called with the class
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


class LedgerEntry(LedgerTable, table=True):
    """One entry with every subtree hash that it completes. Never updated, never deleted."""

    __table_args__ = (
        Index("ix_ledger_entry_kind", "kind", "entry_index"),
        Index("ix_ledger_entry_query", "query_id", "entry_index"),
    )

    entry_index: int = Field(sa_column=Column(_Position, primary_key=True, autoincrement=False))
    """Position in the tree, from 0, without gaps."""
    kind: str = Field(sa_column=Column(String(KIND_CHARS), nullable=False))
    """Copy of the content's, to search by; verification compares the two. Likewise `query_id` and `at`."""
    query_id: str | None = Field(sa_column=Column(String(QUERY_ID_CHARS)))
    at: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """The entry: canonical JSON."""
    nodes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Hashes of the complete subtrees that end with this entry, level 0 first, 32 bytes each."""


class LedgerHead(LedgerTable, table=True):
    """PostgreSQL: the row that replicas lock to append, with the right edge of the tree. Unused on SQLite.

    SQLite has one writer at a time by itself, and its journal knows the right edge from `ledger_entry`.
    """

    __table_args__ = (CheckConstraint("id = 1", name="ck_ledger_head_one_row"),)

    id: int = Field(default=1, sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    peaks: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Roots of the complete subtrees, largest first, 32 bytes each."""


class LedgerCheckpoint(LedgerTable, table=True):
    """Every checkpoint ever signed, as it was signed."""

    size: int = Field(sa_column=Column(_Position, primary_key=True, autoincrement=False))
    at: int = Field(sa_column=Column(BigInteger, nullable=False))
    note: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LedgerCosignature(LedgerTable, table=True):
    """A witness's signature line over one of our checkpoints."""

    size: int = Field(sa_column=Column(_Position, primary_key=True, autoincrement=False))
    witness: str = Field(sa_column=Column(String(NAME_CHARS), primary_key=True))
    line: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class WitnessedLog(LedgerTable, table=True):
    """The last checkpoint of somebody else's ledger that this party has verified."""

    origin: str = Field(sa_column=Column(String(NAME_CHARS), primary_key=True))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    note: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


def include_ledger(target: MetaData) -> None:
    """Copy the ledger's tables into a service's own metadata, for its migrations to be compared with."""
    for table in metadata.sorted_tables:
        table.to_metadata(target)
