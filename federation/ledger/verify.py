"""Offline verification: needs a ledger, its public key and nothing else.

Everything is recomputed from the entries: every subtree hash is compared with the stored one, and at the size of every
checkpoint the root with the signed one. Where they differ, the signed root is followed down through those stored
hashes that still agree with it, to the first entry that is not proved to be the one that was signed. Where the stored
hashes were rewritten too, that is the first entry after the last checkpoint that still holds. An entry that is gone is
named itself, as long as all before it agrees with its stored hashes.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import (
    NoteKey,
    SignedCheckpoint,
    WitnessKey,
    verify_checkpoint,
    verify_cosignatures,
)
from federation.ledger.evidence import Evidence, ExportEvidence, SqliteEvidence
from federation.ledger.tree import HASH_BYTES, Frontier, leaf_hash, node_hash, peaks_of


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger that holds.

    Attributes:
        origin: Its name.
        size: Number of entries found.
        signed_size: How many of them the newest checkpoint covers; the rest is only consistent in itself.
        root: Root of the signed tree.
        checkpoints: How many signed checkpoints were compared.
    """

    origin: str
    size: int
    signed_size: int
    root: bytes
    checkpoints: int


class LedgerFault(WardgateError):  # noqa: N818 - it is what was found, not what went wrong in finding it
    """A ledger that does not hold.

    Attributes:
        first_bad_index: The first entry that is not proved to be the one signed; None where no entry is at fault.
        reason: What is wrong.
        size: Number of entries found.
    """

    def __init__(self, reason: str, first_bad_index: int | None, size: int) -> None:
        place = "" if first_bad_index is None else f"; first bad index {first_bad_index}"
        super().__init__(ErrorCode.LEDGER_INVALID, reason + place)
        self.reason = reason
        self.first_bad_index = first_bad_index
        self.size = size


def verify_export(path: Path, key: NoteKey, known: Sequence[bytes] = ()) -> Verified:
    """Verify an export directory.

    Args:
        path: The directory.
        key: The ledger's name and public key.
        known: Checkpoints of this ledger that somebody kept: it must extend each of them.

    Raises:
        LedgerFault: It does not hold.
        WardgateError: `STORE_UNAVAILABLE`: it cannot be read.
    """
    return verify_evidence(ExportEvidence(path), key, known)


def verify_database(path: Path, key: NoteKey, known: Sequence[bytes] = ()) -> Verified:
    """Verify a service's SQLite file. Arguments and errors as for `verify_export`."""
    evidence = SqliteEvidence(path)
    try:
        return verify_evidence(evidence, key, known)
    except sqlite3.DatabaseError as error:
        raise LedgerFault("the database file is damaged", None, evidence.count) from error
    finally:
        evidence.close()


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The newest checkpoint of a ledger that a witness has cosigned.

    Attributes:
        witness: Its name.
        size: How many entries it vouches for.
        at: When, seconds since the epoch.
    """

    witness: str
    size: int
    at: int


def verify_witnesses(evidence: Evidence, key: NoteKey, witnesses: Sequence[WitnessKey]) -> list[Cosigned]:
    """What each of the given witnesses has cosigned last; one that has cosigned nothing is left out.

    Args:
        evidence: A ledger that `verify_evidence` has found to hold.
        key: The ledger's name and public key.
        witnesses: Whose signatures are looked for.

    Raises:
        LedgerFault: A signature line under a given name does not verify.
    """
    found: list[Cosigned] = []
    for witness in witnesses:
        note = evidence.cosigned(witness.name)
        if note is None:
            continue
        try:
            signed = verify_checkpoint(note, key)
            times = verify_cosignatures(note, {witness.name: witness.key})
        except WardgateError as error:
            raise LedgerFault(f"cosignature by {witness.name}: {error.detail}", None, evidence.count) from error
        if witness.name not in times:
            raise LedgerFault(f"cosignature by {witness.name}: made with another key", None, evidence.count)
        found.append(Cosigned(witness.name, signed.size, times[witness.name]))
    return found


def verify_evidence(evidence: Evidence, key: NoteKey, known: Sequence[bytes] = ()) -> Verified:
    """Verify whatever gives access to a ledger's entries, hashes and checkpoints."""
    heads = _signed_heads(evidence, key, known)
    newest = heads[-1]
    walk = _Walk(evidence, heads)
    walk.run()
    if walk.stored_fault is not None:
        raise LedgerFault("a stored hash or column does not belong to its entry", walk.stored_fault, evidence.count)
    return Verified(key.name, evidence.count, newest.size, newest.root, len(heads))


