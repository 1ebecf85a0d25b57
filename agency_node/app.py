"""Composition root of a node: builds the object graph once, runs it, takes it down in order."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import select

from agency_node.accounting.desk import Accounting
from agency_node.accounting.viewed import Viewed
from agency_node.answering.departure import Departure
from agency_node.answering.desk import Answering
from agency_node.answering.duties import UNDERSTOOD, Contacts
from agency_node.answering.intake import Intake
from agency_node.answering.responder import Responder
from agency_node.answering.worker import Worker
from agency_node.asking.desk import Asking
from agency_node.asking.own_policy import CaseGrants
from agency_node.asking.own_pseudonyms import OwnPseudonyms
from agency_node.asking.pursuit import Pursuits
from agency_node.asking.reports import Reports
from agency_node.caseload.desk import SourceDesk
from agency_node.caseload.indexer import CaseloadRuns
from agency_node.caseload.lookup import Lookup
from agency_node.caseload.moving import EpochFollower
from agency_node.caseload.orders import SourceOrders
from agency_node.caseload.parts import CaseloadParts
from agency_node.caseload.pseudonyms import Pseudonyms
from agency_node.caseload.update import Caseload
from agency_node.checking import open_sources, read_overlay
from agency_node.configuration import Configuration
from agency_node.description import Describing, proposing
from agency_node.foundation import Foundation, lay_foundation
from agency_node.gateway_client import GrpcEvaluator, GrpcNotices, GrpcQueryGateway
from agency_node.inbox.alerts import Alerts
from agency_node.inbox.decisions import Decisions
from agency_node.inbox.view import JsonInbox
from agency_node.link.clock import GatewayClock
from agency_node.link.holding import GrpcLinkGateway, Link
from agency_node.recipients import Unheld, unheld
from agency_node.routines import (
    follow_directory,
    hold_link,
    renew_local_certificate,
    send_reports,
    take_up_queries,
    until_enrolled,
)
from agency_node.servicers.local import LocalServicer
from agency_node.settings import NodeSettings
from agency_node.store.asked import asked_since
from agency_node.store.deletions import DELETIONS
from agency_node.store.tasks import recent_tasks
from agency_node.teams.gateway import GrpcTeams, VerifiedTeams
from agency_node.teams.leading import Leading
from agency_node.users import Users
from federation.answer import Contact
from federation.canonical import JsonObject
from federation.counters import DAY_S, Counters
from federation.england import date_in_england
from federation.errors import WardgateError
from federation.events import Event
from federation.policy.alarms import record_alarms
from federation.policy.catalogue import Catalogue
from federation.renewal import TLS, expiry_sentence, is_in_date
from federation.retention import Retention
from federation.service_record import ServiceRecord
from federation.store import reading, store_errors
from federation.supervision import OnCrash, Supervisor
from federation.telemetry import EventLog
from federation.transport.certificates import HeldCertificates
from federation.transport.denylist import NoDenyList
from federation.transport.health import Check, Health
from federation.transport.methods import ServerRole
from federation.transport.server import TransportServer, build_server
from federation.wire.v1 import local_pb2_grpc
from keys.certificates import not_after
from keys.envelope import SealingKey

STOP_GRACE_S: Final = 3.0
CASELOAD_BATCH: Final = 1_024
"""A quarter of what one evaluation may hold: a batch is also one transaction, and answers wait behind it."""


_log = EventLog(__name__)


@dataclass(slots=True)
class Node:
    """A running node's parts."""

    foundation: Foundation
    asking: Asking
    pursuits: Pursuits
    reports: Reports
    decisions: Decisions
    worker: Worker
    link: Link
    gateway_clock: GatewayClock
    runs: CaseloadRuns
    epochs: EpochFollower
    desk: SourceDesk
    unheld: Callable[[], Unheld]
    health: Health
    server: TransportServer
    local_certificates: HeldCertificates


