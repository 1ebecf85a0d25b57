"""Alerts: what policy obliges this agency to report to one of its own people, until that person has seen it."""

from collections.abc import Callable, Iterable
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from agency_node.answering.duties import AlertDue
from agency_node.answering.responder import Responder
from agency_node.store import tasks as store
from agency_node.users import User, Users
from federation.canonical import JsonObject
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.store import reading, store_errors


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
        """Alerts to this person that nobody has seen, oldest first.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `STORE_UNAVAILABLE`.
        """
        user = self._employed(user_id)
        async with store_errors("alerts"), self._reading.connect() as connection:
            rows = await store.unseen_alerts(connection)
        return [
            {
                "alert_id": row.alert_id,
                "query_id": row.query_id,
                "decision_id": row.decision_id,
                "obligation": row.obligation,
                "opened_at": row.opened_at,
            }
            for row in rows
            if is_to(user, row.recipients)
        ]

    async def see(self, user_id: str, alert_id: str) -> None:
        """A recipient has seen an alert: the obligation is met.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`; `REFERRAL_UNKNOWN`, also for an alert to others;
                `REFERRAL_DECIDED`, `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        user = self._employed(user_id)
        async with store_errors("alert"), self._reading.connect() as connection:
            row = await store.find_alert(connection, alert_id)
        if row is None or not is_to(user, row.recipients):
            raise WardgateError(ErrorCode.REFERRAL_UNKNOWN, "no such alert")
        now, seen_by = int(self._responder.clock()), self._responder.vault.user_ref(user.id)
        entry = Entry(
            kind=EntryKind.OBLIGATION_MET,
            at=now,
            actor=seen_by,
            correlation_id=alert_id,
            query_id=row.query_id,
            body={"alert_id": alert_id, "obligation": row.obligation, "decision_id": row.decision_id},
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


def new_alerts(due: Iterable[AlertDue], *, query_id: str, decision_id: str, at: int) -> list[store.NewAlert]:
    """Alerts that a decision demands, to be stored with it."""
    return [
        store.NewAlert(
            alert_id=str(uuid4()),
            query_id=query_id,
            decision_id=decision_id,
            obligation=item.obligation,
            recipients=" ".join(item.recipients),
            silent=item.silent,
            opened_at=at,
        )
        for item in due
    ]


def is_to(user: User, recipients: str) -> bool:
    """Whether an alert to these roles or grants, separated by spaces, is to a person."""
    return not {user.role, *user.grants}.isdisjoint(recipients.split())
