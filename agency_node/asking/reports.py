"""Misuse that this node refused reaches the scheme: a signed notice, kept until the gateway has acknowledged it.

The notice is stored in the transaction that records the refusal, so that neither a crash nor an operator who switches
the node off in between loses it. It is sent until it is taken, oldest first, over restarts; the gateway takes it once.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.inbox.alerts import Act
from agency_node.store import reports as store
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, Family, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.writes import NothingChanged, Write
from federation.misuse import REPORT, MisuseNotice, area_told, sign_notice
from federation.policy.decision import RequesterDecision
from federation.policy.evaluator import Evaluated
from federation.policy.results import Obligation, Severity
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.transport.backoff import Backoff
from keys.signing import SigningKey

LOOK_EVERY_S: Final = 60.0
"""How often it is looked for notices that nobody announced: one whose commit was in doubt, say."""

MOST_AT_ONCE: Final = 100
"""Notices read from the store in one go."""

_log = EventLog(__name__)


class NoticeGateway(Protocol):
    """What a node asks of the gateway about notices."""

    async def report(self, notice: bytes, signature: bytes) -> None:
        """Hand in a notice; returns once the gateway has it. Raises `WardgateError`."""
        ...


def notices_due(
    evaluated: Evaluated[RequesterDecision],
    act: Act,
    *,
    area: str,
    directory: TrustedDirectory,
    key: SigningKey,
    now: int,
) -> list[Write]:
    """The notices that a refusal demands, to be stored with it; none where it demands none.

    Args:
        evaluated: The refusal.
        act: Who asked, under which purpose.
        area: The area that was asked in, as the user typed it: it is told only where an agency works in it.
        directory: With this agency's own keys.
        key: This agency's signing key.
        now: Seconds since the epoch.

    Raises:
        WardgateError: `AGENCY_UNKNOWN`: this node is not enrolled.
    """
    demanded = [item for item in evaluated.decision.obligations if item.type == REPORT]
    if not demanded:
        return []
    reports = []
    for obligation in demanded:
        notice = MisuseNotice(
            notice_id=str(uuid4()),
            agency=act.agency,
            key_version=directory.agency(act.agency).keys.version,
            user_ref=act.user_ref,
            role=act.role,
            purpose=act.purpose,
            area=area_told(area, directory),
            reason=_reason(obligation, evaluated.decision),
            decision_id=act.decision_id,
            bundle_digest=bytes.fromhex(evaluated.record.bundle.digest),
            at=now,
        )
        content, signature = sign_notice(notice, key)
        reports.append(store.StoredReport(notice.notice_id, obligation.id, act.query_id, content, signature, now))
    return store.reports_stored(reports)


def _reason(obligation: Obligation, decision: RequesterDecision) -> str:
    """Why it was refused: what the obligation names, or else the first reason that denies."""
    code = obligation.params.get("code")
    if isinstance(code, str) and code:
        return code
    return next(reason.code for reason in decision.reasons if reason.severity is Severity.DENIAL)


class Reports:
    """Sends what waits, for as long as the node runs.

    Args:
        agency: This agency.
        engine: The node's store.
        journal: The node's.
        gateway: Where notices go.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, *, agency: str, engine: AsyncEngine, journal: Journal, gateway: NoticeGateway, clock: Callable[[], float]
    ) -> None:
        self._agency = agency
        self._engine = engine
        self._journal = journal
        self._gateway = gateway
        self._clock = clock
        self._announced = asyncio.Event()
        self._refused: set[str] = set()

    def announce(self) -> None:
        """There may be a notice to send."""
        self._announced.set()

    async def waiting(self) -> int:
        """How many notices the gateway has not acknowledged.

        Raises:
            WardgateError: `STORE_UNAVAILABLE`.
        """
        async with store_errors("misuse reports"), self._engine.connect() as connection:
            return await store.count_waiting(connection)

    async def run(self) -> None:
        """Send whatever waits, now and whenever there is more; what fails is tried again after a pause."""
        backoff = Backoff()
        while True:
            self._announced.clear()
            if await self.deliver():
                backoff.reset()
                await self._until_announced(LOOK_EVERY_S)
            else:
                await asyncio.sleep(backoff.next_s())

    async def deliver(self) -> bool:
        """Send what waits, once; false where somebody could not take it just now.

        A notice that is refused for what it is does not hold up the others: it is said so once, stays, and is sent
        again at the next round.
        """
        last: store.StoredReport | None = None
        try:
            while reports := await self._following(last):
                for last in reports:
                    await self._send(last)
        except WardgateError:
            return False
        return True

    async def _following(self, last: store.StoredReport | None) -> list[store.StoredReport]:
        async with store_errors("misuse reports"), self._engine.connect() as connection:
            return await store.waiting_reports(connection, MOST_AT_ONCE, after=last)

    async def _send(self, report: store.StoredReport) -> None:
        """Hand a notice in, and write down that it was taken.

        Raises:
            WardgateError: It could not be handed in, or written down, just now.
        """
        try:
            await self._gateway.report(report.content, report.signature)
        except WardgateError as error:
            if _is_passing(error):
                raise
            self._say_refused(report, error)
            return
        notice = MisuseNotice.parse(report.content)
        entry = Entry(
            kind=EntryKind.OBLIGATION_MET,
            at=int(self._clock()),
            actor=self._agency,
            correlation_id=report.notice_id,
            query_id=report.query_id,
            body={
                "obligation": report.obligation,
                "decision_id": notice.decision_id,
                "notice_id": report.notice_id,
            },
        )
        with suppress(NothingChanged):  # a commit of which nothing was heard had taken place
            await self._journal.record([entry], store.report_acknowledged(report.notice_id))

    def _say_refused(self, report: store.StoredReport, error: WardgateError) -> None:
        if report.notice_id not in self._refused:
            self._refused.add(report.notice_id)
            _log.event(Event.NOTICE_REFUSED, correlation_id=report.notice_id, code=error.code, detail=error.detail)

    async def _until_announced(self, at_most_s: float) -> None:
        try:
            await asyncio.wait_for(self._announced.wait(), at_most_s)
        except TimeoutError:
            return


_PASSING: Final = frozenset(
    {ErrorCode.PEER_UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.REPORTS_EXCEEDED, ErrorCode.NOT_AUTHENTICATED}
)


def _is_passing(error: WardgateError) -> bool:
    """Whether the fault is none of the notice's own; a defect at the gateway may be about one notice alone."""
    return error.code in _PASSING or error.spec.family is Family.OPERATOR
