"""What a key holder (the gateway, the trustee) does: evaluate, translate, rotate; and how others check that it did.

A holder's scalar for a scope and an epoch is derived from its seed for that epoch (RFC 9497, DeriveKeyPair). The
agency's pseudonym of a child is the child's element times the gateway's scalar times the trustee's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, final

from keys import dleq, oprf, scalars
from keys.errors import EncodingRejected, ProofRejected
from keys.group import multiply, multiply_all
from keys.secret import Secret

Role = Literal["gateway", "trustee"]

PROOF_BYTES: Final = dleq.PROOF_BYTES

_SCOPE: Final = re.compile(r"[a-z][a-z0-9-]{1,62}")
_CACHED_TRANSLATIONS: Final = 16_384
"""Pairs of scopes: 128 agencies, each with each."""


@final
class HolderKey:
    """One holder's key for one scope in one epoch.

    Args:
        seed: The holder's 32-byte seed for the epoch.
        role: Which holder.
        scope: The agency whose pseudonyms it makes.
        epoch: The key's epoch, from 0 on.

    Raises:
        EncodingRejected: The seed has another length, or role, scope or epoch are not well formed.
    """

    __slots__ = ("_scalar", "epoch", "public", "role", "scope")

    def __init__(self, seed: Secret, role: Role, scope: str, epoch: int) -> None:
        if role not in {"gateway", "trustee"} or not _SCOPE.fullmatch(scope) or epoch < 0:
            raise EncodingRejected("role, scope or epoch of a holder key is not well formed")
        self.role: Final = role
        self.scope: Final = scope
        self.epoch: Final = epoch
        info = f"wardgate/pseudonym-key/v1\0{role}\0{scope}\0{epoch}".encode()
        scalar, public = oprf.derive_key_pair(seed, info)
        self._scalar: Final = scalar
        self.public: Final = public
        """The point that the holder publishes for this scope and epoch, 32 bytes."""

    def multiply(self, elements: bytes) -> bytes:
        """Evaluate concatenated elements without a proof.

        Raises:
            EncodingRejected: An element is not valid, or there are none.
        """
        return oprf.blind_evaluate(self._scalar, elements)

    def evaluate(self, elements: bytes) -> tuple[bytes, bytes]:
        """Evaluate concatenated elements, with one proof for all.

        Args:
            elements: At most 65,535 elements of 32 bytes; 4,096 is a good size for one call on a thread pool.

        Returns:
            The evaluated elements in the same order, and the proof of 64 bytes.

        Raises:
            EncodingRejected: An element is not valid, there are none, or too many.
        """
        results = self.multiply(elements)
        return results, oprf.generate_proof(self._scalar, self.public, elements, results)

    def rotation_token(self, new: "HolderKey") -> Secret:
        """The scalar that turns pseudonyms of this epoch into those of `new`.

        It is for the node of this scope alone.

        Raises:
            EncodingRejected: `new` belongs to another holder or another scope.
        """
        if (self.role, self.scope) != (new.role, new.scope):
            raise EncodingRejected("a rotation stays with its holder and its scope")
        return _ratio(self, new)

    def __repr__(self) -> str:
        return f"HolderKey(role={self.role}, scope={self.scope}, epoch={self.epoch}, public={self.public.hex()})"


@final
class Translation:
    """One holder's half of turning blinded pseudonyms of one scope into those of another.

    Raises:
        EncodingRejected: The two keys belong to different holders.
    """

    __slots__ = ("_ratio", "_statement")

    def __init__(self, from_key: HolderKey, to_key: HolderKey) -> None:
        if from_key.role != to_key.role:
            raise EncodingRejected("a translation stays with its holder")
        self._ratio: Final = _ratio(from_key, to_key)
        self._statement: Final = _translation_statement(from_key.public, to_key.public)

    def apply(self, elements: bytes) -> bytes:
        """Translate one or more concatenated elements.

        Raises:
            EncodingRejected: An element is not valid, or there are none.
        """
        return multiply_all(self._ratio, elements)

    def prove(self, element: bytes, result: bytes) -> bytes:
        """Prove that `result` is one `element` translated with the published keys: 64 bytes.

        Raises:
            EncodingRejected: One of them is not a valid element.
        """
        return dleq.prove_one(self._statement, self._ratio, element, result)

    def __repr__(self) -> str:
        return "Translation(**)"


def translation(from_key: HolderKey, to_key: HolderKey) -> Translation:
    """The translation between two keys of one holder. Keep it: making one costs as much as using it.

    Raises:
        EncodingRejected: The two keys belong to different holders.
    """
    return Translation(from_key, to_key)


@dataclass(frozen=True, slots=True)
class ScopeEpoch:
    """In what a pseudonym is valid."""

    scope: str
    epoch: int


@final
class HolderKeys:
    """All keys of one holder, derived as they are needed and kept.

    Args:
        role: Which holder.
        seeds: The seed of each epoch that is in use. A seed that is left out is as good as destroyed.

    Thread-safe: deriving twice gives the same key.
    """

    def __init__(self, role: Role, seeds: Mapping[int, Secret]) -> None:
        self.role: Final = role
        self._seeds: Final = dict(seeds)
        self._derive: Final = lru_cache(maxsize=None)(self._derived)
        self._relate: Final = lru_cache(maxsize=_CACHED_TRANSLATIONS)(self._related)

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epochs in use, in order."""
        return tuple(sorted(self._seeds))

    def key(self, scope: str, epoch: int) -> HolderKey:
        """The key of one scope in one epoch.

        Raises:
            EncodingRejected: The epoch is not in use, or the scope is not well formed.
        """
        return self._derive(scope, epoch)

    def translation(self, source: ScopeEpoch, target: ScopeEpoch) -> Translation:
        """The translation from one scope to another, its ratio kept.

        Raises:
            EncodingRejected: An epoch is not in use, or a scope is not well formed.
        """
        return self._relate(source, target)

    def add(self, epoch: int, seed: Secret) -> None:
        """Take a new epoch into use.

        Raises:
            EncodingRejected: The epoch is in use with another seed.
        """
        if self._seeds.setdefault(epoch, seed) != seed:
            raise EncodingRejected(f"epoch {epoch} is in use with another seed")

    def forget(self, epoch: int) -> None:
        """Drop an epoch's seed and everything derived from any seed."""
        self._seeds.pop(epoch, None)
        self._derive.cache_clear()
        self._relate.cache_clear()

    def _derived(self, scope: str, epoch: int) -> HolderKey:
        if epoch not in self._seeds:
            raise EncodingRejected(f"epoch {epoch} is not in use")
        return HolderKey(self._seeds[epoch], self.role, scope, epoch)

    def _related(self, source: ScopeEpoch, target: ScopeEpoch) -> Translation:
        return Translation(self.key(source.scope, source.epoch), self.key(target.scope, target.epoch))

    def __repr__(self) -> str:
        return f"HolderKeys(role={self.role}, epochs={list(self.epochs)})"


