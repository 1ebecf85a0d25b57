"""The federation's certificate authority (RFC 5280): P-256, no intermediates, short-lived certificates.

It copies nothing from a request but the public key. What a certificate says is decided by the caller, who has had it
approved.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final, Self, final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keys.certificate_reading import MALFORMED, load_certificate, public_key_of, uris_of
from keys.errors import CertificateRejected
from keys.identity import Identity
from keys.secret import Secret
from keys.tls_key import PrivateKey

MAX_LIFETIME: Final = timedelta(hours=24)
"""Revocation is by deny list; a short life bounds what a lost list can cost."""

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
BACKDATING: Final = timedelta(minutes=5)
"""How far a clock may be behind and still accept a fresh certificate; at most a tenth of the certificate's life."""

_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_MAX_HOST_CHARS: Final = 253
_MAX_NAME_CHARS: Final = 64


@final
class CertificateAuthority:
    """A certificate authority.

    Args:
        private_key: Its key.
        pem: Its own certificate in PEM.

    Raises:
        CertificateRejected: The certificate is not an authority's, or belongs to another key.
    """

    __slots__ = ("_certificate", "pem", "private_key")

    def __init__(self, private_key: PrivateKey, pem: bytes) -> None:
        certificate = load_certificate(pem)
        if public_key_of(pem) != private_key.public or not _is_authority(certificate):
            raise CertificateRejected("authority's certificate and private key do not belong together")
        self.private_key: Final = private_key
        self.pem: Final = pem
        """Its own certificate, which is public."""
        self._certificate: Final = certificate

    @classmethod
    def create(cls, name: str, *, now: datetime | None = None, lifetime: timedelta = AUTHORITY_LIFETIME) -> Self:
        """A new authority with a new key.

        Args:
            name: Its common name, 1 to 64 characters.
            now: The time, with a zone; the system's clock where it is left out.
            lifetime: How long its own certificate is valid.

        Raises:
            CertificateRejected: The name is empty or too long.
        """
        if not 0 < len(name) <= _MAX_NAME_CHARS:
            raise CertificateRejected("name of an authority has 1 to 64 characters")
        key, start = PrivateKey.generate(), _in_utc(now or datetime.now(UTC))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, subject, key.public_key(), start - BACKDATING, start + lifetime)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(authority=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(key, key.sign_certificate(builder).public_bytes(Encoding.PEM))

    @classmethod
    def from_secret(cls, key: Secret, pem: bytes) -> Self:
        """The authority whose key (PKCS #8 in PEM) and certificate were stored.

        Raises:
            EncodingRejected: The key is not a P-256 key.
            CertificateRejected: The two do not belong together.
        """
        return cls(PrivateKey(key), pem)

    def issue(
        self,
        csr_pem: bytes,
        *,
        identity: str,
        lifetime: timedelta,
        now: datetime,
        dns: Sequence[str] = (),
        ips: Sequence[str] = (),
    ) -> bytes:
        """Issue a certificate for an identity that has been approved.

        Args:
            csr_pem: The request. Only its public key is used; asking for another identity is refused.
            identity: The approved URI.
            lifetime: At most 24 hours.
            now: The time, with a zone.
            dns: Host names, where the holder is also a server.
            ips: Addresses, where the holder is also a server.

        Returns:
            The certificate in PEM. It is good for TLS clients, and for servers where host names or addresses are given.

        Raises:
            CertificateRejected: The request is malformed, not signed by its own key, not P-256, or asks for another
                identity; or identity, names, addresses or times are not acceptable.
        """
        uri = str(Identity.parse(identity))
        public_key = _requested_key(csr_pem, uri)
        names = [x509.UniformResourceIdentifier(uri), *map(_dns_name, dns), *map(_address, ips)]
        start, end = self._validity(_in_utc(now), lifetime)
        builder = _builder(x509.Name([]), self._certificate.subject, public_key, start, end)
        # RFC 5280, section 4.1.2.6: with an empty subject the alternative name is critical. A common name would be
        # matched against host names by some TLS libraries.
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(authority=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(_purposes(server=len(names) > 1)), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private_key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        return self.private_key.sign_certificate(builder).public_bytes(Encoding.PEM)

    def _validity(self, now: datetime, lifetime: timedelta) -> tuple[datetime, datetime]:
        if not timedelta(0) < lifetime <= MAX_LIFETIME:
            raise CertificateRejected("lifetime of a certificate is more than zero and at most 24 hours")
        if now + lifetime > self._certificate.not_valid_after_utc:
            raise CertificateRejected("certificate would outlive its authority")
        return now - min(BACKDATING, lifetime / 10), now + lifetime

    def __repr__(self) -> str:
        return f"CertificateAuthority({self._certificate.subject.rfc4514_string()})"


def _requested_key(csr_pem: bytes, approved: str) -> ec.EllipticCurvePublicKey:
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        asked = uris_of(request.extensions)
        valid, key = request.is_signature_valid, request.public_key()
    except MALFORMED as error:
        raise CertificateRejected("certificate request is malformed") from error
    if not valid:
        raise CertificateRejected("certificate request is not signed by its own key")
    if asked not in ([], [approved]):
        raise CertificateRejected("certificate request asks for another identity than the approved one")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateRejected("certificate request is not for a P-256 key")
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=end,
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _purposes(*, server: bool) -> list[x509.ObjectIdentifier]:
    client = [ExtendedKeyUsageOID.CLIENT_AUTH]
    return [*client, ExtendedKeyUsageOID.SERVER_AUTH] if server else client


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _dns_name(host: str) -> x509.DNSName:
    if len(host) > _MAX_HOST_CHARS or not _HOST.fullmatch(host):
        raise CertificateRejected("host name of a certificate is not a lower-case host name")
    return x509.DNSName(host)


def _address(address: str) -> x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(address))
    except ValueError as error:
        raise CertificateRejected("address of a certificate is not an IP address") from error


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone says nothing")
    return moment.astimezone(UTC)
