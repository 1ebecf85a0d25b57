"""Brings a region up: keys, settings, introductions, enrolment, processes. The real path throughout, nothing faked.

Every party makes its own keys; public halves are exchanged as files, as they would be by hand; each agency is invited,
presents its token, keys and signed description, and is approved by another operator, who compares the fingerprint.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agency_node import keychain as node_keys
from agency_node.enrolment import enrol
from agency_node.settings import NodeSettings
from auditor.keys import create_keys as create_auditors_keys
from federation.directory import AgencyDescriptor
from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import write_public, write_verify_key
from federation.policy.bundle import install_bundle
from federation.renewal import Issued, certificate_request, install
from federation.toml_text import to_toml
from federation.wire.v1 import admin_pb2, admin_pb2_grpc
from gateway import keychain as gateway_keys
from gateway.operating import admin_service
from gateway.settings import GatewaySettings
from keys.keyring import Keyring
from keys.signing import SigningKey
from sandbox.approving import approve_all, make_people
from sandbox.folder import SandboxFolder
from sandbox.operating import APPROVES, INVITES, hand_roots, make_operators, operator_settings
from sandbox.processes import Started, free_ports, start, start_program
from sandbox.region import AgencyPlan, Region
from sandbox.sources import prepare_sources
from trustee.key_material import create_keys, load_keys
from trustee.settings import TrusteeSettings

SLOW_LINE: Final = "line."
"""Before an agency's id: the process that is its slow line to the gateway."""

READY_WAIT_S: Final = 60.0
TOKEN_LIFE_S: Final = 3600
OPA_CACHE: Final = Path(__file__).resolve().parent.parent / ".cache" / "opa" / "bin"
POLICY_DIST: Final = Path(__file__).resolve().parent.parent / "policies" / "dist"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of one sandbox.

    Attributes:
        slow: Of the slow lines to the gateway, by the agency that has one.
    """

    gateway: int
    enrolment: int
    trustee: int
    opa: int
    nodes: dict[str, int]
    slow: dict[str, int]

    def opa_url(self, region: Region) -> str:
        """Where decisions are asked for: nowhere, at the region's own server, or at the one the sandbox starts."""
        if region.policy.engine == "embedded":
            return ""
        return region.policy.server_url or f"http://127.0.0.1:{self.opa}"


def choose_ports(region: Region) -> Ports:
    """Ports that are free now."""
    agencies = [plan.id for plan in region.agencies]
    delayed = [plan.id for plan in region.agencies if plan.faults.slow_ms]
    gateway, enrolment, trustee, opa, *others = free_ports(4 + len(agencies) + len(delayed))
    nodes, slow = others[: len(agencies)], others[len(agencies) :]
    return Ports(
        gateway,
        enrolment,
        trustee,
        opa,
        nodes=dict(zip(agencies, nodes, strict=True)),
        slow=dict(zip(delayed, slow, strict=True)),
    )


def introduce(region: Region, folder: SandboxFolder, ports: Ports) -> None:
    """Make keys and settings of policy authority, auditor, trustee and gateway, and exchange their public halves."""
    authority = SigningKey.generate()
    Keyring(folder.root / "policy" / "keyring").create("authority", authority.secret)
    install_bundle(POLICY_DIST, folder.bundle, authority)
    write_verify_key(folder.bundle_key, authority.verify_key)
    auditors = Keyring(folder.root / "auditor" / "keyring")
    create_auditors_keys(auditors, folder.audit_statements, folder.audit_key, now=int(time.time()))
    _write_settings(folder.trustee_config, _trustee_settings(region, folder, ports))
    _write_settings(folder.gateway_config, _gateway_settings(region, folder, ports))
    _make_gateway_keys(folder)
    _make_trustee_keys(folder)


BUSY: Final = {"queries_per_minute": 100_000, "queries_at_once": 10_000}
"""Nobody types here: tests, scenes and measurements put in a second what an agency puts in a day."""


def _write_settings(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_toml(content))


