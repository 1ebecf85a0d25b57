"""What people of this agency do about readings: accept what a dataset looks like, see and dismiss rejected rows.

Each act is one ledger entry. Reasons and rows stay in the node, encrypted; the entry commits to the reason by a keyed
hash.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agency_node.accounting.viewed import Sight, Viewed, What
from agency_node.caseload.assessing import counts_of, counts_text
from agency_node.caseload.reading_states import dataset_json
from agency_node.caseload.rejects import RejectContent
from agency_node.store import readings
from agency_node.store.reading_rows import DatasetRow
from agency_node.users import User, Users
from agency_node.vault import Kind, Vault
from federation.actor import Actor
from federation.canonical import JsonObject, to_canonical
from federation.correlation_id import CorrelationId
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.store import reading, store_errors
from federation.transport.correlation import correlation

MAX_REASON_CHARS: Final = 1_000
SOURCES: Final = "sources"
"""Why people look at rows here: to look after the sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDesk:
    """The acts.

    Attributes:
        users: This agency's people.
        engine: The node's store, for reading.
        journal: The only way to write.
        viewed: Writes down who looked at rows.
        clock: Seconds since the epoch.
    """

    users: Callable[[], Users]
    vault: Vault
    engine: AsyncEngine
    journal: Journal
    viewed: Viewed
    clock: Callable[[], float]

    async def states(self) -> list[JsonObject]:
        """Every dataset of every source as it stands.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        return [{"source": row.source_id, **dataset_json(row)} for row in await self._states()]

    async def rejects(self, user_id: str, *, with_rows: bool) -> list[JsonObject]:
        """Rows that could not be read and nobody has dismissed.

        Args:
            user_id: Who looks.
            with_rows: Show what stands in them: personal data, so that it is written down first who looks.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        user = self.fit(user_id)
        if with_rows:
            await self.viewed.record(user, [Sight(What.REJECTED_ROWS, why=SOURCES)])
        async with store_errors("rejected rows"), reading(self.engine).connect() as connection:
            rows = await readings.rejects(connection)
        return [self._reject(row, with_row=with_rows) for row in rows if not row.dismissed_at]

    def _reject(self, row: Row[Any], *, with_row: bool) -> JsonObject:
        content = RejectContent.decode(self.vault.open(Kind.REJECT, row.reject_id, row.content))
        return {
            "reject_id": row.reject_id,
            "source": row.source_id,
            "dataset": row.dataset,
            "reason": row.reason,
            "kind": row.kind,
            "has_flags": row.has_flags,
            "first_at": row.first_at,
            "seen_at": row.seen_at,
            **content.place(),
            **({"row": content.row} if with_row else {}),
        }

    async def dismiss(self, user_id: str, reject_id: str, reason: str) -> None:
        """A row need not be read; of a flag that disappeared: it may go. Takes effect with the next reading.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `MESSAGE_MALFORMED` without a reason; `REJECT_UNKNOWN`;
                `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        actor = self._actor(user_id)
        self._check_reason(reason)
        async with store_errors("rejected row"), reading(self.engine).connect() as connection:
            row = await readings.find_reject(connection, reject_id)
        if row is None or row.dismissed_at:
            raise WardgateError(ErrorCode.REJECT_UNKNOWN, reject_id)
        now = int(self.clock())
        sealed = self.vault.seal(Kind.DISMISSAL, reject_id, self._said(user_id, reason))
        body = {
            "source": row.source_id,
            "dataset": row.dataset,
            "reject_id": reject_id,
            "reject_reason": row.reason,
            "reason_digest": self.vault.content_digest(reason.encode()),
        }

        async def apply(connection: AsyncConnection) -> None:
            if not await readings.dismiss_reject(connection, reject_id, dismissal=sealed, at=now):
                raise WardgateError(ErrorCode.REJECT_UNKNOWN, reject_id)

        entry = Entry(
            kind=EntryKind.REJECT_DISMISSED, at=now, actor=actor, correlation_id=CorrelationId(reject_id), body=body
        )
        await self.journal.record([entry], apply)

    async def accept(self, source_id: str, dataset: str, *, user: str, reason: str) -> JsonObject:
        """What was read last of a dataset is what it looks like: later readings are held against it.

        What went missing with it may leave: rows that name no child, and that were met in this reading, are dismissed.

        Returns:
            The dataset as it was accepted.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `MESSAGE_MALFORMED` without a reason; `DATASET_UNKNOWN`,
                `READING_NOT_COUNTED`; `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        actor = self._actor(user)
        self._check_reason(reason)
        row = await self._state(source_id, dataset)
        counts = counts_of(row.counts)
        if counts is None:
            raise WardgateError(ErrorCode.READING_NOT_COUNTED, f"{source_id}/{dataset}")
        now, said = int(self.clock()), self._said(user, reason)
        async with store_errors("rejected rows"), reading(self.engine).connect() as connection:
            explained = await readings.explained_by(connection, row)
        acceptance = self.vault.seal(Kind.ACCEPTANCE, f"{source_id}/{dataset}", said)
        dismissals = {name: self.vault.seal(Kind.DISMISSAL, name, said) for name in explained}
        body = {
            "source": source_id,
            "dataset": dataset,
            "rows": counts.rows,
            "children": counts.children,
            "records": counts.records,
            "unidentified": counts.unidentified,
            "unclaimed": counts.unclaimed,
            "dismissed": len(explained),
            "reason_digest": self.vault.content_digest(reason.encode()),
        }

        async def apply(connection: AsyncConnection) -> None:
            baseline = counts_text(counts)
            await readings.accept_baseline(connection, row, baseline=baseline, acceptance=acceptance, at=now)
            for reject_id, dismissal in dismissals.items():
                await readings.dismiss_reject(connection, reject_id, dismissal=dismissal, at=now)

        entry = Entry(kind=EntryKind.SOURCE_ACCEPTED, at=now, actor=actor, correlation_id=correlation(), body=body)
        await self.journal.record([entry], apply)
        return {"source": source_id, **dataset_json(row)}

    async def _states(self) -> list[DatasetRow]:
        async with store_errors("dataset states"), reading(self.engine).connect() as connection:
            return await readings.dataset_states(connection)

    async def _state(self, source_id: str, dataset: str) -> DatasetRow:
        for row in await self._states():
            if (row.source_id, row.dataset) == (source_id, dataset):
                return row
        raise WardgateError(ErrorCode.DATASET_UNKNOWN, f"{source_id}/{dataset}")

    async def look_at_comparison(self, user_id: str) -> None:
        """Write down that a person is about to compare sources and caseload, child by child.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`, `LEDGER_UNAVAILABLE`.
        """
        await self.viewed.record(self.fit(user_id), [Sight(What.COMPARISON, why=SOURCES)])

    def fit(self, user_id: str) -> User:
        """Somebody who works here and has no interest of their own.

        Raises:
            WardgateError: `USER_UNKNOWN`, `NOT_AUTHORISED`.
        """
        user = self.users().employed(user_id, date_in_england(self.clock()))
        if user.conflicted:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "this person has an interest")
        return user

    def _actor(self, user_id: str) -> Actor:
        user = self.fit(user_id)
        return Actor.user(self.vault.user_ref(user.id))

    def _said(self, user_id: str, reason: str) -> bytes:
        return to_canonical({"v": 1, "user": user_id, "reason": reason, "at": int(self.clock())})

    @staticmethod
    def _check_reason(reason: str) -> None:
        if not reason.strip() or len(reason) > MAX_REASON_CHARS:
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, f"a reason of 1 to {MAX_REASON_CHARS} characters")
