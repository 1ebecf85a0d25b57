"""The prime-order group ristretto255 (RFC 9496) on canonical encodings.

An element is 32 bytes; many elements are their concatenation. The identity and every non-canonical encoding are refused
everywhere. Nothing here shares state: callers put chunks of elements on a thread pool, and libsodium runs unlocked.
"""

from collections.abc import Sequence
from typing import Any, Final

from keys.errors import EncodingRejected
from keys.scalars import (
    ORDER,
    SCALAR_BYTES,
    UNIFORM_BYTES,
    check_scalar,
    invert,
    invert_in_place,
    joined,
    random_scalar,
    random_scalars,
)
from keys.secret import Secret
from keys.sodium import Sodium, sodium

__all__ = [
    "ELEMENT_BYTES",
    "GENERATOR",
    "ORDER",
    "SCALAR_BYTES",
    "UNIFORM_BYTES",
    "add",
    "check_element",
    "check_scalar",
    "count",
    "divide_each",
    "invert",
    "map_to_group",
    "multiply",
    "multiply_all",
    "multiply_base",
    "multiply_each",
    "random_scalar",
    "random_scalars",
    "split",
    "weighted_sum",
]

ELEMENT_BYTES: Final = 32
GENERATOR: Final = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
"""The canonical generator (RFC 9496, appendix A.1)."""

_IDENTITY: Final = bytes(ELEMENT_BYTES)


def check_element(element: bytes) -> bytes:
    """Return `element` if it is the canonical encoding of an element other than the identity.

    Raises:
        EncodingRejected: It is not.
    """
    if sodium().lib.crypto_core_ristretto255_is_valid_point(_candidate(element)) != 1:
        raise EncodingRejected("group element is not canonical")
    return element


def count(elements: bytes) -> int:
    """How many elements a concatenation holds.

    Raises:
        EncodingRejected: None, or the length is not a multiple of 32.
    """
    number, rest = divmod(len(elements), ELEMENT_BYTES)
    if rest or not number:
        raise EncodingRejected("elements are not a multiple of 32 bytes, or there are none")
    return number


def split(elements: bytes) -> list[bytes]:
    """The single elements of a concatenation, not checked.

    Raises:
        EncodingRejected: None, or the length is not a multiple of 32.
    """
    return [elements[at : at + ELEMENT_BYTES] for at in range(0, count(elements) * ELEMENT_BYTES, ELEMENT_BYTES)]


def add(left: bytes, right: bytes) -> bytes:
    """`left + right`.

    Raises:
        EncodingRejected: One is not a valid element, or the sum is the identity.
    """
    na = sodium()
    out = na.buffer(ELEMENT_BYTES)
    if na.lib.crypto_core_ristretto255_add(out, _candidate(left), _candidate(right)):
        raise EncodingRejected("group element is not canonical")
    return _candidate(na.take(out))


def multiply_base(scalar: Secret) -> bytes:
    """`scalar * GENERATOR`.

    Raises:
        EncodingRejected: The scalar is not valid.
    """
    na = sodium()
    out = na.buffer(ELEMENT_BYTES)
    na.lib.crypto_scalarmult_ristretto255_base(out, check_scalar(scalar.reveal()))
    return _candidate(na.take(out))


def multiply(scalar: Secret, element: bytes) -> bytes:
    """`scalar * element`.

    Raises:
        EncodingRejected: The scalar or the element is not valid.
    """
    return multiply_all(scalar, _candidate(element))


def multiply_all(scalar: Secret, elements: bytes) -> bytes:
    """`scalar` times each element.

    Raises:
        EncodingRejected: The scalar or an element is not valid; the text has the element's index.
    """
    factor = check_scalar(scalar.reveal())
    na, out, view = _prepared(elements)
    step = na.lib.crypto_scalarmult_ristretto255
    for at in range(0, len(elements), ELEMENT_BYTES):
        # Not zero for a non-canonical element and for the identity, whose product is the identity.
        if step(out + at, factor, view + at):
            raise _bad_element(at)
    return na.take(out)


def multiply_each(scalars: Sequence[Secret], elements: bytes) -> bytes:
    """The first scalar times the first element, and so on.

    Raises:
        EncodingRejected: A scalar or an element is not valid, or their numbers differ.
    """
    return _multiply_pairs(joined(scalars), elements)


def divide_each(elements: bytes, scalars: Sequence[Secret]) -> bytes:
    """The first element divided by the first scalar, and so on, with a single inversion for all.

    Raises:
        EncodingRejected: A scalar or an element is not valid, or their numbers differ.
    """
    factors = joined(scalars)
    invert_in_place(factors)
    return _multiply_pairs(factors, elements)


def map_to_group(uniforms: Sequence[bytes]) -> bytes:
    """One element for each string of 64 uniform bytes (RFC 9496, section 4.3.4), concatenated.

    Raises:
        EncodingRejected: A string is not 64 bytes, or there are none.
    """
    if not uniforms or any(len(uniform) != UNIFORM_BYTES for uniform in uniforms):
        raise EncodingRejected("uniform strings are not 64 bytes each, or there are none")
    na = sodium()
    out, step = na.buffer(len(uniforms) * ELEMENT_BYTES), na.lib.crypto_core_ristretto255_from_hash
    for index, uniform in enumerate(uniforms):
        step(out + index * ELEMENT_BYTES, uniform)
    return na.take(out)


def weighted_sum(weights: Sequence[Secret], elements: bytes) -> bytes:
    """The sum of each element times its weight.

    Raises:
        EncodingRejected: A weight or an element is not valid, their numbers differ, or the sum is the identity.
    """
    terms = multiply_each(weights, elements)
    na, out, view = _prepared(terms)
    total, step = out[0:ELEMENT_BYTES], na.lib.crypto_core_ristretto255_add
    na.ffi.memmove(total, view, ELEMENT_BYTES)
    for at in range(ELEMENT_BYTES, len(terms), ELEMENT_BYTES):
        step(total, total, view + at)  # the terms are results of libsodium: always canonical
    return _candidate(na.take(total))


def _candidate(element: bytes) -> bytes:
    if len(element) != ELEMENT_BYTES or element == _IDENTITY:
        raise EncodingRejected("group element is the identity or not 32 bytes")
    return element


def _prepared(elements: bytes) -> tuple[Sodium, Any, Any]:
    """The library, a buffer for as many results, and a view of the elements."""
    na = sodium()
    return na, na.buffer(count(elements) * ELEMENT_BYTES), na.view(elements)


def _multiply_pairs(factors: Any, elements: bytes) -> bytes:  # noqa: ANN401 - C data has no static type
    """Multiply pair by pair, and wipe the factors."""
    na, out, view = _prepared(elements)
    try:
        if len(factors) != len(elements):
            raise EncodingRejected("there are not as many scalars as elements")
        step = na.lib.crypto_scalarmult_ristretto255
        for at in range(0, len(elements), ELEMENT_BYTES):
            if step(out + at, factors + at, view + at):
                raise _bad_element(at)
        return na.take(out)
    finally:
        na.wipe(factors)


def _bad_element(at: int) -> EncodingRejected:
    return EncodingRejected(f"group element {at // ELEMENT_BYTES} is the identity or not canonical")
