"""An answering node in one process: real store, ledger, policy and cryptography; sources are lists."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.accounting.viewed import Viewed
from agency_node.answering.desk import Answering
from agency_node.answering.duties import Contacts
from agency_node.answering.intake import Arrival, Intake
from agency_node.answering.overlay import Overlay
from agency_node.answering.responder import Responder
from agency_node.caseload.desk import SourceDesk
from agency_node.caseload.lookup import Lookup
from agency_node.caseload.parts import CaseloadParts
from agency_node.caseload.pseudonyms import Pseudonyms
from agency_node.caseload.update import Caseload
from agency_node.inbox.decisions import Decisions
from agency_node.points import PinnedPoints
from agency_node.sources.measure import Measure
from agency_node.sources.record import SourceChild, SourceRecord
from agency_node.sources.source import DatasetPlan, DatasetRead, Memory, Rejected, SourceRow
from agency_node.store.tables import TaskState
from agency_node.users import User, Users
from agency_node.vault import Vault
from federation.answer import Contact
from federation.centre_seen import CentreSeen
from federation.counters import Counters
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.journal import Journal
from federation.policy.evaluator import PolicyPoint
from federation.seen import PointKey
from federation.store import migrate, open_engine
from federation.wire.v1 import link_pb2 as wire
from keys.nhs_number import NhsNumber, check_digit
from keys.secret import Secret
from tests.support.two_agencies import RESPONDER, Clock, Federation

DUTY = Contact(name="Duty desk", role="Designated safeguarding lead", phone="01632 960001")
TEXT = "Bruise on the left arm, seen at PE."
RELAY = Contact(name="Relay", role="Regional relay", phone="01632 960999")


def number(index: int) -> NhsNumber:
    """A valid NHS number of the block that is never issued (999)."""
    found = 0
    for serial in range(1_000_000):
        nine = f"999{serial:06d}"
        digit = check_digit(nine)
        if digit is None:
            continue
        if found == index:
            return NhsNumber(f"{nine}{digit}")
        found += 1
    raise AssertionError("no such number")


def log_entry(child: NhsNumber, ref: str = "log:1", **changes: Any) -> SourceRecord:
    """A school's safeguarding log entry."""
    values: dict[str, Any] = {
        "child": child,
        "source_ref": ref,
        "category": "safeguarding_log",
        "type": "safeguarding_log",
        "date": dt.date(2026, 5, 1),
        "fields": {"last_entry_date": "2026-05-01", "entry_category": "physical", "entry_text": TEXT},
        **changes,
    }
    return SourceRecord(**values)


@dataclass
class ListSource:
    """A source system that is a list; it can break.

    Children are the rows of the dataset `children`; a record belongs to the dataset that its reference begins with.
    """

    name: str = "register"
    rows: list[SourceRow] = field(default_factory=list)
    fails_after: int | None = None
    readings: int = 0
    may_be_empty: bool = True
    """So that a small list may come and go; a test of the guards says otherwise."""
    names: tuple[str, ...] = ("log",)

    @property
    def datasets(self) -> tuple[DatasetPlan, ...]:
        children = DatasetPlan("children", frozenset(), identifies=True, may_be_empty=self.may_be_empty)
        return (children, *(DatasetPlan(name, None, may_be_empty=self.may_be_empty) for name in self.names))

    def read(self, memory: Memory) -> Iterator[SourceRow]:  # noqa: ARG002 - a list remembers everything
        from federation.errors import ErrorCode, WardgateError

        self.readings += 1
        for position, row in enumerate(self.rows):
            if position == self.fails_after:
                raise WardgateError(ErrorCode.SOURCE_UNREADABLE, self.name)
            if not isinstance(row, DatasetRead):
                yield row
        if self.fails_after is not None and self.fails_after >= len(self.rows):
            raise WardgateError(ErrorCode.SOURCE_UNREADABLE, self.name)
        yield from self._told()

    def _told(self) -> Iterator[DatasetRead]:
        """How each dataset fared: as a row of the list says, or as the list's rows count."""
        given = {row.dataset: row for row in self.rows if isinstance(row, DatasetRead)}
        listed = {row.child for row in self.rows if isinstance(row, SourceChild | SourceRecord)}
        for plan in self.datasets:
            measure = Measure(plan.name)
            of_dataset = [row for row in self.rows if getattr(row, "dataset", "") == plan.name]
            measure.rows = len(listed) if plan.identifies else len(of_dataset)
            for row in of_dataset:
                if isinstance(row, Rejected):
                    measure.count(row)
            yield given.get(plan.name, measure.read())

    def check(self) -> None:
        """Nothing to see."""

    def hold(self, child: NhsNumber, *records: SourceRecord, flags: frozenset[str] = frozenset()) -> None:
        """List a child with records."""
        self.rows[:0] = [SourceChild(child, flags)]
        self.rows += records


def a_user(user_id: str = "dsl", **changes: Any) -> User:
    values: dict[str, Any] = {
        "id": user_id,
        "name": "Sam Okoro",
        "role": "dsl",
        "training_expires": dt.date(2027, 6, 30),
        **changes,
    }
    return User(**values)


