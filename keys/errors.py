# ruff: noqa: N818 - the vocabulary names what was rejected; "RejectedError" would add nothing
"""What `keys` raises: one root, one class per kind of refusal.

Texts name what was refused and never hold a secret, a pseudonym or an NHS number.
"""


class KeysError(Exception):
    """Root of everything that `keys` raises on purpose."""


class EncodingRejected(KeysError):
    """Bytes are not the canonical encoding of the group element, scalar, key or batch that they should be."""


class ProofRejected(KeysError):
    """A proof about a key does not verify."""


class SignatureRejected(KeysError):
    """A signature does not verify."""


class EnvelopeRejected(KeysError):
    """Something sealed, padded or encrypted does not open, or does not belong in this context."""


class CertificateRejected(KeysError):
    """A certificate, or a request for one, is not what this federation accepts."""


class KeyringRejected(KeysError):
    """A file of the keyring is missing, exists already, or is not kept safely."""


class NhsNumberRejected(KeysError):
    """The text is not a valid NHS number. The text itself is never repeated."""


class LibraryUnavailable(KeysError):
    """libsodium, or its ristretto255 part, is not installed on this machine."""
