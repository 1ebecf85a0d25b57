"""What one party may believe of another's ledger. No I/O.

A witness keeps the last checkpoint it saw, demands proof that the next one extends it, and only then cosigns: an
operator who rewrites history is caught by any one of them, because no proof leads from what was seen to what is shown.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import (
    NoteKey,
    SignedCheckpoint,
    cosign_checkpoint,
    verify_checkpoint,
    without_cosignatures,
)
from federation.ledger.entry import Entry
from federation.ledger.tree import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from keys.signing import SigningKey


class ForkedError(WardgateError):
    """A ledger that does not extend what was seen of it: `LEDGER_FORKED`, with the evidence.

    Attributes:
        ours: The last checkpoint that was verified, with the signature of its ledger alone.
        theirs: The one that is shown now, likewise.
    """

    def __init__(self, detail: str, ours: bytes, theirs: bytes) -> None:
        super().__init__(ErrorCode.LEDGER_FORKED, detail)
        self.ours = ours
        self.theirs = theirs


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
        ForkedError: It does not extend what was seen.
        WardgateError: `LEDGER_INVALID`: not signed by that ledger.
    """
    fresh = verify_checkpoint(note, key)
    if fresh.size == 0 and fresh.root != EMPTY_ROOT:
        raise WardgateError(ErrorCode.LEDGER_INVALID, f"{key.name} signed a wrong root of the empty tree")
    if seen is not None and seen.size > 0:
        if seen.checkpoint.origin != fresh.checkpoint.origin:
            raise WardgateError(ErrorCode.LEDGER_INVALID, f"{key.name} is compared with another ledger")
        try:
            verify_consistency(seen.size, fresh.size, seen.root, fresh.root, consistency)
        except WardgateError as error:
            if error.code is not ErrorCode.LEDGER_FORKED:
                raise
            raise _forked(error, seen, fresh, key) from error
    elif consistency:
        raise WardgateError(ErrorCode.LEDGER_INVALID, "a proof from nothing proves nothing")
    return fresh


async def shown_instead(
    refusal: WardgateError, seen: SignedCheckpoint | None, key: NoteKey, ask: Callable[[], Awaitable[bytes]]
) -> WardgateError:
    """What to raise where a ledger's keeper refused to prove that it extends what was seen: with evidence, if any.

    Args:
        refusal: How it refused.
        seen: The last checkpoint seen.
        key: The ledger's name and key.
        ask: Asks for the checkpoint that is shown to whoever has seen none.

    Returns:
        A `ForkedError` where the refusal is that the ledger was never that large and a signed checkpoint came instead;
        else the refusal itself, which stands in any case.
    """
    if refusal.code is not ErrorCode.LEDGER_FORKED or seen is None:
        return refusal
    try:
        return _forked(refusal, seen, verify_checkpoint(await ask(), key), key)
    except WardgateError:  # nothing that is signed: only the refusal is known, and it is raised
        return refusal


def _forked(error: WardgateError, seen: SignedCheckpoint, shown: SignedCheckpoint, key: NoteKey) -> ForkedError:
    ours, theirs = (without_cosignatures(each.note, key) for each in (seen, shown))
    return ForkedError(error.detail, ours, theirs)


def included(entry: bytes, index: int, path: Sequence[bytes], head: SignedCheckpoint) -> Entry:
    """Read an entry that must stand in the tree of a verified checkpoint.

    Raises:
        WardgateError: `LEDGER_INVALID`.
    """
    verify_inclusion(leaf_hash(entry), index, head.size, path, head.root)
    return Entry.parse(entry)