@dataclass
class NodeHouse:
    """One responder."""

    federation: Federation
    engine: AsyncEngine
    journal: Journal
    policy: PolicyPoint
    clock: Clock
    sources: Sequence[Any]
    executor: ThreadPoolExecutor
    data_key: Secret
    overlay: Overlay = field(default_factory=Overlay)
    users: list[User] = field(default_factory=lambda: [a_user()])
    decided: list[str] = field(default_factory=list)
    standing_s: int = 7 * 24 * 3600
    batch_size: int = 4096
    refreshes: int = 0
    seen: CentreSeen = field(default_factory=lambda: CentreSeen(checkpoint="seen by the responder", register_version=8))
    heard: list[tuple[str, CentreSeen]] = field(default_factory=list)
    refused_points: Sequence[PointKey] = ()
    """What the gateway shows otherwise than it was, as the node's follower last refused it."""

    def __post_init__(self) -> None:
        self.vault = Vault(self.data_key)
        party = self.federation.parties[RESPONDER]
        self.pseudonyms = Pseudonyms(
            agency=lambda: self.federation.directory.agency(RESPONDER),
            evaluator=self.federation,
            key=party.signing,
            clock=self.clock,
            executor=self.executor,
        )
        self.caseload = Caseload(
            self.sources,
            CaseloadParts(
                vault=self.vault,
                pseudonyms=self.pseudonyms,
                engine=self.engine,
                journal=self.journal,
                clock=self.clock,
                monotonic=self.clock,
                executor=self.executor,
                batch_size=self.batch_size,
            ),
        )
        self.points = PinnedPoints(
            agency=RESPONDER,
            directory=lambda: self.federation.directory,
            refused=lambda: self.refused_points,
            engine=self.engine,
        )
        self.desk = SourceDesk(
            users=lambda: Users({user.id: user for user in self.users}),
            vault=self.vault,
            engine=self.engine,
            journal=self.journal,
            viewed=Viewed(self.journal, self.vault, self.clock),
            clock=self.clock,
        )
        self.lookup = Lookup(
            engine=self.engine,
            vault=self.vault,
            source_ids=self.caseload.source_ids,
            epoch=lambda: self.pseudonyms.epoch,
            points=self.points,
        )
        self.responder = Responder(
            agency_id=RESPONDER,
            directory=lambda: self.federation.directory,
            refresh_directory=self._refresh,
            policy=self.policy,
            overlay=lambda: self.overlay,
            vault=self.vault,
            lookup=self.lookup,
            engine=self.engine,
            journal=self.journal,
            counters=Counters(clock=self.clock),
            key=party.signing,
            sealing_keys=lambda: {1: party.sealing},
            contacts=Contacts(duty=DUTY, relay=RELAY),
            contexts={},
            clock=self.clock,
            standing_s=self.standing_s,
            seen=lambda: self.seen,
            heard=lambda peer, seen: self.heard.append((peer, seen)),
        )
        self.intake = Intake(self.responder)
        self.answering = Answering(self.responder, self.intake)
        self.decisions = Decisions(
            self.responder,
            users=lambda: Users({user.id: user for user in self.users}),
            on_decided=self._on_decided,
        )

    async def accept(self, task: wire.Task) -> TaskState:
        """Take a task in and store it, as a node does that cannot answer at once."""
        arrived = await self.intake.examine(task)
        return await self.intake.accept(arrived) if isinstance(arrived, Arrival) else arrived

    async def _refresh(self) -> None:
        self.refreshes += 1

    async def _on_decided(self, task_id: str) -> None:
        self.decided.append(task_id)

    async def entries(self, *kinds: EntryKind) -> list[dict[str, Any]]:
        """Bodies of the ledger's entries of these kinds, in order."""
        found = await self.journal.entries(0, 10_000)
        parsed = [Entry.parse(entry.content) for entry in found]
        return [cast("dict[str, Any]", entry.body) for entry in parsed if entry.kind in kinds]

    async def ledger_text(self) -> str:
        """The whole ledger as text."""
        return json.dumps([entry.content.decode() for entry in await self.journal.entries(0, 10_000)])


@asynccontextmanager
async def a_node(
    url: str,
    policy: PolicyPoint,
    *,
    federation: Federation | None = None,
    sources: Sequence[Any] | None = None,
    data_key: Secret | None = None,
    clock: Clock | None = None,
    **changes: Any,
) -> AsyncIterator[NodeHouse]:
    """A node on a migrated store; give the same URL, federation and data key to restart it."""
    federation, clock = federation or Federation(), clock or Clock()
    await migrate(url, "agency_node.store")
    engine = open_engine(url)
    journal = Journal(engine, f"wardgate/node/{RESPONDER}", federation.parties[RESPONDER].signing, clock)
    executor = ThreadPoolExecutor(max_workers=2)
    try:
        yield NodeHouse(
            federation=federation,
            engine=engine,
            journal=journal,
            policy=policy,
            clock=clock,
            sources=[ListSource()] if sources is None else sources,
            executor=executor,
            data_key=data_key or Secret.random(),
            **changes,
        )
    finally:
        await journal.aclose()
        await engine.dispose()
        executor.shutdown()


def url_of(folder: Path) -> str:
    """A SQLite store in a folder."""
    from federation.store import sqlite_url

    return sqlite_url(folder / "node.db")
