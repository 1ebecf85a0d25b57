"""Named secrets in a directory: one file each, readable by their owner alone.

The directory has mode 0700 and secret files 0600. Anything looser, owned by somebody else or reached through a symbolic
link is refused, never repaired: it may have been read. Writing is atomic and durable.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from keys.errors import KeyringRejected
from keys.secret import Secret

MAX_FILE_BYTES: Final = 64 * 1024
"""Keys and certificates are a few kilobytes."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9-]{1,62}){0,2}")


@dataclass(frozen=True, slots=True)
class _Kind:
    """How files of one kind are called and kept."""

    suffix: str
    mode: int
    refused_bits: int

    def file(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise KeyringRejected("name in a keyring is lower-case letters, digits, hyphens and at most two dots")
        return name + self.suffix


_SECRET: Final = _Kind(".key", 0o600, 0o077)
_PUBLIC: Final = _Kind(".pem", 0o644, 0o022)
_DIRECTORY: Final = _Kind("", 0o700, 0o077)


@final
class Keyring:
    """A directory of secrets and, beside them, public material.

    Args:
        directory: Made with mode 0700 if it does not exist.

    Raises:
        KeyringRejected: The directory cannot be made, or is not kept safely.
    """

    def __init__(self, directory: Path) -> None:
        self.directory: Final = directory
        try:
            if not os.path.lexists(directory):
                directory.mkdir(mode=_DIRECTORY.mode, parents=True, exist_ok=True)
        except OSError as error:
            raise KeyringRejected(f"keyring {directory} cannot be made: {error.strerror}") from error
        with self._opened():
            pass

    def create(self, name: str, secret: Secret) -> None:
        """Store a new secret.

        Raises:
            KeyringRejected: The name is taken or not well formed, the secret is over 64 KiB, it cannot be written, or
                the directory is not kept safely.
        """
        self._write(_SECRET, name, secret.reveal(), replace=False)

    def replace(self, name: str, secret: Secret) -> None:
        """Store a secret in the place of another, or as a new one.

        Raises:
            KeyringRejected: The name is not well formed, the secret is over 64 KiB, it cannot be written, or the
                directory is not kept safely.
        """
        self._write(_SECRET, name, secret.reveal(), replace=True)

    def load(self, name: str) -> Secret:
        """Read a secret.

        Raises:
            KeyringRejected: It is missing or not kept safely.
        """
        return Secret(self._read(_SECRET, name))

    def exists(self, name: str) -> bool:
        """Whether there is a secret of this name, kept safely or not.

        Raises:
            KeyringRejected: The name is not well formed.
        """
        return os.path.lexists(self.directory / _SECRET.file(name))

    def names(self) -> list[str]:
        """The names of all secrets, in order.

        Raises:
            KeyringRejected: The directory is not kept safely.
        """
        with self._opened() as directory:
            files = [file for file in _files(directory) if file.endswith(_SECRET.suffix)]
        return sorted(name for file in files if _NAME.fullmatch(name := file.removesuffix(_SECRET.suffix)))

    def destroy(self, name: str) -> None:
        """Remove a secret: the end of an epoch.

        Copies that the file system or a backup kept are out of reach.

        Raises:
            KeyringRejected: It is missing, or the directory is not kept safely.
        """
        file = _SECRET.file(name)
        with self._opened() as directory:
            left_behind = [found for found in _files(directory) if found.startswith(f".{file}.")]
            try:
                for found in (*left_behind, file):  # a writer that was killed may have left its temporary file
                    os.unlink(found, dir_fd=directory)
            except OSError as error:
                raise KeyringRejected(f"{file} cannot be removed: {error.strerror}") from error
            os.fsync(directory)

    def publish(self, name: str, content: bytes) -> None:
        """Store public material, such as a certificate, as `name.pem`, in the place of what was there.

        Raises:
            KeyringRejected: The name is not well formed, the content is over 64 KiB, it cannot be written, or the
                directory is not kept safely.
        """
        self._write(_PUBLIC, name, content, replace=True)

    def published(self, name: str) -> bytes:
        """Read public material.

        Raises:
            KeyringRejected: It is missing, or others could have written it.
        """
        return self._read(_PUBLIC, name)

    def is_published(self, name: str) -> bool:
        """Whether there is public material of this name.

        Raises:
            KeyringRejected: The name is not well formed.
        """
        return os.path.lexists(self.directory / _PUBLIC.file(name))

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """A descriptor of the directory, checked: nobody can swap it between the check and the use."""
        try:
            directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise KeyringRejected(f"keyring {self.directory} is not a directory that can be read") from error
        try:
            _check_kept(os.fstat(directory), str(self.directory), _DIRECTORY)
            yield directory
        finally:
            os.close(directory)

    def _read(self, kind: _Kind, name: str) -> bytes:
        file = kind.file(name)
        # Not blocking: a named pipe put in the file's place must not hang the service.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with self._opened() as directory:
            try:
                descriptor = os.open(file, flags, dir_fd=directory)
            except OSError as error:
                reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
                raise KeyringRejected(f"{file} in {self.directory} cannot be read: {reason}") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
                raise KeyringRejected(f"{file} is not a plain file, or is over 64 KiB")
            _check_kept(status, file, kind)
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                return stream.read(MAX_FILE_BYTES)
        finally:
            os.close(descriptor)

    def _write(self, kind: _Kind, name: str, content: bytes, *, replace: bool) -> None:
        file = kind.file(name)
        if len(content) > MAX_FILE_BYTES:
            raise KeyringRejected(f"{file} would be over 64 KiB")
        temporary = f".{file}.{secrets.token_hex(8)}"
        with self._opened() as directory:
            try:
                _write_new(temporary, content, kind.mode, directory)
                # A link, unlike a rename, fails where the name is taken.
                put = os.rename if replace else os.link
                put(temporary, file, src_dir_fd=directory, dst_dir_fd=directory)
                os.fsync(directory)
            except FileExistsError as error:
                raise KeyringRejected(f"{file} exists already") from error
            except OSError as error:
                raise KeyringRejected(f"{file} cannot be written: {error.strerror}") from error
            finally:
                with suppress(FileNotFoundError):  # it was renamed, or never made
                    os.unlink(temporary, dir_fd=directory)

    def __repr__(self) -> str:
        return f"Keyring({str(self.directory)!r})"


def _files(directory: int) -> list[str]:
    return os.listdir(directory)


def _write_new(file: str, content: bytes, mode: int, directory: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(file, flags, mode, dir_fd=directory), "wb") as stream:
        os.fchmod(stream.fileno(), mode)  # whatever the umask
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _check_kept(status: os.stat_result, what: str, kind: _Kind) -> None:
    if status.st_uid != os.geteuid():
        raise KeyringRejected(f"{what} belongs to another user: give it to the user that runs this program")
    if status.st_mode & kind.refused_bits:
        raise KeyringRejected(f"{what} is open to others: find out who could reach it, then chmod {kind.mode:o} it")
