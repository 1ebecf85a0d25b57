"""Where a party's own certificate comes from, so that it can change without a restart."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from keys import certificates
from keys.errors import CertificateRejected
from keys.secret import Secret

CHECK_INTERVAL_S: Final = 1.0
"""How often changed files are looked for: a handshake costs milliseconds, three `stat` calls microseconds."""

MAX_PEM_BYTES: Final = 256 * 1024
"""A bundle of a hundred roots; anything longer is the wrong file."""

_log = EventLog(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Credentials:
    """What one side of a mutual TLS connection needs. Compared by identity: a new object means a change.

    Attributes:
        chain: Own certificate first, then intermediates, PEM.
        private_key: Its key, PEM.
        roots: Authorities whose certificates are accepted from the other side, PEM.
    """

    chain: bytes
    private_key: Secret
    roots: bytes

    def check(self) -> None:
        """Refuse what no handshake could use.

        Raises:
            WardgateError: `KEYRING_REJECTED`.
        """
        try:
            certificates.check_pair(self.chain, self.private_key)
            certificates.check_roots(self.roots)
        except CertificateRejected as error:
            raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error


class CertificateSource(Protocol):
    """Gives the credentials to use from now on. Called from gRPC's own threads, on every handshake."""

    def current(self) -> Credentials:
        """The newest usable credentials: quick, and never raising."""
        ...


class HeldCertificates:
    """Credentials in memory, replaced by whoever renews them."""

    def __init__(self, credentials: Credentials) -> None:
        credentials.check()
        self._credentials = credentials

    def current(self) -> Credentials:
        """What was held last."""
        return self._credentials

    def replace(self, credentials: Credentials) -> None:
        """Hold these from now on.

        Raises:
            WardgateError: `KEYRING_REJECTED`; the old ones stay.
        """
        credentials.check()
        self._credentials = credentials
        _log.event(Event.CERTIFICATES_ADOPTED, serial=f"{certificates.serial_of(credentials.chain):x}")


_Stamp = tuple[tuple[int, int, int], ...]


class FileCertificateSource:
    """Credentials in three files, read again when one of them changes.

    A change that cannot be used (half written, key and certificate of different pairs) is logged, and the last good
    credentials stay until the files are right: whoever renews may write the three in any order.

    Raises:
        WardgateError: `KEYRING_REJECTED`: the files cannot be used at the start.
    """

    def __init__(
        self, *, chain: Path, private_key: Path, roots: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._paths = (chain, private_key, roots)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked_at = monotonic()
        self._stamp, self._credentials = self._read()

    def current(self) -> Credentials:
        """The newest usable credentials."""
        with self._lock:
            now = self._monotonic()
            if now - self._looked_at >= CHECK_INTERVAL_S:
                self._looked_at = now
                self._reread()
            return self._credentials

    def _reread(self) -> None:
        try:
            if self._stamps() == self._stamp:
                return
            self._stamp, self._credentials = self._read()
        except OSError as error:
            _log.event(Event.CERTIFICATES_UNREADABLE, error=error)
        except WardgateError as error:
            _log.event(Event.CERTIFICATES_UNREADABLE, error=error)
        else:
            _log.event(Event.CERTIFICATES_ADOPTED, serial=f"{certificates.serial_of(self._credentials.chain):x}")

    def _stamps(self) -> _Stamp:
        found = (os.stat(path) for path in self._paths)  # noqa: PTH116 - the hot path of every handshake
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in found)

    def _read(self) -> tuple[_Stamp, Credentials]:
        try:
            stamp = self._stamps()  # before reading: a change in between is seen at the next look
            chain, private_key, roots = (_content(path) for path in self._paths)
        except OSError as error:
            raise WardgateError(ErrorCode.KEYRING_REJECTED, f"certificate file: {error.strerror}") from error
        credentials = Credentials(chain, Secret(private_key), roots)
        credentials.check()
        return stamp, credentials


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_PEM_BYTES + 1)
    if len(content) > MAX_PEM_BYTES:
        raise WardgateError(ErrorCode.KEYRING_REJECTED, "certificate file is too long")
    return content
