"""expand_message_xmd with SHA-512 for 64 bytes of output (RFC 9380, section 5.3.1)."""

import hashlib
from typing import Final, final

_BLOCK_BYTES: Final = 128
_UNIFORM_BYTES: Final = 64
_MAX_TAG_BYTES: Final = 255


@final
class Expander:
    """Maps messages to 64 uniform bytes under one domain separation tag.

    Args:
        tag: The tag (DST), at most 255 bytes.
        prefix: What every message begins with; hashed once.
    """

    __slots__ = ("_head", "_tag")

    def __init__(self, tag: bytes, prefix: bytes = b"") -> None:
        if len(tag) > _MAX_TAG_BYTES:
            raise ValueError("domain separation tag is over 255 bytes")
        self._tag: Final = tag + bytes([len(tag)])
        self._head: Final = hashlib.sha512(bytes(_BLOCK_BYTES) + prefix)

    def __call__(self, *message: bytes) -> bytes:
        """64 uniform bytes for the concatenation of the prefix and `message`."""
        first = self._head.copy()
        first.update(b"".join((*message, _UNIFORM_BYTES.to_bytes(2, "big"), b"\0", self._tag)))
        # One block of SHA-512 is the whole output: b_1 = H(b_0 || 1 || tag).
        return hashlib.sha512(first.digest() + b"\x01" + self._tag).digest()
