"""A federation's certificates, made in memory with the project's own authority."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from federation.transport.certificates import Credentials
from federation.transport.identity import Party, PartyKind, Peer
from keys.certificates import (
    CertificateAuthority,
    PrivateKey,
    key_digest_of,
    make_request,
    not_after,
    not_before,
    serial_of,
)

GATEWAY = Party(PartyKind.GATEWAY, "main")
TRUSTEE = Party(PartyKind.TRUSTEE, "main")
CAMDEN = Party(PartyKind.NODE, "camden-csc")
BARNET = Party(PartyKind.NODE, "barnet-csc")
ALICE = Party(PartyKind.OPERATOR, "alice")
LOCAL = Party(PartyKind.LOCAL, "camden-csc")

SERVERS = frozenset({PartyKind.GATEWAY, PartyKind.TRUSTEE, PartyKind.LOCAL})


@dataclass(frozen=True)
class Pki:
    """One authority and what it issues."""

    authority: CertificateAuthority = field(default_factory=lambda: CertificateAuthority.create("test authority"))

    def credentials(
        self,
        party: Party,
        *,
        lifetime: timedelta = timedelta(hours=1),
        now: datetime | None = None,
        roots: bytes | None = None,
        dns: tuple[str, ...] | None = None,
    ) -> Credentials:
        """A fresh key and certificate for `party`; parties that serve get their DNS name too.

        Args:
            party: Whose.
            lifetime: How long it is good for.
            now: When it was issued; in the past for one that has expired.
            roots: What it trusts; this authority when None.
            dns: Server names; what the party's kind calls for when None.
        """
        key = PrivateKey.generate()
        names = ((party.dns_name,) if party.kind in SERVERS else ()) if dns is None else dns
        chain = self.authority.issue(
            make_request(key, party.uri),
            identity=party.uri,
            lifetime=lifetime,
            now=now or datetime.now(UTC),
            dns=names,
        )
        return Credentials(chain, key.pem, self.authority.pem if roots is None else roots)

    def misissued(self, *uris: str) -> Credentials:
        """What this authority would never issue: a client certificate with these URIs, however many."""
        key = PrivateKey.generate()
        now = datetime.now(UTC)
        issuer = x509.load_pem_x509_certificate(self.authority.pem).subject
        builder = x509.CertificateBuilder(
            issuer, x509.Name([]), key.public_key(), x509.random_serial_number(), now, now + timedelta(hours=1)
        )
        if uris:
            names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
            builder = builder.add_extension(names, critical=True)
        chain = self.authority.private_key.sign_certificate(builder).public_bytes(Encoding.PEM)
        return Credentials(chain, key.pem, self.authority.pem)


def peer_with(credentials: Credentials, party: Party) -> Peer:
    """What a server sees of whoever presents these credentials."""
    chain = credentials.chain
    ends, begins = int(not_after(chain).timestamp()), int(not_before(chain).timestamp())
    return Peer(party, serial_of(chain), key_digest_of(chain), ends, begins)
