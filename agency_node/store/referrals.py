"""Reads and writes of referrals and human decisions: prebuilt Core statements that the journal makes durable."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.store.children import core_table
from agency_node.store.tables import Referral, ReferralState, Review
from federation.ledger.writes import Write

REFERRAL, REVIEW = core_table(Referral), core_table(Review)

_BY_ID = select(REFERRAL).where(REFERRAL.c.referral_id == bindparam("referral_id"))
_OPEN = (
    select(REFERRAL)
    .where(REFERRAL.c.state == ReferralState.OPEN.value)
    .order_by(REFERRAL.c.opened_at, REFERRAL.c.referral_id)
)
_INSERT = insert(REFERRAL)
_IS_OPEN = (REFERRAL.c.referral_id == bindparam("b_referral_id"), REFERRAL.c.state == ReferralState.OPEN.value)
_AS_SEEN = (*_IS_OPEN, REFERRAL.c.given.is_not_distinct_from(bindparam("b_seen")))
_GIVE = update(REFERRAL).where(*_AS_SEEN).values(given=bindparam("b_given"))
_DECIDE = (
    update(REFERRAL)
    .where(*_AS_SEEN)
    .values(
        state=bindparam("b_state"),
        decided_at=bindparam("b_decided_at"),
        decided_by=bindparam("b_decided_by"),
        reason=bindparam("b_reason"),
        reason_salt=bindparam("b_reason_salt"),
    )
)
_CLOSE = (
    update(REFERRAL)
    .where(
        REFERRAL.c.task_id == bindparam("b_task_id"),
        REFERRAL.c.state == ReferralState.OPEN.value,
        ~REFERRAL.c.silent,
    )
    .values(state=bindparam("b_state"), decided_at=bindparam("b_at"))
)
_INSERT_REVIEW = insert(REVIEW)
_REVIEWS = select(
    REVIEW.c.ref, REVIEW.c.digest, REVIEW.c.decision, REVIEW.c.ground, REVIEW.c.reviewer, REVIEW.c.expires_at
).where(
    REVIEW.c.requester == bindparam("requester"),
    REVIEW.c.purpose == bindparam("purpose"),
    REVIEW.c.expires_at > bindparam("now"),
    REVIEW.c.query_id.in_(bindparam("query_ids", expanding=True)),
)
_EXPIRE_SILENT = (
    update(REFERRAL)
    .where(REFERRAL.c.state == ReferralState.OPEN.value, REFERRAL.c.silent, REFERRAL.c.expires_at <= bindparam("b_now"))
    .values(state=ReferralState.EXPIRED.value, decided_at=bindparam("b_now"))
)


@dataclass(frozen=True, slots=True)
class NewReferral:
    """A referral as it is first stored; see `agency_node.store.tables.Referral`."""

    referral_id: str
    task_id: str
    silent: bool
    people: int
    roles: str
    content: bytes
    opened_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class StoredReferral:
    """A referral as it stands in the store.

    Attributes:
        people: How many different people must agree.
        roles: Roles or grants of those who may see it and decide; empty for whoever decides here.
        given: Encrypted: who has released it, while others have yet to agree.
    """

    referral_id: str
    task_id: str
    state: ReferralState
    silent: bool
    people: int
    roles: tuple[str, ...]
    opened_at: int
    expires_at: int
    decided_at: int | None
    decided_by: str | None
    content: bytes = field(repr=False)
    given: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class HumanVerdict:
    """How a referral was decided."""

    state: ReferralState
    decided_at: int
    decided_by: str
    reason: bytes
    reason_salt: bytes


@dataclass(frozen=True, slots=True)
class NewReview:
    """What a human decided of one record, or of the question; see `agency_node.store.tables.Review`."""

    referral_id: str
    ref: str
    reviewer: str
    query_id: str
    requester: str
    purpose: str
    digest: str
    decision: str
    ground: str
    expires_at: int


def _stored(row: Row[*tuple[Any, ...]]) -> StoredReferral:
    return StoredReferral(
        referral_id=row.referral_id,
        task_id=row.task_id,
        state=ReferralState(row.state),
        silent=row.silent,
        people=row.people,
        roles=tuple(row.roles.split()),
        opened_at=row.opened_at,
        expires_at=row.expires_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        content=row.content,
        given=row.given,
    )


@dataclass(frozen=True, slots=True)
class HeldReview:
    """A human decision that is in force."""

    ref: str
    digest: str
    decision: str
    ground: str
    reviewer: str
    expires_at: int


async def find_referral(connection: AsyncConnection, referral_id: str) -> StoredReferral | None:
    """One referral."""
    row = (await connection.execute(_BY_ID, {"referral_id": referral_id})).one_or_none()
    return None if row is None else _stored(row)


async def open_referrals(connection: AsyncConnection) -> list[StoredReferral]:
    """Referrals that wait for a human, oldest first."""
    return [_stored(row) for row in (await connection.execute(_OPEN)).all()]


def referral_opened(referral: NewReferral) -> list[Write]:
    """A referral that waits for a human."""
    undecided = {"given": None, "decided_at": None, "decided_by": None, "reason": None, "reason_salt": None}
    return [Write.one(_INSERT, {**asdict(referral), "state": ReferralState.OPEN.value, **undecided})]


def referral_closed(task_id: str, state: ReferralState, at: int, *, is_open: bool = False) -> list[Write]:
    """The end, without a decision, of the open referral for which a task waits, if there is one.

    Args:
        task_id: The task.
        state: How it ends.
        at: Seconds since the epoch.
        is_open: It was open a moment ago: `NothingChanged` where somebody has decided since.
    """
    return [Write.one(_CLOSE, _closed_row(task_id, state, at), must_change=is_open)]


async def give_release(connection: AsyncConnection, referral_id: str, given: bytes, *, seen: bytes | None) -> bool:
    """Write down that a person has released what others have yet to agree to, in place of what was given before.

    False when the referral is not open any more, or another release stands there than the one that was seen.
    """
    values = {"b_referral_id": referral_id, "b_given": given, "b_seen": seen}
    return (await connection.execute(_GIVE, values)).rowcount == 1


async def decide_referral(
    connection: AsyncConnection, referral_id: str, verdict: HumanVerdict, *, seen: bytes | None
) -> bool:
    """Write down a human decision.

    False when the referral is not open any more, or another release stands there than the one that was seen.
    """
    values = {f"b_{name}": value for name, value in asdict(verdict).items()}
    values |= {"b_referral_id": referral_id, "b_state": verdict.state.value, "b_seen": seen}
    return (await connection.execute(_DECIDE, values)).rowcount == 1


async def close_waiting_referral(connection: AsyncConnection, task_id: str, state: ReferralState, at: int) -> None:
    """End without a decision the open referral for which a task waits, if there is one."""
    await connection.execute(_CLOSE, _closed_row(task_id, state, at))


def _closed_row(task_id: str, state: ReferralState, at: int) -> dict[str, Any]:
    return {"b_task_id": task_id, "b_state": state.value, "b_at": at}


def silent_expired(now: int) -> list[Write]:
    """The end of silent referrals that nobody decided in time."""
    return [Write.one(_EXPIRE_SILENT, {"b_now": now})]


async def insert_reviews(connection: AsyncConnection, reviews: Sequence[NewReview]) -> None:
    """Keep what a human decided of each record."""
    if reviews:
        await connection.execute(_INSERT_REVIEW, [asdict(review) for review in reviews])


async def reviews_for(
    connection: AsyncConnection, *, requester: str, purpose: str, query_id: str, now: int
) -> list[HeldReview]:
    """Every review that may hold for a query."""
    values = {"requester": requester, "purpose": purpose, "query_ids": [query_id, ""], "now": now}
    rows = (await connection.execute(_REVIEWS, values)).all()
    return [HeldReview(row.ref, row.digest, row.decision, row.ground, row.reviewer, row.expires_at) for row in rows]
