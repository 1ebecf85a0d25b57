"""What a follower keeps over a restart: one table, in every follower's own database."""

from typing import Final

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String
from sqlalchemy.orm import declared_attr, registry
from sqlmodel import Field, SQLModel

metadata: Final = MetaData()
"""The follower's table alone."""


class FollowingTable(SQLModel, registry=registry(metadata=metadata)):
    """Base of the one table: the registry is a base's to name."""


class TrustedState(FollowingTable, table=True):
    """What a party has come to trust and must not forget. Checkpoints stand in `witnessed_log`."""

    @declared_attr.directive
    def __tablename__(cls) -> str:  # type: ignore[mutable-override] # noqa: N805 - as `federation.ledger.tables`
        return "trusted_state"

    name: str = Field(sa_column=Column(String(64), primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    updated_at: int = Field(sa_column=Column(BigInteger, nullable=False))


def include_trusted_state(target: MetaData) -> None:
    """Copy the table into a service's own metadata, for its migrations to be compared with."""
    metadata.tables["trusted_state"].to_metadata(target)


def create_trusted_state(op: Operations) -> None:
    """Create the table, empty. For `upgrade()`; `op` is `alembic.op`. Frozen, as `federation.ledger.ddl` is."""
    op.create_table(
        "trusted_state",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
    )
