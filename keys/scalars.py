"""Arithmetic modulo the order of ristretto255 (RFC 9496), in constant time by libsodium.

A scalar is 32 bytes, little-endian, from 1 to ORDER - 1. All travel as `Secret`, because most are.
"""

from collections.abc import Sequence
from typing import Any, Final

from keys.errors import EncodingRejected
from keys.secret import Secret
from keys.sodium import sodium

SCALAR_BYTES: Final = 32
UNIFORM_BYTES: Final = 64
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""The number of elements, a prime (RFC 9496, section 4)."""


def check_scalar(scalar: bytes) -> bytes:
    """Return `scalar` if it is the canonical encoding of a scalar other than zero.

    Raises:
        EncodingRejected: It is not.
    """
    if len(scalar) != SCALAR_BYTES or not 0 < int.from_bytes(scalar, "little") < ORDER:
        raise EncodingRejected("scalar is zero, not reduced, or not 32 bytes")
    return scalar


def random_scalar() -> Secret:
    """A uniformly random scalar other than zero."""
    return random_scalars(1)[0]


def random_scalars(number: int) -> list[Secret]:
    """`number` independent uniformly random scalars other than zero."""
    na = sodium()
    out, draw = na.buffer(SCALAR_BYTES), na.lib.crypto_core_ristretto255_scalar_random
    scalars = []
    for _ in range(number):
        draw(out)
        scalars.append(Secret(na.take(out)))
    na.wipe(out)
    return scalars


def reduce_all(uniforms: Sequence[bytes]) -> list[Secret]:
    """Each string of 64 uniform bytes, little-endian, modulo ORDER.

    Raises:
        EncodingRejected: A string is not 64 bytes, or a result is zero.
    """
    if any(len(uniform) != UNIFORM_BYTES for uniform in uniforms):
        raise EncodingRejected("uniform string is not 64 bytes")
    na = sodium()
    out, step = na.buffer(SCALAR_BYTES), na.lib.crypto_core_ristretto255_scalar_reduce
    scalars = []
    for uniform in uniforms:
        step(out, uniform)
        scalars.append(Secret(check_scalar(na.take(out))))
    na.wipe(out)
    return scalars


def multiply(left: Secret, right: Secret) -> Secret:
    """`left * right`.

    Raises:
        EncodingRejected: One of them is not a valid scalar.
    """
    return _combined("crypto_core_ristretto255_scalar_mul", left, right)


def subtract(left: Secret, right: Secret) -> Secret:
    """`left - right`.

    Raises:
        EncodingRejected: One of them is not a valid scalar, or they are equal.
    """
    return _combined("crypto_core_ristretto255_scalar_sub", left, right)


def add(left: Secret, right: Secret) -> Secret:
    """`left + right`.

    Raises:
        EncodingRejected: One of them is not a valid scalar, or the sum is zero.
    """
    return _combined("crypto_core_ristretto255_scalar_add", left, right)


def divide(left: Secret, right: Secret) -> Secret:
    """`left / right`.

    Raises:
        EncodingRejected: One of them is not a valid scalar.
    """
    return multiply(left, invert(right))


def invert(scalar: Secret) -> Secret:
    """`1 / scalar`.

    Raises:
        EncodingRejected: It is not a valid scalar.
    """
    factors = joined([scalar])
    invert_in_place(factors)
    return _taken(factors)


def joined(scalars: Sequence[Secret]) -> Any:  # noqa: ANN401 - C data has no static type
    """A C buffer that holds all scalars one after another. Its owner wipes it.

    Raises:
        EncodingRejected: One of them is not a valid scalar.
    """
    na = sodium()
    factors = na.buffer(len(scalars) * SCALAR_BYTES)
    for index, scalar in enumerate(scalars):
        na.ffi.memmove(factors + index * SCALAR_BYTES, check_scalar(scalar.reveal()), SCALAR_BYTES)
    return factors


def invert_in_place(factors: Any) -> None:  # noqa: ANN401 - C data has no static type
    """Replace each scalar of a C buffer by its inverse, with one inversion and three products for each.

    This is Montgomery's trick: invert the product of all, then peel off one factor after another.
    """
    na = sodium()
    product = na.lib.crypto_core_ristretto255_scalar_mul
    before, running, inverse = na.buffer(len(factors)), na.buffer(SCALAR_BYTES), na.buffer(SCALAR_BYTES)
    running[0] = 1
    offsets = range(0, len(factors), SCALAR_BYTES)
    for at in offsets:
        na.ffi.memmove(before + at, running, SCALAR_BYTES)
        product(running, running, factors + at)
    na.lib.crypto_core_ristretto255_scalar_invert(running, running)
    for at in reversed(offsets):
        product(inverse, running, before + at)
        product(running, running, factors + at)
        na.ffi.memmove(factors + at, inverse, SCALAR_BYTES)
    na.wipe(before, running, inverse)


def _combined(function: str, left: Secret, right: Secret) -> Secret:
    na = sodium()
    out = na.buffer(SCALAR_BYTES)
    getattr(na.lib, function)(out, check_scalar(left.reveal()), check_scalar(right.reveal()))
    return _taken(out)


def _taken(buffer: Any) -> Secret:  # noqa: ANN401 - C data has no static type
    na = sodium()
    scalar = check_scalar(na.take(buffer))
    na.wipe(buffer)
    return Secret(scalar)
