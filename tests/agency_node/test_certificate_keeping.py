"""A node keeps a certificate: renewed over the one before, claimed anew where that ran out, never a wrong one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agency_node import enrolment
from agency_node.keychain import ROOTS, TLS_CHAIN, NodeKeychain, create_keychain, load_keychain
from agency_node.settings import Gateway as GatewayPeer
from agency_node.settings import NodeSettings
from federation.certificate_claim import verify_claim
from federation.errors import ErrorCode, WardgateError
from federation.transport.certificates import HeldCertificates, KeyringCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.denylist import NoDenyList
from federation.transport.methods import ServerRole
from federation.transport.server import build_server
from federation.wire.v1 import enrolment_pb2 as wire
from keys.certificates import serial_of
from keys.keyring import Keyring
from keys.tls_key import PrivateKey, make_request
from tests.support.pki import GATEWAY, Pki
from tests.support.transport import served

AGENCY = "testshire-school"
LIFE = timedelta(hours=24)


@dataclass
class Gateway:
    """Certifies whoever asks, and notes how it was asked; `wrong` makes it certify another key."""

    pki: Pki
    key: NodeKeychain
    wrong: bool = False
    renewed: int = 0
    claimed: int = 0

    async def renew(self, request: wire.RenewRequest, _: Any) -> wire.RenewResponse:
        self.renewed += 1
        return wire.RenewResponse(
            certificate_chain=self.certify(request.certificate_request), trust_bundle=self.pki.authority.pem
        )

    async def recertify(self, request: wire.RecertifyRequest, _: Any) -> wire.RecertifyResponse:
        verify_claim(
            request.claim,
            request.claim_signature,
            certificate_request=request.certificate_request,
            key=self.key.signing_key.verify_key,
            now=datetime.now(UTC).timestamp(),
        )
        self.claimed += 1
        return wire.RecertifyResponse(
            certificate_chain=self.certify(request.certificate_request), trust_bundle=self.pki.authority.pem
        )

    def certify(self, request: bytes, *, since: timedelta = timedelta(0)) -> bytes:
        identity = f"wardgate://node/{AGENCY}"
        about = make_request(PrivateKey.generate(), identity) if self.wrong else request
        return self.pki.authority.issue(about, identity=identity, lifetime=LIFE, now=datetime.now(UTC) - since)


@dataclass
class Keeping:
    """A node's keyring beside a gateway."""

    gateway: Gateway
    keyring: Keyring
    keychain: NodeKeychain
    settings: NodeSettings
    channel: RotatingChannel

    @property
    def serial(self) -> str:
        return serial_of(self.keyring.published(TLS_CHAIN))

    async def keep(self) -> None:
        """Look after the certificate once."""

        async def enough(_: float) -> None:
            raise asyncio.CancelledError

        with contextlib.suppress(asyncio.CancelledError):
            await enrolment.keep_certificate(
                self.settings,
                self.keyring,
                self.keychain,
                self.channel,
                clock=lambda: datetime.now(UTC).timestamp(),
                sleep=enough,
            )


@asynccontextmanager
async def keeping(folder: Path, *, since: timedelta) -> AsyncIterator[Keeping]:
    pki, keyring = Pki(), Keyring(folder / "keyring")
    create_keychain(keyring, agency=AGENCY, now=int(datetime.now(UTC).timestamp()))
    keychain = load_keychain(keyring)
    gateway = Gateway(pki, keychain)
    (folder / "roots.pem").write_bytes(pki.authority.pem)
    servers = [
        build_server(
            role=role,
            address="127.0.0.1:0",
            certificates=HeldCertificates(pki.credentials(GATEWAY)),
            denials=NoDenyList(),
        )
        for role in (ServerRole.GATEWAY, ServerRole.ENROLMENT)
    ]
    servers[0].grpc.add_generic_rpc_handlers((served("CertificateService/Renew", gateway.renew),))
    servers[1].grpc.add_generic_rpc_handlers((served("EnrolmentService/Recertify", gateway.recertify),))
    for server in servers:
        await server.start()
    settings = NodeSettings.model_construct(
        agency=AGENCY,
        gateway=GatewayPeer.model_construct(
            id=GATEWAY.id,
            address=f"127.0.0.1:{servers[0].port}",
            enrolment_address=f"127.0.0.1:{servers[1].port}",
            roots_file=folder / "roots.pem",
            verify_key_file=folder / "not-needed",
            trustee_verify_key_file=folder / "not-needed",
            audit_verify_key_file=folder / "not-needed",
        ),
    )
    keyring.publish(ROOTS, pki.authority.pem)
    keyring.publish(TLS_CHAIN, gateway.certify(keychain.certificate_request(settings.party), since=since))
    channel = RotatingChannel(f"127.0.0.1:{servers[0].port}", GATEWAY, KeyringCertificates(keyring))
    try:
        yield Keeping(gateway, keyring, keychain, settings, channel)
    finally:
        await channel.close(None)
        for server in servers:
            await server.stop(0)


@pytest.mark.parametrize(
    ("since", "renewed", "claimed"),
    [
        (timedelta(hours=15), 0, 0),  # two thirds of a day are sixteen hours
        (timedelta(hours=17), 1, 0),
        (timedelta(hours=23, minutes=50), 1, 0),
        (timedelta(hours=24, minutes=10), 0, 1),
        (timedelta(days=20), 0, 1),
    ],
)
async def test_what_is_still_valid_is_renewed_over_itself_and_what_ran_out_is_claimed(
    tmp_path: Path, since: timedelta, renewed: int, claimed: int
) -> None:
    async with keeping(tmp_path, since=since) as node:
        before = node.serial
        await node.keep()
        assert (node.gateway.renewed, node.gateway.claimed) == (renewed, claimed)
        assert (node.serial != before) == bool(renewed or claimed)


@pytest.mark.parametrize("since", [timedelta(hours=17), timedelta(days=2)])
async def test_a_certificate_of_somebody_else_is_not_put_into_use(tmp_path: Path, since: timedelta) -> None:
    async with keeping(tmp_path, since=since) as node:
        before, node.gateway.wrong = node.serial, True
        with pytest.raises(WardgateError) as caught:
            await node.keep()
        assert caught.value.code is ErrorCode.KEYRING_REJECTED
        assert node.serial == before
