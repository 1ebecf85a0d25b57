"""Misuse that this node refused reaches the scheme: a signed notice, kept until the gateway has acknowledged it.

The notice is stored in the transaction that records the refusal, so that neither a crash nor an operator who switches
the node off in between loses it. It is sent until it is taken, over restarts; the gateway takes it once. Of what one
person tries for one cause in an hour the first is told at once and the rest as one, with how many there were; the turn
goes round the people, so that nobody's many hold up the notice of another.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, Protocol
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.inbox.alerts import Act
from agency_node.store import reports as store
from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.counters import HOUR_S
from federation.directory import TrustedDirectory
from federation.errors import Family, WardgateError
from federation.events import Event
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.ledger.writes import NothingChanged, Write
from federation.misuse import REPORT, MisuseNotice, area_told, cause_of, sign_notice
from federation.policy.decision import RequesterDecision
from federation.policy.evaluator import Evaluated
from federation.store import store_errors
from federation.telemetry import EventLog
from federation.transport.backoff import Backoff
from keys.signing import SigningKey

LOOK_EVERY_S: Final = 60.0
"""How often it is looked for notices that nobody announced: one whose commit was in doubt, say."""

MOST_AT_ONCE: Final = 100
"""Attempts that are written down as told in one go."""

_log = EventLog(__name__)


class NoticeGateway(Protocol):
    """What a node asks of the gateway about notices."""

    async def report(self, notice: bytes, signature: bytes) -> None:
        """Hand in a notice; returns once the gateway has it. Raises `WardgateError`."""
        ...


def is_reported(evaluated: Evaluated[RequesterDecision]) -> bool:
    """Whether a refusal demands that the scheme hears of it."""
    return any(item.type == REPORT for item in evaluated.decision.obligations)


async def notices_due(
    evaluated: Evaluated[RequesterDecision],
    act: Act,
    *,
    engine: AsyncEngine,
    area: str,
    directory: TrustedDirectory,
    key: SigningKey,
    now: int,
) -> list[Write]:
    """The notices that a refusal demands, to be stored with it before the next are made; none where it demands none.

    Args:
        evaluated: The refusal.
        act: Who asked, under which purpose.
        engine: The node's store: the notices say how many there were before them.
        area: The area that was asked in, as the user typed it: it is told only where an agency works in it.
        directory: With this agency's own keys.
        key: This agency's signing key.
        now: Seconds since the epoch.

    Raises:
        WardgateError: `AGENCY_UNKNOWN`: this node is not enrolled. `STORE_UNAVAILABLE`.
    """
    reports: list[store.StoredReport] = []
    for obligation in evaluated.decision.obligations:
        if obligation.type != REPORT:
            continue
        reason = cause_of(obligation, evaluated.decision.reasons)
        group = store.Group(act.user_ref, f"{reason} {act.purpose}", now // HOUR_S)
        before = await _count_before(engine, group) + sum(report.group == group for report in reports)
        notice = MisuseNotice(
            notice_id=str(uuid4()),
            agency=act.agency,
            key_version=directory.agency(act.agency).keys.version,
            user_ref=act.user_ref,
            role=act.role,
            purpose=act.purpose,
            area=area_told(area, directory),
            reason=reason,
            decision_id=act.decision_id,
            bundle_digest=bytes.fromhex(evaluated.record.bundle.digest),
            at=now,
            count=before + 1,
        )
        content, signature = sign_notice(notice, key)
        report = store.StoredReport(
            notice_id=notice.notice_id,
            obligation=obligation.id,
            query_id=act.query_id,
            content=content,
            signature=signature,
            stored_at=now,
            group=group,
            number=notice.count,
        )
        reports.append(report)
    return store.reports_stored(reports)


async def _count_before(engine: AsyncEngine, group: store.Group) -> int:
    async with store_errors("misuse reports"), engine.connect() as connection:
        return await store.highest_number(connection, group)


def in_turn(due: Iterable[store.Due], taken: Mapping[str, int]) -> list[store.Due]:
    """In which order notices go: whoever had fewest taken first, then one of each person, the oldest of each first.

    Args:
        due: What is to be sent.
        taken: How many notices about each person the gateway has taken.
    """
    turns, oldest_first = Counter(taken), sorted(due, key=lambda item: item.since)
    turn_of: list[int] = []
    for item in oldest_first:
        turn_of.append(turns[item.group.user_ref])
        turns[item.group.user_ref] += 1
    placed = sorted(zip(turn_of, oldest_first, strict=True), key=lambda place: (place[0], place[1].since))
    return [item for _, item in placed]


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
        self._taken: Counter[str] = Counter()

    def announce(self) -> None:
        """There may be a notice to send."""
        self._announced.set()

    async def waiting(self) -> int:
        """Of how many attempts the gateway has yet to hear, those of the hour that is not over among them.

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
        try:
            for due in in_turn(await self._due(), self._taken):
                await self._send(due)
        except WardgateError:
            return False
        return True

    async def _due(self) -> list[store.Due]:
        async with store_errors("misuse reports"), self._engine.connect() as connection:
            return await store.due_reports(connection, this_hour=self._hour())

    def _hour(self) -> int:
        return int(self._clock()) // HOUR_S

    async def _send(self, due: store.Due) -> None:
        """Hand a notice in, and write down that it was taken, for all those for which it goes.

        Raises:
            WardgateError: It could not be handed in, or written down, just now.
        """
        async with store_errors("misuse reports"), self._engine.connect() as connection:
            report = await store.report_to_send(connection, due)
        if report is None:
            return
        try:
            await self._gateway.report(report.content, report.signature)
        except WardgateError as error:
            if _is_passing(error):
                raise
            self._say_refused(report, error)
            return
        self._taken[report.group.user_ref] += 1
        while others := await self._others(report):
            await self._told(others, report)
        await self._told([report], report)  # last: until then it is sent again

    async def _others(self, report: store.StoredReport) -> list[store.StoredReport]:
        async with store_errors("misuse reports"), self._engine.connect() as connection:
            return await store.reports_with(connection, report, MOST_AT_ONCE)

    async def _told(self, reports: list[store.StoredReport], by: store.StoredReport) -> None:
        """Write down that the gateway knows of these by a notice."""
        now = int(self._clock())
        entries = [
            Entry(
                kind=EntryKind.OBLIGATION_MET,
                at=now,
                actor=Actor.agency(self._agency),
                correlation_id=CorrelationId(by.notice_id),
                query_id=report.query_id,
                body={
                    "obligation": report.obligation,
                    "decision_id": MisuseNotice.parse(report.content).decision_id,
                    "notice_id": by.notice_id,
                },
            )
            for report in reports
        ]
        with suppress(NothingChanged):  # a commit of which nothing was heard had taken place
            await self._journal.record(entries, store.reports_told(reports, at=now, this_hour=self._hour()))

    def _say_refused(self, report: store.StoredReport, error: WardgateError) -> None:
        if report.notice_id not in self._refused:
            self._refused.add(report.notice_id)
            _log.event(Event.NOTICE_REFUSED, correlation_id=report.notice_id, code=error.code, detail=error.detail)

    async def _until_announced(self, at_most_s: float) -> None:
        try:
            await asyncio.wait_for(self._announced.wait(), at_most_s)
        except TimeoutError:
            return


def _is_passing(error: WardgateError) -> bool:
    """Whether the fault is none of the notice's own; a defect at the gateway may be about one notice alone."""
    return error.spec.retryable or error.spec.family is Family.OPERATOR
