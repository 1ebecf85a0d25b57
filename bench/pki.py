"""Certificates of the floors: one authority, one name, for both sides of mutual TLS."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import grpc

from federation.transport.identity import Party, PartyKind
from keys.certificates import CertificateAuthority, PrivateKey, make_request

FLOOR: Final = Party(PartyKind.GATEWAY, "floor")
_ROOTS, _CHAIN, _KEY = "roots.pem", "chain.pem", "key.pem"


def make_certificates(folder: Path) -> None:
    """Make an authority and a certificate that serves and calls, good for a few hours."""
    authority, key = CertificateAuthority.create("bench floor"), PrivateKey.generate()
    chain = authority.issue(
        make_request(key, FLOOR.uri),
        identity=FLOOR.uri,
        lifetime=timedelta(hours=6),
        now=datetime.now(UTC),
        dns=[FLOOR.dns_name],
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / _ROOTS).write_bytes(authority.pem)
    (folder / _CHAIN).write_bytes(chain)
    (folder / _KEY).touch(mode=0o600)
    (folder / _KEY).write_bytes(key.pem.reveal())


def _read(folder: Path) -> tuple[bytes, bytes, bytes]:
    return (folder / _ROOTS).read_bytes(), (folder / _KEY).read_bytes(), (folder / _CHAIN).read_bytes()


def server_credentials(folder: Path) -> grpc.ServerCredentials:
    """gRPC, serving: demands a client certificate."""
    roots, key, chain = _read(folder)
    return grpc.ssl_server_credentials([(key, chain)], root_certificates=roots, require_client_auth=True)


def channel_credentials(folder: Path) -> grpc.ChannelCredentials:
    """gRPC, calling."""
    roots, key, chain = _read(folder)
    return grpc.ssl_channel_credentials(root_certificates=roots, private_key=key, certificate_chain=chain)


def ssl_context(folder: Path, *, serves: bool) -> ssl.SSLContext:
    """HTTP, serving or calling: both sides prove themselves."""
    purpose = ssl.Purpose.CLIENT_AUTH if serves else ssl.Purpose.SERVER_AUTH
    context = ssl.create_default_context(purpose, cafile=str(folder / _ROOTS))
    context.load_cert_chain(folder / _CHAIN, folder / _KEY)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
