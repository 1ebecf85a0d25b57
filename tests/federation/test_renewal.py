"""A certificate of ours comes into use, whichever way it comes; one that is not ours, or not good, never does."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agency_node.enrolment import enrol
from agency_node.keychain import create_keychain
from agency_node.settings import Gateway as GatewayPeer
from agency_node.settings import NodeSettings
from federation.certificate_claim import CertificateClaim, verify_claim
from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.renewal import (
    ROOTS,
    TLS,
    Issued,
    Renewal,
    certificate_request,
    check_installed,
    check_issued,
    install,
)
from federation.transport.certificates import HeldCertificates, KeyringCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.denylist import NoDenyList
from federation.transport.identity import Party, PartyKind
from federation.transport.methods import ServerRole
from federation.transport.server import build_server
from federation.wire.v1 import enrolment_pb2 as wire
from keys.certificates import not_after, serial_of
from keys.keyring import Keyring
from keys.signing import SigningKey
from keys.tls_key import PrivateKey, make_request
from tests.support.pki import CAMDEN, GATEWAY, TRUSTEE, Pki
from tests.support.transport import served
from tests.support.two_agencies import Party as Described

LIFE = timedelta(hours=24)
HOUR = timedelta(hours=1)
NOTHING = timedelta(0)
PARTIES = [CAMDEN, TRUSTEE]
DESCRIBED = Described(CAMDEN.id, "childrens_services").descriptor()
Mint = Callable[["World", bytes], Issued]


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class World:
    """A party's keyring beside a gateway that certifies as it is told to."""

    party: Party
    keyring: Keyring
    signing_key: SigningKey
    pki: Pki = field(default_factory=Pki)
    mint: Mint = field(default_factory=lambda: right)
    renewed: int = 0
    claimed: int = 0

    def issue(
        self,
        request: bytes,
        *,
        since: timedelta = NOTHING,
        identity: str = "",
        by: Pki | None = None,
        dns: str | None = None,
    ) -> bytes:
        serves = self.party.kind is not PartyKind.NODE
        names = [self.party.dns_name] if serves and dns is None else [dns] if dns else []
        return (by or self.pki).authority.issue(
            request, identity=identity or self.party.uri, lifetime=LIFE, now=now() - since, dns=names
        )

    def has(self, since: timedelta) -> None:
        """Give the party a certificate that is so old."""
        self.keyring.publish(ROOTS, self.pki.authority.pem)
        self.keyring.publish(TLS, self.issue(certificate_request(self.keyring, self.party), since=since))

    def other_identity(self, party: Party) -> bytes:
        """A request for another name, with this party's key."""
        return make_request(PrivateKey(self.keyring.load(TLS)), party.uri)

    async def renew(self, request: wire.RenewRequest, _: Any) -> wire.RenewResponse:
        self.renewed += 1
        issued = self.mint(self, request.certificate_request)
        return wire.RenewResponse(certificate_chain=issued.chain, trust_bundle=issued.roots)

    async def recertify(self, request: wire.RecertifyRequest, _: Any) -> wire.RecertifyResponse:
        verify_claim(
            request.claim,
            request.claim_signature,
            certificate_request=request.certificate_request,
            key=self.signing_key.verify_key,
            now=now().timestamp(),
        )
        assert CertificateClaim.parse(request.claim).party == self.party.uri
        self.claimed += 1
        issued = self.mint(self, request.certificate_request)
        return wire.RecertifyResponse(certificate_chain=issued.chain, trust_bundle=issued.roots)

    async def enrol(self, request: wire.EnrolRequest, _: Any) -> wire.EnrolResponse:
        issued = self.mint(self, request.certificate_request)
        return wire.EnrolResponse(
            state=wire.ENROLMENT_STATE_APPROVED, certificate_chain=issued.chain, trust_bundle=issued.roots
        )


def right(world: World, request: bytes) -> Issued:
    return Issued(world.issue(request), world.pki.authority.pem)


def with_one_more_authority(world: World, request: bytes) -> Issued:
    return Issued(world.issue(request), Pki().authority.pem + world.pki.authority.pem)


def expired(world: World, request: bytes) -> Issued:
    return Issued(world.issue(request, since=timedelta(days=2)), world.pki.authority.pem)


def not_yet_valid(world: World, request: bytes) -> Issued:
    return Issued(world.issue(request, since=-HOUR), world.pki.authority.pem)


def of_another_party(world: World, _: bytes) -> Issued:
    other = Party(world.party.kind, "another")
    request = world.other_identity(other)
    return Issued(world.issue(request, identity=other.uri, dns=world.party.dns_name), world.pki.authority.pem)


def of_another_key(world: World, _: bytes) -> Issued:
    return Issued(world.issue(make_request(PrivateKey.generate(), world.party.uri)), world.pki.authority.pem)


def of_another_authority(world: World, request: bytes) -> Issued:
    return Issued(world.issue(request, by=Pki()), world.pki.authority.pem)


