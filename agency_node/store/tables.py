"""Tables of a node. Columns hold only what a query needs; everything personal is encrypted under the node's data key.

A child is found in two ways: by `child_key`, a keyed hash of the NHS number (when a source or a user names the child),
and by `lookup_key`, a keyed hash of the pseudonym (when a task names it). Both are worthless without the data key.
"""

import re
from enum import StrEnum

from sqlalchemy import BigInteger, Column, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, MetaData, String, Text
from sqlalchemy.orm import declared_attr, registry
from sqlmodel import Field, SQLModel

from federation.following.tables import include_trusted_state
from federation.ledger.tables import include_ledger

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraint names do not depend on the database, so that migrations can name them."""

metadata = MetaData(naming_convention=NAMING)
"""The node's tables and the ledger's: what one migration history covers."""
include_ledger(metadata)
include_trusted_state(metadata)


class NodeTable(SQLModel, registry=registry(metadata=metadata)):
    """Base of the node's tables. Metadata of its own: a gateway in the same process has tables of the same names."""

    @declared_attr.directive
    def __tablename__(cls) -> str:  # type: ignore[mutable-override]  # noqa: N805 - so SQLAlchemy reads it
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


class TaskState(StrEnum):
    """Where one target's work stands at the responder."""

    ACCEPTED = "accepted"
    REFERRED = "referred"
    ANSWERED = "answered"
    STORED = "stored"
    REFUSED = "refused"
    """It could not be used, and the gateway may not know it yet."""
    REJECTED = "rejected"
    """It could not be used, and the gateway has been told, or has said that the task is over."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class ReferralState(StrEnum):
    """Where a referral to a human stands."""

    OPEN = "open"
    RELEASED = "released"
    WITHHELD = "withheld"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Child(NodeTable, table=True):
    """A child on the caseload.

    Attributes:
        child_key: Keyed hash of the NHS number, 32 hex digits.
        lookup_key: Keyed hash of the pseudonym of `epoch`, 32 bytes.
        previous_key: The same of the epoch before, while both are valid.
        pseudonym: Encrypted pseudonym of `epoch`.
        identifier: Encrypted NHS number.
        epoch: Epoch of the pseudonym.
    """

    __table_args__ = (Index(None, "epoch"), {"sqlite_with_rowid": False})

    child_key: str = Field(sa_column=Column(String(32), primary_key=True))
    lookup_key: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False, unique=True))
    previous_key: bytes | None = Field(default=None, sa_column=Column(LargeBinary(32), nullable=True, unique=True))
    pseudonym: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    identifier: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    epoch: int


class Holding(NodeTable, table=True):
    """That a source lists a child, and the digest of what it holds: the unit that a caseload run compares.

    Attributes:
        digest: Keyed hash over the child's flags, keys and records of this source; equal means unchanged.
        flags: Encrypted handling flags of the child as such.
        absent_since: Seconds since the epoch of the reading that no longer had the child, while a row that could not
            be read may be its row; 0 while the source lists it.
    """

    __table_args__ = (Index(None, "source_id"), {"sqlite_with_rowid": False})

    child_key: str = Field(
        sa_column=Column(String(32), ForeignKey("child.child_key", ondelete="CASCADE"), primary_key=True)
    )
    source_id: str = Field(sa_column=Column(String(64), primary_key=True))
    digest: str = Field(sa_column=Column(String(32), nullable=False))
    flags: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    absent_since: int = Field(sa_column=Column(BigInteger, nullable=False, default=0))


class Record(NodeTable, table=True):
    """One encrypted record.

    Attributes:
        ref: Keyed hash of the record's stable id in its source: how policy, referrals and decisions name it.
        dataset: The dataset of its source that it came from.
        digest: Keyed hash of the payload.
        absent_since: As of a holding.
        payload: Encrypted canonical JSON (`agency_node.caseload.records`).
    """

    __table_args__ = (
        ForeignKeyConstraint(
            ["child_key", "source_id"], ["holding.child_key", "holding.source_id"], ondelete="CASCADE"
        ),
        {"sqlite_with_rowid": False},
    )

    child_key: str = Field(sa_column=Column(String(32), primary_key=True))
    source_id: str = Field(sa_column=Column(String(64), primary_key=True))
    ref: str = Field(sa_column=Column(String(32), primary_key=True))
    dataset: str = Field(sa_column=Column(String(64), nullable=False))
    digest: str = Field(sa_column=Column(String(32), nullable=False))
    absent_since: int = Field(sa_column=Column(BigInteger, nullable=False, default=0))
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SourceKey(NodeTable, table=True):
    """Under which keys of its own a source knows a child: nobody leaves because a number cannot be read any more.

    Attributes:
        key_ref: Keyed hash of the source's key, 32 hex digits.
    """

    __table_args__ = (
        ForeignKeyConstraint(
            ["child_key", "source_id"], ["holding.child_key", "holding.source_id"], ondelete="CASCADE"
        ),
        Index(None, "child_key", "source_id"),
        {"sqlite_with_rowid": False},
    )

    source_id: str = Field(sa_column=Column(String(64), primary_key=True))
    key_ref: str = Field(sa_column=Column(String(32), primary_key=True))
    child_key: str = Field(sa_column=Column(String(32), primary_key=True))


class DatasetState(NodeTable, table=True):
    """How a dataset of a source fared when last read, and what it is held against.

    Attributes:
        categories: Categories that its rows can be of, canonical JSON list; `*` where they may be of any.
        identifies: Whether it says which children there are or how they are marked, so that all others rest on it.
        state: A `ReadingState`.
        fault: A `DatasetFault`; empty while it is believed.
        detail: Where the fault is: names of dataset, file and column and numbers of lines, never a value.
        tried_at: Seconds since the epoch of the last attempt.
        sound_at: Seconds since the epoch of the last reading that was believed; 0 for never.
        as_at: Seconds since the epoch at which the content in force was made; 0 for none.
        counts: Of the last attempt, canonical JSON.
        baseline: What a reading is held against, canonical JSON; empty for none.
        accepted_at: Seconds since the epoch at which a person accepted a baseline; 0 for never.
        acceptance: Encrypted: who accepted it and why.
    """

    source_id: str = Field(sa_column=Column(String(64), primary_key=True))
    dataset: str = Field(sa_column=Column(String(64), primary_key=True))
    categories: str = Field(sa_column=Column(Text, nullable=False))
    identifies: bool
    state: str = Field(sa_column=Column(String(16), nullable=False))
    fault: str = Field(sa_column=Column(String(64), nullable=False))
    detail: str = Field(sa_column=Column(String(400), nullable=False))
    tried_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    sound_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    as_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    counts: str = Field(sa_column=Column(Text, nullable=False))
    baseline: str = Field(sa_column=Column(Text, nullable=False))
    accepted_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    acceptance: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Reject(NodeTable, table=True):
    """A row that could not be read, kept until it reads or a person dismisses it.

    Attributes:
        reject_id: Keyed hash over place and content, 32 hex digits: the same row at every reading.
        reason: A `RejectionReason`.
        kind: A `RejectionKind`.
        is_attributed: Its child is known.
        has_flags: It carries handling flags, or may.
        first_at: Seconds since the epoch of the reading that first met it.
        seen_at: Seconds since the epoch of the last reading that met it.
        content: Encrypted: file, line, column and the row.
        dismissed_at: Seconds since the epoch; 0 while it is open.
        dismissal: Encrypted: who dismissed it and why.
    """

    __table_args__ = (Index(None, "source_id", "dataset"),)

    reject_id: str = Field(sa_column=Column(String(32), primary_key=True))
    source_id: str = Field(sa_column=Column(String(64), nullable=False))
    dataset: str = Field(sa_column=Column(String(64), nullable=False))
    reason: str = Field(sa_column=Column(String(32), nullable=False))
    kind: str = Field(sa_column=Column(String(16), nullable=False))
    is_attributed: bool
    has_flags: bool
    first_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    seen_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    dismissed_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    dismissal: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Task(NodeTable, table=True):
    """One target's work. `(requester, query_id)` is unique: a gateway cannot have one query answered twice.

    Attributes:
        query_id: The query; of a task that did not verify, the task's own id.
        requester: The agency that asks; empty for a task that did not verify.
        content_sha256: Over everything that was signed or translated, without the lease: what a redelivery must equal.
        user_ref: Opaque reference of the asking user, for counters.
        state: A `TaskState`.
        arrived_at: Seconds since the epoch.
        expires_at: Seconds since the epoch: when no answer is taken any more.
        task: The wire message as it came.
        answer: The sealed answer as it leaves, from `answered` on.
        decision_id: Of the decision behind the answer.
        child_key: Whom it is about: the child's, or, of a child that was not on the caseload, a keyed hash of the
            pseudonym (`agency_node.vault.Vault.stranger_key`). None until it was opened, and of earlier versions' rows.
    """

    __table_args__ = (
        Index(None, "state"),
        Index(None, "child_key"),
        Index(None, "expires_at"),
        Index(None, "requester", "query_id", unique=True),
        Index(None, "requester", "arrived_at"),
    )

    task_id: str = Field(sa_column=Column(String(36), primary_key=True))
    query_id: str = Field(sa_column=Column(String(36), nullable=False))
    requester: str = Field(sa_column=Column(String(63), nullable=False))
    user_ref: str = Field(sa_column=Column(String(64), nullable=False))
    break_glass: bool
    content_sha256: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    state: str = Field(sa_column=Column(String(16), nullable=False))
    arrived_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    task: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    answer: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    decision_id: str | None = Field(default=None, sa_column=Column(String(36), nullable=True))
    child_key: str | None = Field(default=None, sa_column=Column(String(32), nullable=True))


class Referral(NodeTable, table=True):
    """A decision that waits for a human.

    Attributes:
        state: A `ReferralState`.
        silent: The query was answered without waiting: as if the referred records did not exist, where nothing outside
            may show that somebody decides about them; or, in an emergency, with the word that somebody does.
        people: How many different people must agree before anything is released.
        roles: Roles or grants of those who may see it and decide, separated by spaces; empty for whoever decides here.
        content: Encrypted: what the responder is shown, and the digests of the records that the decision covers.
        given: Encrypted: who has released it, while others have yet to agree; none when nobody has.
        decided_by: Opaque reference of the user whose decision ended it.
        reason: Encrypted reason of the decision.
        reason_salt: Salt of the commitment to the reason in the ledger; erasing it erases the link.
    """

    __table_args__ = (Index(None, "state", "opened_at"), Index(None, "expires_at"))

    referral_id: str = Field(sa_column=Column(String(36), primary_key=True))
    task_id: str = Field(sa_column=Column(String(36), ForeignKey("task.task_id"), nullable=False, unique=True))
    state: str = Field(sa_column=Column(String(16), nullable=False))
    silent: bool
    people: int
    roles: str = Field(sa_column=Column(Text, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    given: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    opened_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    decided_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    decided_by: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    reason: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    reason_salt: bytes | None = Field(default=None, sa_column=Column(LargeBinary(32), nullable=True))


class Review(NodeTable, table=True):
    """What a human decided of one record: holds for one query, or for a while where the query was answered at once.

    Attributes:
        ref: The record; empty for the question as a whole.
        reviewer: Opaque reference of the user.
        ground: Code of the bundle: why.
        query_id: The query it holds for; empty for any by this requester under this purpose.
        digest: Of the record as the human saw it: a decision about other content does not count.
        decision: `release` or `withhold`.
        expires_at: Seconds since the epoch.
    """

    __table_args__ = (Index(None, "requester", "purpose", "expires_at"),)

    referral_id: str = Field(sa_column=Column(String(36), ForeignKey("referral.referral_id"), primary_key=True))
    ref: str = Field(sa_column=Column(String(32), primary_key=True))
    reviewer: str = Field(sa_column=Column(String(64), primary_key=True))
    query_id: str = Field(sa_column=Column(String(36), nullable=False))
    requester: str = Field(sa_column=Column(String(63), nullable=False))
    purpose: str = Field(sa_column=Column(String(64), nullable=False))
    digest: str = Field(sa_column=Column(String(32), nullable=False))
    decision: str = Field(sa_column=Column(String(16), nullable=False))
    ground: str = Field(sa_column=Column(String(64), nullable=False))
    expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))


class Alert(NodeTable, table=True):
    """Something policy obliges this agency to report to one of its own people, until that person has seen it.

    One row for each recipient: what one has seen is not closed for another. Nothing here is personal: whose act it is
    stands as that agency's keyed reference, and what the question was about not at all.

    Attributes:
        obligation: Id in the bundle's catalogue.
        recipient: A role or a grant.
        silent: Shown to the recipient alone; mentioned in no log.
        agency: Whose user's act it is about; empty where that was not kept.
        user_ref: That user's opaque reference, as their agency makes it; empty where that was not kept.
        role: That user's role then; empty where that was not kept.
        purpose: Of the question; empty where that was not kept.
        code: What the obligation names as its cause; empty where it names none.
    """

    __table_args__ = (Index(None, "seen_at"), Index(None, "query_id"))

    alert_id: str = Field(sa_column=Column(String(36), primary_key=True))
    query_id: str = Field(sa_column=Column(String(36), nullable=False))
    decision_id: str = Field(sa_column=Column(String(36), nullable=False))
    obligation: str = Field(sa_column=Column(String(64), nullable=False))
    recipient: str = Field(sa_column=Column(String(64), nullable=False))
    silent: bool
    agency: str = Field(sa_column=Column(String(63), nullable=False))
    user_ref: str = Field(sa_column=Column(String(64), nullable=False))
    role: str = Field(sa_column=Column(String(64), nullable=False))
    purpose: str = Field(sa_column=Column(String(64), nullable=False))
    code: str = Field(sa_column=Column(String(64), nullable=False))
    opened_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    seen_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    seen_by: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))


class MisuseReport(NodeTable, table=True):
    """A signed notice of misuse that was refused here, until the gateway knows of it and its hour is over.

    Attributes:
        obligation: Id in the bundle's catalogue of what demanded it.
        query_id: The refused question, which nobody but this node knows.
        content: A canonical `federation.misuse.MisuseNotice`.
        user_ref: Whose attempt it was.
        cause: Reason and purpose.
        hour: Of the clock, hours since the epoch.
        number: How many there were so far of this person and cause in that hour, this one included.
        told_at: When the gateway knew of it; None until then.
    """

    __table_args__ = (Index(None, "user_ref", "cause", "hour"),)

    notice_id: str = Field(sa_column=Column(String(36), primary_key=True))
    obligation: str = Field(sa_column=Column(String(64), nullable=False))
    query_id: str = Field(sa_column=Column(String(36), nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary(64), nullable=False))
    stored_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    user_ref: str = Field(sa_column=Column(String(64), nullable=False))
    cause: str = Field(sa_column=Column(String(129), nullable=False))
    hour: int = Field(sa_column=Column(BigInteger, nullable=False))
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    told_at: int | None = Field(sa_column=Column(BigInteger, nullable=True))


class DecisionInput(NodeTable, table=True):
    """Canonical input and result of one decision, encrypted, kept for replay and erased after a period of their own."""

    __table_args__ = (Index(None, "decided_at"),)

    decision_id: str = Field(sa_column=Column(String(36), primary_key=True))
    entry_point: str = Field(sa_column=Column(String(64), nullable=False))
    decided_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    result: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False, default=b""))


class AskedQuery(NodeTable, table=True):
    """A query this node's own people put.

    Attributes:
        user_id: Who asked, as known inside this node.
        state: Of the lead's asking half.
        request: Encrypted `AskRequest` as it was sent, for resuming after a crash.
        reply_key: Encrypted private half of the one-time reply key; erased when the picture closes.
        question: Encrypted question as the user put it.
        effect: What policy said: here before anything was sent, then at the gateway.
        header: The query's header as it was signed; none for a query that was refused here.
        receipt: The gateway's receipt as verified, canonical JSON.
        error: Error code that ended the query; empty while there is none.
        child_key: Whom it is about, of a refused one too. None of rows that earlier versions wrote.
    """

    __table_args__ = (
        Index(None, "state"),
        Index(None, "user_id", "asked_at"),
        Index(None, "child_key"),
        Index(None, "expires_at"),
    )

    query_id: str = Field(sa_column=Column(String(36), primary_key=True))
    user_id: str = Field(sa_column=Column(String(200), nullable=False))
    purpose: str = Field(sa_column=Column(String(64), nullable=False))
    state: str = Field(sa_column=Column(String(24), nullable=False))
    effect: str = Field(sa_column=Column(String(16), nullable=False))
    broke_glass: bool = False
    asked_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    deadline_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    request: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    reply_key: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    question: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    header: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    admission: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    receipt: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    error: str = Field(default="", sa_column=Column(String(64), nullable=False))
    child_key: str | None = Field(default=None, sa_column=Column(String(32), nullable=True))


class AskedTarget(NodeTable, table=True):
    """One responder of a query this node put.

    Attributes:
        state: A `federation.vocabulary.TargetState`.
        answer: Encrypted answer, once opened.
        late: Whether the answer came after the deadline.
        settled: Whether nothing more can come.
        fault: Error code of an answer that was rejected; empty while there is none.
    """

    query_id: str = Field(
        sa_column=Column(String(36), ForeignKey("asked_query.query_id", ondelete="CASCADE"), primary_key=True)
    )
    responder: str = Field(sa_column=Column(String(63), primary_key=True))
    state: str = Field(sa_column=Column(String(16), nullable=False))
    task_id: str | None = Field(default=None, sa_column=Column(String(36), nullable=True))
    decision: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    answer: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    absent_until: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    late: bool = False
    settled: bool = False
    fault: str = Field(default="", sa_column=Column(String(64), nullable=False))


class PinnedPoint(NodeTable, table=True):
    """A holder's public point of a scope and epoch, as this node saw it first: it may never become another.

    Attributes:
        scope: The agency whose pseudonyms the key makes.
        holder: `gateway` or `trustee`.
        public: The point.
        pinned_at: Seconds since the epoch.
    """

    scope: str = Field(sa_column=Column(String(63), primary_key=True))
    epoch: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    holder: str = Field(sa_column=Column(String(16), primary_key=True))
    public: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    pinned_at: int = Field(sa_column=Column(BigInteger, nullable=False))
