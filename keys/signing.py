"""Ed25519 signatures (RFC 8032), always under a domain.

What is signed is `"wardgate/" domain "/v1" NUL` and then every part behind its length (8 bytes, big-endian), so that no
two different lists of parts, and no two domains, share a message. Large bodies are signed by their SHA-512.
"""

import re
from functools import cached_property
from typing import Final, Self, final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from nacl import bindings
from nacl.exceptions import BadSignatureError
from nacl.exceptions import ValueError as NaclValueError
from nacl.signing import SigningKey as NaclSigningKey
from nacl.signing import VerifyKey as NaclVerifyKey

from keys.digest import sha256
from keys.errors import EncodingRejected, SignatureRejected
from keys.secret import KEY_BYTES, Secret

VERIFY_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_DOMAIN: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_FINGERPRINT_CHARS: Final = 32


@final
class VerifyKey:
    """An Ed25519 public key.

    Raises:
        EncodingRejected: The bytes are not a point of the prime-order group (wrong length, not on the curve, small
            order).
    """

    def __init__(self, value: bytes) -> None:
        if len(value) != VERIFY_KEY_BYTES or not bindings.crypto_core_ed25519_is_valid_point(bytes(value)):
            raise EncodingRejected("verify key is not an Ed25519 public key of 32 bytes")
        self._key: Final = NaclVerifyKey(bytes(value))

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Read the form that `hex` gives.

        Raises:
            EncodingRejected: Not 64 lower-case hexadecimal characters, or not a key.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            raise EncodingRejected("verify key is not 64 lower-case hexadecimal characters")
        return cls(bytes.fromhex(text))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read the form that `pem` gives.

        Raises:
            EncodingRejected: Not a public key in PEM, of another kind, or not a key.
        """
        try:
            found = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise EncodingRejected("verify key is not a public key in PEM") from error
        if not isinstance(found, Ed25519PublicKey):
            raise EncodingRejected("verify key is of another kind than Ed25519")
        return cls(found.public_bytes_raw())

    def __bytes__(self) -> bytes:
        return bytes(self._key)

    @cached_property
    def pem(self) -> bytes:
        """SubjectPublicKeyInfo in PEM (RFC 8410), which OpenSSL and every other tool reads: for files."""
        key = Ed25519PublicKey.from_public_bytes(bytes(self))
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @cached_property
    def hex(self) -> str:
        """64 lower-case hexadecimal characters, as in wire documents."""
        return bytes(self).hex()

    @cached_property
    def fingerprint(self) -> str:
        """The first 128 bits of SHA-256, in eight groups of four characters, to be compared over the phone."""
        digits = sha256(bytes(self)).hex()[:_FINGERPRINT_CHARS]
        return "-".join(digits[at : at + 4] for at in range(0, _FINGERPRINT_CHARS, 4))

    def verify(self, signature: bytes, domain: str, *parts: bytes) -> None:
        """Check a signature over `parts` in `domain`.

        Raises:
            SignatureRejected: It was not made by this key over exactly these parts in this domain.
        """
        self._check(signature, message(domain, *parts), domain)

    def verify_raw(self, signature: bytes, text: bytes) -> None:
        """Check a signature over bare bytes: signed notes of the ledger only, whose format prescribes it.

        Raises:
            SignatureRejected: It was not made by this key over exactly these bytes.
        """
        self._check(signature, text, "raw")

    def _check(self, signature: bytes, text: bytes, domain: str) -> None:
        try:
            self._key.verify(text, bytes(signature))
        except (BadSignatureError, NaclValueError) as error:
            raise SignatureRejected(f"signature in domain {domain} does not verify") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyKey) and bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))

    def __repr__(self) -> str:
        return f"VerifyKey({self.hex})"


@final
class SigningKey:
    """An Ed25519 private key.

    Args:
        secret: The 32-byte seed of RFC 8032.

    Raises:
        EncodingRejected: The seed has another length.
    """

    def __init__(self, secret: Secret) -> None:
        if len(secret.reveal()) != KEY_BYTES:
            raise EncodingRejected("signing key is not a seed of 32 bytes")
        self.secret: Final = secret
        """The seed, for the keyring."""
        self._key: Final = NaclSigningKey(secret.reveal())
        self.verify_key: Final = VerifyKey(bytes(self._key.verify_key))
        """The public half."""

    @classmethod
    def generate(cls) -> Self:
        """A fresh key."""
        return cls(Secret.random())

    @classmethod
    def from_secret(cls, secret: Secret) -> Self:
        """The key that `secret` serialises.

        Raises:
            EncodingRejected: The seed is not 32 bytes long.
        """
        return cls(secret)

    def sign(self, domain: str, *parts: bytes) -> bytes:
        """Sign `parts` in `domain` (one of `keys.domains`): 64 bytes."""
        return self._key.sign(message(domain, *parts)).signature

    def sign_raw(self, text: bytes) -> bytes:
        """Sign bare bytes: signed notes of the ledger only, whose format prescribes it."""
        return self._key.sign(text).signature

    def __repr__(self) -> str:
        return f"SigningKey(verify_key={self.verify_key.hex})"


def message(domain: str, *parts: bytes) -> bytes:
    """What is really signed for `parts` in `domain`.

    Raises:
        ValueError: The domain is not a short lower-case word.
    """
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("domain is not a short lower-case word")
    framed = [f"wardgate/{domain}/v1".encode(), b"\0"]
    for part in parts:
        framed += (len(part).to_bytes(8, "big"), part)
    return b"".join(framed)
