"""The Merkle tree of RFC 9162, as arithmetic over stored hashes. No I/O.

A *node* `(level, index)` is the root of the complete subtree over entries `[index << level, (index + 1) << level)`;
level 0 are leaf hashes. Whoever holds all nodes answers every question here from about `log2(size)` of them, given as
a callable `get(level, index)`. A node never changes once it is complete.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Self

from federation.errors import ErrorCode, WardgateError
from keys.digest import sha256

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"")
"""RFC 9162 section 2.1.1: the root of a tree without entries."""

GetNode = Callable[[int, int], bytes]
"""`(level, index)` to 32 bytes."""


def leaf_hash(content: bytes) -> bytes:
    """Hash of one entry: SHA-256(0x00 || content)."""
    return sha256(b"\x00" + content)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right)


class Frontier:
    """The right edge of a growing tree: the roots of its complete subtrees, largest first.

    Args:
        size: Number of entries.
        peaks: Root of each complete subtree that `peaks_of(size)` names, in that order.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError("a tree has one peak for each bit that is set in its size")
        self.size = size
        self._peaks = list(peaks)

    @classmethod
    def of(cls, size: int, peaks: bytes) -> Self:
        """Read the form that `peaks` gives.

        Raises:
            ValueError: The two do not belong together.
        """
        if len(peaks) % HASH_BYTES:
            raise ValueError("peaks are of 32 bytes each")
        return cls(size, [peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)])

    @property
    def peaks(self) -> bytes:
        """The peaks, largest subtree first, concatenated."""
        return b"".join(self._peaks)

    def copy(self) -> "Frontier":
        """An independent frontier of the same tree."""
        return Frontier(self.size, self._peaks)

    def append(self, leaf: bytes) -> bytes:
        """Add a leaf hash.

        Returns:
            The nodes that became complete with this leaf, level 0 first, 32 bytes each, concatenated.
        """
        node, completed, rest = leaf, [leaf], self.size
        while rest & 1:
            node = node_hash(self._peaks.pop(), node)
            completed.append(node)
            rest >>= 1
        self._peaks.append(node)
        self.size += 1
        return b"".join(completed)

    def root(self) -> bytes:
        """The tree's root."""
        return _fold(self._peaks)


def peaks_of(size: int) -> list[tuple[int, int]]:
    """The nodes whose roots make up a tree of `size` entries, largest first."""
    return list(_cover(0, size))


def closing_entry(level: int, index: int) -> int:
    """The entry that completes a node: a store keeps the node's hash beside it."""
    return ((index + 1) << level) - 1


def root(size: int, get: GetNode) -> bytes:
    """Root of the tree over the first `size` entries."""
    return _range_hash(0, size, get) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, get: GetNode) -> list[bytes]:
    """Proof that entry `index` stands in the tree of `size` entries (RFC 9162 section 2.1.3.1).

    Raises:
        ValueError: There is no such entry.
    """
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, get))
            end = middle
        else:
            path.append(_range_hash(start, middle, get))
            start = middle
    return path[::-1]


def consistency_path(old: int, new: int, get: GetNode) -> list[bytes]:
    """Proof that the tree of `new` entries extends the one of `old` (RFC 9162 section 2.1.4.1).

    Raises:
        ValueError: Not `0 < old <= new`.
    """
    if not 0 < old <= new:
        raise ValueError(f"no proof from {old} to {new}")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(middle, end, get))
            end = middle
        else:
            path.append(_range_hash(start, middle, get))
            start, whole = middle, False
    if not whole:
        path.append(_range_hash(start, end, get))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> None:
    """Check an inclusion proof (RFC 9162 section 2.1.3.2).

    Raises:
        WardgateError: `LEDGER_INVALID`.
    """
    if not 0 <= index < size:
        raise _invalid(f"no entry {index} in a tree of {size}")
    _check_hashes(leaf, expected_root, *path)
    sides = _sides(index, size - 1, len(path))
    if sides is None:
        raise _invalid(f"inclusion proof of entry {index} has the wrong length")
    node = leaf
    for sibling, is_left in zip(path, sides, strict=True):
        node = node_hash(sibling, node) if is_left else node_hash(node, sibling)
    if node != expected_root:
        raise _invalid(f"entry {index} is not proved to be in the tree of {size}")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check a consistency proof (RFC 9162 section 2.1.4.2).

    A proof from the empty tree says nothing and is refused: whoever knows nothing yet takes a checkpoint on trust, and
    must do so knowingly.

    Raises:
        WardgateError: `LEDGER_FORKED`: the new tree is not shown to extend the old one; `LEDGER_INVALID`: a hash is not
            one.
    """
    if not 0 < old <= new:
        raise _forked(f"no proof leads from {old} to {new}")
    _check_hashes(old_root, new_root, *path)
    if old == new:
        if path or old_root != new_root:
            raise _forked(f"two different trees of size {old}")
        return
    if not path:
        raise _forked("consistency proof is empty")
    # An old tree that is one complete subtree is its own starting point; else the proof begins with one.
    start, *rest = path if old & (old - 1) else (old_root, *path)
    level = (old & -old).bit_length() - 1
    sides = _sides((old - 1) >> level, (new - 1) >> level, len(rest))
    if sides is None:
        raise _forked(f"consistency proof from {old} to {new} has the wrong length")
    first = second = start
    for sibling, is_left in zip(rest, sides, strict=True):
        if is_left:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
        else:
            second = node_hash(second, sibling)
    if first != old_root or second != new_root:
        raise _forked(f"the tree of {new} does not extend the tree of {old}")


def _sides(position: int, last: int, length: int) -> list[bool] | None:
    """For each hash on the way from `position` to the root, whether it stands on the left.

    Returns:
        None where the way, in a level whose last node is `last`, does not have exactly `length` steps.
    """
    sides: list[bool] = []
    while last:
        if position & 1:
            sides.append(True)
        elif position < last:
            sides.append(False)
        # else: the last node of its level has no sibling and rises as it is
        position, last = position >> 1, last >> 1
    return sides if len(sides) == length else None


def _split(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def _cover(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Complete subtrees over `[start, end)`, where `start` is a multiple of every power of two up to its width."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _range_hash(start: int, end: int, get: GetNode) -> bytes:
    return _fold([get(level, index) for level, index in _cover(start, end)])


def _fold(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    found = peaks[-1]
    for peak in peaks[-2::-1]:
        found = node_hash(peak, found)
    return found


def _check_hashes(*hashes: bytes) -> None:
    if any(len(value) != HASH_BYTES for value in hashes):
        raise _invalid("a hash is not 32 bytes long")


def _invalid(detail: str) -> WardgateError:
    return WardgateError(ErrorCode.LEDGER_INVALID, detail)


def _forked(detail: str) -> WardgateError:
    return WardgateError(ErrorCode.LEDGER_FORKED, detail)
