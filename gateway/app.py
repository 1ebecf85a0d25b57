"""Composition root of the gateway: builds the object graph once, runs it, takes it down in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from grpc_health.v1 import health_pb2_grpc
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.actor import Actor
from federation.counters import DAY_S, Counters
from federation.keyfiles import read_verify_key, write_public
from federation.ledger.asking import AskedBeforeStart
from federation.ledger.export import KEY_FILE
from federation.ledger.journal import Journal
from federation.ledger.kept import KeptCheckpoint
from federation.ledger.servicer import LedgerServicer
from federation.person_key import verify_keys
from federation.policy.alarms import record_alarms
from federation.policy.evaluator import PolicyPoint
from federation.policy.failing import FailingClosed
from federation.policy.setup import PolicyChoice, open_policy
from federation.published import check_all_published
from federation.renewal import is_in_date
from federation.retention import Retention
from federation.service_record import ServiceRecord
from federation.store import migrate, open_engine, reading
from federation.supervision import OnCrash, Supervisor
from federation.transport.certificates import HeldCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.denylist import DenyList
from federation.transport.health import Check, Health
from federation.transport.methods import ServerRole
from federation.transport.server import TransportServer, build_server
from federation.wire.v1 import (
    admin_pb2_grpc,
    directory_pb2_grpc,
    enrolment_pb2_grpc,
    ledger_pb2_grpc,
    link_pb2_grpc,
    notice_pb2_grpc,
    pseudonym_pb2_grpc,
    query_pb2_grpc,
    team_pb2_grpc,
)
from gateway.admitting import Admitting
from gateway.alarms import Alarms
from gateway.answers import Answers
from gateway.beginning import begin_directory, begin_membership, begin_points
from gateway.clocks import Clocks
from gateway.descriptions import DescriptionDesk
from gateway.directory import DirectoryAuthority
from gateway.dispatch import PROBE_INTERVAL_S, Links
from gateway.enrolment import EnrolmentDesk
from gateway.epoch_desk import EpochDesk
from gateway.epochs import CaseloadEpochs
from gateway.evaluation import Evaluation
from gateway.exchange import Exchange
from gateway.following import Following
from gateway.keychain import GatewayKeychain, load_keychain
from gateway.live import OPEN
from gateway.membership import Membership
from gateway.misuse import MisuseDesk
from gateway.operators import Operators
from gateway.outdated import cancel_outdated
from gateway.own_certificate import own_credentials, renew_own
from gateway.points import HolderPoints
from gateway.queries import Queries
from gateway.rates import QueryRates
from gateway.resets import ResetDesk
from gateway.servicers.description import DescriptionServicer
from gateway.servicers.directory import DirectoryServicer
from gateway.servicers.enrolment import AdminServicer, CertificateServicer, EnrolmentServicer
from gateway.servicers.link import LinkServicer
from gateway.servicers.notice import NoticeServicer
from gateway.servicers.pseudonym import PseudonymServicer
from gateway.servicers.query import QueryServicer
from gateway.servicers.team import TeamServicer
from gateway.settings import GatewaySettings
from gateway.store.deletions import DELETIONS
from gateway.store.exchange import recent_queries
from gateway.teams.desk import TeamDesk
from gateway.teams.register import TeamRegister
from gateway.teams.withdrawal import Withdrawal
from gateway.translation import Translator
from gateway.trustee_client import GrpcTrustee
from gateway.witnesses import key_of
from keys.keyring import Keyring

STOP_GRACE_S: Final = 3.0


@dataclass(slots=True)
class Foundation:
    """What every part of the gateway stands on."""

    settings: GatewaySettings
    keychain: GatewayKeychain
    engine: AsyncEngine
    journal: Journal
    executor: ThreadPoolExecutor
    policy: PolicyPoint
    failing: FailingClosed
    deny_list: DenyList
    directory: DirectoryAuthority
    certificates: HeldCertificates
    channel: RotatingChannel
    trustee: GrpcTrustee
    asked: AskedBeforeStart
    membership: Membership
    clock: Callable[[], float]


@dataclass(slots=True)
class Gateway:
    """A running gateway's parts."""

    foundation: Foundation
    clocks: Clocks
    links: Links
    exchange: Exchange
    answers: Answers
    evaluation: Evaluation
    desk: EnrolmentDesk
    resets: ResetDesk
    descriptions: DescriptionDesk
    caseloads: CaseloadEpochs
    epochs: EpochDesk
    withdrawal: Withdrawal
    following: Following
    teams: TeamDesk
    misuse: MisuseDesk
    health: Health
    main: TransportServer
    enrolment: TransportServer


