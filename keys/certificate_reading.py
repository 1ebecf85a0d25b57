"""Reading and checking the certificates (RFC 5280) of mutual TLS. All are PEM, and public."""

from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys.digest import sha256
from keys.errors import CertificateRejected
from keys.identity import Identity
from keys.tls_key import PrivateKey

MALFORMED: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the X.509 library raises over bytes that somebody else made."""


@lru_cache(maxsize=1024)
def load_certificate(cert_pem: bytes) -> x509.Certificate:
    """The first certificate of a PEM text, parsed once and in full.

    Raises:
        CertificateRejected: There is none, or it is malformed.
    """
    try:
        certificate = x509.load_pem_x509_certificate(cert_pem)
        # The library decodes these on first use: whatever is wrong with them comes out here.
        _ = certificate.extensions, certificate.public_key()
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except MALFORMED as error:
        raise CertificateRejected("certificate is not PEM or is malformed") from error
    if certificate.serial_number <= 0:
        raise CertificateRejected("certificate has no positive serial number (RFC 5280, section 4.1.2.2)")
    return certificate


@lru_cache(maxsize=1024)
def identity_of(cert_pem: bytes) -> str:
    """The identity that a certificate speaks for: its one URI, such as `wardgate://node/camden-csc`.

    Raises:
        CertificateRejected: It has no URI, more than one, or one of another form.
    """
    uris = uris_of(load_certificate(cert_pem).extensions)
    if len(uris) != 1:
        raise CertificateRejected("certificate does not have exactly one URI")
    return str(Identity.parse(uris[0]))


def uris_of(extensions: x509.Extensions) -> list[str]:
    """The URIs among the subject alternative names; none where the extension is missing."""
    return _names_of(extensions, x509.UniformResourceIdentifier)


def serial_of(cert_pem: bytes) -> str:
    """The serial number in lower-case hexadecimal, as in deny lists.

    Raises:
        CertificateRejected: It is not a certificate.
    """
    return format(load_certificate(cert_pem).serial_number, "x")


def public_key_of(cert_pem: bytes) -> bytes:
    """The certified public key: SubjectPublicKeyInfo in DER.

    Raises:
        CertificateRejected: It is not a certificate.
    """
    return load_certificate(cert_pem).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_digest_of(cert_pem: bytes) -> str:
    """SHA-256 of the certified public key (SubjectPublicKeyInfo), in lower-case hexadecimal.

    Raises:
        CertificateRejected: It is not a certificate.
    """
    return sha256(public_key_of(cert_pem)).hex()


def not_after(cert_pem: bytes) -> datetime:
    """When a certificate ends, in UTC.

    Raises:
        CertificateRejected: It is not a certificate.
    """
    return load_certificate(cert_pem).not_valid_after_utc


def not_before(cert_pem: bytes) -> datetime:
    """When a certificate begins, in UTC: some minutes before it was issued.

    Raises:
        CertificateRejected: It is not a certificate.
    """
    return load_certificate(cert_pem).not_valid_before_utc


def needs_renewal(cert_pem: bytes, now: datetime) -> bool:
    """Whether two thirds of a certificate's life are over.

    Args:
        cert_pem: The certificate.
        now: The time, with a zone.

    Raises:
        CertificateRejected: It is not a certificate.
    """
    certificate = load_certificate(cert_pem)
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return now >= certificate.not_valid_before_utc + life * 2 / 3


def verify_issued(
    cert_pem: bytes,
    *,
    authorities_pem: bytes,
    private_key: PrivateKey,
    identity: str,
    now: datetime,
    server_name: str = "",
) -> None:
    """Check a certificate that was issued to us, before it is put into use.

    Args:
        cert_pem: The certificate.
        authorities_pem: One or more trusted authorities, concatenated.
        private_key: Our key.
        identity: The identity that we asked for.
        now: The time, with a zone.
        server_name: DNS name under which others look for us; empty for a party that does not serve.

    Raises:
        CertificateRejected: It is not signed by one of the authorities, not for our key, not for this identity, without
            the server name, or not valid now.
    """
    certificate = load_certificate(cert_pem)
    if not any(_issued_by(certificate, authority) for authority in _authorities(authorities_pem)):
        raise CertificateRejected("certificate was not issued by a trusted authority")
    if public_key_of(cert_pem) != private_key.public:
        raise CertificateRejected("certificate is not for this private key")
    if identity_of(cert_pem) != identity:
        raise CertificateRejected("certificate is for another identity")
    if server_name and server_name not in _names_of(certificate.extensions, x509.DNSName):
        raise CertificateRejected("certificate lacks the name under which this party serves")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise CertificateRejected("certificate is not valid now")


def share_an_authority(one_pem: bytes, other_pem: bytes) -> bool:
    """Whether two lists of trusted authorities (PEM, concatenated) have one in common.

    Raises:
        CertificateRejected: One of them is no list of certificates.
    """
    known = set(_authorities(other_pem))
    return any(authority in known for authority in _authorities(one_pem))


def _names_of(extensions: x509.Extensions, kind: type[x509.DNSName | x509.UniformResourceIdentifier]) -> list[str]:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(kind)


def _authorities(authorities_pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(authorities_pem)
    except MALFORMED as error:
        raise CertificateRejected("trusted authorities are not PEM or are malformed") from error


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (*MALFORMED, InvalidSignature):
        return False  # the next authority; the caller refuses when none is left
    return True
