"""The inbox: what waits for a human of this agency, and what that human decides.

A decision is made once, by an entitled person, with a reason. The reason stays encrypted in the node; the ledger holds
a salted commitment to it, so that it can be proved later and erased when its time has come. Nobody outside can override
what is withheld here: the gateway is told no more than that there is an answer.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.answering.consideration import HumanDecision
from agency_node.answering.responder import Responder
from agency_node.inbox.referral import ReferralContent
from agency_node.store import referrals as store
from agency_node.store.referrals import HumanVerdict, NewReview, StoredReferral
from agency_node.store.tables import ReferralState
from agency_node.users import User, Users
from agency_node.vault import Kind
from federation.canonical import JsonObject
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.limits import MAX_JUSTIFICATION_CHARS
from federation.store import reading, store_errors
from keys.digest import salted_commitment

DECIDING_ROLES: Final = frozenset(
    {
        "caldicott_guardian",
        "designated_partner",
        "dsl",
        "headteacher",
        "health_safeguarding_lead",
        "la_education_manager",
        "lcpp",
        "mash_manager",
        "police_supervisor",
        "team_manager",
    }
)
"""Roles of the bundle whose holders answer for a decision to disclose; a node's operator may set others."""

DECIDE_GRANT: Final = "decide_referrals"
"""A grant in the users file that entitles whoever has it, whatever the role."""

_STATE: Final[Mapping[HumanDecision, ReferralState]] = {
    "release": ReferralState.RELEASED,
    "withhold": ReferralState.WITHHELD,
}


@dataclass(frozen=True, slots=True, repr=False)
class ReferralView:
    """A referral as an entitled person is shown it."""

    referral: StoredReferral
    content: ReferralContent

    def __repr__(self) -> str:
        return f"ReferralView({self.referral.referral_id})"

    def as_json(self) -> JsonObject:
        """For canonical JSON."""
        referral = self.referral
        return {
            "referral_id": referral.referral_id,
            "state": referral.state.value,
            "silent": referral.silent,
            "opened_at": referral.opened_at,
            "expires_at": referral.expires_at,
            "decided_at": referral.decided_at or 0,
            "child": self.content.number,
            "query": self.content.query,
            "records": list(self.content.records),
            "reasons": {ref: list(codes) for ref, codes in self.content.reasons.items()},
        }