def _signed_heads(evidence: Evidence, key: NoteKey, known: Sequence[bytes]) -> list[SignedCheckpoint]:
    """Every checkpoint, smallest first; one for each size."""
    notes = [*evidence.notes, *((f"known checkpoint {at}", note) for at, note in enumerate(known))]
    if not evidence.notes:
        raise LedgerFault("there is no signed checkpoint", None, evidence.count)
    found: dict[int, SignedCheckpoint] = {}
    for name, note in notes:
        try:
            signed = verify_checkpoint(note, key)
        except WardgateError as error:
            raise LedgerFault(f"{name}: {error.detail}", None, evidence.count) from error
        if found.setdefault(signed.size, signed).root != signed.root:
            raise LedgerFault(f"forked: two signed roots of size {signed.size}", None, evidence.count)
    return [found[size] for size in sorted(found)]


class _Walk:
    """One pass over the entries, from signed head to signed head."""

    def __init__(self, evidence: Evidence, heads: Sequence[SignedCheckpoint]) -> None:
        self._evidence: Final = evidence
        self._heads: Final = heads
        self._frontier: Final = Frontier()
        self.stored_fault: int | None = None
        self._proved = 0

    def run(self) -> None:
        for head in self._heads:
            missing = self._consume(head.size)
            if missing is not None or self._frontier.root() != head.root:
                raise self._fault(head, missing)
            self._proved = head.size
        missing = self._consume(self._evidence.count)
        if missing is not None:
            raise LedgerFault("an entry is missing", missing, self._evidence.count)

    def _consume(self, end: int) -> int | None:
        """Take entries up to `end`; returns the first that is missing."""
        for item in self._evidence.items(self._frontier.size, end):
            if item.content is None:
                return item.index
            nodes = self._frontier.append(leaf_hash(item.content))
            wrong = [
                level for level, stored in item.stored if nodes[level * HASH_BYTES : (level + 1) * HASH_BYTES] != stored
            ]
            if self.stored_fault is None and (wrong or not item.copies_agree):
                self.stored_fault = item.index
        return self._frontier.size if self._frontier.size < end else None

    def _fault(self, head: SignedCheckpoint, missing: int | None) -> LedgerFault:
        reason = (
            f"entries are not those signed in the checkpoint of {head.size}"
            if missing is None
            else f"an entry is missing before the checkpoint of {head.size}"
        )
        if missing is not None and self.stored_fault is None:
            # Beside a gap nothing can be proved; but where all before it agrees, it is the gap that is bad.
            return LedgerFault(reason, missing, self._evidence.count)
        index = _Descent(self._evidence).first_bad(head)
        if index is None:
            index = self._proved if self.stored_fault is None else self.stored_fault
        return LedgerFault(reason, max(index, self._proved), self._evidence.count)


class _Descent:
    """The way from a signed root down to the first entry that does not belong under it."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence: Final = evidence
        self._computed: Final[dict[tuple[int, int], bytes | None]] = {}

    def first_bad(self, head: SignedCheckpoint) -> int | None:
        """Index of the first bad entry; None where even the largest stored subtrees do not make up the signed root."""
        peaks = peaks_of(head.size)
        for choose in (self._evidence.node, self._recomputed):
            hashes = [choose(level, index) for level, index in peaks]
            known = [value for value in hashes if value is not None]
            if len(known) == len(peaks) and Frontier(head.size, known).root() == head.root:
                return next(self._bad_under(list(zip(peaks, known, strict=True))), None)
        return None

    def _bad_under(self, nodes: list[tuple[tuple[int, int], bytes]]) -> Iterator[int]:
        """Bad indexes under hashes that are authentic, in order."""
        for (level, index), value in nodes:
            if self._recomputed(level, index) == value:
                continue
            children = self._children(level, index, value)
            if children:
                yield from self._bad_under(children)
            else:
                yield index << level

    def _children(self, level: int, index: int, value: bytes) -> list[tuple[tuple[int, int], bytes]]:
        """The two children with hashes that do make up `value`; empty where neither stored nor computed ones do."""
        if level == 0:
            return []
        left, right = (level - 1, 2 * index), (level - 1, 2 * index + 1)
        for one in (self._evidence.node(*left), self._recomputed(*left)):
            for other in (self._evidence.node(*right), self._recomputed(*right)):
                if one is not None and other is not None and node_hash(one, other) == value:
                    return [(left, one), (right, other)]
        return []

    def _recomputed(self, level: int, index: int) -> bytes | None:
        """The subtree's hash from its entries; None where one is missing."""
        if (level, index) not in self._computed:
            self._computed[level, index] = self._compute(level, index)
        return self._computed[level, index]

    def _compute(self, level: int, index: int) -> bytes | None:
        frontier = Frontier()
        for item in self._evidence.items(index << level, (index + 1) << level):
            if item.content is None:
                return None
            frontier.append(leaf_hash(item.content))
        return frontier.root() if frontier.size == 1 << level else None
