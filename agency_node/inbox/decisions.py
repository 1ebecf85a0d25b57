"""The inbox: what waits for a human of this agency, and what that human decides.

A decision is made once by each entitled person, on a ground of the bundle and with a reason. Where policy wants two
people, the first release leaves the referral open, and only that of somebody else releases; one who withholds ends it.
The first release counts for as long as whoever gave it may decide; after that it is void, and the next takes its place.
The reason stays encrypted in the node; the ledger holds a salted commitment to it, so that it can be proved later and
erased when its time has come. Nobody outside can override what is withheld here: the gateway is told no more than that
there is an answer.
"""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.accounting.viewed import Sight, Viewed, What
from agency_node.answering.consideration import QUESTION
from agency_node.answering.responder import Responder
from agency_node.inbox.agreement import Release
from agency_node.inbox.deciders import decides, is_fit, is_for, may_decide
from agency_node.inbox.grounds import ground_for, grounds_of, titled
from agency_node.inbox.opinion import STATES, Opinion, check_open, checked, entry_of, purpose_of
from agency_node.inbox.referral import ReferralContent
from agency_node.inbox.shown import ReferralView
from agency_node.store import referrals as store
from agency_node.store.referrals import HumanVerdict, NewReview, StoredReferral
from agency_node.store.tables import ReferralState
from agency_node.users import User, Users
from agency_node.vault import Kind
from federation.correlation_id import CorrelationId
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.store import reading, store_errors
from federation.transport.correlation import correlation
from keys.digest import salted_commitment


class _Overtaken(Exception):  # noqa: N818 - it says what happened; it never leaves this module
    """Somebody else decided first; nothing was written."""


