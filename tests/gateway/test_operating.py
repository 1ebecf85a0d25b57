"""An operator's commands from any machine: over both real ports, by a key of their own that never leaves its folder."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from federation.document import AgencyName
from federation.errors import ErrorCode, WardgateError
from federation.exit_codes import ExitCode
from federation.ledger.entry import EntryKind
from federation.person_key import load_person_key
from federation.policy.evaluator import PolicyPoint
from federation.store import sqlite_url
from federation.transport.certificates import HeldCertificates
from federation.transport.channel import enrolment_channel
from federation.transport.denylist import NoDenyList
from federation.transport.failures import call_errors
from federation.transport.identity import Party as Identity
from federation.transport.identity import PartyKind
from federation.transport.methods import ServerRole
from federation.transport.server import TransportServer, build_server
from federation.wire.v1 import admin_pb2, admin_pb2_grpc, enrolment_pb2, enrolment_pb2_grpc
from gateway.applying import Progress
from gateway.cli import gateway_app
from gateway.operating import KEY, ROOTS, SETTINGS, OperatorSettings, admin_service, set_up_operator
from gateway.operators import OPERATOR_LIFE, Operators
from gateway.servicers.enrolment import AdminServicer, EnrolmentServicer
from keys.authority import CertificateAuthority
from keys.signing import SigningKey
from tests.support.gateway_world import APPROVER, INVITER, Secrets, World, a_world
from tests.support.pki import GATEWAY, Pki
from tests.support.transport import served
from tests.support.two_agencies import Clock, Party
from tests.support.waiting import until

NEW = "testshire-clinic"
LIST = admin_pb2.ListEnrolmentsRequest()


@dataclass
class Site:
    """A gateway's two ports, and two operators' machines."""

    world: World
    machines: Path
    stack: AsyncExitStack
    ports: dict[ServerRole, TransportServer] = field(default_factory=dict)

    async def start(self, operators: Operators | None = None) -> None:
        """Open both ports; with other operators, as after a restart."""
        if operators is not None:
            self.world.desk.operators = operators
        certificates = HeldCertificates(Pki(self.world.secrets.authority).credentials(GATEWAY))
        for role in (ServerRole.GATEWAY, ServerRole.ENROLMENT):
            port = self.ports[role].port if role in self.ports else 0
            self.ports[role] = build_server(
                role=role,
                address=f"127.0.0.1:{port}",
                certificates=certificates,
                denials=NoDenyList(),
                clock=self.world.clock,
            )
        desk = self.world.desk
        admin = AdminServicer(
            desk=desk,
            resets=self.world.resets,
            descriptions=self.world.descriptions,
            epochs=self.world.epochs,
            links=self.world.links,
            misuse=self.world.misuse,
            operators=desk.operators,
        )
        admin_pb2_grpc.add_AdminServiceServicer_to_server(admin, self.ports[ServerRole.GATEWAY].grpc)
        enrolment_pb2_grpc.add_EnrolmentServiceServicer_to_server(
            EnrolmentServicer(desk, self.world.resets, self.world.secrets.authority.pem),
            self.ports[ServerRole.ENROLMENT].grpc,
        )
        for server in self.ports.values():
            await server.start()

    async def stop(self) -> None:
        for server in self.ports.values():
            await server.stop(0)

    def address(self, role: ServerRole) -> str:
        return f"127.0.0.1:{self.ports[role].port}"

    def set_up(self, name: AgencyName) -> SigningKey:
        """An operator makes a key, and has the gateway's roots."""
        folder, enrolment = self.machines / name, self.address(ServerRole.ENROLMENT)
        set_up_operator(folder, name, self.address(ServerRole.GATEWAY), enrolment=enrolment)
        (folder / ROOTS).write_bytes(self.world.secrets.authority.pem)
        return load_person_key(folder / KEY)

    def settings(self, name: str) -> OperatorSettings:
        return OperatorSettings.load(self.machines / name / SETTINGS)


@pytest.fixture
async def site(tmp_path: Path, policy: PolicyPoint) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(
            a_world(sqlite_url(tmp_path / "gateway.db"), policy, secrets=Secrets(), clock=Clock(time.time()), enrol=[])
        )
        site = Site(world, tmp_path / "machines", stack)
        await site.start()
        await site.stop()  # the ports are known now, and the keys can be made
        keys = {name: site.set_up(name).verify_key for name in (INVITER, APPROVER)}
        await site.start(Operators(keys, world.clock))
        stack.push_async_callback(site.stop)
        yield site


@asynccontextmanager
async def refused(code: ErrorCode) -> AsyncIterator[None]:
    with pytest.raises(WardgateError) as caught:
        yield
    assert caught.value.code is code


async def list_as(settings: OperatorSettings) -> None:
    async with admin_service(settings) as stub:
        await stub.ListEnrolments(LIST)


