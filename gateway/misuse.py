"""Misuse that was refused stands in the ledger and is an alarm, whoever refused it.

An agency's node says in a signed notice what it refused at home. What comes as far as the gateway and is refused here,
with an alert laid down, is recorded by the same code: a node that keeps silent about its people gains nothing.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from federation import limits
from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.counters import HOUR_S
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.outcome import if_unknown
from federation.ledger.writes import Write
from federation.misuse import Misuse, MisuseNotice, area_told, cause_of, verify_notice
from federation.policy.catalogue import Catalogue
from federation.policy.decision import GatewayDecision
from federation.policy.evaluator import Evaluated
from federation.policy.results import ALERT
from federation.query import QueryHeader
from federation.telemetry import EventLog
from gateway.store import misuse as store
from keys.digest import sha256

WEEK_S: Final = 7 * 24 * 3600
NODE, GATEWAY = "node", "gateway"

UNKNOWN: Final = "unknown"
"""Stands for a word of a notice that the gateway's bundle does not know: a node may have written anything."""

_REFERENCE: Final = re.compile(r"[0-9a-f]{32}")
"""What every node makes of a person: see `keys.digest.keyed_reference`."""

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One misuse as it is recorded: entry and row, to be committed together, and the alarm to raise then."""

    misuse: Misuse
    refused_by: str
    notice_id: str
    entry: Entry
    write: Write = field(repr=False)

    def raise_alarm(self) -> None:
        """Say it in the log, so that the gateway's operator sees it."""
        _log.event(
            Event.MISUSE_REPORTED,
            agency=self.misuse.agency,
            user_ref=self.misuse.user_ref,
            purpose=self.misuse.purpose,
            reason_code=self.misuse.reason,
            decision_id=self.misuse.decision_id,
            party=self.refused_by,
            count=self.misuse.count,
        )


def recorded(
    misuse: Misuse,
    *,
    refused_by: str,
    notice_id: str,
    now: int,
    correlation_id: CorrelationId,
    query_id: str | None = None,
    content: bytes = b"",
    signature: bytes = b"",
    kept: bytes = b"",
) -> Recorded:
    """How a misuse is recorded.

    Args:
        misuse: What was refused.
        refused_by: `node` or `gateway`.
        notice_id: Once for all time.
        now: Seconds since the epoch.
        correlation_id: Of the call.
        query_id: Of a query that came as far as the gateway.
        content: The notice as it was signed, where there is one.
        signature: Over it.
        kept: What is kept of it; see `kept_of`.
    """
    entry = Entry(
        kind=EntryKind.MISUSE_REPORTED,
        at=now,
        actor=Actor.agency(misuse.agency),
        correlation_id=correlation_id,
        query_id=query_id,
        body={
            "notice_id": notice_id,
            "notice_sha256": sha256(content).hex() if content else "",
            "refused_by": refused_by,
            "refused_at": misuse.at,
            "user_ref": misuse.user_ref,
            "role": misuse.role,
            "purpose": misuse.purpose,
            "area": misuse.area,
            "reason": misuse.reason,
            "decision_id": misuse.decision_id,
            "bundle_digest": misuse.bundle_digest.hex(),
            "count": misuse.count,
        },
    )
    write = store.misuse_stored(
        notice_id,
        agency=misuse.agency,
        refused_by=refused_by,
        reported_at=now,
        content=kept,
        signature=signature,
    )
    return Recorded(misuse, refused_by, notice_id, entry, write)


def refused_here(
    header: QueryHeader,
    evaluated: Evaluated[GatewayDecision],
    directory: TrustedDirectory,
    *,
    now: int,
    correlation_id: CorrelationId,
) -> list[Recorded]:
    """What the gateway itself refused as misuse: one for each cause that its decision alerts to; mostly none.

    A refusal that lays down an alert is of misuse.
    """
    decision = evaluated.decision
    if decision.permitted:
        return []
    causes = {cause_of(item, decision.reasons) for item in decision.obligations if item.type == ALERT}
    return [
        recorded(
            Misuse(
                agency=header.requester,
                user_ref=header.user_ref,
                role=header.role,
                purpose=header.purpose,
                area=area_told(header.area, directory),
                reason=cause,
                decision_id=evaluated.record.id,
                bundle_digest=bytes.fromhex(evaluated.record.bundle.digest),
                at=now,
            ),
            refused_by=GATEWAY,
            notice_id=str(uuid4()),
            now=now,
            correlation_id=correlation_id,
            query_id=header.query_id,
        )
        for cause in sorted(causes)
    ]


