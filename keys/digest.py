"""Digests, keyed references and commitments."""

import hashlib
import hmac
import secrets
from typing import Final

from keys.secret import Secret

SALT_BYTES: Final = 32
REFERENCE_CHARS: Final = 32


def sha256(value: bytes) -> bytes:
    """SHA-256 of `value`, 32 bytes."""
    return hashlib.sha256(value).digest()


def sha512(value: bytes) -> bytes:
    """SHA-512 of `value`, 64 bytes."""
    return hashlib.sha512(value).digest()


def keyed_reference(key: Secret, label: str, value: bytes) -> str:
    """A stable reference to `value` that only holders of `key` can make or test.

    HMAC-SHA256 (RFC 2104) over the length-prefixed label and the value, cut to 128 bits.

    Args:
        key: 32 bytes or more of secret key.
        label: What kind of thing is referred to, so that two kinds never share a reference.
        value: The thing itself.

    Returns:
        32 lower-case hexadecimal characters.
    """
    return hmac.digest(key.reveal(), _framed(label, value), "sha256").hex()[:REFERENCE_CHARS]


def salted_commitment(value: bytes) -> tuple[bytes, str]:
    """Commit to `value` so that forgetting the salt makes the commitment say nothing.

    Returns:
        The 32-byte salt, to be kept beside the value and erased with it, and the commitment as 64 hexadecimal
        characters, which may be published.
    """
    salt = random_salt()
    return salt, commitment_of(salt, value).hex()


def opens_commitment(commitment: str, salt: bytes, value: bytes) -> bool:
    """Whether `commitment` was made over `value` with `salt`."""
    return hmac.compare_digest(commitment_of(salt, value).hex().encode(), commitment.encode())


def random_salt() -> bytes:
    """A fresh salt of 32 bytes."""
    return secrets.token_bytes(SALT_BYTES)


def commitment_of(salt: bytes, value: bytes) -> bytes:
    """The commitment to `value` under a salt of 32 bytes: HMAC-SHA256 (RFC 2104) keyed with the salt, 32 bytes.

    Who lacks the salt learns nothing of the value, and cannot test a guess at it. Salts of one length are all different
    keys, so that nobody opens a commitment to another value.
    """
    return hmac.digest(salt, value, "sha256")


def derive_key(key: Secret, purpose: str) -> Secret:
    """A 32-byte key for one purpose, from a master key.

    Keyed BLAKE2b (RFC 7693) with its own personalisation, so that no derived key equals another use of the master key.
    """
    return Secret(
        hashlib.blake2b(purpose.encode(), key=key.reveal(), digest_size=32, person=b"wardgate/derive").digest()
    )


def _framed(label: str, value: bytes) -> bytes:
    encoded = label.encode()
    return len(encoded).to_bytes(2, "big") + encoded + value