class Decisions:
    """The inbox of one agency.

    Args:
        responder: What the answering half works with.
        users: The people of this node as they are now.
        on_decided: Told the id of a task that can now be answered.
    """

    def __init__(
        self, responder: Responder, *, users: Callable[[], Users], on_decided: Callable[[str], Awaitable[None]]
    ) -> None:
        self._responder = responder
        self._reading = reading(responder.engine)
        self._users = users
        self._on_decided = on_decided
        self._viewed = Viewed(responder.journal, responder.vault, responder.clock)

    async def waiting(self, user_id: str) -> list[ReferralView]:
        """Everything that waits for a decision of this person or another like them, oldest first.

        That they are looked at is written down first.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        user, catalogue = self._fit(user_id), self._responder.policy.catalogue
        async with store_errors("referrals"), self._reading.connect() as connection:
            found = [item for item in await store.open_referrals(connection) if is_for(user, item.roles, catalogue)]
        if not found:
            self._check_decides(user)
        return await self._seen(user, [self._view(referral) for referral in found])

    async def show(self, user_id: str, referral_id: str) -> ReferralView:
        """One referral. That it is looked at is written down first.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `REFERRAL_UNKNOWN`, `LEDGER_UNAVAILABLE`,
                `STORE_UNAVAILABLE`.
        """
        user = self._fit(user_id)
        return (await self._seen(user, [await self._find(user, referral_id)]))[0]

    async def _seen(self, user: User, views: list[ReferralView]) -> list[ReferralView]:
        """Write down that a person looks at these."""
        await self._viewed.record(user, [_sight(view) for view in views])
        return views

    async def decide(
        self,
        user_id: str,
        referral_id: str,
        *,
        decision: str,
        reason: str,
        ground: str = "",
        correlation_id: str = "",
    ) -> ReferralView:
        """Release or withhold, once.

        Args:
            user_id: Who decides.
            referral_id: About what.
            decision: `release` or `withhold`.
            reason: Why, in the person's own words.
            ground: On what ground of the bundle; of a release it may be left out where there is only one.
            correlation_id: Of the call that brought the decision.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `MESSAGE_MALFORMED`, `MESSAGE_TOO_LARGE`,
                `GROUND_UNKNOWN`, `REFERRAL_UNKNOWN`, `REFERRAL_DECIDED`, `REFERRAL_ENDED`, `LEDGER_UNAVAILABLE`,
                `STORE_UNAVAILABLE`.
        """
        user, verdict = self._fit(user_id), checked(decision, reason)
        while True:
            view = await self._find(user, referral_id)
            opinion = Opinion(
                user=user,
                reviewer=self._responder.vault.user_ref(user.id),
                decision=verdict,
                ground=ground_for(ground, verdict, purpose_of(view.content), self._responder.policy.catalogue),
                reason=reason,
                at=int(self._responder.clock()),
                correlation_id=CorrelationId(correlation_id) if correlation_id else correlation(),
            )
            check_open(view, opinion)
            try:
                await self._write(view, opinion)
            except _Overtaken:
                continue  # read again what has become of it: that happens as often as others decide, and no more
            break
        if opinion.ends(view) and not view.referral.silent:
            await self._on_decided(view.referral.task_id)
        return await self._find(user, referral_id)

    async def _write(self, view: ReferralView, opinion: Opinion) -> None:
        vault, referral_id = self._responder.vault, view.referral.referral_id
        salt, commitment = salted_commitment(opinion.reason.encode())
        release = Release(
            reviewer=opinion.reviewer,
            user=opinion.user.id,
            role=opinion.user.role,
            ground=opinion.ground,
            at=opinion.at,
            reason=opinion.reason,
            salt=salt.hex(),
        )
        verdict = HumanVerdict(
            state=STATES[opinion.decision],
            decided_at=opinion.at,
            decided_by=opinion.reviewer,
            reason=vault.seal(Kind.REASON, referral_id, opinion.reason.encode()),
            reason_salt=salt,
        )

        async def give(connection: AsyncConnection) -> None:
            sealed = release.sealed(vault, referral_id)
            if not await store.give_release(connection, referral_id, sealed, seen=view.referral.given):
                raise _Overtaken

        async def end(connection: AsyncConnection) -> None:
            if not await store.decide_referral(connection, referral_id, verdict, seen=view.referral.given):
                raise _Overtaken
            await store.insert_reviews(connection, self._reviews(view, opinion))

        write = end if opinion.ends(view) else give
        await self._responder.journal.record([entry_of(view, opinion, commitment)], write)

    def _reviews(self, view: ReferralView, opinion: Opinion) -> list[NewReview]:
        """For the waiting query alone; where it was answered already, for the requester's next one of this purpose.

        Those of both people where both released: what one of two released alone is nobody's decision yet.
        """
        referral, content = view.referral, view.content
        people = [(opinion.reviewer, opinion.ground)]
        if view.given is not None and opinion.decision == "release":
            people.append((view.given.reviewer, view.given.ground))
        decided = dict(content.digests) | ({QUESTION: ""} if content.awaited else {})
        return [
            NewReview(
                referral_id=referral.referral_id,
                ref=ref,
                reviewer=reviewer,
                query_id="" if referral.silent else str(content.query["query_id"]),
                requester=str(content.query["requester"]),
                purpose=purpose_of(content),
                digest=digest,
                decision=opinion.decision,
                ground=ground,
                expires_at=opinion.at + self._responder.standing_s if referral.silent else referral.expires_at,
            )
            for ref, digest in sorted(decided.items())
            for reviewer, ground in people
        ]

    def _fit(self, user_id: str) -> User:
        today = date_in_england(self._responder.clock())
        user = self._users().employed(user_id, today)
        if not is_fit(user, today):
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "this person may not decide referrals")
        return user

    def _check_decides(self, user: User) -> None:
        if not decides(user, self._responder.policy.catalogue):
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "this person may not decide referrals")

    async def _find(self, user: User, referral_id: str) -> ReferralView:
        """A referral that is for this person; to anybody else it is as if there were none."""
        async with store_errors("referral"), self._reading.connect() as connection:
            found = await store.find_referral(connection, referral_id)
        if found is None or not is_for(user, found.roles, self._responder.policy.catalogue):
            self._check_decides(user)
            raise WardgateError(ErrorCode.REFERRAL_UNKNOWN, "no such referral for this person")
        if not found.content:
            raise WardgateError(ErrorCode.REFERRAL_UNKNOWN, "erased after its time")
        return self._view(found)

    def _view(self, referral: StoredReferral) -> ReferralView:
        vault, catalogue = self._responder.vault, self._responder.policy.catalogue
        content = ReferralContent.decode(vault.open(Kind.REFERRAL, referral.referral_id, referral.content))
        return ReferralView(
            referral,
            content,
            self._given(referral),
            {decision: titled(grounds_of(decision, purpose_of(content), catalogue), catalogue) for decision in STATES},
        )

    def _given(self, referral: StoredReferral) -> Release | None:
        """The release that waits for another's, or did; one that waits counts only while its giver may decide."""
        given = Release.opened(self._responder.vault, referral.referral_id, referral.given)
        if given is None or referral.state is not ReferralState.OPEN:
            return given
        user, today = self._users().by_id.get(given.user), date_in_england(self._responder.clock())
        if user is None or not may_decide(user, referral.roles, self._responder.policy.catalogue, today):
            return None
        return given


def _sight(view: ReferralView) -> Sight:
    return Sight(
        What.REFERRAL,
        why=purpose_of(view.content),
        id=view.referral.referral_id,
        query_id=str(view.content.query["query_id"]),
    )
