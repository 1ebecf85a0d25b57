"""Composition root of a node: builds the object graph once, runs it, takes it down in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from agency_node.answering import Answering
from agency_node.asking import Asking
from agency_node.caseload import Caseload
from agency_node.checking import read_overlay, today
from agency_node.decisions import Decisions
from agency_node.departure import Departure
from agency_node.duties import UNDERSTOOD, Contacts
from agency_node.enrolment import keep_certificate
from agency_node.gateway_client import GrpcDirectory, GrpcEvaluator, GrpcQueryGateway
from agency_node.inbox import JsonInbox
from agency_node.indexer import CaseloadRuns
from agency_node.indexing import CaseloadParts
from agency_node.intake import Intake
from agency_node.keychain import NodeKeychain, load_keychain
from agency_node.link import GrpcLinkGateway, Link
from agency_node.lookup import Lookup
from agency_node.own_pseudonyms import OwnPseudonyms
from agency_node.pseudonyms import Pseudonyms
from agency_node.pursuit import Pursuits
from agency_node.responder import Responder
from agency_node.servicers.local import LocalServicer
from agency_node.settings import NodeSettings
from agency_node.sources.opening import open_source
from agency_node.standing import Standing
from agency_node.store.asked import asked_since
from agency_node.users import UsersFile
from agency_node.vault import Vault
from agency_node.worker import Worker
from federation.answer import Contact
from federation.canonical import JsonObject
from federation.counters import DAY_S, Counters
from federation.directory import Agency, Anchors
from federation.following import Follower
from federation.keyfiles import read_verify_key, write_public
from federation.ledger.export import KEY_FILE
from federation.ledger.journal import Journal
from federation.limits import MAX_BATCH_ELEMENTS
from federation.policy.setup import OpenPolicy, PolicyChoice, open_policy
from federation.store import migrate, open_engine, reading
from federation.supervision import OnCrash, Supervisor
from federation.transport.certificates import HeldCertificates, KeyringCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.denylist import NoDenyList
from federation.transport.health import Check, Health
from federation.transport.methods import ServerRole
from federation.transport.server import TransportServer, build_server
from federation.wire.v1 import local_pb2_grpc
from keys.envelope import SealingKey
from keys.keyring import Keyring

STOP_GRACE_S: Final = 3.0
DIRECTORY_REFRESH_S: Final = 2.0
"""How soon a newly enrolled or revoked agency is known here."""
ENROLMENT_POLL_S: Final = 0.1
LOCAL_RENEWAL_S: Final = 6 * 3600.0


@dataclass(slots=True)
class Foundation:
    """What every part of a node stands on."""

    settings: NodeSettings
    keyring: Keyring
    keychain: NodeKeychain
    engine: AsyncEngine
    journal: Journal
    executor: ThreadPoolExecutor
    policy: OpenPolicy
    vault: Vault
    users: UsersFile
    channel: RotatingChannel
    standing: Standing
    clock: Callable[[], float]

    def own_agency(self) -> Agency:
        """This agency as the trusted directory has it."""
        return self.standing.directory().agency(self.settings.agency)

    async def refresh(self) -> None:
        """Fetch a newer directory, if there is one."""
        await self.standing.refresh()


@asynccontextmanager
async def lay_foundation(
    settings: NodeSettings, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[Foundation]:
    """Open keys, store, ledger, policy and the channel to the gateway; close them at the end of the block.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED`, `STORE_UNAVAILABLE`, `BUNDLE_REJECTED`, ...
    """
    async with AsyncExitStack() as stack:
        keyring = Keyring(settings.keys_dir)
        keychain = load_keychain(keyring)
        await migrate(settings.store_url, "agency_node.store")
        engine = open_engine(settings.store_url)
        stack.push_async_callback(engine.dispose)
        journal = Journal(engine, f"wardgate/node/{settings.agency}", keychain.signing_key, clock)
        await journal.open()
        write_public(settings.data_dir / KEY_FILE, journal.key.text().encode())
        stack.push_async_callback(journal.aclose)
        executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="work")
        stack.callback(executor.shutdown, wait=False)
        policy = await open_policy(
            PolicyChoice(
                engine=settings.policy.engine,
                server_url=settings.policy.server_url,
                bundle_dir=settings.policy.bundle_dir,
                bundle_key=read_verify_key(settings.policy.bundle_key_file),
                archive=settings.data_dir / "bundles",
                cache_dir=settings.data_dir / "policy-cache",
            ),
            journal=journal,
            actor="node",
            stack=stack,
            clock=clock,
        )
        channel = RotatingChannel(settings.gateway.address, settings.gateway.party, KeyringCertificates(keyring))
        stack.push_async_callback(channel.close, None)
        anchors = Anchors(
            gateway_key=read_verify_key(settings.gateway.verify_key_file),
            trustee_key=read_verify_key(settings.gateway.trustee_verify_key_file),
        )
        standing = Standing(
            agency=settings.agency,
            follower=Follower(anchors, settings.gateway.origin, keychain.statement),
            gateway=GrpcDirectory(channel),
            engine=reading(engine),
            journal=journal,
            key=keychain.signing_key,
            clock=clock,
        )
        await standing.load()
        yield Foundation(
            settings=settings,
            keyring=keyring,
            keychain=keychain,
            engine=engine,
            journal=journal,
            executor=executor,
            policy=policy,
            vault=Vault(keychain.data_key),
            users=UsersFile(settings.users_file),
            channel=channel,
            standing=standing,
            clock=clock,
        )


@dataclass(slots=True)
class Node:
    """A running node's parts."""

    foundation: Foundation
    asking: Asking
    pursuits: Pursuits
    decisions: Decisions
    worker: Worker
    link: Link
    runs: CaseloadRuns
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
    runs = CaseloadRuns(
        _caseload(base, pseudonyms), every_s=settings.index_every_s, ready=lambda: _until_enrolled(base)
    )
    responder = _responder(base)
    intake = Intake(responder)
    answering = Answering(responder, intake)
    worker = Worker(
        intake=intake,
        answering=answering,
        departure=_departure(settings),
        max_in_flight=settings.max_in_flight,
    )
    link = Link(GrpcLinkGateway(base.channel), worker, max_in_flight=settings.max_in_flight)

    async def decided(task_id: str) -> None:
        worker.resume(task_id)

    decisions = Decisions(responder, users=base.users.current, on_decided=decided)
    asking, pursuits = await _asking(base, pseudonyms)
    health = Health(_components(base, link))
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
    node = Node(base, asking, pursuits, decisions, worker, link, runs, health, server, local_certificates)
    local_pb2_grpc.add_LocalServiceServicer_to_server(
        LocalServicer(asking=asking, inbox=JsonInbox(decisions), index=runs.watch, status=lambda: status_of(node)),
        server.grpc,
    )
    return node


def _caseload(base: Foundation, pseudonyms: Pseudonyms) -> Caseload:
    sources = [open_source(choice.opened_as(), today=today) for choice in base.settings.sources]
    parts = CaseloadParts(
        vault=base.vault,
        pseudonyms=pseudonyms,
        engine=reading(base.engine),
        journal=base.journal,
        clock=base.clock,
        monotonic=time.monotonic,
        executor=base.executor,
        batch_size=MAX_BATCH_ELEMENTS,
    )
    return Caseload(sources, parts)


def _responder(base: Foundation) -> Responder:
    settings = base.settings
    overlay = read_overlay(settings)
    point = base.policy.point(understood=UNDERSTOOD)
    overlay.verify_words(point.catalogue)
    duty = settings.duty
    sealing_keys: Mapping[int, SealingKey] = base.keychain.sealing_keys
    return Responder(
        agency_id=settings.agency,
        directory=base.standing.directory,
        refresh_directory=base.refresh,
        policy=point,
        overlay=lambda: overlay,
        vault=base.vault,
        lookup=Lookup(
            engine=base.engine,
            vault=base.vault,
            source_ids=[choice.name for choice in settings.sources],
            epoch=lambda: base.own_agency().epoch,
        ),
        engine=base.engine,
        journal=base.journal,
        counters=Counters(clock=base.clock),
        key=base.keychain.signing_key,
        sealing_keys=lambda: sealing_keys,
        contacts=Contacts(
            duty=Contact(name=duty.name, role=duty.role, phone=duty.phone) if duty.name or duty.phone else None
        ),
        clock=base.clock,
    )


def _departure(settings: NodeSettings) -> Departure:
    slow_s = settings.slow_ms / 1000

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds + slow_s)

    return Departure(quantum_ms=settings.quantum_ms, monotonic=time.monotonic, sleep=sleep)


async def _asking(base: Foundation, pseudonyms: Pseudonyms) -> tuple[Asking, Pursuits]:
    settings = base.settings
    store = reading(base.engine)
    pursuits = Pursuits(
        agency=settings.agency,
        engine=store,
        journal=base.journal,
        vault=base.vault,
        gateway=GrpcQueryGateway(base.channel, receipts=base.standing.receipt),
        directory=base.standing.directory,
        clock=base.clock,
    )
    seed = [
        (settings.agency, base.vault.user_ref(row.user_id), bool(row.broke_glass), int(row.asked_at))
        for row in await asked_since(store, int(base.clock()) - DAY_S)
    ]
    asking = Asking(
        agency=settings.agency,
        users=base.users,
        directory=base.standing.directory,
        refresh_directory=base.refresh,
        policy=base.policy.point(),
        pseudonyms=OwnPseudonyms(engine=base.engine, vault=base.vault, pseudonyms=pseudonyms),
        pursuits=pursuits,
        engine=store,
        journal=base.journal,
        vault=base.vault,
        counters=Counters(clock=base.clock, seed=seed),
        key=base.keychain.signing_key,
        times=settings.times.by_urgency(),
        clock=base.clock,
    )
    return asking, pursuits


def _is_enrolled(base: Foundation) -> bool:
    return base.settings.agency in base.standing.directory().agencies


async def _until_enrolled(base: Foundation) -> None:
    while not _is_enrolled(base):  # noqa: ASYNC110 - the directory is followed elsewhere and has no event to wait for
        await asyncio.sleep(ENROLMENT_POLL_S)


def _components(base: Foundation, link: Link) -> dict[str, Check]:
    async def ledger() -> bool:
        await base.journal.record([], lambda connection: connection.execute(select(1)))
        return True

    async def policy() -> bool:
        return (await base.policy.engine.health()).ready

    async def directory() -> bool:
        return _is_enrolled(base)

    async def attached() -> bool:
        return link.is_up

    return {"ledger": ledger, "policy": policy, "directory": directory, "link": attached}


async def status_of(node: Node) -> JsonObject:
    """The node's status for its own tools: components, link, caseload, sources."""
    base = node.foundation
    return {
        "agency": base.settings.agency,
        "components": await node.health.report(),
        "directory_version": base.standing.directory().version,
        "link": {"attached": node.link.is_up, "in_flight": node.worker.in_flight},
        "caseload": {"indexed": bool(node.runs.last), "last_run": node.runs.last},
        "bundle": {"revision": base.policy.bundle.id.revision, "digest": base.policy.bundle.id.digest},
    }


async def serve(settings: NodeSettings, supervisor: Supervisor) -> None:
    """Run a node until it is asked to stop."""
    async with lay_foundation(settings) as base:
        node = await compose(base)
        await node.server.start()
        _start_work(node, supervisor)
        try:
            await supervisor.until_stopped()
        finally:
            node.health.drain()
            await node.server.stop(STOP_GRACE_S)
            await node.pursuits.aclose()
            await supervisor.aclose()


def _start_work(node: Node, supervisor: Supervisor) -> None:
    base = node.foundation
    settings = base.settings

    async def follow_directory() -> None:
        while True:
            await base.standing.refresh()
            await asyncio.sleep(DIRECTORY_REFRESH_S)

    async def take_up_queries() -> None:
        await _until_enrolled(base)
        await node.pursuits.resume_all()

    async def renew_local() -> None:
        while True:
            await asyncio.sleep(LOCAL_RENEWAL_S)
            node.local_certificates.replace(
                base.keychain.local_credentials(settings.local_party, serves=True, now=base.clock())
            )

    async def renew() -> None:
        await keep_certificate(settings, base.keyring, base.keychain, base.channel, clock=base.clock)

    async def attach() -> None:
        await _until_enrolled(base)
        await node.link.run()

    for name, work in {
        "directory": follow_directory,
        "queries": take_up_queries,
        "local-certificate": renew_local,
        "certificate": renew,
        "channel": base.channel.keep_current,
        "caseload": node.runs.run_forever,
        "link": attach,
        "due": node.worker.watch,
    }.items():
        supervisor.start(name, work, on_crash=OnCrash.RESTART)
