"""Proofs that one secret number links two pairs: for batches (RFC 9497, section 2.2) and for a single pair.

A proof says: the number k with `public = k * base` is also the number with `outputs[i] = k * inputs[i]` for all i.
The RFC's base is always the generator. Here it may be another element: then it must stand in `context`, which enters
every hash, because a proof is worth nothing if its maker may choose the base afterwards.

A single pair needs no composite: its proof is that of Chaum and Pedersen (CRYPTO '92), made non-interactive by the same
hash of everything it speaks of. It takes half the work, and its challenge has a label of its own, so that neither kind
of proof passes for the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from keys import scalars
from keys.digest import sha512
from keys.errors import EncodingRejected, ProofRejected
from keys.expand import Expander
from keys.group import (
    ELEMENT_BYTES,
    GENERATOR,
    SCALAR_BYTES,
    add,
    check_element,
    check_scalar,
    count,
    multiply,
    multiply_base,
    weighted_sum,
)
from keys.secret import Secret

MAX_ELEMENTS: Final = 65_535
"""The position of an element is hashed in two bytes."""

PROOF_BYTES: Final = 2 * SCALAR_BYTES

_BATCH: Final = b"Challenge"
_SINGLE: Final = b"SingleChallenge"


@dataclass(frozen=True, slots=True)
class Statement:
    """That a secret number turns `base` into `public`.

    Attributes:
        context: The context string, which separates this use of proofs from every other.
        public: The holder's published element.
        base: The element it is a multiple of.
    """

    context: bytes
    public: bytes
    base: bytes = GENERATOR


def prove(statement: Statement, key: Secret, inputs: bytes, outputs: bytes, *, nonce: Secret | None = None) -> bytes:
    """Prove that `key` turns every input into its output (GenerateProof).

    Args:
        statement: What is published about `key`.
        key: The secret scalar.
        inputs: Elements, concatenated.
        outputs: As many elements, concatenated.
        nonce: The proof's random scalar, for test vectors only: two proofs with one nonce give the key away.

    Returns:
        64 bytes.

    Raises:
        EncodingRejected: Elements are not valid, their numbers differ, or there are more than 65,535.
    """
    composite = weighted_sum(_weights(statement, inputs, outputs), inputs)
    return _proof(statement, key, composite, multiply(key, composite), nonce=nonce, label=_BATCH)


def verify(statement: Statement, inputs: bytes, outputs: bytes, proof: bytes) -> None:
    """Check that one secret number links `statement` and every input to its output (VerifyProof).

    Raises:
        ProofRejected: It does not, or anything is not encoded as it must be.
    """
    with _badly_encoded():
        weights = _weights(statement, inputs, outputs)
        _check(statement, weighted_sum(weights, inputs), weighted_sum(weights, outputs), proof, _BATCH)


def prove_one(
    statement: Statement, key: Secret, element: bytes, result: bytes, *, nonce: Secret | None = None
) -> bytes:
    """Prove that `key` turns one element into `result`: two multiplications.

    Args:
        statement: What is published about `key`.
        key: The secret scalar.
        element: One element.
        result: `key` times the element. A proof of anything else does not verify.
        nonce: As for `prove`.

    Returns:
        64 bytes.

    Raises:
        EncodingRejected: One of them is not a valid element.
    """
    return _proof(statement, key, element, check_element(result), nonce=nonce, label=_SINGLE)


def verify_one(statement: Statement, element: bytes, result: bytes, proof: bytes) -> None:
    """Check that one secret number links `statement` and `element` to `result`: four multiplications.

    Raises:
        ProofRejected: It does not, or anything is not encoded as it must be.
    """
    with _badly_encoded():
        _check(statement, element, result, proof, _SINGLE)


@contextmanager
def _badly_encoded() -> Iterator[None]:
    try:
        yield
    except EncodingRejected as error:
        raise ProofRejected(f"proof or what it speaks of is not well encoded: {error}") from error


def _proof(
    statement: Statement, key: Secret, element: bytes, image: bytes, *, nonce: Secret | None, label: bytes
) -> bytes:
    nonce = scalars.random_scalar() if nonce is None else nonce
    commitments = (_times(nonce, statement.base), multiply(nonce, element))
    challenge = _challenge(statement, element, image, *commitments, label=label)
    response = scalars.subtract(nonce, scalars.multiply(challenge, key))
    return challenge.reveal() + response.reveal()


def _check(statement: Statement, element: bytes, image: bytes, proof: bytes, label: bytes) -> None:
    if len(proof) != PROOF_BYTES:
        raise EncodingRejected("proof is not 64 bytes")
    challenge, response = (Secret(check_scalar(part)) for part in (proof[:SCALAR_BYTES], proof[SCALAR_BYTES:]))
    # Every element is multiplied here, and so checked.
    first = add(_times(response, statement.base), multiply(challenge, statement.public))
    second = add(multiply(response, element), multiply(challenge, image))
    if _challenge(statement, element, image, first, second, label=label) != challenge:
        raise ProofRejected("the result was not made with the published key")


def _weights(statement: Statement, inputs: bytes, outputs: bytes) -> list[Secret]:
    """The random factors that fold a batch into one pair (ComputeComposites)."""
    if len(inputs) != len(outputs) or count(inputs) > MAX_ELEMENTS:
        raise EncodingRejected("inputs and outputs differ in number, or there are more than 65535")
    for published in (statement.base, statement.public):
        check_element(published)
    seed = sha512(_framed(statement.public, b"Seed-" + statement.context))
    uniform = Expander(b"HashToScalar-" + statement.context, prefix=_framed(seed))
    size = ELEMENT_BYTES.to_bytes(2, "big")
    bounds = enumerate(pairwise(range(0, len(inputs) + 1, ELEMENT_BYTES)))
    return scalars.reduce_all(
        [
            uniform(index.to_bytes(2, "big"), size, inputs[at:to], size, outputs[at:to], b"Composite")
            for index, (at, to) in bounds
        ]
    )


def _challenge(statement: Statement, *elements: bytes, label: bytes) -> Secret:
    uniform = Expander(b"HashToScalar-" + statement.context)
    return scalars.reduce_all([uniform(_framed(statement.public, *elements), label)])[0]


def _times(scalar: Secret, base: bytes) -> bytes:
    return multiply_base(scalar) if base == GENERATOR else multiply(scalar, base)


def _framed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)
