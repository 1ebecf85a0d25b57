"""Alerts: what policy obliges this agency to report to one of its own people, until that person has seen it.

There is one alert for each recipient (a role or a grant): what one has seen is open for the others. Whoever the alert
is about neither sees nor closes it: to them it does not exist.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.answering.duties import AlertDue
from agency_node.answering.responder import Responder
from agency_node.store import alerts as store
from agency_node.users import User, Users
from federation.actor import Actor
from federation.canonical import JsonObject
from federation.correlation_id import CorrelationId
from federation.england import date_in_england, iso_in_england
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.policy.catalogue import Catalogue
from federation.store import reading, store_errors


@dataclass(frozen=True, slots=True)
class Act:
    """What alerts are about: who did what, in pseudonymous values.

    Attributes:
        query_id: The query.
        decision_id: The decision that demands the alerts.
        agency: Whose user put the query.
        user_ref: That user's opaque reference, as their agency makes it.
        role: That user's role.
        purpose: Of the query.
    """

    query_id: str
    decision_id: str
    agency: str
    user_ref: str
    role: str
    purpose: str


class Alerts:
    """The alerts of one agency.

    Args:
        responder: What the answering half works with.
        users: The people of this node as they are now.
    """

    def __init__(self, responder: Responder, *, users: Callable[[], Users]) -> None:
        self._responder = responder
        self._reading = reading(responder.engine)
        self._users = users

    async def unseen(self, user_id: str) -> list[JsonObject]:
        """Alerts to a role or a grant of this person that nobody of that role or grant has seen, oldest first.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `STORE_UNAVAILABLE`.
        """
        user = self._employed(user_id)
        async with store_errors("alerts"), self._reading.connect() as connection:
            rows = await store.unseen_alerts(connection)
        catalogue = self._responder.policy.catalogue
        return [_shown(row, catalogue) for row in rows if self._is_for(user, row)]

    async def see(self, user_id: str, alert_id: str) -> None:
        """A recipient has seen an alert: towards that recipient the obligation is met.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`; `REFERRAL_UNKNOWN`, also for an alert to others and for one
                that is about this very person; `REFERRAL_DECIDED`, `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        user = self._employed(user_id)
        async with store_errors("alert"), self._reading.connect() as connection:
            row = await store.find_alert(connection, alert_id)
        if row is None or not self._is_for(user, row):
            raise WardgateError(ErrorCode.REFERRAL_UNKNOWN, "no such alert")
        now, seen_by = int(self._responder.clock()), self._responder.vault.user_ref(user.id)
        entry = Entry(
            kind=EntryKind.OBLIGATION_MET,
            at=now,
            actor=Actor.user(seen_by),
            correlation_id=CorrelationId(alert_id),
            query_id=row.query_id,
            body={
                "alert_id": alert_id,
                "obligation": row.obligation,
                "recipient": row.recipient,
                "decision_id": row.decision_id,
            },
        )

        async def apply(connection: AsyncConnection) -> None:
            if not await store.see_alert(connection, alert_id, seen_at=now, seen_by=seen_by):
                raise WardgateError(ErrorCode.REFERRAL_DECIDED, alert_id)

        await self._responder.journal.record([entry], apply)

    def _employed(self, user_id: str) -> User:
        user = self._users().employed(user_id, date_in_england(self._responder.clock()))
        if user.conflicted:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "this person has an interest")
        return user

    def _is_for(self, user: User, row: Row[*tuple[Any, ...]]) -> bool:
        """Whether an alert is to a person, and not about an act of their own."""
        is_ours = row.agency in ("", self._responder.agency_id)
        is_own = self._responder.vault.user_ref(user.id) == row.user_ref or (is_ours and user.id == row.asker)
        return is_to(user, row.recipient) and not is_own


def new_alerts(due: Iterable[AlertDue], act: Act, *, at: int) -> list[store.NewAlert]:
    """Alerts that a decision demands, one for each recipient, to be stored with it."""
    return [
        store.NewAlert(
            alert_id=str(uuid4()),
            query_id=act.query_id,
            decision_id=act.decision_id,
            obligation=item.obligation,
            recipient=recipient,
            silent=item.silent,
            agency=act.agency,
            user_ref=act.user_ref,
            role=act.role,
            purpose=act.purpose,
            code=item.code,
            opened_at=at,
        )
        for item in due
        for recipient in dict.fromkeys(item.recipients)
    ]


def is_to(user: User, recipient: str) -> bool:
    """Whether an alert to this role or grant is to a person."""
    return recipient in {user.role, *user.grants}


def _shown(row: Row[*tuple[Any, ...]], catalogue: Catalogue) -> JsonObject:
    """An alert as its recipient reads it: enough to find the query in the ledger, and nothing of a child."""
    obligation, purpose = catalogue.obligations.get(row.obligation), catalogue.purposes.get(row.purpose, {})
    reason = catalogue.reasons.get(row.code)
    return {
        "alert_id": row.alert_id,
        "to": row.recipient,
        "obligation": row.obligation,
        "text": obligation.text if obligation is not None else "",
        "opened": iso_in_england(row.opened_at),
        "opened_at": row.opened_at,
        "query_id": row.query_id,
        "decision_id": row.decision_id,
        "agency": row.agency,
        "user_ref": row.user_ref,
        "role": row.role,
        "purpose": row.purpose,
        "purpose_title": str(purpose.get("title", "")),
        "code": row.code,
        "cause": reason.auditor if reason is not None else "",
    }