async def compose(base: Foundation) -> Node:
    """Build the node on its foundation.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `MAPPING_INVALID`, `SOURCE_UNREADABLE`.
    """
    settings, clock = base.settings, base.clock
    evaluator = GrpcEvaluator(base.channel)
    pseudonyms = Pseudonyms(
        agency=base.own_agency,
        evaluator=evaluator,
        key=base.keychain.signing_key,
        clock=clock,
        executor=base.executor,
    )
    caseload = _caseload(base, pseudonyms)
    runs = CaseloadRuns(caseload, every_s=settings.index_every_s, ready=lambda: until_enrolled(base))
    responder = await _responder(base)
    intake = Intake(responder)
    answering = Answering(responder, intake)
    worker = Worker(
        intake=intake,
        answering=answering,
        departure=Departure(quantum_ms=settings.quantum_ms, monotonic=time.monotonic, sleep=asyncio.sleep),
        max_in_flight=settings.max_in_flight,
    )
    gateway_clock = GatewayClock(own=settings.party, gateway=base.channel.server, clock=clock)
    epochs = EpochFollower(
        caseload,
        engine=base.engine,
        agency=base.own_agency,
        ready=lambda: until_enrolled(base),
        changed=lambda: link.say_again(),  # noqa: PLW0108 - there is no link yet
    )
    link = Link(
        GrpcLinkGateway(base.channel),
        worker,
        clock=gateway_clock,
        max_in_flight=settings.max_in_flight,
        caseload_epoch=lambda: epochs.oldest,
    )

    async def decided(task_id: str) -> None:
        worker.resume(task_id)

    decisions = Decisions(responder, users=base.users.current, on_decided=decided)
    teams = VerifiedTeams(
        GrpcTeams(base.channel),
        agency=settings.agency,
        key=lambda: base.directory().anchors.gateway_key,
        clock=clock,
    )
    reports = Reports(
        agency=settings.agency,
        engine=reading(base.engine),
        journal=base.journal,
        gateway=GrpcNotices(base.channel),
        clock=clock,
    )
    own_pseudonyms = OwnPseudonyms(
        engine=base.engine, vault=base.vault, pseudonyms=pseudonyms, points=base.following.points
    )
    asking, pursuits = await _asking(base, own_pseudonyms, teams.given, gateway_clock, reports.announce)
    accounting = _accounting(base, own_pseudonyms)
    health = Health(_components(base, link, responder.lookup, gateway_clock))
    desk = SourceDesk(
        users=base.users.current,
        vault=base.vault,
        engine=base.engine,
        journal=base.journal,
        viewed=Viewed(base.journal, base.vault, clock),
        clock=clock,
    )
    local_certificates = HeldCertificates(
        base.keychain.local_credentials(settings.local_party, serves=True, now=clock())
    )
    server = build_server(
        role=ServerRole.LOCAL,
        address=f"{settings.local.host}:{settings.local.port}",
        certificates=local_certificates,
        denials=NoDenyList(),
        clock=clock,
    )
    node = Node(
        foundation=base,
        asking=asking,
        pursuits=pursuits,
        reports=reports,
        decisions=decisions,
        worker=worker,
        link=link,
        gateway_clock=gateway_clock,
        runs=runs,
        epochs=epochs,
        desk=desk,
        unheld=lambda: unheld_at(base, responder.policy.catalogue),
        health=health,
        server=server,
        local_certificates=local_certificates,
    )
    local_pb2_grpc.add_LocalServiceServicer_to_server(
        LocalServicer(
            asking=asking,
            leading=_leading(base, teams),
            inbox=JsonInbox(decisions),
            alerts=Alerts(responder, users=base.users.current),
            neighbours=base.following.neighbours,
            accounting=accounting,
            index=runs.watch,
            sources=SourceOrders(desk, caseload, runs),
            describing=Describing(
                settings.agency,
                keyring=base.keyring,
                key=base.keychain.signing_key,
                journal=base.journal,
                propose=proposing(base.channel),
                clock=clock,
            ),
            status=lambda: status_of(node),
        ),
        server.grpc,
    )
    return node


def _caseload(base: Foundation, pseudonyms: Pseudonyms) -> Caseload:
    sources = open_sources(base.settings, clock=base.clock)
    parts = CaseloadParts(
        vault=base.vault,
        pseudonyms=pseudonyms,
        engine=reading(base.engine),
        journal=base.journal,
        clock=base.clock,
        monotonic=time.monotonic,
        executor=base.executor,
        batch_size=CASELOAD_BATCH,
        unreadable_percent=base.settings.unreadable_percent,
    )
    return Caseload(sources, parts)