@asynccontextmanager
async def lay_foundation(
    settings: GatewaySettings, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[Foundation]:
    """Open keys, store, ledger, policy, directory and the channel to the trustee; close them at the end of the block.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED` (also for a seed that does not give a published point),
            `STORE_UNAVAILABLE`, `LEDGER_INVALID` (also where the trustee has seen more of it), `BUNDLE_REJECTED`, ...
    """
    async with AsyncExitStack() as stack:
        keyring = Keyring(settings.keys_dir)
        keychain = load_keychain(keyring)
        await migrate(settings.store_url, "gateway.store")
        engine = open_engine(settings.store_url)
        stack.push_async_callback(engine.dispose)
        kept = KeptCheckpoint(keyring)
        journal = Journal(engine, f"wardgate/gateway/{settings.id}", keychain.signing_key, clock, kept)
        await journal.open()
        stack.push_async_callback(journal.aclose)
        write_public(settings.data_dir / KEY_FILE, journal.key.text().encode())
        certificates = HeldCertificates(own_credentials(settings, keychain, clock))
        channel = RotatingChannel(settings.trustee.address, settings.trustee.party, certificates)
        stack.push_async_callback(channel.close)
        trustee = GrpcTrustee(channel)
        asked = AskedBeforeStart(journal, trustee.witnessed)
        await asked.check()  # before anything is written that contradicts what others hold
        executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="group")
        stack.callback(executor.shutdown, wait=False)
        opened = await open_policy(
            PolicyChoice(
                engine=settings.policy.engine,
                server_url=settings.policy.server_url,
                bundle_dir=settings.policy.bundle_dir,
                bundle_key=read_verify_key(settings.policy.bundle_key_file),
                archive=settings.data_dir / "bundles",
                cache_dir=settings.data_dir / "policy-cache",
            ),
            journal=journal,
            actor=Actor.party(settings.party),
            stack=stack,
            clock=clock,
        )
        deny_list = DenyList(keychain.verify_key)
        directory = begin_directory(settings, keychain, reading(engine), journal, deny_list, clock=clock)
        await directory.load()
        check_all_published(directory.current(), keychain.holder_keys)
        membership = await begin_membership(
            settings,
            keychain.signing_key,
            engine=reading(engine),
            journal=journal,
            trustee=trustee,
            listed=directory.current,
            clock=clock,
        )
        await membership.refresh()  # who came while this gateway was off; the trustee may be off too
        yield Foundation(
            settings=settings,
            keychain=keychain,
            engine=reading(engine),
            journal=journal,
            executor=executor,
            policy=opened.point(),
            failing=opened.failing,
            deny_list=deny_list,
            directory=directory,
            certificates=certificates,
            channel=channel,
            trustee=trustee,
            asked=asked,
            membership=membership,
            clock=clock,
        )


