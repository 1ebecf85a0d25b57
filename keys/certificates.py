"""The certificates of mutual TLS: the one place from which the rest of Wardgate takes them.

`keys.authority` issues, `keys.tls_key` holds the private key and asks, `keys.certificate_reading` reads and checks.
"""

from keys.authority import AUTHORITY_LIFETIME, MAX_LIFETIME, CertificateAuthority
from keys.certificate_reading import (
    identity_of,
    key_digest_of,
    needs_renewal,
    not_after,
    not_before,
    public_key_of,
    serial_of,
    share_an_authority,
    verify_issued,
)
from keys.identity import PARTIES, Identity
from keys.tls_key import PrivateKey, make_request

__all__ = [
    "AUTHORITY_LIFETIME",
    "MAX_LIFETIME",
    "PARTIES",
    "CertificateAuthority",
    "Identity",
    "PrivateKey",
    "identity_of",
    "key_digest_of",
    "make_request",
    "needs_renewal",
    "not_after",
    "not_before",
    "public_key_of",
    "serial_of",
    "share_an_authority",
    "verify_issued",
]