async def _responder(base: Foundation) -> Responder:
    settings = base.settings
    overlay = read_overlay(settings)
    point = base.policy.point(understood=UNDERSTOOD)
    overlay.verify_words(point.catalogue)
    duty = settings.duty
    sealing_keys: Mapping[int, SealingKey] = base.keychain.sealing_keys
    async with store_errors("recent tasks"), reading(base.engine).connect() as connection:
        recent = await recent_tasks(connection, int(base.clock()) - DAY_S)
    return Responder(
        agency_id=settings.agency,
        directory=base.directory,
        refresh_directory=base.refresh,
        policy=point,
        overlay=lambda: overlay,
        vault=base.vault,
        lookup=Lookup(
            engine=base.engine,
            vault=base.vault,
            source_ids=[choice.name for choice in settings.sources],
            epoch=lambda: base.own_agency().epoch,
            points=base.following.points,
        ),
        engine=base.engine,
        journal=base.journal,
        counters=Counters(clock=base.clock, seed=recent),
        key=base.keychain.signing_key,
        sealing_keys=lambda: sealing_keys,
        contacts=Contacts(
            duty=Contact(name=duty.name, role=duty.role, phone=duty.phone) if duty.name or duty.phone else None
        ),
        contexts={choice.name: choice.context for choice in settings.sources},
        clock=base.clock,
        seen=base.following.views.seen,
        heard=base.following.views.heard,
    )


def _leading(base: Foundation, teams: VerifiedTeams) -> Leading:
    return Leading(
        agency=base.settings.agency,
        users=base.users,
        directory=base.directory,
        policy=base.policy.point(),
        teams=teams,
        journal=base.journal,
        vault=base.vault,
        key=base.keychain.signing_key,
        clock=base.clock,
    )


def _accounting(base: Foundation, pseudonyms: OwnPseudonyms) -> Accounting:
    return Accounting(
        agency=base.settings.agency,
        users=base.users,
        directory=base.directory,
        policy=base.policy.point(),
        pseudonyms=pseudonyms,
        engine=reading(base.engine),
        journal=base.journal,
        vault=base.vault,
        clock=base.clock,
        test_numbers=base.settings.test_numbers,
    )


async def _asking(
    base: Foundation,
    pseudonyms: OwnPseudonyms,
    case_grants: CaseGrants,
    gateway_clock: GatewayClock,
    on_reported: Callable[[], None],
) -> tuple[Asking, Pursuits]:
    settings = base.settings
    store = reading(base.engine)
    pursuits = Pursuits(
        agency=settings.agency,
        engine=store,
        journal=base.journal,
        vault=base.vault,
        gateway=GrpcQueryGateway(base.channel, receipts=base.following.gateway.receipt),
        directory=base.directory,
        clock=base.clock,
        heard=base.following.views.heard,
    )
    seed = [
        (settings.agency, base.vault.user_ref(row.user_id), bool(row.broke_glass), int(row.asked_at))
        for row in await asked_since(store, int(base.clock()) - DAY_S)
    ]
    asking = Asking(
        agency=settings.agency,
        users=base.users,
        directory=base.directory,
        refresh_directory=base.refresh,
        policy=base.policy.point(),
        case_grants=case_grants,
        pseudonyms=pseudonyms,
        pursuits=pursuits,
        engine=store,
        journal=base.journal,
        vault=base.vault,
        counters=Counters(clock=base.clock, seed=seed),
        key=base.keychain.signing_key,
        times=settings.times.by_urgency(),
        clock_difference=gateway_clock.difference,
        clock=base.clock,
        test_numbers=settings.test_numbers,
        on_reported=on_reported,
        seen=base.following.views.seen,
    )
    return asking, pursuits


def _components(base: Foundation, link: Link, lookup: Lookup, gateway_clock: GatewayClock) -> dict[str, Check]:
    async def ledger() -> bool:
        await base.journal.record([], lambda connection: connection.execute(select(1)))
        return True

    async def policy() -> bool:
        return (await base.policy.engine.health()).ready

    async def decisions() -> bool:
        return not base.policy.failing.now()

    async def directory() -> bool:
        base.following.gateway.check_believed()
        return base.is_enrolled

    async def certificate() -> bool:
        return is_in_date(base.keyring.published(TLS), base.clock())

    async def attached() -> bool:
        return link.is_up

    async def sources() -> bool:
        return not await lookup.failing(base.clock())

    async def clock() -> bool:
        return gateway_clock.agrees()

    return {
        "ledger": ledger,
        "policy": policy,
        "decisions": decisions,
        "directory": directory,
        "points": base.following.points.hold,
        "certificate": certificate,
        "link": attached,
        "sources": sources,
        "clock": clock,
    }


