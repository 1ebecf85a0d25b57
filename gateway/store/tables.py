"""The gateway's tables: one model for SQLite and PostgreSQL.

Nothing here identifies a child. Blinded points and sealed bytes are kept only while a task needs them: they go when
their query closes. Rows are written through the journal alone, in one transaction with their ledger entry, and go when
their time is up (`gateway.store.deletions`).
"""

import re

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, String, Table
from sqlalchemy import ForeignKey as Fk
from sqlalchemy.orm import declared_attr, registry
from sqlmodel import Field, SQLModel

from federation.following.tables import include_trusted_state
from federation.ledger.tables import include_ledger

metadata = MetaData()
include_ledger(metadata)
include_trusted_state(metadata)


class GatewayTable(SQLModel, registry=registry(metadata=metadata)):
    """Base of the gateway's tables: its own metadata, with the ledger's, so that one migration history covers both."""

    @declared_attr.directive
    def __tablename__(cls) -> str:  # type: ignore[mutable-override]  # noqa: N805 - so SQLAlchemy reads it
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__.removesuffix("Row")).lower()


class Enrolment(GatewayTable, table=True):
    """One agency's way from invitation to approval. The token is kept as a hash only."""

    agency: str = Field(primary_key=True)
    descriptor: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    token_sha256: str
    token_expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    progress: str
    invited_by: str
    decided_by: str = ""
    certificate_request: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    statement: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    statement_signature: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    description_signature: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    certificate: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))


class ProposedDescription(GatewayTable, table=True):
    """What an enrolled agency wants to be described as, until an operator accepts it or it proposes another."""

    agency: str = Field(primary_key=True)
    description: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary(64), nullable=False))
    proposed_at: int = Field(sa_column=Column(BigInteger, nullable=False))


class KeyReset(GatewayTable, table=True):
    """An enrolled agency's way to new keys after it lost its own: as `Enrolment`, which stays in force beside it."""

    agency: str = Field(primary_key=True)
    descriptor: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    token_sha256: str
    token_expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    progress: str
    invited_by: str
    certificate_request: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    statement: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    statement_signature: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    description_signature: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))


class DirectoryVersion(GatewayTable, table=True):
    """Every directory ever published, as signed."""

    version: int = Field(primary_key=True)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class DenyListVersion(GatewayTable, table=True):
    """Every deny list ever published, as signed."""

    version: int = Field(primary_key=True)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class QueryRow(GatewayTable, table=True):
    """One admitted or refused query."""

    query_id: str = Field(sa_column=Column(String(36), primary_key=True))
    requester: str
    user_ref: str
    header: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    audit_envelope: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    admission: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    admission_signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    decisions: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    admitted_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    closed_at: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))

    __table_args__ = (
        Index("ix_query_counters", "requester", "admitted_at"),
        Index("ix_query_open", "closed_at"),
    )


class TaskRow(GatewayTable, table=True):
    """One target's work."""

    task_id: str = Field(sa_column=Column(String(36), primary_key=True))
    query_id: str = Field(sa_column=Column(String(36), Fk("query.query_id", ondelete="CASCADE"), nullable=False))
    responder: str
    state: str
    part: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    translated: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    epoch: int = Field(sa_column=Column(BigInteger, nullable=False))
    trustee_signature: bytes = Field(sa_column=Column(LargeBinary(64), nullable=False))
    answer_digest: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))

    __table_args__ = (
        Index("ix_task_query", "query_id", "responder", unique=True),
        Index("ix_task_due", "responder", "state"),
    )


class AnswerRow(GatewayTable, table=True):
    """A sealed answer, kept until it is acknowledged or its query expires."""

    task_id: str = Field(sa_column=Column(String(36), Fk("task.task_id", ondelete="CASCADE"), primary_key=True))
    query_id: str = Field(sa_column=Column(String(36), nullable=False, index=True))
    answer: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TeamRow(GatewayTable, table=True):
    """A team as it stands: a signed `TeamDocument`."""

    team_id: str = Field(sa_column=Column(String(36), primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary(64), nullable=False))


class CaseGrantRow(GatewayTable, table=True):
    """A case grant as it stands: a signed `CaseGrantDocument`. Nothing says which child it is about."""

    grant_id: str = Field(sa_column=Column(String(36), primary_key=True))
    team_id: str = Field(sa_column=Column(String(36), Fk("team.team_id"), nullable=False, index=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary(64), nullable=False))


class TeamOrderRow(GatewayTable, table=True):
    """Every order that was carried out, as its lead's agency signed it: who changed which team, and how."""

    order_sha256: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    team_id: str = Field(sa_column=Column(String(36), Fk("team.team_id"), nullable=False, index=True))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary(64), nullable=False))
    carried_out_at: int = Field(sa_column=Column(BigInteger, nullable=False))


class MisuseRow(GatewayTable, table=True):
    """Misuse that was refused: one row for each notice, kept so that none counts twice.

    Attributes:
        refused_by: `node` or `gateway`.
        reported_at: When it was recorded here, seconds since the epoch.
        content: The canonical notice as the agency signed it, or its SHA-256 where it holds words that the bundle or
            the directory does not know; empty where the gateway refused.
    """

    notice_id: str = Field(sa_column=Column(String(36), primary_key=True))
    agency: str = Field(sa_column=Column(String(63), nullable=False))
    refused_by: str = Field(sa_column=Column(String(16), nullable=False))
    reported_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))

    __table_args__ = (Index("ix_misuse_recent", "agency", "reported_at"),)


class EvaluationCount(GatewayTable, table=True):
    """Evaluations and translations per agency and hour, to reconcile with the trustee's."""

    agency: str = Field(primary_key=True)
    hour_start: int = Field(sa_column=Column(BigInteger, primary_key=True))
    kind: str = Field(primary_key=True)
    count: int = Field(sa_column=Column(BigInteger, nullable=False))


class DecisionInput(GatewayTable, table=True):
    """The encrypted canonical input of a decision, for replay."""

    decision_id: str = Field(sa_column=Column(String(36), primary_key=True))
    ciphertext: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    decided_at: int = Field(sa_column=Column(BigInteger, nullable=False))

    __table_args__ = (Index("ix_decision_input_age", "decided_at"),)


def table(model: type[SQLModel]) -> Table:
    """The Core table of a model: hot paths use prebuilt Core statements."""
    found: Table = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it at class creation
    return found
