"""A ledger as files: the C2SP `tlog-tiles` layout, which other people's tools can read and verify.

checkpoint                     signed note of the newest tree head, with witnesses' cosignatures
tile/<level>/<index>[.p/<n>]   subtree hashes, 256 to a tile; `.p/<n>` for the n of a tile that is not full
tile/entries/<index>[.p/<n>]   the entries, each behind its length (2 bytes, big-endian)
checkpoints/<size>             every checkpoint ever signed, with cosignatures; beside the format
ledger.pub                     the ledger's verifier key (vkey) as it says itself; verify against one you were given
witnesses.pub                  its witnesses' verifier keys likewise, one a line, where they were known
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import NoteKey, SignedCheckpoint, WitnessKey, with_cosignatures
from federation.ledger.reader import Reader

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
"""A tile's hashes are nodes of level 8 * its own level."""

CHECKPOINT_FILE: Final = "checkpoint"
CHECKPOINTS_FOLDER: Final = "checkpoints"
KEY_FILE: Final = "ledger.pub"
WITNESSES_FILE: Final = "witnesses.pub"

_ENTRY_TILES: Final = "entries"
_DIGITS: Final = 3


async def export_ledger(
    reader: Reader, directory: Path, head: SignedCheckpoint, key: NoteKey, witnesses: Sequence[WitnessKey] = ()
) -> None:
    """Write the tree of `head`. An earlier export in the same place is extended.

    The checkpoint is written last: whoever reads the folder meanwhile finds a whole ledger.

    Raises:
        WardgateError: `STORE_UNAVAILABLE`: database or folder cannot be used; `LEDGER_INVALID`: entries are missing.
    """
    try:
        for start in range(0, head.size, TILE_WIDTH):
            count = min(TILE_WIDTH, head.size - start)
            stored = await reader.entries(start, count)
            if [entry.index for entry in stored] != list(range(start, start + count)):
                raise WardgateError(ErrorCode.LEDGER_INVALID, f"entries from {start} on are missing")
            bundle = b"".join(len(entry.content).to_bytes(2, "big") + entry.content for entry in stored)
            _write(directory / entries_path(start // TILE_WIDTH, count), bundle)
        for level, index, width in tiles(head.size):
            nodes = await reader.nodes((level * TILE_HEIGHT, index * TILE_WIDTH + at) for at in range(width))
            _write(directory / tile_path(level, index, width), b"".join(nodes.values()))
        lines = await reader.all_cosignatures()
        for size, note in await reader.checkpoints():
            if size <= head.size:
                cosigned = with_cosignatures(note, *lines.get(size, ()))
                _write(directory / CHECKPOINTS_FOLDER / f"{size:012d}", cosigned)
        _write(directory / KEY_FILE, key.text().encode() + b"\n")
        if witnesses:
            _write(directory / WITNESSES_FILE, "".join(f"{witness.text()}\n" for witness in witnesses).encode())
        _write(directory / CHECKPOINT_FILE, with_cosignatures(head.note, *lines.get(head.size, ())))
    except OSError as error:
        raise WardgateError(ErrorCode.STORE_UNAVAILABLE, f"export: {type(error).__name__} {error.errno}") from error


def tiles(size: int) -> Iterator[tuple[int, int, int]]:
    """Level, index and width of every tile of a tree of `size` entries."""
    level, hashes = 0, size
    while hashes:
        for index in range(hashes // TILE_WIDTH):
            yield level, index, TILE_WIDTH
        if hashes % TILE_WIDTH:
            yield level, hashes // TILE_WIDTH, hashes % TILE_WIDTH
        level, hashes = level + 1, hashes >> TILE_HEIGHT


def tile_path(level: int, index: int, width: int) -> Path:
    """Where a tile stands."""
    return _path(str(level), index, width)


def entries_path(index: int, width: int) -> Path:
    """Where an entry bundle stands."""
    return _path(_ENTRY_TILES, index, width)


def unbundle(bundle: bytes) -> Sequence[bytes]:
    """The entries of a bundle.

    Raises:
        ValueError: It ends within an entry.
    """
    found: list[bytes] = []
    at = 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        at += 2 + length
        if at > len(bundle):
            raise ValueError("a bundle ends within an entry")
        found.append(bundle[at - length : at])
    return found


def _path(kind: str, index: int, width: int) -> Path:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // _DIGITS) * _DIGITS)
    groups = [digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS)]
    steps = [*(f"x{group}" for group in groups[:-1]), groups[-1]]
    if width < TILE_WIDTH:
        steps = [*steps[:-1], f"{steps[-1]}.p", str(width)]
    return Path("tile", kind, *steps)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)