async def status_of(node: Node) -> JsonObject:
    """The node's status for its own tools: components, link, caseload, sources."""
    base = node.foundation
    expires_at = int(not_after(base.keyring.published(TLS)).timestamp())
    return {
        "agency": base.settings.agency,
        "components": await node.health.report(),
        "certificate": expiry_sentence(expires_at, base.clock()),
        "certificate_expires_at": expires_at,
        "directory_version": base.directory().version,
        "members": {
            "register_version": base.following.register.register().version,
            "unendorsed": base.following.register.register().unendorsed(),
            "changes": base.following.neighbours.changes(),
        },
        "link": {"attached": node.link.is_up, "in_flight": node.worker.in_flight},
        "sources": await node.desk.states(),
        "clock": str(node.gateway_clock.difference() or ""),
        "caseload": {"indexed": bool(node.runs.last), "last_run": node.runs.last},
        "unheld": asdict(node.unheld()),
        "reports": {"waiting": await node.reports.waiting()},
        "bundle": {"revision": base.policy.bundle.id.revision, "digest": base.policy.bundle.id.digest},
    }


def unheld_at(base: Foundation, catalogue: Catalogue) -> Unheld:
    """What nobody of this node holds today; everything, where the users file cannot be read."""
    try:
        users = base.users.current()
    except WardgateError:
        users = Users({})
    return unheld(catalogue, users, date_in_england(base.clock()))


def say_unheld(found: Unheld) -> None:
    """Log what nobody holds: what policy sends there reaches nobody."""
    for kind, codes in (("alert", found.alerts), ("decides", found.deciders)):
        for code in codes:
            _log.event(Event.RECIPIENT_MISSING, kind=kind, role=code)
    if found.more_people:
        _log.event(Event.RECIPIENT_MISSING, kind="decides", count=found.more_people)
    for roles, more in found.more_holders.items():
        _log.event(Event.RECIPIENT_MISSING, kind="decides", role=roles, count=more)


async def serve(settings: NodeSettings, supervisor: Supervisor) -> None:
    """Run a node until it is asked to stop."""
    async with lay_foundation(settings) as base:
        node = await compose(base)
        say_unheld(node.unheld())
        record, bundle = ServiceRecord(base.journal, base.clock), base.policy.bundle.id
        body = {"bundle": {"revision": bundle.revision, "digest": bundle.digest}}
        async with record.running(settings, body):
            configuration = Configuration(settings, record, base.users, base.vault)
            await configuration.started()
            await node.server.start()
            _start_work(node, configuration, supervisor)
            try:
                await supervisor.until_stopped()
            finally:
                node.health.drain()
                await node.server.stop(STOP_GRACE_S)
                await node.pursuits.aclose()
                await supervisor.aclose()


def _start_work(node: Node, configuration: Configuration, supervisor: Supervisor) -> None:
    base = node.foundation
    retention = Retention(
        engine=base.engine,
        journal=base.journal,
        deletions=DELETIONS,
        periods=base.settings.retention,
        clock=base.clock,
    )
    for name, work in {
        "directory": lambda: follow_directory(base),
        "ledger": base.journal.keep_signed,
        "reports": lambda: send_reports(base, node.reports),
        "queries": lambda: take_up_queries(base, node.pursuits),
        "local-certificate": lambda: renew_local_certificate(base, node.local_certificates),
        "certificate": base.renewal.run,
        "channel": base.channel.keep_current,
        "caseload": node.runs.run_forever,
        "epochs": node.epochs.run,
        "link": lambda: hold_link(base, node.link),
        "due": node.worker.watch,
        "people": configuration.watch,
        "policy-alarms": lambda: record_alarms(base.policy.failing, base.journal),
        "retention": retention.run,
    }.items():
        supervisor.start(name, work, on_crash=OnCrash.RESTART)