def with_other_authorities_throughout(world: World, request: bytes) -> Issued:
    other = Pki()
    return Issued(world.issue(request, by=other), other.authority.pem)


def under_another_server_name(world: World, request: bytes) -> Issued:
    return Issued(world.issue(request, dns="another.trustee.wardgate.internal"), world.pki.authority.pem)


def no_certificate(world: World, _: bytes) -> Issued:
    return Issued(b"", world.pki.authority.pem)


def no_authority(world: World, request: bytes) -> Issued:
    return Issued(world.issue(request), b"")


GOOD = [right, with_one_more_authority]
BAD = [
    expired,
    not_yet_valid,
    of_another_party,
    of_another_key,
    of_another_authority,
    with_other_authorities_throughout,
    no_certificate,
    no_authority,
]


def a_world(folder: Path, party: Party) -> World:
    keyring = Keyring(folder / "keyring")
    create_keychain(keyring, agency=party.id, now=int(now().timestamp()))  # any party's has a TLS and a signing key
    return World(party, keyring, SigningKey.from_secret(keyring.load("signing")))


@dataclass
class Served:
    """A world behind its gateway's two ports."""

    world: World
    renewal: Renewal
    settings: NodeSettings


@asynccontextmanager
async def serving(folder: Path, party: Party, *, since: timedelta) -> AsyncIterator[Served]:
    world = a_world(folder, party)
    world.has(since)
    (folder / "roots.pem").write_bytes(world.pki.authority.pem)
    servers = [
        build_server(
            role=role,
            address="127.0.0.1:0",
            certificates=HeldCertificates(world.pki.credentials(GATEWAY)),
            denials=NoDenyList(),
        )
        for role in (ServerRole.GATEWAY, ServerRole.ENROLMENT)
    ]
    main, enrolment = servers
    main.grpc.add_generic_rpc_handlers((served("CertificateService/Renew", world.renew),))
    enrolment.grpc.add_generic_rpc_handlers((served("EnrolmentService/Recertify", world.recertify),))
    enrolment.grpc.add_generic_rpc_handlers((served("EnrolmentService/Enrol", world.enrol),))
    for server in servers:
        await server.start()
    settings = NodeSettings.model_construct(
        agency=party.id,
        gateway=GatewayPeer.model_construct(
            id=GATEWAY.id,
            address=f"127.0.0.1:{main.port}",
            enrolment_address=f"127.0.0.1:{enrolment.port}",
            roots_file=folder / "roots.pem",
            verify_key_file=folder / "not-needed",
            trustee_verify_key_file=folder / "not-needed",
            audit_verify_key_file=folder / "not-needed",
        ),
    )
    channel = RotatingChannel(settings.gateway.address, GATEWAY, KeyringCertificates(world.keyring))
    renewal = Renewal(
        keyring=world.keyring,
        party=party,
        signing_key=world.signing_key,
        channel=channel,
        enrolment_address=settings.gateway.enrolment_address,
        clock=lambda: now().timestamp(),
    )
    try:
        yield Served(world, renewal, settings)
    finally:
        await channel.close(None)
        for server in servers:
            await server.stop(0)


@pytest.mark.parametrize("party", PARTIES, ids=str)
@pytest.mark.parametrize(
    ("since", "renewed", "claimed"),
    [
        (timedelta(hours=15), 0, 0),  # two thirds of a day are sixteen hours
        (timedelta(hours=17), 1, 0),
        (timedelta(hours=23, minutes=50), 1, 0),
        (timedelta(hours=24, minutes=10), 0, 1),
        (timedelta(hours=30), 0, 1),
        (timedelta(days=20), 0, 1),
    ],
)
async def test_what_is_still_valid_is_renewed_over_itself_and_what_ran_out_is_claimed(
    tmp_path: Path, party: Party, since: timedelta, renewed: int, claimed: int
) -> None:
    async with serving(tmp_path, party, since=since) as found:
        world = found.world
        before = world.keyring.published(TLS)
        assert await found.renewal.once() == bool(renewed or claimed)
        assert (world.renewed, world.claimed) == (renewed, claimed)
        after = world.keyring.published(TLS)
        assert (after != before) == bool(renewed or claimed)
        assert not_after(after) > now()
        assert not await found.renewal.once(), "once is enough"


@pytest.mark.parametrize("party", PARTIES, ids=str)
@pytest.mark.parametrize("since", [timedelta(hours=17), timedelta(days=2)], ids=["renewed", "claimed"])
@pytest.mark.parametrize("mint", BAD)
async def test_no_wrong_certificate_comes_into_use_by_renewal_or_claim(
    tmp_path: Path, party: Party, since: timedelta, mint: Mint
) -> None:
    async with serving(tmp_path, party, since=since) as found:
        before = found.world.keyring.published(TLS), found.world.keyring.published(ROOTS)
        found.world.mint = mint
        with pytest.raises(WardgateError) as caught:
            await found.renewal.once()
        assert caught.value.code is ErrorCode.KEYRING_REJECTED
        assert (found.world.keyring.published(TLS), found.world.keyring.published(ROOTS)) == before
        found.world.mint = with_one_more_authority
        assert await found.renewal.once()
        assert len(found.world.keyring.published(ROOTS)) > len(before[1])


