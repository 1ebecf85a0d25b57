"""RFC 9497: oblivious pseudorandom functions, suite ristretto255-SHA512, modes OPRF and VOPRF."""

from collections.abc import Sequence
from enum import IntEnum
from functools import cache
from typing import Final

from keys import dleq, scalars
from keys.digest import sha512
from keys.errors import EncodingRejected
from keys.expand import Expander
from keys.group import divide_each, map_to_group, multiply, multiply_all, multiply_base
from keys.secret import KEY_BYTES, Secret

MAX_INPUT_BYTES: Final = 65_535
"""Inputs are hashed behind a length of two bytes."""

SEED_BYTES: Final = KEY_BYTES
MAX_BATCH_ELEMENTS: Final = dleq.MAX_ELEMENTS
PROOF_BYTES: Final = dleq.PROOF_BYTES


class Mode(IntEnum):
    """The protocol variants of RFC 9497, section 3.1, that are in use here."""

    OPRF = 0
    VOPRF = 1


def context_string(mode: Mode) -> bytes:
    """The context string of a mode (CreateContextString)."""
    return b"OPRFV1-" + bytes([mode]) + b"-ristretto255-SHA512"


def derive_key_pair(seed: Secret, info: bytes, mode: Mode = Mode.VOPRF) -> tuple[Secret, bytes]:
    """A key pair from a seed (DeriveKeyPair).

    Args:
        seed: 32 bytes.
        info: What the key is for, at most 65,535 bytes.
        mode: The protocol variant.

    Returns:
        The secret scalar and its public element.

    Raises:
        EncodingRejected: The seed or the info has a wrong length.
    """
    if len(seed.reveal()) != SEED_BYTES or len(info) > MAX_INPUT_BYTES:
        raise EncodingRejected("seed is not 32 bytes, or info is over 65535 bytes")
    uniform = Expander(b"DeriveKeyPair" + context_string(mode))
    # The RFC tries counters 0 to 255 until the scalar is not zero. Zero is as likely as guessing a key: the first
    # counter is the only one that can ever be used, and `reduce_all` refuses zero.
    secret = scalars.reduce_all([uniform(seed.reveal(), _sized(info), b"\0")])[0]
    return secret, multiply_base(secret)


def hash_inputs(inputs: Sequence[bytes], mode: Mode = Mode.VOPRF) -> bytes:
    """One group element for each input (HashToGroup), concatenated.

    Raises:
        EncodingRejected: An input is over 65,535 bytes, or there are none.
    """
    if any(len(value) > MAX_INPUT_BYTES for value in inputs):
        raise EncodingRejected("input is over 65535 bytes")
    uniform = _to_group(mode)
    return map_to_group([uniform(value) for value in inputs])


def blind(value: bytes, mode: Mode = Mode.VOPRF, *, factor: Secret | None = None) -> tuple[Secret, bytes]:
    """Hide an input (Blind).

    Args:
        value: The input.
        mode: The protocol variant.
        factor: The blind, for test vectors only; otherwise it is random.

    Returns:
        The blind and the blinded element.

    Raises:
        EncodingRejected: The input is over 65,535 bytes.
    """
    factor = scalars.random_scalar() if factor is None else factor
    return factor, multiply(factor, hash_inputs([value], mode))


def blind_evaluate(key: Secret, elements: bytes) -> bytes:
    """Evaluate blinded elements, concatenated (BlindEvaluate without its proof).

    Raises:
        EncodingRejected: An element is not valid.
    """
    return multiply_all(key, elements)


def generate_proof(key: Secret, public: bytes, inputs: bytes, outputs: bytes, *, nonce: Secret | None = None) -> bytes:
    """Prove that `outputs` are `inputs` evaluated with the key behind `public` (VOPRF): 64 bytes.

    Raises:
        EncodingRejected: Elements are not valid, their numbers differ, or there are more than 65,535.
    """
    return dleq.prove(_statement(public), key, inputs, outputs, nonce=nonce)


def verify_proof(public: bytes, inputs: bytes, outputs: bytes, proof: bytes) -> None:
    """Check a proof of `generate_proof`.

    Raises:
        ProofRejected: It does not hold, or anything is not well encoded.
    """
    dleq.verify(_statement(public), inputs, outputs, proof)


def finalize(value: bytes, factor: Secret, evaluated: bytes) -> bytes:
    """Take the blind off and hash (Finalize): 64 bytes.

    Raises:
        EncodingRejected: The input is too long, or the blind or the element is not valid.
    """
    if len(value) > MAX_INPUT_BYTES:
        raise EncodingRejected("input is over 65535 bytes")
    unblinded = divide_each(evaluated, [factor])
    return sha512(_sized(value) + _sized(unblinded) + b"Finalize")


@cache
def _to_group(mode: Mode) -> Expander:
    return Expander(b"HashToGroup-" + context_string(mode))


def _statement(public: bytes) -> dleq.Statement:
    return dleq.Statement(context_string(Mode.VOPRF), public)


def _sized(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value
