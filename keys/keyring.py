"""Named secrets in a directory: one file each, readable by their owner alone.

The directory has mode 0700 and secret files 0600. Anything looser, owned by somebody else or reached through a symbolic
link is refused, never repaired: it may have been read. Writing is atomic and durable.
"""

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, final

from keys.errors import KeyringRejected
from keys.secret import Secret

MAX_FILE_BYTES: Final = 64 * 1024
"""Keys and certificates are a few kilobytes."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9-]{1,62})*")
_FOR_OTHERS: Final = 0o077
_WRITE_FOR_OTHERS: Final = 0o022


@final
class Keyring:
    """A directory of secrets and, beside them, public material.

    Args:
        directory: Made with mode 0700 if it does not exist.

    Raises:
        KeyringRejected: The directory is not kept safely.
    """

    def __init__(self, directory: Path) -> None:
        self.directory: Final = directory
        if not os.path.lexists(directory):
            directory.mkdir(mode=0o700, parents=True)
        with self._opened():
            pass

    def create(self, name: str, secret: Secret) -> None:
        """Store a new secret.

        Raises:
            KeyringRejected: The name is taken or not well formed, the secret is too large, or the directory is not
                kept safely.
        """
        self._write(_secret_file(name), secret.reveal(), mode=0o600, replace=False)

    def replace(self, name: str, secret: Secret) -> None:
        """Store a secret in the place of another, or as a new one.

        Raises:
            KeyringRejected: The name is not well formed, the secret is too large, or the directory is not kept safely.
        """
        self._write(_secret_file(name), secret.reveal(), mode=0o600, replace=True)

    def load(self, name: str) -> Secret:
        """Read a secret.

        Raises:
            KeyringRejected: It is missing or not kept safely.
        """
        return Secret(self._read(_secret_file(name), refused_bits=_FOR_OTHERS))

    def exists(self, name: str) -> bool:
        """Whether there is a secret of this name, kept safely or not.

        Raises:
            KeyringRejected: The name is not well formed.
        """
        return os.path.lexists(self.directory / _secret_file(name))

    def names(self) -> list[str]:
        """The names of all secrets, in order."""
        files = (path.name for path in self.directory.iterdir())
        return sorted(
            file.removesuffix(".key")
            for file in files
            if file.endswith(".key") and _NAME.fullmatch(file.removesuffix(".key"))
        )

    def destroy(self, name: str) -> None:
        """Remove a secret: the end of an epoch.

        Copies that the file system or a backup kept are out of reach.

        Raises:
            KeyringRejected: It is missing, or the directory is not kept safely.
        """
        file = _secret_file(name)
        with self._opened() as directory:
            # A writer that was killed may have left temporary copies.
            for found in os.listdir(directory):  # noqa: PTH208 - pathlib knows no directory descriptors
                if found.startswith(f".{file}."):
                    _unlink_if_there(found, directory)
            try:
                os.unlink(file, dir_fd=directory)
            except FileNotFoundError as error:
                raise KeyringRejected(f"{file} is missing in the keyring {self.directory}") from error
            finally:
                os.fsync(directory)

    def publish(self, name: str, content: bytes) -> None:
        """Store public material, such as a certificate, as `name.pem`, in the place of what was there.

        Raises:
            KeyringRejected: The name is not well formed, the content is too large, or the directory is not kept safely.
        """
        self._write(_public_file(name), content, mode=0o644, replace=True)

    def published(self, name: str) -> bytes:
        """Read public material.

        Raises:
            KeyringRejected: It is missing, or others could have written it.
        """
        return self._read(_public_file(name), refused_bits=_WRITE_FOR_OTHERS)

    def is_published(self, name: str) -> bool:
        """Whether there is public material of this name.

        Raises:
            KeyringRejected: The name is not well formed.
        """
        return os.path.lexists(self.directory / _public_file(name))

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """A descriptor of the directory, checked, so that nobody can swap it in between."""
        try:
            directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise KeyringRejected(f"keyring {self.directory} is not a directory that can be read") from error
        try:
            _check_kept(os.fstat(directory), str(self.directory), refused_bits=_FOR_OTHERS, mode="700")
            yield directory
        finally:
            os.close(directory)

    def _read(self, file: str, *, refused_bits: int) -> bytes:
        with self._opened() as directory:
            try:
                # Not blocking: a named pipe put in the file's place must not hang the service.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                descriptor = os.open(file, flags, dir_fd=directory)
            except FileNotFoundError as error:
                raise KeyringRejected(f"{file} is missing in the keyring {self.directory}") from error
            except OSError as error:
                raise KeyringRejected(f"{file} cannot be read or is a symbolic link") from error
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
                raise KeyringRejected(f"{file} is not a plain file, or is over 64 KiB")
            _check_kept(status, file, refused_bits=refused_bits, mode="600")
            return stream.read(MAX_FILE_BYTES)

    def _write(self, file: str, content: bytes, *, mode: int, replace: bool) -> None:
        if len(content) > MAX_FILE_BYTES:
            raise KeyringRejected(f"{file} would be over 64 KiB")
        temporary = f".{file}.{secrets.token_hex(8)}"
        with self._opened() as directory:
            try:
                _write_new(temporary, content, mode, directory)
                if replace:
                    os.rename(temporary, file, src_dir_fd=directory, dst_dir_fd=directory)
                else:
                    # A link, unlike a rename, fails where the name is taken.
                    os.link(temporary, file, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
            except FileExistsError as error:
                raise KeyringRejected(f"{file} exists already") from error
            finally:
                _unlink_if_there(temporary, directory)
            os.fsync(directory)

    def __repr__(self) -> str:
        return f"Keyring({str(self.directory)!r})"


def _write_new(file: str, content: bytes, mode: int, directory: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(file, flags, mode, dir_fd=directory), "wb") as stream:
        os.fchmod(stream.fileno(), mode)  # whatever the umask
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _unlink_if_there(file: str, directory: int) -> None:
    try:
        os.unlink(file, dir_fd=directory)
    except FileNotFoundError:
        return  # it was renamed, or could not be made


def _check_kept(status: os.stat_result, what: str, *, refused_bits: int, mode: str) -> None:
    if status.st_uid != os.geteuid():
        raise KeyringRejected(f"{what} belongs to another user: give it to the user that runs this program")
    if status.st_mode & refused_bits:
        raise KeyringRejected(f"{what} is open to others: check who could read it, then chmod {mode}")


def _secret_file(name: str) -> str:
    return _checked(name) + ".key"


def _public_file(name: str) -> str:
    return _checked(name) + ".pem"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise KeyringRejected("name in a keyring is lower-case letters, digits, hyphens and dots")
    return name
