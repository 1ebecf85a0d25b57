"""The P-256 private key of one end of mutual TLS, and the request for its certificate."""

from typing import Final, Self, final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from keys.errors import EncodingRejected
from keys.identity import Identity
from keys.secret import Secret


@final
class PrivateKey:
    """A P-256 private key.

    Args:
        pem: PKCS #8 in PEM, not encrypted.

    Raises:
        EncodingRejected: It is anything else.
    """

    __slots__ = ("_key", "pem")

    def __init__(self, pem: Secret) -> None:
        try:
            key = load_pem_private_key(pem.reveal(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: the PEM is encrypted
            raise EncodingRejected("private key is not an unencrypted PEM") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise EncodingRejected("private key is not of the curve P-256")
        self._key: Final = key
        self.pem: Final = pem
        """PKCS #8 in PEM, for the keyring and for the TLS library."""

    @classmethod
    def generate(cls) -> Self:
        """A fresh key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())))

    @property
    def public(self) -> bytes:
        """The public half: SubjectPublicKeyInfo in DER."""
        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign_certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a certificate (for `keys.authority`)."""
        return builder.sign(self._key, hashes.SHA256())

    def sign_request(self, builder: x509.CertificateSigningRequestBuilder) -> x509.CertificateSigningRequest:
        """Sign a certificate request."""
        return builder.sign(self._key, hashes.SHA256())

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half as the X.509 library has it."""
        return self._key.public_key()

    def __repr__(self) -> str:
        return "PrivateKey(**)"


def make_request(private_key: PrivateKey, identity: str) -> bytes:
    """A certificate request (PKCS #10) in PEM that asks for one URI identity.

    Raises:
        CertificateRejected: The identity does not have the agreed form.
    """
    uri = x509.UniformResourceIdentifier(str(Identity.parse(identity)))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=True)
    return private_key.sign_request(builder).public_bytes(Encoding.PEM)