def in_known_words(notice: MisuseNotice, catalogue: Catalogue, directory: TrustedDirectory) -> MisuseNotice:
    """A notice as it may stand in the ledger: in words that the bundle and the directory know, and in no others."""
    purposes = {*catalogue.purposes, *catalogue.never_permitted}
    return notice.model_copy(
        update={
            "user_ref": notice.user_ref if _REFERENCE.fullmatch(notice.user_ref) else UNKNOWN,
            "role": notice.role if notice.role in catalogue.roles else UNKNOWN,
            "purpose": notice.purpose if notice.purpose in purposes else UNKNOWN,
            "reason": notice.reason if notice.reason in catalogue.reasons else UNKNOWN,
            "area": area_told(notice.area, directory),
        }
    )


def kept_of(content: bytes, *, is_known: bool) -> bytes:
    """What is kept of a notice, so that none counts twice: the notice, or its digest where its words are not known."""
    return content if is_known else sha256(content)


class MisuseDesk:
    """Takes notices of agencies.

    Args:
        engine: The gateway's store.
        journal: The gateway's.
        directory: The directory in force.
        catalogue: The words of the bundle in force.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        journal: Journal,
        directory: Callable[[], TrustedDirectory],
        catalogue: Callable[[], Catalogue],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._directory = directory
        self._catalogue = catalogue
        self._clock = clock
        self._taking = asyncio.Lock()

    async def report(self, agency: str, content: bytes, signature: bytes, correlation_id: CorrelationId) -> None:
        """Record a notice, once however often it comes.

        Raises:
            WardgateError: `MESSAGE_*`, `NOT_AUTHORISED`, `AGENCY_UNKNOWN`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`,
                `REPLAYED` (another notice has this id), `REPORTS_EXCEEDED`, `LEDGER_UNAVAILABLE`, `STORE_UNAVAILABLE`.
        """
        notice = self._verified(agency, content, signature)
        async with self._taking:
            if await self._is_known(notice.notice_id, content):
                return
            now = int(self._clock())
            taken = await store.count_since(self._engine, agency, NODE, now - HOUR_S)
            if taken >= limits.MAX_NOTICES_PER_HOUR:
                raise WardgateError(ErrorCode.REPORTS_EXCEEDED, agency)
            known = in_known_words(notice, self._catalogue(), self._directory())
            found = recorded(
                known,
                refused_by=NODE,
                notice_id=notice.notice_id,
                now=now,
                correlation_id=correlation_id,
                content=content,
                signature=signature,
                kept=kept_of(content, is_known=known == notice),
            )
            await self._record(found, content)

    def _verified(self, agency: str, content: bytes, signature: bytes) -> MisuseNotice:
        claimed = MisuseNotice.parse(content)
        if claimed.agency != agency:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "notice of another agency")
        listed = self._directory().agency(agency)
        if claimed.key_version != listed.keys.version:
            raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "signed with a key of another version")
        return verify_notice(content, signature, key=listed.verify_key, now=self._clock())

    async def _is_known(self, notice_id: str, content: bytes) -> bool:
        stored = await store.stored_content(self._engine, notice_id)
        if stored is not None and stored not in {kept_of(content, is_known=known) for known in (True, False)}:
            raise WardgateError(ErrorCode.REPLAYED, "another notice has this id")
        return stored is not None

    async def _record(self, found: Recorded, content: bytes) -> None:
        try:
            with if_unknown(found.raise_alarm):  # rather one alarm too many than one that nobody hears
                await self._journal.record([found.entry], [found.write])
        except IntegrityError:
            # A commit of which nothing was heard had taken place, and its alarm was raised then.
            if not await self._is_known(found.notice_id, content):
                raise
            return
        found.raise_alarm()

    async def recent(self) -> dict[str, int]:
        """How much was recorded in the last seven days, by agency.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        return await store.counts_since(self._engine, int(self._clock()) - WEEK_S)