async def invited(site: Site) -> Party:
    """The inviting operator invites an agency, which presents its keys."""
    clinic = site.world.secrets.parties[NEW] = Party(NEW, "community_health")
    async with admin_service(site.settings(INVITER)) as stub:
        descriptor = site.world.descriptor(NEW).canonical()
        token = (await stub.Invite(admin_pb2.InviteRequest(agency=descriptor, valid_s=600))).token
    await site.world.apply(token, clinic)
    return clinic


async def test_one_operator_invites_and_another_approves_from_machines_of_their_own(site: Site) -> None:
    clinic = await invited(site)
    approval = admin_pb2.ApproveRequest(agency=NEW, key_fingerprint=clinic.signing.verify_key.fingerprint)
    async with refused(ErrorCode.SECOND_OPERATOR_NEEDED), admin_service(site.settings(INVITER)) as stub:
        await stub.Approve(approval)
    async with admin_service(site.settings(APPROVER)) as stub:
        await stub.Approve(approval)

    assert site.world.desk.is_listed(NEW)
    issued = [entry.actor for entry in await site.world.entries(EntryKind.CERTIFICATE_ISSUED)]
    assert issued == [f"wardgate://operator/{name}" for name in (INVITER, INVITER, APPROVER, APPROVER)]


async def test_nothing_of_a_certificate_is_written_on_the_operator_s_machine(site: Site) -> None:
    await list_as(site.settings(INVITER))
    folder = site.machines / INVITER
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"key/person.key", SETTINGS, ROOTS}
    assert (folder / KEY / "person.key").stat().st_mode & 0o077 == 0


async def test_the_name_in_one_s_own_settings_gives_no_other_s_powers(site: Site) -> None:
    own = site.settings(INVITER)
    async with refused(ErrorCode.CLAIM_REFUSED):
        await list_as(own.model_copy(update={"name": APPROVER}))
    site.set_up("stranger")
    async with refused(ErrorCode.CLAIM_REFUSED):
        await list_as(site.settings("stranger"))
    await list_as(own)


@pytest.mark.parametrize("is_removed", [True, False])
async def test_an_operator_who_was_taken_out_of_the_settings_is_out_when_the_gateway_is_back(
    site: Site, *, is_removed: bool
) -> None:
    keys = {name: load_person_key(site.machines / name / KEY).verify_key for name in (INVITER, APPROVER)}
    if is_removed:
        del keys[INVITER]
    async with admin_service(site.settings(INVITER)) as stub:
        await stub.ListEnrolments(LIST)
        await site.stop()
        await site.start(Operators(keys, site.world.clock))
        async with refused(ErrorCode.NOT_AUTHORISED), call_errors(GATEWAY):
            await stub.ListEnrolments(LIST, wait_for_ready=True)  # its certificate is good for minutes
    if is_removed:
        async with refused(ErrorCode.CLAIM_REFUSED):
            await list_as(site.settings(INVITER))
    else:
        await list_as(site.settings(INVITER))
    await list_as(site.settings(APPROVER))


async def test_an_act_whose_certificate_runs_out_meanwhile_is_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = await invited(site)
    asked, go_on, points = asyncio.Event(), asyncio.Event(), site.world.trustee.points

    async def slow_points(scope: str, epochs: Sequence[int] = ()) -> tuple[bytes, bytes]:
        asked.set()
        await go_on.wait()
        return await points(scope, epochs)

    monkeypatch.setattr(site.world.trustee, "points", slow_points)
    approval = admin_pb2.ApproveRequest(agency=NEW, key_fingerprint=clinic.signing.verify_key.fingerprint)
    async with admin_service(site.settings(APPROVER)) as stub:
        approving = asyncio.ensure_future(stub.Approve(approval))
        await asked.wait()
        site.world.clock.now += OPERATOR_LIFE.total_seconds() + 1
        assert site.ports[ServerRole.GATEWAY].watch.sweep() == 1
        go_on.set()
        async with refused(ErrorCode.NOT_AUTHENTICATED), call_errors(GATEWAY):
            await approving
        async with refused(ErrorCode.NOT_AUTHENTICATED), call_errors(GATEWAY):
            await stub.ListEnrolments(LIST)
    await until(lambda: site.world.desk.is_listed(NEW))
    (row,) = await site.world.desk.enrolments()
    assert (row.progress, row.decided_by) == (Progress.APPROVED, APPROVER)