def verify_evaluation(public: bytes, inputs: bytes, outputs: bytes, proof: bytes) -> None:
    """Check that `outputs` are `inputs` evaluated with the key behind `public`, all concatenated elements.

    Raises:
        ProofRejected: They are not, or anything is not well encoded.
    """
    oprf.verify_proof(public, inputs, outputs, proof)


def verify_translation(public_from: bytes, public_to: bytes, element: bytes, result: bytes, proof: bytes) -> None:
    """Check that `result` is one `element` translated between the keys behind two published points.

    Raises:
        ProofRejected: It is not, or anything is not well encoded.
    """
    dleq.verify_one(_translation_statement(public_from, public_to), element, result, proof)


def verify_rotation_token(token: Secret, public_old: bytes, public_new: bytes) -> None:
    """Check that a token leads from one published point to the other.

    Raises:
        ProofRejected: It does not, or anything is not well encoded.
    """
    try:
        reached = multiply(token, public_old)
    except EncodingRejected as error:
        raise ProofRejected("rotation token or published point is not well encoded") from error
    if reached != public_new:
        raise ProofRejected("rotation token does not lead to the published point")


def _ratio(old: HolderKey, new: HolderKey) -> Secret:
    return scalars.divide(new._scalar, old._scalar)  # noqa: SLF001 - the scalar is private to this module


def _translation_statement(public_from: bytes, public_to: bytes) -> dleq.Statement:
    # The base of this proof is the first point. It stands in the context and so enters every hash of the proof.
    return dleq.Statement(b"WardgateTranslationV2-" + public_from, public=public_to, base=public_from)
