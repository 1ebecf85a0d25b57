"""Padding to a few sizes, so that the size of something sealed does not tell what it says.

A padded part is the length of its content (4 bytes, big-endian), the content, and zeros up to a bucket.
"""

from collections.abc import Sequence
from typing import Final

from keys.errors import EnvelopeRejected

BUCKETS: Final = (4 * 1024, 16 * 1024, 64 * 1024, 256 * 1024)
"""The sizes of padded parts, in bytes."""

_LENGTH_BYTES: Final = 4
CAPACITY: Final = BUCKETS[-1] - _LENGTH_BYTES
"""How much content one part can hold, in bytes."""


def pad(plaintext: bytes, *, smallest: int = BUCKETS[0]) -> bytes:
    """Pad to the smallest bucket.

    Args:
        plaintext: What is padded.
        smallest: The bucket below which nothing stays, bytes: what is usually longer than the first says by its size
            that it is not.

    Raises:
        EnvelopeRejected: The plaintext is over 256 KiB less 4 bytes: `split` it.
    """
    needed = max(len(plaintext) + _LENGTH_BYTES, smallest)
    if needed > BUCKETS[-1]:
        raise EnvelopeRejected("plaintext does not fit in one part")
    size = next(bucket for bucket in BUCKETS if bucket >= needed)
    return len(plaintext).to_bytes(_LENGTH_BYTES, "big") + plaintext + bytes(size - len(plaintext) - _LENGTH_BYTES)


def unpad(padded: bytes) -> bytes:
    """The content of a padded part.

    Raises:
        EnvelopeRejected: The size is not a bucket, the length does not fit in it, or the filling is not zeros.
    """
    if len(padded) not in BUCKETS:
        raise EnvelopeRejected("padded part is not of an agreed size")
    end = _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES], "big")
    if end > len(padded) or padded.count(0, end) != len(padded) - end:
        raise EnvelopeRejected("padded part is not well formed")
    return padded[_LENGTH_BYTES:end]


def split(plaintext: bytes) -> list[bytes]:
    """Cut into as many parts as are needed, at least one, each padded and ready to be sealed."""
    return [pad(plaintext[at : at + CAPACITY]) for at in range(0, max(len(plaintext), 1), CAPACITY)]


def join(parts: Sequence[bytes]) -> bytes:
    """Undo `split`. The order and the number of parts are for the caller to authenticate.

    Raises:
        EnvelopeRejected: There are no parts, or one is not well formed.
    """
    if not parts:
        raise EnvelopeRejected("there are no parts")
    return b"".join(map(unpad, parts))