@pytest.mark.parametrize("mint", BAD)
async def test_no_wrong_certificate_comes_into_use_by_the_first_enrolment(tmp_path: Path, mint: Mint) -> None:
    async with serving(tmp_path, CAMDEN, since=NOTHING) as found:
        keyring = found.world.keyring
        (keyring.directory / "tls.pem").unlink()
        (keyring.directory / "roots.pem").unlink()
        found.world.mint = mint
        with pytest.raises(WardgateError) as caught:
            await enrol(found.settings, keyring, "token", DESCRIBED, wait_s=0)
        assert caught.value.code is ErrorCode.KEYRING_REJECTED
        assert not keyring.is_published(TLS)
        assert not keyring.is_published(ROOTS)
        found.world.mint = right
        assert await enrol(found.settings, keyring, "token", DESCRIBED, wait_s=0)
        assert keyring.is_published(TLS)


async def test_that_a_certificate_ran_out_is_said_once_and_again_after_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def said() -> int:
        return sum(f"'{Event.CERTIFICATE_EXPIRED}'" in record.getMessage() for record in caplog.records)

    async with serving(tmp_path, TRUSTEE, since=timedelta(hours=30)) as found:
        found.world.mint = expired
        for _ in range(3):
            with pytest.raises(WardgateError):
                await found.renewal.once()
        assert said() == 1
        found.world.mint = right
        await found.renewal.once()
        found.world.has(timedelta(hours=30))
        await found.renewal.once()
        assert said() == 2


@pytest.mark.parametrize("party", [*PARTIES, GATEWAY], ids=str)
@pytest.mark.parametrize("known", [True, False], ids=["from-afar", "by-hand"])
@pytest.mark.parametrize("mint", [*GOOD, *BAD])
def test_the_table_of_what_is_installed(tmp_path: Path, party: Party, mint: Mint, *, known: bool) -> None:
    world = a_world(tmp_path, party)
    issued = mint(world, certificate_request(world.keyring, party))
    roots = world.pki.authority.pem if known else None
    by_hand_alone = mint is with_other_authorities_throughout and not known
    if mint in GOOD or by_hand_alone:
        install(world.keyring, issued, party, now=now().timestamp(), known_roots=roots)
        assert serial_of(world.keyring.published(TLS)) == serial_of(issued.chain)
        return
    with pytest.raises(WardgateError) as caught:
        install(world.keyring, issued, party, now=now().timestamp(), known_roots=roots)
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
    assert not world.keyring.is_published(TLS)
    assert not world.keyring.is_published(ROOTS)


def test_who_serves_needs_its_server_name_and_a_node_needs_none(tmp_path: Path) -> None:
    trustee, node = a_world(tmp_path / "trustee", TRUSTEE), a_world(tmp_path / "node", CAMDEN)
    for world, refused in ((trustee, True), (node, False)):
        issued = under_another_server_name(world, certificate_request(world.keyring, world.party))
        private_key = PrivateKey(world.keyring.load(TLS))
        if not refused:
            check_issued(issued, private_key, world.party, now=now().timestamp())
            continue
        with pytest.raises(WardgateError) as caught:
            check_issued(issued, private_key, world.party, now=now().timestamp())
        assert "name under which this party serves" in caught.value.detail


@pytest.mark.parametrize(("seconds", "warns"), [(0, False), (1, True)])
def test_a_certificate_that_ran_out_is_named_and_no_reason_not_to_start(
    tmp_path: Path, seconds: int, *, warns: bool
) -> None:
    world = a_world(tmp_path, TRUSTEE)
    world.has(timedelta(hours=30))
    end = not_after(world.keyring.published(TLS))
    sentence = check_installed(world.keyring, TRUSTEE, now=end.timestamp() + seconds)
    assert sentence.startswith("warning: the certificate ran out") == warns
    assert f"{end:%Y-%m-%d %H:%M} UTC" in sentence


def test_a_certificate_that_could_never_be_used_is_a_reason_not_to_start(tmp_path: Path) -> None:
    world = a_world(tmp_path, TRUSTEE)
    with pytest.raises(WardgateError) as caught:
        check_installed(world.keyring, TRUSTEE, now=now().timestamp())
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
    world.has(NOTHING)
    for mint in (of_another_party, of_another_key, of_another_authority):
        world.keyring.publish(TLS, mint(world, certificate_request(world.keyring, TRUSTEE)).chain)
        with pytest.raises(WardgateError) as caught:
            check_installed(world.keyring, TRUSTEE, now=now().timestamp())
        assert caught.value.code is ErrorCode.KEYRING_REJECTED
