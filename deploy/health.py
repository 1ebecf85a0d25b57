"""Asks a running service of this machine for its health, component by component. Exit code 0 only if all can be used.

For container health checks and monitoring: `health.py gateway|trustee|node --config FILE`. It reads the service's own
keyring, so it runs as the service's user.
"""
# ruff: noqa: INP001 - a script that is run by its path, part of no package

import argparse
import asyncio
import json
import time
from pathlib import Path

import typer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from agency_node import keychain as node_keys
from agency_node.settings import NodeSettings
from federation.command import done
from federation.errors import WardgateError
from federation.transport.certificates import CertificateSource, HeldCertificates, KeyringCertificates
from federation.transport.channel import RotatingChannel
from federation.transport.failures import call_errors
from federation.transport.identity import Party
from federation.wire.v1 import local_pb2, local_pb2_grpc
from gateway import keychain as gateway_keys
from gateway.settings import GatewaySettings
from keys.errors import KeysError
from keys.keyring import Keyring
from trustee.settings import TrusteeSettings

CALL_S = 5.0


def find(service: str, config: Path) -> tuple[str, Party, CertificateSource]:
    """Where the service listens, who must answer there, and what to show."""
    now = time.time()
    if service == "gateway":
        gateway = GatewaySettings.load(config)
        keys = gateway_keys.load_keychain(Keyring(gateway.keys_dir))
        credentials = keys.health_credentials(gateway.party, now=now)
        return f"127.0.0.1:{gateway.listen.port}", gateway.party, HeldCertificates(credentials)
    if service == "trustee":
        trustee = TrusteeSettings.load(config)
        return f"127.0.0.1:{trustee.listen.port}", trustee.party, KeyringCertificates(Keyring(trustee.keyring))
    node = NodeSettings.load(config)
    keychain = node_keys.load_keychain(Keyring(node.keys_dir))
    credentials = keychain.local_credentials(node.local_party, serves=False, now=now)
    return f"127.0.0.1:{node.local.port}", node.local_party, HeldCertificates(credentials)


async def components(service: str, config: Path) -> dict[str, bool]:
    """Whether each component can be used, by name.

    Raises:
        WardgateError: `PEER_UNAVAILABLE`: nobody answers.
    """
    address, party, certificates = find(service, config)
    async with RotatingChannel(address, party, certificates) as channel, call_errors(party):
        if service == "node":
            status = await local_pb2_grpc.LocalServiceStub(channel).GetStatus(
                local_pb2.GetStatusRequest(), timeout=CALL_S
            )
            return dict(json.loads(status.status)["components"])
        response = await health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=CALL_S)
    serving = health_pb2.HealthCheckResponse.SERVING
    return {name or "service": status.status == serving for name, status in response.statuses.items()}


def main() -> int:
    """Print what cannot be used; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("service", choices=("gateway", "trustee", "node"))
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args()
    try:
        found = asyncio.run(components(options.service, options.config))
    except (WardgateError, KeysError) as error:
        typer.echo(f"{options.service}: {error}", err=True)
        return 1
    failing = sorted(name for name, usable in found.items() if not usable)
    done(f"{options.service}: " + (f"cannot use {', '.join(failing)}" if failing else "serving"))
    return 1 if failing else 0


if __name__ == "__main__":
    raise SystemExit(main())
