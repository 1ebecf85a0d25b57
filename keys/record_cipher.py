"""Encryption of what a node or a holder stores: AES-256-GCM with a random nonce for each record."""

import secrets
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.digest import derive_key
from keys.errors import EncodingRejected, EnvelopeRejected
from keys.secret import KEY_BYTES, Secret

NONCE_BYTES: Final = 12
OVERHEAD_BYTES: Final = NONCE_BYTES + 16
"""How much longer a ciphertext is: the nonce and the tag."""


@final
class RecordCipher:
    """Encrypts records under a key derived from a data key. Thread-safe.

    Random nonces of 96 bits are safe for 2**32 records under one key (NIST SP 800-38D, section 8.3).

    Args:
        data_key: 32 bytes.

    Raises:
        EncodingRejected: The key has another length.
    """

    __slots__ = ("_cipher",)

    def __init__(self, data_key: Secret) -> None:
        if len(data_key.reveal()) != KEY_BYTES:
            raise EncodingRejected("data key is not 32 bytes")
        self._cipher: Final = AESGCM(derive_key(data_key, "record-cipher").reveal())

    def encrypt(self, plaintext: bytes, associated: bytes) -> bytes:
        """Encrypt one record.

        Args:
            plaintext: The record.
            associated: What it belongs to (its table and row, say); the same must be given to `decrypt`.

        Returns:
            Nonce, ciphertext and tag: 28 bytes more than the plaintext.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, associated)

    def decrypt(self, ciphertext: bytes, associated: bytes) -> bytes:
        """Decrypt one record.

        Raises:
            EnvelopeRejected: It was altered, belongs to something else, or was encrypted under another key.
        """
        if len(ciphertext) < OVERHEAD_BYTES:
            raise EnvelopeRejected("encrypted record is too short")
        try:
            return self._cipher.decrypt(ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], associated)
        except InvalidTag as error:
            raise EnvelopeRejected("encrypted record does not open") from error

    def __repr__(self) -> str:
        return "RecordCipher(**)"
