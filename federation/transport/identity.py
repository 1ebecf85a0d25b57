"""Who is calling: the one URI name of a verified client certificate.

Every certificate of a federation carries exactly one URI subject alternative name, `wardgate://<kind>/<id>`. The name
is read twice, by the TLS library (`auth_context`) and by `keys.certificates`, and both readings must be equal: a
certificate that two parsers understand differently names nobody.
"""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, Self

from federation.errors import ErrorCode, WardgateError
from keys import certificates
from keys.errors import CertificateRejected
from keys.identity import Identity

DNS_SUFFIX: Final = "wardgate.internal"


class PartyKind(StrEnum):
    """The kinds of party that hold certificates, and `anonymous` for the enrolment port."""

    NODE = "node"
    GATEWAY = "gateway"
    TRUSTEE = "trustee"
    OPERATOR = "operator"
    LOCAL = "local"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Party:
    """One party of the federation."""

    kind: PartyKind
    id: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read `wardgate://<kind>/<id>`; nothing is normalised.

        Raises:
            WardgateError: `NOT_AUTHENTICATED`.
        """
        try:
            identity = Identity.parse(uri)
        except CertificateRejected as error:
            raise WardgateError(ErrorCode.NOT_AUTHENTICATED, "the certificate's URI is not a party's") from error
        return cls(PartyKind(identity.party), identity.name)

    @property
    def uri(self) -> str:
        """The name as it stands in certificates."""
        return str(Identity(self.kind, self.id))

    @property
    def ledger(self) -> str:
        """Name (origin) of the ledger that it keeps."""
        return f"wardgate/{self.kind.value}/{self.id}"

    @property
    def dns_name(self) -> str:
        """The DNS name a *server's* certificate carries besides its URI, such as `main.gateway.wardgate.internal`.

        A gRPC client in Python can check DNS names only, so the certificate authority issues this name to the party
        whose URI it spells and to nobody else. It is never resolved.
        """
        return f"{self.id}.{self.kind}.{DNS_SUFFIX}"

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


ANONYMOUS: Final = Party(PartyKind.ANONYMOUS, "caller")


@dataclass(frozen=True, slots=True)
class Peer:
    """A caller as its verified certificate describes it.

    Attributes:
        party: Who it is.
        serial: Certificate serial number, lower-case hexadecimal; empty for an anonymous caller.
        spki_sha256: SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal; empty for an anonymous caller.
        expires_at: End of the certificate's validity, seconds since the epoch.
        begins_at: Its beginning; 0, which is before everything, where nobody looked.
    """

    party: Party
    serial: str
    spki_sha256: str
    expires_at: int
    begins_at: int = 0


ANONYMOUS_PEER: Final = Peer(ANONYMOUS, "", "", 2**62)

_peer: ContextVar[Peer] = ContextVar("wardgate_peer")


def peer_of(auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
    """The caller of a TLS connection, from gRPC's authentication context.

    Raises:
        WardgateError: `NOT_AUTHENTICATED`: no certificate, no URI name or several, not a party's, unreadable.
    """
    pems = tuple(auth_context.get("x509_pem_cert", ()))
    uris = tuple(auth_context.get("peer_uri", ()))
    if len(pems) != 1:
        raise WardgateError(ErrorCode.NOT_AUTHENTICATED, "no client certificate")
    return _read(pems[0], uris)


@lru_cache(maxsize=4096)  # parsing costs some 50 microseconds; a connection presents the same bytes on every call
def _read(pem: bytes, uris: tuple[bytes, ...]) -> Peer:
    if len(uris) != 1:
        raise WardgateError(ErrorCode.NOT_AUTHENTICATED, f"{len(uris)} URI names in the certificate, not one")
    try:
        identity = certificates.identity_of(pem)
        serial = certificates.serial_of(pem)
        spki_sha256 = certificates.key_digest_of(pem)
        expires_at = int(certificates.not_after(pem).timestamp())
        begins_at = int(certificates.not_before(pem).timestamp())
    except CertificateRejected as error:
        raise WardgateError(ErrorCode.NOT_AUTHENTICATED, "unreadable certificate") from error
    if identity.encode() != uris[0]:
        raise WardgateError(ErrorCode.NOT_AUTHENTICATED, "two readings of one certificate differ")
    return Peer(Party.parse(identity), serial, spki_sha256, expires_at, begins_at)


def bind_peer(peer: Peer) -> None:
    """Make `peer` the caller of the current call; for the interceptor only."""
    _peer.set(peer)


def current_certificate() -> Peer:
    """The caller of the call being served, with its certificate's particulars.

    Raises:
        WardgateError: `NOT_AUTHENTICATED`: no call is being served here.
    """
    peer = _peer.get(None)
    if peer is None:
        raise WardgateError(ErrorCode.NOT_AUTHENTICATED, "no call is being served in this context")
    return peer


def current_peer() -> Party:
    """The party whose call is being served.

    Raises:
        WardgateError: `NOT_AUTHENTICATED`: no call is being served here.
    """
    return current_certificate().party