def _trustee_settings(region: Region, folder: SandboxFolder, ports: Ports) -> dict[str, Any]:
    return {
        "data_dir": folder.service_data("trustee"),
        "database_url": region.trustee.database_url,
        "log_file": folder.log("trustee"),
        "directory_interval_s": 1,
        "approvers": make_people(folder),
        "listen": {"host": "127.0.0.1", "port": ports.trustee},
        "gateway": {
            "address": f"127.0.0.1:{ports.gateway}",
            "enrolment_address": f"127.0.0.1:{ports.enrolment}",
            "verify_key_file": folder.service_data("gateway") / "gateway.pub",
            "audit_verify_key_file": folder.audit_key,
        },
    }


def _gateway_settings(region: Region, folder: SandboxFolder, ports: Ports) -> dict[str, Any]:
    return {
        "data_dir": folder.service_data("gateway"),
        "database_url": region.gateway.database_url,
        "log_file": folder.log("gateway"),
        "audit_statements_file": folder.audit_statements,
        "audit_verify_key_file": folder.audit_key,
        "operators": make_operators(
            folder, gateway=f"127.0.0.1:{ports.gateway}", enrolment=f"127.0.0.1:{ports.enrolment}"
        ),
        "expiry_check_s": 1,
        "register_interval_s": 1,
        "rates": BUSY,
        "listen": {"host": "127.0.0.1", "port": ports.gateway, "enrolment_port": ports.enrolment},
        "trustee": {
            "address": f"127.0.0.1:{ports.trustee}",
            "verify_key_file": folder.service_data("trustee") / "trustee.pub",
        },
        "policy": _policy(region, folder, ports),
    }


def _policy(region: Region, folder: SandboxFolder, ports: Ports) -> dict[str, Any]:
    return {
        "engine": region.policy.engine,
        "server_url": ports.opa_url(region),
        "bundle_dir": folder.bundle,
        "bundle_key_file": folder.bundle_key,
    }


def _make_gateway_keys(folder: SandboxFolder) -> None:
    settings = GatewaySettings.load(folder.gateway_config)
    keyring = Keyring(settings.keys_dir)
    gateway_keys.create_keychain(keyring)
    keychain = gateway_keys.load_keychain(keyring)
    write_verify_key(settings.data_dir / "gateway.pub", keychain.verify_key)
    write_public(settings.data_dir / "roots.pem", keychain.authority.pem)
    hand_roots(folder, keychain.authority.pem)


def _make_trustee_keys(folder: SandboxFolder) -> None:
    """The trustee makes its own keys; the gateway's authority certifies it; public halves change hands."""
    settings = TrusteeSettings.load(folder.trustee_config)
    create_keys(settings.keyring)
    keyring = Keyring(settings.keyring)
    gateway = GatewaySettings.load(folder.gateway_config)
    authority = gateway_keys.load_keychain(Keyring(gateway.keys_dir))
    certificate = authority.certify(
        certificate_request(keyring, settings.party),
        settings.party,
        life=gateway.certificate_life,
        addresses=["127.0.0.1"],
        now=time.time(),
    )
    issued = Issued(certificate, authority.authority.pem)
    install(keyring, issued, settings.party, now=time.time(), known_roots=None)
    write_verify_key(settings.data_dir / "trustee.pub", load_keys(keyring).signing_key.verify_key)


def prepare_node(region: Region, plan: AgencyPlan, folder: SandboxFolder, ports: Ports) -> NodeSettings:
    """Write a node's settings, people, overlay and source systems, and make its keys."""
    home = folder.node(plan.id)
    home.mkdir(parents=True, exist_ok=True)
    (home / "users.toml").write_text(to_toml({"user": [user.as_settings() for user in plan.users]}))
    if plan.overlay:
        (home / "overlay.toml").write_text(to_toml(plan.overlay))
    data = folder.service_data("gateway")
    content = {
        "agency": plan.id,
        "data_dir": folder.service_data(plan.id),
        "database_url": plan.database_url,
        "log_file": folder.log(plan.id),
        "users_file": home / "users.toml",
        "overlay_file": home / "overlay.toml" if plan.overlay else None,
        "quantum_ms": region.quantum_ms,
        "test_numbers": True,  # every child of a sandbox has one
        "gateway": {
            "address": f"127.0.0.1:{ports.slow.get(plan.id, ports.gateway)}",
            "enrolment_address": f"127.0.0.1:{ports.enrolment}",
            "roots_file": data / "roots.pem",
            "verify_key_file": data / "gateway.pub",
            "trustee_verify_key_file": folder.service_data("trustee") / "trustee.pub",
            "audit_verify_key_file": folder.audit_key,
        },
        "policy": _policy(region, folder, ports),
        "local": {"port": ports.nodes[plan.id]},
        "duty": {"name": plan.duty.name, "role": plan.duty.role, "phone": plan.duty.phone},
        "times": region.times,
        "sources": prepare_sources(region, plan, home / "sources"),
    }
    _write_settings(folder.node_config(plan.id), content)
    settings = NodeSettings.load(folder.node_config(plan.id))
    node_keys.create_keychain(Keyring(settings.keys_dir), agency=plan.id, now=int(time.time()))
    return settings


