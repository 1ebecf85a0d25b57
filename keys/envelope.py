"""Sealing to a public key: HPKE (RFC 9180) with ML-KEM-768+X25519, HKDF-SHA256 and AES-256-GCM, in base mode.

The context is bound through HPKE's `info`: a purpose string and the SHA-512 of the header. Whoever opens with another
purpose or header fails. HPKE's base mode does not say who sealed: what must be attributable is signed as well.
"""

import re
from functools import cached_property
from typing import Final, Self, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from keys.digest import sha512
from keys.errors import EncodingRejected, EnvelopeRejected
from keys.padding import BUCKETS, join, pad, split, unpad
from keys.secret import Secret

__all__ = [
    "BUCKETS",
    "OVERHEAD_BYTES",
    "PUBLIC_BYTES",
    "SealingKey",
    "check_public",
    "join",
    "pad",
    "seal",
    "split",
    "unpad",
]

PUBLIC_BYTES: Final = 1216
"""An ML-KEM-768 encapsulation key (1,184 bytes) and an X25519 public key (32)."""

SECRET_BYTES: Final = 96
"""An ML-KEM-768 seed (64 bytes) and an X25519 private key (32)."""

OVERHEAD_BYTES: Final = 1136
"""How much longer the ciphertext is: the encapsulated key (1,120 bytes) and the tag (16)."""

_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KEM_PUBLIC_BYTES: Final = 1184
_KEM_SEED_BYTES: Final = 64
_PROBE: Final = X25519PrivateKey.generate()
"""Nothing is ever sealed with it: an exchange with it tells a public key of small order from others."""

_PURPOSE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")


@final
class SealingKey:
    """The private half of a key that others seal to.

    Args:
        secret: 96 bytes, as `secret` gives them.

    Raises:
        EncodingRejected: It has another length.
    """

    def __init__(self, secret: Secret) -> None:
        value = secret.reveal()
        if len(value) != SECRET_BYTES:
            raise EncodingRejected("sealing key is not 96 bytes")
        kem = MLKEM768PrivateKey.from_seed_bytes(value[:_KEM_SEED_BYTES])
        exchange = X25519PrivateKey.from_private_bytes(value[_KEM_SEED_BYTES:])
        self.secret: Final = secret
        self.public: Final = kem.public_key().public_bytes_raw() + exchange.public_key().public_bytes_raw()
        """What others seal to, 1,216 bytes."""
        self._key: Final = MLKEM768X25519PrivateKey(kem, exchange)

    @classmethod
    def generate(cls) -> Self:
        """A fresh key."""
        return cls(Secret.random(SECRET_BYTES))

    @classmethod
    def from_secret(cls, secret: Secret) -> Self:
        """The key that `secret` serialises.

        Raises:
            EncodingRejected: It is not 96 bytes long.
        """
        return cls(secret)

    def open(self, purpose: str, context: bytes, ciphertext: bytes) -> bytes:
        """Open what `seal` made for this key, this purpose and this context.

        Raises:
            EnvelopeRejected: It was sealed to another key, for another purpose or context, or it was altered.
        """
        info = _info(purpose, context)
        try:
            return _SUITE.decrypt(ciphertext, self._key, info)
        except (InvalidTag, ValueError) as error:
            raise EnvelopeRejected(f"envelope for {purpose} does not open") from error

    @cached_property
    def _fingerprint(self) -> str:
        return sha512(self.public).hex()[:16]

    def __repr__(self) -> str:
        return f"SealingKey(public={self._fingerprint}...)"


def seal(public: bytes, *, purpose: str, context: bytes, plaintext: bytes) -> bytes:
    """Seal a plaintext, padded by the caller where its size may tell something (`pad`).

    Args:
        public: The reader's public key, 1,216 bytes.
        purpose: What the envelope is for: a short lower-case word.
        context: The header that travels beside it.
        plaintext: What only the reader may see.

    Returns:
        The ciphertext, 1,136 bytes longer than the plaintext.

    Raises:
        EncodingRejected: The public key is not valid.
    """
    info = _info(purpose, context)
    key = _public_key(public)
    try:
        return _SUITE.encrypt(plaintext, key, info)
    except ValueError as error:
        raise EncodingRejected("public sealing key is not valid") from error


def check_public(public: bytes) -> None:
    """Whether something can be sealed to this key: its length, FIPS 203's modulus check, no point of small order.

    Some 40 microseconds, half of what sealing costs.

    Raises:
        EncodingRejected: Nothing can.
    """
    _public_key(public)
    try:
        _PROBE.exchange(X25519PublicKey.from_public_bytes(public[_KEM_PUBLIC_BYTES:]))
    except ValueError as error:
        raise EncodingRejected("public sealing key is not valid") from error


def _public_key(public: bytes) -> MLKEM768X25519PublicKey:
    if len(public) != PUBLIC_BYTES:
        raise EncodingRejected("public sealing key is not 1216 bytes")
    try:
        kem = MLKEM768PublicKey.from_public_bytes(public[:_KEM_PUBLIC_BYTES])
        exchange = X25519PublicKey.from_public_bytes(public[_KEM_PUBLIC_BYTES:])
    except ValueError as error:
        raise EncodingRejected("public sealing key is not valid") from error
    return MLKEM768X25519PublicKey(kem, exchange)


def _info(purpose: str, context: bytes) -> bytes:
    if not _PURPOSE.fullmatch(purpose):
        raise ValueError("purpose of an envelope is not a short lower-case word")
    return b"wardgate/envelope/" + purpose.encode() + b"/v1\0" + sha512(context)
