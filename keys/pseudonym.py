"""What a node does with pseudonyms: blind, unblind, look up, rotate.

A pseudonym is an element of ristretto255 that is valid in one scope: it may not leave its node except blinded. Every
function for many takes a chunk and shares no state, so that callers can put chunks (`batches`) on a thread pool.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, Self, TypeVar, final

from keys import scalars
from keys.group import check_element, divide_each, multiply, multiply_all, multiply_each, split
from keys.holder import (
    HolderKey,
    HolderKeys,
    Role,
    ScopeEpoch,
    Translation,
    translation,
    verify_evaluation,
    verify_rotation_token,
    verify_translation,
)
from keys.oprf import hash_inputs
from keys.secret import Secret

__all__ = [
    "BATCH_ELEMENTS",
    "LOOKUP_KEY_BYTES",
    "HolderKey",
    "HolderKeys",
    "Pseudonym",
    "Role",
    "ScopeEpoch",
    "Translation",
    "batches",
    "blind_identifiers",
    "blind_pseudonym",
    "combine_tokens",
    "lookup_key",
    "rotate",
    "rotate_all",
    "translation",
    "unblind",
    "unblind_element",
    "verify_evaluation",
    "verify_rotation_token",
    "verify_translation",
]

BATCH_ELEMENTS: Final = 4_096
"""Elements in one call: 128 KiB, a fifth of a second of one core, far below the 65,535 of one proof."""

LOOKUP_KEY_BYTES: Final = 32

Item = TypeVar("Item")


@final
class Pseudonym:
    """An agency's pseudonym of one child. Its repr never shows it.

    Args:
        value: The element, 32 bytes.

    Raises:
        EncodingRejected: It is not a canonical element, or it is the identity.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = check_element(value)

    @classmethod
    def _of_result(cls, value: bytes) -> Self:
        """Wrap what libsodium has just returned, which is valid."""
        made = cls.__new__(cls)
        made._value = value  # noqa: SLF001 - it is of this class
        return made

    def reveal(self) -> bytes:
        """The element, 32 bytes: for the node's own encrypted store."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pseudonym) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Pseudonym, self._value))

    def __repr__(self) -> str:
        return "Pseudonym(**)"


def batches(items: Sequence[Item], size: int = BATCH_ELEMENTS) -> Iterator[Sequence[Item]]:
    """Cut a list into chunks of at most `size`."""
    return (items[at : at + size] for at in range(0, len(items), size))


def blind_identifiers(identifiers: Sequence[bytes]) -> tuple[list[Secret], bytes]:
    """Hide identifiers, each behind a blind of its own.

    Args:
        identifiers: What `NhsNumber.identifier_input` gives, one or more.

    Returns:
        The blinds, and the blinded elements concatenated, both in the given order.

    Raises:
        EncodingRejected: There are none.
    """
    elements = hash_inputs(identifiers)
    blinds = scalars.random_scalars(len(identifiers))
    return blinds, multiply_each(blinds, elements)


def unblind(blinds: Sequence[Secret], elements: bytes) -> list[Pseudonym]:
    """Take the blinds off evaluated elements.

    Raises:
        EncodingRejected: An element is not valid, or there are not as many as blinds.
    """
    return _pseudonyms(divide_each(elements, blinds))


def blind_pseudonym(pseudonym: Pseudonym) -> tuple[Secret, bytes]:
    """Hide a pseudonym for one target of one query.

    Returns:
        A fresh blind, to be sealed to the target, and the blinded element.
    """
    blind = scalars.random_scalar()
    return blind, multiply(blind, pseudonym.reveal())


def unblind_element(blind: Secret, element: bytes) -> Pseudonym:
    """Take a requester's blind off a translated element: the target's own pseudonym.

    Raises:
        EncodingRejected: The blind or the element is not valid.
    """
    return unblind([blind], element)[0]


def lookup_key(data_key: Secret, pseudonym: Pseudonym) -> bytes:
    """What a node's database has instead of the pseudonym: 32 bytes.

    Keyed BLAKE2b (RFC 7693) under the node's data key, with a personalisation of its own.
    """
    return hashlib.blake2b(
        pseudonym.reveal(), key=data_key.reveal(), digest_size=LOOKUP_KEY_BYTES, person=b"wardgate/lookup"
    ).digest()


def rotate(pseudonym: Pseudonym, token: Secret) -> Pseudonym:
    """Carry a pseudonym into the epoch that the token leads to.

    Both holders rotate: use the product of their tokens (`combine_tokens`), or rotate twice.

    Raises:
        EncodingRejected: The token is not a valid scalar.
    """
    return rotate_all([pseudonym], token)[0]


def rotate_all(pseudonyms: Sequence[Pseudonym], token: Secret) -> list[Pseudonym]:
    """Carry many pseudonyms, one or more, into the epoch that the token leads to.

    Raises:
        EncodingRejected: The token is not a valid scalar, or there are no pseudonyms.
    """
    return _pseudonyms(multiply_all(token, b"".join(pseudonym.reveal() for pseudonym in pseudonyms)))


def combine_tokens(left: Secret, right: Secret) -> Secret:
    """One token that does the work of both holders' tokens.

    Raises:
        EncodingRejected: One of them is not a valid scalar.
    """
    return scalars.multiply(left, right)


def _pseudonyms(elements: bytes) -> list[Pseudonym]:
    return [Pseudonym._of_result(element) for element in split(elements)]  # noqa: SLF001 - of this module