async def compose(base: Foundation) -> Gateway:
    """Build the gateway on its foundation, with every open query taken up again.

    Raises:
        WardgateError: `SETTINGS_INVALID` when a port cannot be listened on, `STORE_UNAVAILABLE`.
    """
    directory, clock = base.directory, base.clock
    translator = Translator(
        keys=base.keychain.holder_keys,
        trustee=base.trustee,
        trustee_key=directory.current().anchors.trustee_key,
        executor=base.executor,
    )
    clocks = Clocks(own=base.settings.party, clock=clock)
    links = Links(clock=clock, permits=lambda agency: not directory.is_denied(agency), clocks=clocks)
    points = begin_points(base.settings, base.keychain, directory, base.trustee, clock=clock)
    caseloads = CaseloadEpochs()
    queries = Queries(engine=base.engine, journal=base.journal, links=links, clock=clock)
    restored = await queries.restore(clock())
    register = TeamRegister(base.engine, base.journal)
    await register.load()
    withdrawal = _withdrawal(base, register, queries, links)
    await withdrawal.sweep()  # whatever ran out while nobody was here is not offered to anybody
    await cancel_outdated(queries=queries, links=links, journal=base.journal, clock=clock)
    links.offer(task for task in restored if task.state in OPEN)
    desk = _desk(base, points)
    gateway = Gateway(
        foundation=base,
        clocks=clocks,
        links=links,
        exchange=Exchange(
            admitting=await _admitting(base, translator, register),
            queries=queries,
            rates=QueryRates(
                per_minute=base.settings.rates.queries_per_minute,
                at_once=base.settings.rates.queries_at_once,
                clock=clock,
            ),
            journal=base.journal,
            links=links,
            clocks=clocks,
            clock=clock,
        ),
        answers=Answers(
            queries=queries,
            journal=base.journal,
            links=links,
            directory=base.membership.current,
            is_denied=directory.is_denied,
            clock=clock,
        ),
        evaluation=Evaluation(
            translator=translator, journal=base.journal, directory=base.membership.current, clock=clock
        ),
        desk=desk,
        resets=ResetDesk(
            engine=base.engine, journal=base.journal, directory=base.directory, desk=desk, clock=base.clock
        ),
        descriptions=DescriptionDesk(
            engine=base.engine, journal=base.journal, directory=base.directory, clock=base.clock
        ),
        caseloads=caseloads,
        epochs=EpochDesk(directory=directory, points=points, links=links, caseloads=caseloads, clock=clock),
        withdrawal=withdrawal,
        following=Following(queries, [directory, register]),
        teams=_team_desk(base, register, withdrawal),
        misuse=MisuseDesk(
            engine=base.engine,
            journal=base.journal,
            directory=base.membership.current,
            catalogue=lambda: base.policy.catalogue,
            clock=clock,
        ),
        health=Health(_components(base, clocks)),
        main=_server(base, ServerRole.GATEWAY, base.settings.listen.port),
        enrolment=_server(base, ServerRole.ENROLMENT, base.settings.listen.enrolment_port),
    )
    _register(gateway)
    return gateway


async def _admitting(base: Foundation, translator: Translator, register: TeamRegister) -> Admitting:
    return Admitting(
        journal=base.journal,
        policy=base.policy,
        translator=translator,
        alarms=Alarms(journal=base.journal, clock=base.clock),
        counters=Counters(clock=base.clock, seed=await recent_queries(base.engine, int(base.clock()) - DAY_S)),
        teams=register,
        directory=base.membership.current,
        key=base.keychain.signing_key,
        cipher=base.keychain.cipher,
        clock=base.clock,
    )


def _withdrawal(base: Foundation, register: TeamRegister, queries: Queries, links: Links) -> Withdrawal:
    return Withdrawal(
        register=register,
        queries=queries,
        links=links,
        policy=base.policy,
        journal=base.journal,
        directory=base.membership.current,
        cipher=base.keychain.cipher,
        clock=base.clock,
    )


def _team_desk(base: Foundation, register: TeamRegister, withdrawal: Withdrawal) -> TeamDesk:
    return TeamDesk(
        register=register,
        withdrawal=withdrawal,
        policy=base.policy,
        journal=base.journal,
        directory=base.membership.current,
        key=base.keychain.signing_key,
        cipher=base.keychain.cipher,
        clock=base.clock,
    )


def _desk(base: Foundation, points: HolderPoints) -> EnrolmentDesk:
    return EnrolmentDesk(
        engine=base.engine,
        journal=base.journal,
        directory=base.directory,
        authority=base.keychain.authority,
        points=points,
        trustee_party=base.settings.trustee.party,
        operators=Operators(verify_keys(base.settings.operators), base.clock),
        certificate_life=base.settings.certificate_life,
        absence=base.settings.absence,
        clock=base.clock,
    )


def _components(base: Foundation, clocks: Clocks) -> dict[str, Check]:
    async def ledger() -> bool:
        await base.journal.record([], lambda connection: connection.execute(select(1)))
        return True

    async def policy() -> bool:
        return (await base.policy.health()).ready

    async def decisions() -> bool:
        return not base.failing.now()

    async def keys() -> bool:
        check_all_published(base.directory.current(), base.keychain.holder_keys)
        return True

    async def certificate() -> bool:
        now, current = base.clock(), base.certificates.current()
        return is_in_date(current.chain, now) and is_in_date(current.roots, now)

    async def clock() -> bool:
        return clocks.own_is_right()

    async def register() -> bool:
        base.membership.check_current()
        return True

    return {
        "ledger": ledger,
        "policy": policy,
        "decisions": decisions,
        "trustee": base.trustee.is_serving,
        "register": register,
        "keys": keys,
        "certificate": certificate,
        "clock": clock,
    }


