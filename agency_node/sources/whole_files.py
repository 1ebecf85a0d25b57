"""Files that are whole, or are not read: still being written, cut off, in another encoding than the mapping says."""

import codecs
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

UNFINISHED: Final = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload")
"""What transfer programs add to the name of a file until it is whole (WinSCP, rsync, browsers, export jobs)."""
BACKUP: Final = "~"
"""What editors add to the name of an older copy."""
_BLOCK: Final = 1024 * 1024


class UnsoundFileError(OSError):
    """A file that cannot be believed as a whole. Its text says why and repeats nothing of the content."""


def told_name(path: Path) -> str:
    """A file's name as it may be logged and kept: bytes that are no text stand in it as escapes."""
    return path.name.encode(errors="backslashreplace").decode()


def fault_text(error: Exception) -> str:
    """What may be told of a fault: a `UnsoundFileError`'s own text, of others their type."""
    return str(error) if isinstance(error, UnsoundFileError) else type(error).__name__


@contextmanager
def opened_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, and see at the end that nobody wrote to it meanwhile.

    There is no rule that a file must have a certain age: exports are read as soon as they are there. A file that is
    replaced while it is read is no fault, because what was opened stays whole.

    Raises:
        UnsoundFileError: It was written to while it was read.
        OSError: It cannot be read.
    """
    with path.open("rb") as opened:
        before = _state(opened)
        yield opened
        if _state(opened) != before:
            raise UnsoundFileError("is still being written")


def _state(opened: BinaryIO) -> tuple[int, int]:
    found = os.fstat(opened.fileno())
    return found.st_size, found.st_mtime_ns


def finished_name(name: str) -> str | None:
    """The name that an unfinished file will have; None for a file that is not one by its name."""
    for suffix in UNFINISHED:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return None


def reads_as_utf8(opened: BinaryIO) -> bool:
    """Whether a file holds characters outside ASCII and is UTF-8 from end to end. Leaves it at its beginning.

    Text in a single-byte encoding hardly ever is by chance: each of its accented letters would have to stand before
    signs that make up the rest of a character.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    plain = True
    try:
        while block := opened.read(_BLOCK):
            plain = plain and block.isascii()
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        opened.seek(0)
    return not plain
