"""Bytes that must not be shown, logged, pickled or compared in variable time."""

import hmac
import secrets
from typing import Final, NoReturn, Self, final

KEY_BYTES: Final = 32
"""Every symmetric key and seed of Wardgate has 256 bits."""


@final
class Secret:
    """A secret byte string.

    Its repr and str are `Secret(**)`. It compares in constant time, cannot be hashed, pickled or deep-copied, and gives
    its value only through `reveal`, so that every use is easy to find. CPython cannot wipe an immutable byte
    string: a secret is gone from memory only when the process ends.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if not isinstance(value, bytes):  # `bytes(32)` would be thirty-two zeros: a key that everybody knows
            raise TypeError("a Secret is made of bytes")
        self._value: Final = value

    @classmethod
    def random(cls, size: int = KEY_BYTES) -> Self:
        """A fresh secret of `size` bytes from the operating system's generator."""
        return cls(secrets.token_bytes(size))

    def reveal(self) -> bytes:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(**)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash of a secret ends up in places that compare in variable time

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")
