"""Composition root of the gateway: builds the object graph once, runs it, takes it down in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from grpc_health.v1 import health_pb2_grpc
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.counters import DAY_S, Counters
from federation.directory import Anchors, TrustedDirectory
from federation.keyfiles import read_audit_key, read_verify_key, write_public
from federation.ledger.export import KEY_FILE
from federation.ledger.journal import Journal
from federation.policy.setup import PolicyChoice, open_policy
from federation.store import migrate, open_engine, reading
from federation.supervision import OnCrash, Supervisor
from federation.transport.certificates import Credentials, HeldCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.denylist import DenyList
from federation.transport.health import Health
from federation.transport.methods import ServerRole
from federation.transport.server import TransportServer, build_server
from federation.wire.v1 import (
    admin_pb2_grpc,
    directory_pb2_grpc,
    enrolment_pb2_grpc,
    ledger_pb2_grpc,
    link_pb2_grpc,
    pseudonym_pb2_grpc,
    query_pb2_grpc,
)
from gateway.answers import Answers
from gateway.directory import DirectoryAuthority
from gateway.dispatch import PROBE_INTERVAL_S, Links
from gateway.enrolment import EnrolmentDesk
from gateway.evaluation import Evaluation
from gateway.exchange import Exchange
from gateway.keychain import GatewayKeychain, load_keychain
from gateway.queries import Queries
from gateway.servicers.directory import DirectoryServicer, LedgerServicer
from gateway.servicers.enrolment import AdminServicer, CertificateServicer, EnrolmentServicer
from gateway.servicers.link import LinkServicer
from gateway.servicers.pseudonym import PseudonymServicer
from gateway.servicers.query import QueryServicer
from gateway.settings import GatewaySettings
from gateway.store.exchange import recent_queries
from gateway.translation import Translator
from gateway.trustee_client import GrpcTrustee
from gateway.witnesses import Witnesses
from keys.certificates import needs_renewal
from keys.keyring import Keyring

STOP_GRACE_S: Final = 3.0
RENEWAL_CHECK_S: Final = 30.0


@dataclass(slots=True)
class Gateway:
    """A running gateway."""

    settings: GatewaySettings
    main: TransportServer
    enrolment: TransportServer
    health: Health
    journal: Journal
    links: Links
    exchange: Exchange


@asynccontextmanager
async def build(
    settings: GatewaySettings, *, supervisor: Supervisor, clock: Callable[[], float] = time.time
) -> AsyncIterator[Gateway]:
    """Build a gateway, ready to start serving; takes it down at the end of the block.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED`, `STORE_UNAVAILABLE`, `BUNDLE_REJECTED`, ...
    """
    async with AsyncExitStack() as stack:
        keychain = load_keychain(Keyring(settings.keys_dir))
        await migrate(settings.store_url, "gateway.store")
        engine = open_engine(settings.store_url)
        stack.push_async_callback(engine.dispose)
        journal = Journal(
            engine, origin=f"wardgate/gateway/{settings.id}", signing_key=keychain.signing_key, clock=clock
        )
        await journal.open()
        write_public(settings.data_dir / KEY_FILE, journal.key.text().encode())
        stack.push_async_callback(journal.aclose)
        yield await _compose(settings, keychain, engine, journal, stack, supervisor, clock)


async def _compose(
    settings: GatewaySettings,
    keychain: GatewayKeychain,
    engine: AsyncEngine,
    journal: Journal,
    stack: AsyncExitStack,
    supervisor: Supervisor,
    clock: Callable[[], float],
) -> Gateway:
    executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="group")
    stack.callback(executor.shutdown, wait=False)
    reader = reading(engine)
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
        actor="gateway",
        stack=stack,
        clock=clock,
    )
    policy = opened.point()
    deny_list = DenyList(keychain.verify_key)
    anchors = Anchors(keychain.verify_key, read_verify_key(settings.trustee.verify_key_file))
    directory = DirectoryAuthority(
        engine=reader,
        journal=journal,
        key=keychain.signing_key,
        audit_key=read_audit_key(settings.audit_key_file),
        trusted=TrustedDirectory.empty(anchors),
        deny_list=deny_list,
        clock=clock,
    )
    await directory.load()
    certificates = HeldCertificates(_own(settings, keychain, clock))
    supervisor.start(
        "certificate-renewal", lambda: _renew(settings, keychain, certificates, clock), on_crash=OnCrash.RESTART
    )
    channel = RotatingChannel(settings.trustee.address, settings.trustee.party, certificates)
    stack.push_async_callback(channel.close)
    trustee = GrpcTrustee(channel)
    translator = Translator(keys=keychain.holder_keys, trustee=trustee, executor=executor)
    queries = Queries(reader)
    links = Links(clock=clock, permits=lambda agency: not directory.is_denied(agency))
    links.offer(await queries.restore(clock()))
    exchange = Exchange(
        queries=queries,
        journal=journal,
        policy=policy,
        translator=translator,
        links=links,
        counters=Counters(clock=clock, seed=await recent_queries(reader, int(clock()) - DAY_S)),
        directory=directory.current,
        key=keychain.signing_key,
        cipher=keychain.cipher,
        clock=clock,
    )
    answers = Answers(
        queries=queries,
        journal=journal,
        links=links,
        directory=directory.current,
        is_denied=directory.is_denied,
        clock=clock,
    )
    evaluation = Evaluation(
        translator=translator, journal=journal, queries=queries, directory=directory.current, clock=clock
    )
    desk = EnrolmentDesk(
        engine=reader,
        journal=journal,
        directory=directory,
        authority=keychain.authority,
        keys=keychain.holder_keys,
        trustee=trustee,
        signing_key=keychain.signing_key,
        certificate_life=settings.certificate_life,
        clock=clock,
    )

    async def ledger_usable() -> bool:
        await journal.record([], lambda connection: connection.execute(select(1)))
        return True

    async def policy_usable() -> bool:
        return (await policy.health()).ready

    async def trustee_usable() -> bool:
        return await trustee.is_serving()

    health = Health({"ledger": ledger_usable, "policy": policy_usable, "trustee": trustee_usable})
    listen = settings.listen
    main = build_server(
        role=ServerRole.GATEWAY,
        address=f"{listen.host}:{listen.port}",
        certificates=certificates,
        denials=deny_list,
        clock=clock,
    )
    server = main.grpc
    query_pb2_grpc.add_QueryServiceServicer_to_server(QueryServicer(exchange), server)
    link_pb2_grpc.add_LinkServiceServicer_to_server(LinkServicer(links=links, answers=answers), server)
    pseudonym_pb2_grpc.add_PseudonymServiceServicer_to_server(PseudonymServicer(evaluation), server)
    directory_pb2_grpc.add_DirectoryServiceServicer_to_server(DirectoryServicer(directory), server)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(LedgerServicer(Witnesses(journal, directory.current)), server)
    enrolment_pb2_grpc.add_CertificateServiceServicer_to_server(
        CertificateServicer(desk, keychain.authority.pem), server
    )
    admin_pb2_grpc.add_AdminServiceServicer_to_server(AdminServicer(desk, links, settings.operators), server)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    enrolment = build_server(
        role=ServerRole.ENROLMENT,
        address=f"{listen.host}:{listen.enrolment_port}",
        certificates=certificates,
        denials=deny_list,
        clock=clock,
    )
    enrolment_pb2_grpc.add_EnrolmentServiceServicer_to_server(
        EnrolmentServicer(desk, keychain.authority.pem), enrolment.grpc
    )
    supervisor.start("expiry", lambda: _expire(exchange, settings.expiry_check_s), on_crash=OnCrash.RESTART)
    supervisor.start("links", lambda: _tend(links), on_crash=OnCrash.RESTART)
    return Gateway(settings, main, enrolment, health, journal, links, exchange)


async def serve(settings: GatewaySettings, supervisor: Supervisor) -> None:
    """Run a gateway until it is asked to stop."""
    async with build(settings, supervisor=supervisor) as gateway:
        await gateway.main.start()
        await gateway.enrolment.start()
        try:
            await supervisor.until_stopped()
        finally:
            gateway.health.drain()
            await asyncio.gather(gateway.main.stop(STOP_GRACE_S), gateway.enrolment.stop(STOP_GRACE_S))


def _own(settings: GatewaySettings, keychain: GatewayKeychain, clock: Callable[[], float]) -> Credentials:
    return keychain.own_credentials(
        settings.party, life=settings.certificate_life, addresses=settings.listen.addresses, now=clock()
    )


async def _renew(
    settings: GatewaySettings,
    keychain: GatewayKeychain,
    certificates: HeldCertificates,
    clock: Callable[[], float],
) -> None:
    while True:
        await asyncio.sleep(RENEWAL_CHECK_S)
        if needs_renewal(certificates.current().chain, datetime.fromtimestamp(clock(), UTC)):
            certificates.replace(_own(settings, keychain, clock))


async def _expire(exchange: Exchange, every_s: int) -> None:
    while True:
        await asyncio.sleep(every_s)
        await exchange.expire()


async def _tend(links: Links) -> None:
    while True:
        await asyncio.sleep(PROBE_INTERVAL_S)
        links.probe()
        links.redeliver_overdue()
