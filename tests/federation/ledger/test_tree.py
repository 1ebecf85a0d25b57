import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ErrorCode, WardgateError
from federation.ledger import tree
from keys.digest import sha256

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "rfc6962.json").read_text())
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]
SOME_HASH = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")


def mth(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + mth(leaves[:split]) + mth(leaves[split:]))


def getter(leaves: list[bytes]) -> tree.GetNode:
    def get(level: int, index: int) -> bytes:
        part = leaves[index << level : (index + 1) << level]
        assert len(part) == 1 << level, "asked for a subtree that is not complete"
        return mth(part)

    return get


def path_of(vector: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(step) for step in vector["path"]]


def refusal(verify: Callable[..., None], *arguments: Any) -> ErrorCode | None:
    try:
        verify(*arguments)
    except WardgateError as error:
        return error.code
    return None


def numbered(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


def wrong_paths(path: list[bytes], *roots: bytes) -> Iterator[tuple[str, list[bytes]]]:
    for root in roots:
        yield "trailing root", [*path, root]
        yield "preceding root", [root, *path]
    yield "trailing garbage", [*path, b""]
    yield "preceding garbage", [b"", *path]
    for at in range(len(path)):
        flipped = bytes([path[at][0] ^ 8]) + path[at][1:]
        yield f"bit flipped in {at}", [*path[:at], flipped, *path[at + 1 :]]
        yield f"{at} left out", [*path[:at], *path[at + 1 :]]
        yield f"{at} cut short", [*path[:at], path[at][:31], *path[at + 1 :]]
        yield f"{at} inserted", [*path[:at], SOME_HASH, *path[at:]]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    frontier = tree.Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(tree.leaf_hash(leaf))
    expected = ROOTS[size - 1] if size else tree.EMPTY_ROOT
    assert frontier.root() == expected
    assert tree.root(size, getter(LEAVES)) == expected


def test_the_empty_root_is_the_published_one() -> None:
    assert tree.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("vector", VECTORS["inclusion"])
def test_inclusion_paths_are_the_published_ones(vector: dict[str, Any]) -> None:
    index, size, path = vector["index"], vector["size"], path_of(vector)
    assert tree.inclusion_path(index, size, getter(LEAVES)) == path
    tree.verify_inclusion(tree.leaf_hash(LEAVES[index]), index, size, path, ROOTS[size - 1])


@pytest.mark.parametrize("vector", VECTORS["inclusion"])
def test_a_corrupted_inclusion_proof_is_refused(vector: dict[str, Any]) -> None:
    index, size, path = vector["index"], vector["size"], path_of(vector)
    leaf, root = tree.leaf_hash(LEAVES[index]), ROOTS[size - 1]
    wrong: list[tuple[str, Any]] = [
        ("index - 1", (leaf, index - 1, size, path, root)),
        ("index + 1", (leaf, index + 1, size, path, root)),
        ("index ^ 2", (leaf, index ^ 2, size, path, root)),
        ("size * 2", (leaf, index, size * 2, path, root)),
        ("size // 2", (leaf, index, size // 2, path, root)),
        ("no size", (leaf, index, 0, path, root)),
        ("wrong leaf", (SOME_HASH, index, size, path, root)),
        ("short leaf", (b"WrongLeaf", index, size, path, root)),
        ("no leaf", (b"", index, size, path, root)),
        ("empty root", (leaf, index, size, path, tree.EMPTY_ROOT)),
        ("random root", (leaf, index, size, path, SOME_HASH)),
        ("no root", (leaf, index, size, path, b"")),
    ]
    wrong += [(name, (leaf, index, size, bad, root)) for name, bad in wrong_paths(path, root, tree.EMPTY_ROOT)]
    for name, arguments in wrong:
        assert refusal(tree.verify_inclusion, *arguments) is ErrorCode.LEDGER_INVALID, name


@pytest.mark.parametrize("vector", VECTORS["consistency"])
def test_consistency_paths_are_the_published_ones(vector: dict[str, Any]) -> None:
    old, new, path = vector["old"], vector["new"], path_of(vector)
    assert tree.consistency_path(old, new, getter(LEAVES)) == path
    tree.verify_consistency(old, new, ROOTS[old - 1], ROOTS[new - 1], path)


@pytest.mark.parametrize("vector", [vector for vector in VECTORS["consistency"] if vector["path"]])
def test_a_corrupted_consistency_proof_is_refused(vector: dict[str, Any]) -> None:
    old, new, path = vector["old"], vector["new"], path_of(vector)
    old_root, new_root = ROOTS[old - 1], ROOTS[new - 1]
    wrong: list[tuple[str, Any]] = [
        ("old - 1", (old - 1, new, old_root, new_root, path)),
        ("old + 1", (old + 1, new, old_root, new_root, path)),
        ("old ^ 2", (old ^ 2, new, old_root, new_root, path)),
        ("new * 2", (old, new * 2, old_root, new_root, path)),
        ("new // 2", (old, new // 2, old_root, new_root, path)),
        ("wrong old root", (old, new, SOME_HASH, new_root, path)),
        ("wrong new root", (old, new, old_root, SOME_HASH, path)),
        ("swapped roots", (old, new, new_root, old_root, path)),
        ("short old root", (old, new, b"WrongRoot", new_root, path)),
        ("short new root", (old, new, old_root, b"WrongRoot", path)),
        ("empty proof", (old, new, old_root, new_root, [])),
    ]
    wrong += [(name, (old, new, old_root, new_root, bad)) for name, bad in wrong_paths(path, old_root, new_root)]
    for name, arguments in wrong:
        found = refusal(tree.verify_consistency, *arguments)
        assert found in {ErrorCode.LEDGER_FORKED, ErrorCode.LEDGER_INVALID}, name


@pytest.mark.parametrize(
    ("old", "new", "old_root", "new_root", "path"),
    [
        pytest.param(0, 0, tree.EMPTY_ROOT, tree.EMPTY_ROOT, [], id="from nothing to nothing"),
        pytest.param(0, 1, tree.EMPTY_ROOT, ROOTS[0], [], id="from nothing"),
        pytest.param(1, 0, ROOTS[0], tree.EMPTY_ROOT, [], id="into the past, to nothing"),
        pytest.param(2, 1, ROOTS[1], ROOTS[0], [], id="into the past"),
        pytest.param(1, 2, ROOTS[0], ROOTS[1], [], id="without proof"),
        pytest.param(1, 1, ROOTS[0], SOME_HASH, [], id="same size, two roots"),
        pytest.param(1, 1, ROOTS[0], ROOTS[0], [SOME_HASH], id="same root, with a proof"),
    ],
)
def test_what_is_no_growth_is_a_fork(old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> None:
    with pytest.raises(WardgateError) as caught:
        tree.verify_consistency(old, new, old_root, new_root, path)
    assert caught.value.code is ErrorCode.LEDGER_FORKED


@given(size=st.integers(1, 70), data=st.data())
def test_every_entry_of_every_tree_can_be_proved(size: int, data: st.DataObject) -> None:
    leaves = numbered(size)
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion_path(index, size, getter(leaves))
    tree.verify_inclusion(tree.leaf_hash(leaves[index]), index, size, path, mth(leaves))
    other = data.draw(st.integers(0, size - 1).filter(lambda drawn: drawn != index)) if size > 1 else size
    with pytest.raises(WardgateError):
        tree.verify_inclusion(tree.leaf_hash(leaves[index]), other, size, path, mth(leaves))


@given(new=st.integers(1, 70), data=st.data())
def test_every_growth_can_be_proved_and_no_other(new: int, data: st.DataObject) -> None:
    leaves = numbered(new)
    old = data.draw(st.integers(1, new))
    path = tree.consistency_path(old, new, getter(leaves))
    tree.verify_consistency(old, new, mth(leaves[:old]), mth(leaves), path)
    changed = data.draw(st.integers(0, old - 1))
    rewritten = [b"rewritten" if at == changed else leaf for at, leaf in enumerate(leaves)]
    with pytest.raises(WardgateError):
        tree.verify_consistency(
            old, new, mth(leaves[:old]), mth(rewritten), tree.consistency_path(old, new, getter(rewritten))
        )


@given(size=st.integers(0, 300))
def test_the_frontier_grows_as_the_definition_says(size: int) -> None:
    leaves = numbered(size)
    frontier = tree.Frontier()
    stored: dict[tuple[int, int], bytes] = {}
    for at, leaf in enumerate(leaves):
        completed = frontier.append(tree.leaf_hash(leaf))
        for level in range(len(completed) // 32):
            index = ((at + 1) >> level) - 1
            assert tree.closing_entry(level, index) == at
            stored[level, index] = completed[level * 32 : level * 32 + 32]
    assert len(stored) == sum(size >> level for level in range(size.bit_length()))
    assert frontier.root() == mth(leaves) == tree.root(size, lambda level, index: stored[level, index])
    again = tree.Frontier.of(size, frontier.peaks)
    assert (again.size, again.peaks, again.root()) == (size, frontier.peaks, frontier.root())
    assert frontier.peaks == b"".join(stored[peak] for peak in tree.peaks_of(size))


@pytest.mark.parametrize(("size", "peaks"), [(1, b""), (0, bytes(32)), (3, bytes(32)), (1, bytes(31))])
def test_a_frontier_needs_one_peak_for_each_bit_of_its_size(size: int, peaks: bytes) -> None:
    with pytest.raises(ValueError, match="peak"):
        tree.Frontier.of(size, peaks)


def test_a_copy_of_a_frontier_grows_alone() -> None:
    frontier = tree.Frontier()
    frontier.append(SOME_HASH)
    copy = frontier.copy()
    copy.append(SOME_HASH)
    assert (frontier.size, copy.size) == (1, 2)
    assert frontier.root() == SOME_HASH


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (8, 8)])
def test_there_is_no_path_to_an_entry_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no entry"):
        tree.inclusion_path(index, size, getter(LEAVES))


@pytest.mark.parametrize(("old", "new"), [(0, 1), (2, 1), (-1, 1)])
def test_there_is_no_path_that_is_no_growth(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no proof"):
        tree.consistency_path(old, new, getter(LEAVES))