async def test_a_gateway_that_the_pinned_roots_did_not_certify_is_told_nothing(site: Site) -> None:
    roots = site.machines / INVITER / ROOTS
    roots.write_bytes(CertificateAuthority.create("another").pem)
    async with refused(ErrorCode.PEER_UNAVAILABLE):
        await list_as(site.settings(INVITER))
    roots.unlink()
    async with refused(ErrorCode.SETTINGS_INVALID):
        await list_as(site.settings(INVITER))


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_a_certificate_that_is_not_the_operator_s_own_is_not_used(site: Site, wrong: str) -> None:
    pki = Pki(site.world.secrets.authority)
    by = Pki() if wrong == "authority" else pki
    party = Identity(PartyKind.OPERATOR, INVITER if wrong == "authority" else APPROVER)

    async def recertify(request: enrolment_pb2.RecertifyRequest, _: object) -> enrolment_pb2.RecertifyResponse:
        chain = by.credentials(party).chain
        assert request.certificate_request
        return enrolment_pb2.RecertifyResponse(certificate_chain=chain, trust_bundle=by.authority.pem)

    server = build_server(
        role=ServerRole.ENROLMENT,
        address="127.0.0.1:0",
        certificates=HeldCertificates(pki.credentials(GATEWAY)),
        denials=NoDenyList(),
    )
    server.grpc.add_generic_rpc_handlers((served("EnrolmentService/Recertify", recertify),))
    await server.start()
    site.stack.push_async_callback(server.stop, 0)
    settings = site.settings(INVITER)
    gateway = settings.gateway.model_copy(update={"enrolment_address": f"127.0.0.1:{server.port}"})
    async with refused(ErrorCode.KEYRING_REJECTED):
        await list_as(settings.model_copy(update={"gateway": gateway}))


async def test_the_enrolment_port_s_limits_hold_for_claims(site: Site) -> None:
    address, roots = site.address(ServerRole.ENROLMENT), site.world.secrets.authority.pem
    async with enrolment_channel(address, GATEWAY, roots) as channel:
        stub = enrolment_pb2_grpc.EnrolmentServiceStub(channel)
        for claim, request in ((b"x" * 16_385, b"x"), (b"x", b"x" * 16_385), (b"x" * 70_000, b"x")):
            message = enrolment_pb2.RecertifyRequest(claim=claim, certificate_request=request)
            async with refused(ErrorCode.MESSAGE_TOO_LARGE), call_errors(GATEWAY):
                await stub.Recertify(message)
    await list_as(site.settings(INVITER))


# -- the commands ------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(gateway_app, arguments)
    return found.exit_code, found.output


def test_the_key_command_makes_what_every_other_command_needs_and_replaces_no_key(tmp_path: Path) -> None:
    arguments = ("operator-key", "alice", "--folder", str(tmp_path / "alice"), "--gateway", "gateway.example.org")
    code, output = run(*arguments)
    assert code == ExitCode.DONE
    settings, key = OperatorSettings.load(tmp_path / "alice" / SETTINGS), load_person_key(tmp_path / "alice" / KEY)
    assert (settings.name, settings.gateway.address) == ("alice", "gateway.example.org:8443")
    assert settings.gateway.enrolment_address == "gateway.example.org:8442"
    assert settings.gateway.roots_file == tmp_path / "alice" / ROOTS
    for shown in (key.verify_key.fingerprint, key.verify_key.hex):
        assert shown in output
    assert run(*arguments) == (code, output)


@pytest.mark.parametrize(
    ("given", "address", "enrolment"),
    [
        ("gateway.example", "gateway.example:8443", "gateway.example:8442"),
        ("gateway.example:9443", "gateway.example:9443", "gateway.example:8442"),
        ("127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:8442"),
        ("[::1]", "[::1]:8443", "[::1]:8442"),
        ("[::1]:9443", "[::1]:9443", "[::1]:8442"),
    ],
)
def test_ports_are_the_usual_ones_unless_they_are_given(
    tmp_path: Path, given: str, address: str, enrolment: str
) -> None:
    set_up_operator(tmp_path, "alice", given)
    gateway = OperatorSettings.load(tmp_path / SETTINGS).gateway
    assert (gateway.address, gateway.enrolment_address) == (address, enrolment)


@pytest.mark.parametrize("name", ["Alice", "a", "alice/bob", ""])
def test_a_name_that_cannot_be_one_makes_nothing(tmp_path: Path, name: str) -> None:
    code, output = run("operator-key", name, "--folder", str(tmp_path / "new"), "--gateway", "gateway.example.org")
    assert (code, "SETTINGS_INVALID" in output) == (ExitCode.OPERATOR_NEEDED, True)
    assert not (tmp_path / "new").exists()


def test_a_command_without_a_key_says_so_and_makes_no_folder(tmp_path: Path) -> None:
    set_up_operator(tmp_path, "alice", "127.0.0.1:1")
    (tmp_path / ROOTS).write_bytes(CertificateAuthority.create("some").pem)
    (tmp_path / KEY).rename(tmp_path / "away")
    code, output = run("links", "--as", str(tmp_path / SETTINGS))
    assert (code, "KEYRING_REJECTED" in output) == (ExitCode.OPERATOR_NEEDED, True)
    assert not (tmp_path / KEY).exists()