async def enrol_all(region: Region, folder: SandboxFolder, nodes: Sequence[NodeSettings], tell: Tell) -> None:
    """Invite every agency, present token and keys, compare the fingerprint, approve; at gateway and trustee.

    Raises:
        WardgateError: Whatever a party refused.
    """
    plans = {plan.id: plan for plan in region.agencies}
    async with (
        admin_service(operator_settings(folder, INVITES)) as inviting,
        admin_service(operator_settings(folder, APPROVES)) as approving,
    ):
        for node in nodes:
            await _enrol_one(inviting, approving, plans[node.agency].descriptor(), node)
            tell(f"{node.agency}: enrolled")
    await approve_all(folder, nodes, tell)


async def _enrol_one(
    inviting: "admin_pb2_grpc.AdminServiceAsyncStub",
    approving: "admin_pb2_grpc.AdminServiceAsyncStub",
    descriptor: AgencyDescriptor,
    node: NodeSettings,
) -> None:
    invited = await inviting.Invite(admin_pb2.InviteRequest(agency=descriptor.canonical(), valid_s=TOKEN_LIFE_S))
    keyring = Keyring(node.keys_dir)
    keychain = node_keys.load_keychain(keyring)
    await enrol(node, keyring, invited.token, descriptor, wait_s=0)
    fingerprint = keychain.signing_key.verify_key.fingerprint
    await approving.Approve(admin_pb2.ApproveRequest(agency=node.agency, key_fingerprint=fingerprint))
    if not await enrol(node, keyring, invited.token, descriptor, wait_s=5):
        raise WardgateError(ErrorCode.ENROLMENT_REFUSED, node.agency)


def start_opa(url: str, folder: SandboxFolder) -> Started:
    """Start a real OPA server with the signed bundle, for a region that decides by one.

    Raises:
        WardgateError: `POLICY_UNAVAILABLE`: there is no OPA; `make .cache/opa/bin/opa` builds it.
    """
    program = shutil.which("opa", path=os.pathsep.join([str(OPA_CACHE), os.environ.get("PATH", "")]))
    if program is None:
        raise WardgateError(ErrorCode.POLICY_UNAVAILABLE, "no opa command; `make .cache/opa/bin/opa` builds it")
    config = folder.root / "policy" / "opa.yaml"
    config.write_text(f"bundles:\n  wardgate:\n    resource: file://{folder.bundle / 'bundle.tar.gz'}\n")
    address = urlsplit(url).netloc
    command = [program, "run", "--server", "--addr", address, "--config-file", str(config)]
    return start_program("opa", command, log=folder.log("opa.out"))


def start_slow_line(plan: AgencyPlan, folder: SandboxFolder, ports: Ports) -> Started:
    """Start what makes an agency slow: everything that its node sends to the gateway arrives so much later."""
    options = {"listen": ports.slow[plan.id], "target": ports.gateway, "delay-ms": plan.faults.slow_ms}
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "sandbox.delaying", *arguments]
    return start_program(f"{SLOW_LINE}{plan.id}", command, log=folder.log(f"{SLOW_LINE}{plan.id}.out"))


def start_service(folder: SandboxFolder, service: str) -> Started:
    """Start the trustee, the gateway or one agency's node."""
    config = {"gateway": folder.gateway_config, "trustee": folder.trustee_config}.get(service)
    kind = service if config else "node"
    arguments = [kind, "serve", "--config", str(config or folder.node_config(service))]
    return start(service, arguments, log=folder.log(f"{service}.out"))