def _server(base: Foundation, role: ServerRole, port: int) -> TransportServer:
    return build_server(
        role=role,
        address=f"{base.settings.listen.host}:{port}",
        certificates=base.certificates,
        denials=base.deny_list,
        clock=base.clock,
    )


def _register(gateway: Gateway) -> None:
    """Put every servicer on its port."""
    base, server = gateway.foundation, gateway.main.grpc
    roots = base.keychain.authority.pem
    link = LinkServicer(
        links=gateway.links, answers=gateway.answers, clocks=gateway.clocks, caseloads=gateway.caseloads
    )
    admin = AdminServicer(
        desk=gateway.desk,
        resets=gateway.resets,
        descriptions=gateway.descriptions,
        epochs=gateway.epochs,
        links=gateway.links,
        misuse=gateway.misuse,
        operators=gateway.desk.operators,
    )
    ledger = LedgerServicer(
        base.journal,
        key_of=lambda witness: key_of(witness, base.directory.current()),
        witnessed=base.membership.witnessed,
    )
    query_pb2_grpc.add_QueryServiceServicer_to_server(QueryServicer(gateway.exchange), server)
    link_pb2_grpc.add_LinkServiceServicer_to_server(link, server)
    team_pb2_grpc.add_TeamServiceServicer_to_server(TeamServicer(gateway.teams), server)
    notice_pb2_grpc.add_NoticeServiceServicer_to_server(NoticeServicer(gateway.misuse), server)
    pseudonym_pb2_grpc.add_PseudonymServiceServicer_to_server(PseudonymServicer(gateway.evaluation), server)
    directory_pb2_grpc.add_DirectoryServiceServicer_to_server(
        DirectoryServicer(base.directory, base.membership), server
    )
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(ledger, server)
    enrolment_pb2_grpc.add_CertificateServiceServicer_to_server(CertificateServicer(gateway.desk, roots), server)
    enrolment_pb2_grpc.add_DescriptionServiceServicer_to_server(DescriptionServicer(gateway.descriptions), server)
    admin_pb2_grpc.add_AdminServiceServicer_to_server(admin, server)
    health_pb2_grpc.add_HealthServicer_to_server(gateway.health, server)
    enrolment_pb2_grpc.add_EnrolmentServiceServicer_to_server(
        EnrolmentServicer(gateway.desk, gateway.resets, roots), gateway.enrolment.grpc
    )


async def serve(settings: GatewaySettings, supervisor: Supervisor) -> None:
    """Run a gateway until it is asked to stop."""
    async with lay_foundation(settings) as base:
        gateway = await compose(base)
        bundle = base.policy.bundle.id
        body = {"bundle": {"revision": bundle.revision, "digest": bundle.digest}}
        async with ServiceRecord(base.journal, base.clock).running(settings, body):
            await gateway.main.start()
            await gateway.enrolment.start()
            _start_work(gateway, supervisor)
            try:
                await supervisor.until_stopped()
            finally:
                gateway.health.drain()
                await asyncio.gather(gateway.main.stop(STOP_GRACE_S), gateway.enrolment.stop(STOP_GRACE_S))
                await supervisor.aclose()  # whatever still writes must end before the store is closed


def _start_work(gateway: Gateway, supervisor: Supervisor) -> None:
    base = gateway.foundation
    retention = Retention(
        engine=base.engine,
        journal=base.journal,
        deletions=DELETIONS,
        periods=base.settings.retention,
        clock=base.clock,
    )
    supervisor.start("comparison", base.asked.run, on_crash=OnCrash.STOP)
    for name, work in {
        "certificate": lambda: renew_own(base.settings, base.keychain, base.certificates, base.clock),
        "channel": base.channel.keep_current,
        "expiry": lambda: _expire(gateway, base.settings.expiry_check_s),
        "following": gateway.following.run,
        "register": lambda: base.membership.run(base.settings.register_interval_s),
        "ledger": base.journal.keep_signed,
        "links": lambda: _tend(gateway.links),
        "retention": retention.run,
        "policy-alarms": lambda: record_alarms(base.failing, base.journal),
    }.items():
        supervisor.start(name, work, on_crash=OnCrash.RESTART)


async def _expire(gateway: Gateway, every_s: int) -> None:
    while True:
        await asyncio.sleep(every_s)
        await gateway.exchange.expire()
        await gateway.withdrawal.sweep()


async def _tend(links: Links) -> None:
    while True:
        await asyncio.sleep(PROBE_INTERVAL_S)
        links.probe()
        links.redeliver_overdue()
