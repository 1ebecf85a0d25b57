"""Composition root of the trustee: builds the object graph once, runs it, takes it down in order."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from grpc_health.v1 import health_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncEngine

from federation.directory import Anchors, SignedPoints
from federation.errors import ErrorCode, WardgateError
from federation.following.follower import View
from federation.following.gateway import FollowedGateway, Follower
from federation.keyfiles import write_public
from federation.ledger.asking import AskedBeforeStart
from federation.ledger.export import KEY_FILE
from federation.ledger.journal import Journal
from federation.ledger.kept import KeptCheckpoint
from federation.ledger.servicer import LedgerServicer
from federation.ledger.witness import Witness
from federation.ledger.witnessing import WatchedLedger
from federation.person_key import verify_keys
from federation.published import check_all_published, state_points
from federation.renewal import Renewal, is_in_date
from federation.retention import Retention
from federation.service_record import ServiceRecord
from federation.store import migrate, open_engine, reading
from federation.supervision import OnCrash, Supervisor
from federation.transport.certificates import KeyringCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.denylist import DenyList
from federation.transport.health import Health
from federation.transport.identity import Party
from federation.transport.methods import ServerRole
from federation.transport.server import TransportServer, build_server
from federation.wire.v1 import directory_pb2_grpc, ledger_pb2_grpc, pseudonym_pb2_grpc
from keys.signing import VerifyKey
from trustee.approving import read_anchors
from trustee.books import Books, no_mark
from trustee.epochs import Epochs
from trustee.evaluation import Evaluation
from trustee.following import FollowedDenials, TrusteeView
from trustee.gateway_source import GrpcGateway
from trustee.key_material import KeyMaterial, load_keys, open_existing_keyring
from trustee.names import ledger_origin
from trustee.refusals import Refusals
from trustee.register import Grounds, RegisterKeeper
from trustee.rotation import Following, load_ranges
from trustee.servicer import RegisterServicer, TrusteeServicer
from trustee.settings import TrusteeSettings
from trustee.store.deletions import DELETIONS
from trustee.translation import Translator

LEAST_GAP_S = 1.0
"""Between two looks at the gateway: what a caller can bring about by showing unknown agencies or bad signatures. Who
comes sooner waits that long: an agency enrolled a moment ago is served a moment later, and not refused."""

STORE_PACKAGE = "trustee.store"
"""Where the migrations are."""


@dataclass(frozen=True, slots=True)
class Trustee:
    """A trustee that is ready to serve."""

    server: TransportServer
    health: Health
    members: TrusteeView
    journal: Journal
    asked: AskedBeforeStart


@dataclass(frozen=True, slots=True)
class _House:
    """What every part is built from."""

    settings: TrusteeSettings
    material: KeyMaterial
    certificates: KeyringCertificates
    engine: AsyncEngine
    journal: Journal
    books: Books
    clock: Callable[[], float]


@asynccontextmanager
async def build(settings: TrusteeSettings, *, clock: Callable[[], float] = time.time) -> AsyncIterator[Trustee]:
    """Build a trustee, ready to start serving; takes it down at the end of the block.

    Raises:
        WardgateError: `SETTINGS_INVALID`, `KEYRING_REJECTED` (also for a seed that does not give a published point),
            `STORE_UNAVAILABLE`, `LEDGER_INVALID` (also where the gateway has seen more of it), `LEDGER_UNAVAILABLE`,
            or `DIRECTORY_REJECTED` when the store was tampered with.
    """
    async with AsyncExitStack() as stack:
        house = await _open(settings, stack, clock)
        channel = RotatingChannel(settings.gateway.address, settings.gateway.party, house.certificates)
        stack.push_async_callback(channel.close)
        asked = AskedBeforeStart(house.journal, GrpcGateway(channel).witnessed)
        await asked.check()  # before anything is written that contradicts what others hold
        body = {"quotas": settings.quotas.model_dump(), "epochs": list(house.material.holder.epochs)}
        await stack.enter_async_context(ServiceRecord(house.journal, clock).running(settings, body))
        yield await _compose(house, channel, asked, stack)


async def serve(settings: TrusteeSettings, supervisor: Supervisor) -> None:
    """Run a trustee until it is asked to stop."""
    async with build(settings) as trustee:
        await trustee.server.start()
        supervisor.start("comparison", trustee.asked.run, on_crash=OnCrash.STOP)
        try:
            await supervisor.until_stopped()
        finally:
            trustee.health.drain()
            await trustee.server.stop(settings.stop_grace_s)
            await supervisor.aclose()  # whatever still reads must end before the store is closed


async def _open(settings: TrusteeSettings, stack: AsyncExitStack, clock: Callable[[], float]) -> _House:
    keyring = open_existing_keyring(settings.keyring)
    material = load_keys(keyring)
    certificates = KeyringCertificates(keyring)
    await migrate(settings.database, STORE_PACKAGE)
    engine = open_engine(settings.database)
    stack.push_async_callback(engine.dispose)
    journal = await stack.enter_async_context(
        Journal(engine, ledger_origin(settings.party), material.signing_key, clock, KeptCheckpoint(keyring))
    )
    write_public(settings.data_dir / KEY_FILE, journal.key.text().encode())
    return _House(settings, material, certificates, engine, journal, Books(journal=journal, clock=clock), clock)


async def _compose(house: _House, channel: RotatingChannel, asked: AskedBeforeStart, stack: AsyncExitStack) -> Trustee:
    settings = house.settings
    anchors = read_anchors(settings, house.material.signing_key.verify_key)
    deny_list = DenyList(anchors.gateway_key)
    members, keeper = await _follow(house, channel, deny_list, anchors)
    check_all_published(members.directory, house.material.holder)
    epochs = Epochs(house.material.holder, await load_ranges(house.engine))
    live = stack.enter_context(ThreadPoolExecutor(settings.workers, thread_name_prefix="live"))
    bulk = stack.enter_context(ThreadPoolExecutor(settings.workers, thread_name_prefix="bulk"))
    server = build_server(
        role=ServerRole.TRUSTEE,
        address=settings.listen.address,
        certificates=house.certificates,
        denials=deny_list,
        clock=house.clock,
    )
    health = _health(house, members)
    pseudonym_pb2_grpc.add_TrusteeServiceServicer_to_server(_servicer(house, members, epochs, live, bulk), server.grpc)
    ledger = LedgerServicer(
        house.journal,
        key_of=lambda party: _key_of(party, settings, anchors),
        witnessed=members.followed.witnessed,
    )
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(ledger, server.grpc)
    directory_pb2_grpc.add_RegisterServiceServicer_to_server(RegisterServicer(keeper.shown), server.grpc)
    health_pb2_grpc.add_HealthServicer_to_server(health, server.grpc)
    # Stopped before anything they use is closed: what is pushed last is closed first.
    tasks = Supervisor()
    stack.push_async_callback(tasks.aclose)
    _start_tasks(house, members, epochs, channel, tasks)
    return Trustee(server, health, members, house.journal, asked)


def _key_of(witness: Party, settings: TrusteeSettings, anchors: Anchors) -> VerifyKey:
    """The gateway alone watches the trustee's ledger directly; nodes watch through it."""
    if witness != settings.gateway.party:
        raise WardgateError(ErrorCode.NOT_AUTHORISED, f"{witness} is no witness here")
    return anchors.gateway_key


