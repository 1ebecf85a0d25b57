"""The trustee renews its certificate itself, in time, and keeps the one it has when it is given a wrong one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.transport.certificates import HeldCertificates, KeyringCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.denylist import NoDenyList
from federation.transport.methods import ServerRole
from federation.transport.server import build_server
from federation.wire.v1 import enrolment_pb2, enrolment_pb2_grpc
from keys.certificates import not_after
from keys.keyring import Keyring
from tests.support.pki import GATEWAY, TRUSTEE, Pki
from trustee.key_material import certificate_request, create_keys, install_certificate
from trustee.renewal import Renewal

HOUR = timedelta(hours=1)


class Authority(enrolment_pb2_grpc.CertificateServiceServicer):
    """The gateway's renewal service; `wrong` makes it certify another key."""

    def __init__(self, pki: Pki) -> None:
        self.pki = pki
        self.wrong = False
        self.calls = 0

    async def Renew(self, request: enrolment_pb2.RenewRequest, _: Any) -> enrolment_pb2.RenewResponse:  # noqa: N802 - gRPC dictates the name
        self.calls += 1
        chain = self.pki.credentials(TRUSTEE).chain if self.wrong else certify(self.pki, request.certificate_request)
        return enrolment_pb2.RenewResponse(certificate_chain=chain, trust_bundle=self.pki.authority.pem)


def certify(pki: Pki, request: bytes) -> bytes:
    return pki.authority.issue(
        request, identity=TRUSTEE.uri, lifetime=HOUR, now=datetime.now(UTC), dns=[TRUSTEE.dns_name]
    )


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    create_keys(tmp_path / "keyring")
    return Keyring(tmp_path / "keyring")


@pytest.fixture
async def authority(keyring: Keyring) -> AsyncIterator[tuple[Authority, RotatingChannel]]:
    pki = Pki()
    install_certificate(keyring, chain=certify(pki, certificate_request(keyring, TRUSTEE)), roots=pki.authority.pem)
    servicer = Authority(pki)
    server = build_server(
        role=ServerRole.GATEWAY,
        address="127.0.0.1:0",
        certificates=HeldCertificates(pki.credentials(GATEWAY)),
        denials=NoDenyList(),
    )
    enrolment_pb2_grpc.add_CertificateServiceServicer_to_server(servicer, server.grpc)
    await server.start()
    async with RotatingChannel(f"127.0.0.1:{server.port}", GATEWAY, KeyringCertificates(keyring)) as channel:
        yield servicer, channel
    await server.stop(0)


def renewal(keyring: Keyring, channel: RotatingChannel, *, after: timedelta) -> Renewal:
    moment = (datetime.now(UTC) + after).timestamp()
    return Renewal(keyring=keyring, channel=channel, party=TRUSTEE, clock=lambda: moment)


async def test_a_young_certificate_is_left_alone(
    keyring: Keyring, authority: tuple[Authority, RotatingChannel]
) -> None:
    servicer, channel = authority
    assert not await renewal(keyring, channel, after=timedelta(minutes=30)).once()
    assert servicer.calls == 0


async def test_after_two_thirds_of_its_life_a_certificate_is_renewed_for_the_same_key(
    keyring: Keyring, authority: tuple[Authority, RotatingChannel]
) -> None:
    _, channel = authority
    before = keyring.published("tls")
    assert await renewal(keyring, channel, after=timedelta(minutes=45)).once()
    assert keyring.published("tls") != before
    assert not_after(keyring.published("tls")) >= not_after(before)
    KeyringCertificates(keyring).current().check()


async def test_a_certificate_of_another_key_is_refused_and_the_old_one_stays(
    keyring: Keyring, authority: tuple[Authority, RotatingChannel]
) -> None:
    servicer, channel = authority
    servicer.wrong = True
    before = keyring.published("tls")
    with pytest.raises(WardgateError) as caught:
        await renewal(keyring, channel, after=timedelta(minutes=45)).once()
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
    assert keyring.published("tls") == before