class Decisions:
    """The inbox of one agency.

    Args:
        responder: What the answering half works with.
        users: The people of this node as they are now.
        on_decided: Told the id of a task that can now be answered.
        deciding_roles: Whose holders may decide.
    """

    def __init__(
        self,
        responder: Responder,
        *,
        users: Callable[[], Users],
        on_decided: Callable[[str], Awaitable[None]],
        deciding_roles: frozenset[str] = DECIDING_ROLES,
    ) -> None:
        self._responder = responder
        self._reading = reading(responder.engine)
        self._users = users
        self._on_decided = on_decided
        self._deciding_roles = deciding_roles

    async def waiting(self, user_id: str) -> list[ReferralView]:
        """Everything that waits for a decision, oldest first.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `STORE_UNAVAILABLE`.
        """
        self._entitled(user_id)
        async with store_errors("referrals"), self._reading.connect() as connection:
            return [self._view(referral) for referral in await store.open_referrals(connection)]

    async def show(self, user_id: str, referral_id: str) -> ReferralView:
        """One referral.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `REFERRAL_UNKNOWN`, `STORE_UNAVAILABLE`.
        """
        self._entitled(user_id)
        return self._view(await self._find(referral_id))

    async def decide(
        self, user_id: str, referral_id: str, *, decision: str, reason: str, correlation_id: str = ""
    ) -> ReferralView:
        """Release or withhold, once.

        Args:
            user_id: Who decides.
            referral_id: About what.
            decision: `release`, or `withhold` because disclosure would be more detrimental to the child.
            reason: Why, in the person's own words.
            correlation_id: Of the call that brought the decision.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `MESSAGE_MALFORMED`, `MESSAGE_TOO_LARGE`,
                `REFERRAL_UNKNOWN`, `REFERRAL_DECIDED`, `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        user = self._entitled(user_id)
        verdict = _checked(decision, reason)
        referral = await self._find(referral_id)
        if referral.state is not ReferralState.OPEN:
            raise WardgateError(ErrorCode.REFERRAL_DECIDED, referral_id)
        await self._write(user, referral, verdict, reason, correlation_id or str(uuid4()))
        if not referral.silent:
            await self._on_decided(referral.task_id)
        return self._view(await self._find(referral_id))

    async def _write(
        self, user: User, referral: StoredReferral, decision: HumanDecision, reason: str, correlation_id: str
    ) -> None:
        parts, now = self._responder, int(self._responder.clock())
        content = self._view(referral).content
        salt, commitment = salted_commitment(reason.encode())
        verdict = HumanVerdict(
            state=_STATE[decision],
            decided_at=now,
            decided_by=parts.vault.user_ref(user.id),
            reason=parts.vault.seal(Kind.REASON, referral.referral_id, reason.encode()),
            reason_salt=salt,
        )
        reviews = self._reviews(referral, content, decision, now)
        entry = Entry(
            kind=EntryKind.REFERRAL_DECIDED,
            at=now,
            actor=verdict.decided_by,
            correlation_id=correlation_id,
            query_id=str(content.query["query_id"]),
            body={
                "task_id": referral.task_id,
                "referral_id": referral.referral_id,
                "decision": decision,
                "role": user.role,
                "reason_commitment": commitment,
                "records": sorted(content.digests),
            },
        )

        async def apply(connection: AsyncConnection) -> None:
            if not await store.decide_referral(connection, referral.referral_id, verdict):
                raise WardgateError(ErrorCode.REFERRAL_DECIDED, referral.referral_id)
            await store.insert_reviews(connection, reviews)

        await parts.journal.record([entry], apply)

    def _reviews(
        self, referral: StoredReferral, content: ReferralContent, decision: HumanDecision, now: int
    ) -> list[NewReview]:
        """For the waiting query alone; where it was answered already, for the requester's next one of this purpose."""
        query = content.query
        return [
            NewReview(
                referral_id=referral.referral_id,
                ref=ref,
                query_id="" if referral.silent else str(query["query_id"]),
                requester=str(query["requester"]),
                purpose=str(query["purpose"]),
                digest=digest,
                decision=decision,
                expires_at=now + self._responder.standing_s if referral.silent else referral.expires_at,
            )
            for ref, digest in sorted(content.digests.items())
        ]

    def _entitled(self, user_id: str) -> User:
        today = date_in_england(self._responder.clock())
        user = self._users().employed(user_id, today)
        may_decide = user.role in self._deciding_roles or DECIDE_GRANT in user.grants
        if not may_decide or user.conflicted or user.supervised or not user.is_trained(today):
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "this person may not decide referrals")
        return user

    async def _find(self, referral_id: str) -> StoredReferral:
        async with store_errors("referral"), self._reading.connect() as connection:
            found = await store.find_referral(connection, referral_id)
        if found is None or not found.content:
            raise WardgateError(ErrorCode.REFERRAL_UNKNOWN, "no such referral, or erased after its time")
        return found

    def _view(self, referral: StoredReferral) -> ReferralView:
        payload = self._responder.vault.open(Kind.REFERRAL, referral.referral_id, referral.content)
        return ReferralView(referral, ReferralContent.decode(payload))


def _checked(decision: str, reason: str) -> HumanDecision:
    if not reason.strip():
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a decision needs a reason")
    if len(reason) > MAX_JUSTIFICATION_CHARS:
        raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, f"reason of {len(reason)} characters")
    match decision:
        case "release":
            return "release"
        case "withhold":
            return "withhold"
        case _:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a decision is release or withhold")