async def _follow(
    house: _House, channel: RotatingChannel, deny_list: DenyList, anchors: Anchors
) -> tuple[TrusteeView, RegisterKeeper]:
    """What the trustee believes of the gateway, and the register it keeps, as both were kept."""
    settings, gateway = house.settings, house.settings.gateway.party
    source, engine = GrpcGateway(channel), reading(house.engine)
    origin = ledger_origin(gateway)
    view = View.first(anchors, origin)
    watched = WatchedLedger(
        house.journal, Witness(str(settings.party), house.material.signing_key, house.clock), view.key
    )
    denials = FollowedDenials(source, deny_list=deny_list, engine=engine, books=house.books, gateway=str(gateway))
    followed = FollowedGateway(
        Follower(view=view, watched=watched, engine=engine, journal=house.journal),
        source,
        clock=house.clock,
        least_gap_s=LEAST_GAP_S,
    )
    keeper = RegisterKeeper(
        Grounds(followed.directory, deny_list.denied_agencies, verify_keys(settings.approvers)),
        engine=engine,
        journal=house.journal,
        books=house.books,
        key=house.material.signing_key,
        party=str(settings.party),
        clock=house.clock,
    )
    followed.also(denials.refresh)
    followed.also(keeper.refresh)
    for part in (followed, denials, keeper):
        await part.load()
    return TrusteeView(followed, keeper.register, clock=house.clock), keeper


