"""A running trustee and the gateway it follows, each behind a real port with mutual TLS, in one process."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.ledger.journal import Journal
from federation.store import migrate, open_engine, sqlite_url
from federation.transport.certificates import HeldCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.denylist import NoDenyList
from federation.transport.identity import Party
from federation.transport.methods import ServerRole
from federation.transport.server import build_server
from federation.wire.v1 import directory_pb2_grpc, ledger_pb2_grpc, pseudonym_pb2_grpc
from keys.keyring import Keyring
from tests.support.approvals import People
from tests.support.gateway_side import DirectoryServicer, GatewaySide, LedgerServicer
from tests.support.pki import GATEWAY, TRUSTEE, Pki
from tests.support.region import Region
from trustee.app import Trustee, build
from trustee.key_material import create_keys, load_keys
from trustee.settings import TrusteeSettings
from trustee.store.register import add_approval

LOOPBACK = "127.0.0.1"


@dataclass
class Site:
    """A machine with a trustee on it, and the gateway on another port."""

    folder: Path
    pki: Pki
    region: Region
    gateway: GatewaySide
    settings: TrusteeSettings
    stack: AsyncExitStack
    channels: list[RotatingChannel] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[Trustee, int]]:
        """The trustee, serving; with its port."""
        async with build(self.settings) as trustee:
            await trustee.server.start()
            try:
                yield trustee, trustee.server.port
            finally:
                trustee.health.drain()
                await trustee.server.stop(1)

    @asynccontextmanager
    async def channel(self, port: int, party: Party = GATEWAY) -> AsyncIterator[RotatingChannel]:
        """A channel to the trustee with a certificate of `party`."""
        certificates = HeldCertificates(self.pki.credentials(party))
        async with RotatingChannel(f"{LOOPBACK}:{port}", TRUSTEE, certificates) as channel:
            yield channel

    @asynccontextmanager
    async def stub(self, port: int, party: Party = GATEWAY) -> AsyncIterator[Any]:
        """The trustee's service as `party` calls it."""
        async with self.channel(port, party) as channel:
            yield pseudonym_pb2_grpc.TrusteeServiceStub(channel)


@asynccontextmanager
async def open_site(folder: Path, *agencies: str) -> AsyncIterator[Site]:
    """Set up keys, certificates, settings and a gateway that has published its first directory and deny list."""
    pki = Pki()
    keyring = _trustee_keyring(folder, pki)
    material = load_keys(keyring)
    region = Region.of(*agencies)
    region.trustee_key, region.trustee_holder = material.signing_key, material.holder
    async with AsyncExitStack() as stack:
        gateway, port = await _gateway(folder, pki, region, stack)
        (folder / "gateway.pub").write_text(region.gateway_key.verify_key.hex)
        (folder / "audit.pub").write_text(region.auditors.anchor.hex)
        people = People()
        settings = TrusteeSettings.model_validate(
            {
                "data_dir": folder / "trustee",
                "log_file": folder / "trustee.log",
                "listen": {"port": 0},
                "gateway": {
                    "address": f"{LOOPBACK}:{port}",
                    "verify_key_file": folder / "gateway.pub",
                    "audit_verify_key_file": folder / "audit.pub",
                },
                "directory_interval_s": 0.05,
                "approvers": people.settings,
            }
        )
        await _approve(settings, region, people)
        yield Site(folder, pki, region, gateway, settings, stack)


async def _approve(settings: TrusteeSettings, region: Region, people: People) -> None:
    """Two people have approved every agency as the region describes it."""
    await migrate(settings.database, "trustee.store")
    engine = open_engine(settings.database)
    listed = region.trusted()
    region.version -= 1  # it is published by whoever asks for it
    async with engine.begin() as connection:
        for agency in listed.agencies.values():
            for signed in people.approve(agency, at=int(time.time())):
                await add_approval(connection, signed, int(time.time()))
    await engine.dispose()


def _trustee_keyring(folder: Path, pki: Pki) -> Keyring:
    directory = folder / "trustee" / "keyring"
    create_keys(directory)
    keyring, credentials = Keyring(directory), pki.credentials(TRUSTEE)
    keyring.replace("tls", credentials.private_key)
    keyring.publish("tls", credentials.chain)
    keyring.publish("roots", credentials.roots)
    return keyring


async def _gateway(folder: Path, pki: Pki, region: Region, stack: AsyncExitStack) -> tuple[GatewaySide, int]:
    url = sqlite_url(folder / "gateway.db")
    await migrate(url, "trustee.store")  # any service's store has the ledger's tables
    engine = open_engine(url)
    stack.push_async_callback(engine.dispose)
    journal = await stack.enter_async_context(Journal(engine, "wardgate/gateway/main", region.gateway_key, time.time))
    side = GatewaySide(region, journal)
    await side.publish()
    side.deny(1)
    server = build_server(
        role=ServerRole.GATEWAY,
        address=f"{LOOPBACK}:0",
        certificates=HeldCertificates(pki.credentials(GATEWAY)),
        denials=NoDenyList(),
    )
    directory_pb2_grpc.add_DirectoryServiceServicer_to_server(DirectoryServicer(side), server.grpc)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(LedgerServicer(side), server.grpc)
    await server.start()
    stack.push_async_callback(server.stop, 1)
    return side, server.port
