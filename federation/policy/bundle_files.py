"""The files of a bundle on disk: plain files only, bounded, written whole or not at all."""

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from federation.errors import ErrorCode, WardgateError

MAX_FILES: Final = 256
"""The built bundle has about twenty."""
MAX_FILE_BYTES: Final = 32 * 1024 * 1024
"""A module is about 1 MiB, reference data well under that."""


def read_tree(directory: Path) -> dict[str, bytes]:
    """Every file under a directory by its relative path.

    Raises:
        WardgateError: `BUNDLE_REJECTED`: nothing there, too many or too large files, or anything but plain files.
    """
    if not directory.is_dir():
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, "no bundle directory")
    found: dict[str, bytes] = {}
    for path in _walk(directory):
        if len(found) >= MAX_FILES + 2:
            raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"more than {MAX_FILES} files")
        found[path.relative_to(directory).as_posix()] = _read_plain(path)
    return found


def write_tree(directory: Path, content: Mapping[str, bytes]) -> None:
    """Write files, each made durable, under a new directory."""
    for name, data in content.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)


def _walk(directory: Path) -> Iterator[Path]:
    for base, folders, names in os.walk(directory, followlinks=False):
        for folder in folders:
            if (Path(base) / folder).is_symlink():
                raise WardgateError(ErrorCode.BUNDLE_REJECTED, "symbolic link in the bundle")
        yield from (Path(base) / name for name in sorted(names))


def _read_plain(path: Path) -> bytes:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise WardgateError(ErrorCode.BUNDLE_REJECTED, "not a plain file")
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"unreadable file: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise WardgateError(ErrorCode.BUNDLE_REJECTED, f"file over {MAX_FILE_BYTES} bytes")
    return content


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, and durable."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)  # nothing in a bundle is secret, and installer and service may be two users
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