def _servicer(house: _House, members: TrusteeView, epochs: Epochs, live: Executor, bulk: Executor) -> TrusteeServicer:
    keys, quotas = house.material.holder, house.settings.quotas

    def state(scope: str, asked: Sequence[int]) -> SignedPoints:
        # A seed that is wrong for others is wrong for a new agency too, and its point would be wrong for ever.
        check_all_published(members.directory, keys)
        return state_points(
            keys,
            house.material.signing_key,
            scope=scope,
            epochs=epochs.chosen(scope, asked),
            issued_at=int(house.clock()),
        )

    return TrusteeServicer(
        evaluation=Evaluation(
            keys=keys,
            epochs=epochs,
            members=members,
            books=house.books,
            quotas=quotas,
            live=live,
            bulk=bulk,
            clock=house.clock,
        ),
        translator=Translator(
            keys=keys,
            signing_key=house.material.signing_key,
            epochs=epochs,
            members=members,
            books=house.books,
            quotas=quotas,
            gateway=str(house.settings.gateway.party),
            executor=live,
            clock=house.clock,
        ),
        refusals=Refusals(house.books, lambda: members.directory),
        state_points=state,
    )


def _health(house: _House, members: TrusteeView) -> Health:
    async def ledger() -> bool:
        await house.journal.record([], no_mark)  # takes the write lock and gives it back
        return True

    async def certificate() -> bool:
        return is_in_date(house.certificates.current().chain, house.clock())

    async def directory() -> bool:
        members.followed.check_fresh(house.settings.directory_stale_s)
        return True

    async def keys() -> bool:
        check_all_published(members.directory, house.material.holder)
        return True

    return Health({"ledger": ledger, "certificate": certificate, "directory": directory, "keys": keys})


def _start_tasks(
    house: _House, members: TrusteeView, epochs: Epochs, channel: RotatingChannel, tasks: Supervisor
) -> None:
    settings, keyring = house.settings, open_existing_keyring(house.settings.keyring)
    interval_s = settings.directory_interval_s
    retention = Retention(
        engine=house.engine,
        journal=house.journal,
        deletions=DELETIONS,
        periods=settings.retention,
        clock=house.clock,
    )
    renewal = Renewal(
        keyring=keyring,
        party=settings.party,
        signing_key=house.material.signing_key,
        channel=channel,
        enrolment_address=settings.gateway.enrolment_port_address,
        clock=house.clock,
    )
    following = Following(engine=house.engine, epochs=epochs, holder=house.material.holder, keyring=keyring)
    tasks.start("ledger", house.journal.keep_signed, on_crash=OnCrash.RESTART)
    tasks.start("directory", lambda: members.followed.run(interval_s), on_crash=OnCrash.RESTART)
    tasks.start("epochs", lambda: following.run(interval_s), on_crash=OnCrash.RESTART)
    tasks.start("certificate", renewal.run, on_crash=OnCrash.RESTART)
    tasks.start("retention", retention.run, on_crash=OnCrash.RESTART)
