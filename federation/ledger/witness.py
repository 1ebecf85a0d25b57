"""What one party may believe of another's ledger. No I/O.

A witness keeps the last checkpoint it saw, demands proof that the next one extends it, and only then cosigns: an
operator who rewrites history is caught by any one of them, because no proof leads from what was seen to what is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, cosign_checkpoint, verify_checkpoint
from federation.ledger.entry import Entry
from federation.ledger.tree import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from keys.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Witness:
    """A party that cosigns.

    Attributes:
        name: Under which it signs.
        key: Its signing key.
        clock: Seconds since the epoch.
    """

    name: str
    key: SigningKey
    clock: Callable[[], float]

    def cosign(self, verified: SignedCheckpoint) -> bytes:
        """The signature line for a checkpoint that `advance` has returned."""
        return cosign_checkpoint(verified, name=self.name, key=self.key, at=int(self.clock()))


def advance(seen: SignedCheckpoint | None, note: bytes, consistency: Sequence[bytes], key: NoteKey) -> SignedCheckpoint:
    """Verify a newer checkpoint against the last one seen.

    Args:
        seen: The last one; None where this is the first, which is taken on the strength of its signature.
        note: The checkpoint shown now.
        consistency: Proof that it extends `seen`; empty where the size is the same, or `seen` is None or empty.
        key: The ledger's name and key, known beforehand.

    Returns:
        What to keep as the last one seen.

    Raises:
        WardgateError: `LEDGER_INVALID`: not signed by that ledger; `LEDGER_FORKED`: it does not extend what was seen.
            Keep both notes then: together they prove it.
    """
    fresh = verify_checkpoint(note, key)
    if fresh.size == 0 and fresh.root != EMPTY_ROOT:
        raise WardgateError(ErrorCode.LEDGER_INVALID, f"{key.name} signed a wrong root of the empty tree")
    if seen is not None and seen.size > 0:
        if seen.checkpoint.origin != fresh.checkpoint.origin:
            raise WardgateError(ErrorCode.LEDGER_INVALID, f"{key.name} is compared with another ledger")
        verify_consistency(seen.size, fresh.size, seen.root, fresh.root, consistency)
    elif consistency:
        raise WardgateError(ErrorCode.LEDGER_INVALID, "a proof from nothing proves nothing")
    return fresh


def included(entry: bytes, index: int, path: Sequence[bytes], head: SignedCheckpoint) -> Entry:
    """Read an entry that must stand in the tree of a verified checkpoint.

    Raises:
        WardgateError: `LEDGER_INVALID`.
    """
    verify_inclusion(leaf_hash(entry), index, head.size, path, head.root)
    return Entry.parse(entry)
