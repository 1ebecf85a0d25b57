"""The trustee's tables, one model for SQLite and PostgreSQL. No child, no point and no purpose stands in any of them.

Rows change only in the transaction that also writes their ledger entry (`trustee.books`), but for what is forgotten
after its retention and for the directory state, which proves itself.
"""

import re
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, MetaData, SmallInteger, String, Table
from sqlalchemy.orm import declared_attr, registry
from sqlmodel import Field, SQLModel

from federation.following.tables import include_trusted_state
from federation.ledger.tables import include_ledger

AGENCY_CHARS: Final = 63
NAME_CHARS: Final = 32
SUBJECT_CHARS: Final = 96

metadata: Final = MetaData()
"""The ledger's tables and the trustee's: what one migration history covers."""
include_ledger(metadata)
include_trusted_state(metadata)


class TrusteeTable(SQLModel, registry=registry(metadata=metadata)):
    """Base of the trustee's tables, named as their classes are: `SeenBatch` is `seen_batch`."""

    @declared_attr.directive
    def __tablename__(cls) -> str:  # type: ignore[mutable-override] # noqa: N805 - SQLModel declares a wider type; a declared attribute is called with the class
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


def _agency() -> Column[str]:
    return Column(String(AGENCY_CHARS), primary_key=True)


def _digest() -> Column[bytes]:
    return Column(LargeBinary(32), nullable=False)


def _instant() -> Column[int]:
    return Column(BigInteger, nullable=False)


class Counter(TrusteeTable, table=True):
    """How much of one kind an agency has used in one window (`trustee.quotas`)."""

    agency: str = Field(sa_column=_agency())
    kind: str = Field(sa_column=Column(String(NAME_CHARS), primary_key=True))
    period: str = Field(sa_column=Column(String(NAME_CHARS), primary_key=True))
    start: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    total: int = Field(sa_column=Column(BigInteger, nullable=False))

    __table_args__ = (Index("ix_counter_period", "period", "start"),)


class SeenBatch(TrusteeTable, table=True):
    """A batch that was evaluated, remembered until it has expired."""

    agency: str = Field(sa_column=_agency())
    batch_id: str = Field(sa_column=Column(String(36), primary_key=True))
    header_sha256: bytes = Field(sa_column=_digest())
    expires_at: int = Field(sa_column=_instant())

    __table_args__ = (Index("ix_seen_batch_expiry", "expires_at"),)


class SeenTicket(TrusteeTable, table=True):
    """A ticket of which points were translated, remembered until it has expired.

    `translated` has one hexadecimal bit for each point: bit n is the ticket's point n.
    """

    agency: str = Field(sa_column=_agency())
    query_sha256: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    ticket_sha256: bytes = Field(sa_column=_digest())
    translated: str = Field(sa_column=Column(String(64), nullable=False))
    expires_at: int = Field(sa_column=_instant())

    __table_args__ = (Index("ix_seen_ticket_expiry", "expires_at"),)


class Alarm(TrusteeTable, table=True):
    """An alarm raised about an agency or the gateway in an hour, so that it is raised once."""

    subject: str = Field(sa_column=Column(String(SUBJECT_CHARS), primary_key=True))
    reason: str = Field(sa_column=Column(String(NAME_CHARS), primary_key=True))
    hour_start: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class Caseload(TrusteeTable, table=True):
    """The largest caseload that counts for an agency: as it first declared it, or as two people approved it since."""

    agency: str = Field(sa_column=_agency())
    children: int = Field(sa_column=Column(BigInteger, nullable=False))


class ScopeEpochs(TrusteeTable, table=True):
    """The epochs of a scope that are in use, both included. A scope without a row has epoch 1 only."""

    scope: str = Field(sa_column=_agency())
    oldest: int = Field(sa_column=Column(BigInteger, nullable=False))
    newest: int = Field(sa_column=Column(BigInteger, nullable=False))


class PublishedRegister(TrusteeTable, table=True):
    """The register that was signed last, one row. Every version stands in the ledger by its hash."""

    __table_args__ = (CheckConstraint("id = 1", name="ck_published_register_one_row"),)

    id: int = Field(default=1, sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    issued_at: int = Field(sa_column=_instant())
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class KeptApproval(TrusteeTable, table=True):
    """One person's signed approval of one member."""

    approval_sha256: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    added_at: int = Field(sa_column=_instant())
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class VerifiedDenyList(TrusteeTable, table=True):
    """The last deny list that was verified, one row: it holds from the first call after a restart."""

    __table_args__ = (CheckConstraint("id = 1", name="ck_verified_deny_list_one_row"),)

    id: int = Field(default=1, sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


def table(model: type[SQLModel]) -> Table:
    """The Core table of a model, for prebuilt statements."""
    found: Table = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it at class creation
    return found
