"""Where a party's own certificate comes from, so that it can change without a restart."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from federation.errors import ErrorCode, WardgateError
from federation.events import Event
from federation.telemetry import EventLog
from keys import certificates
from keys.errors import CertificateRejected, EncodingRejected, KeyringRejected
from keys.keyring import Keyring
from keys.secret import Secret
from keys.tls_key import PrivateKey

CHECK_INTERVAL_S: Final = 1.0
"""How often changed files are looked for: a handshake costs milliseconds, three `stat` calls microseconds."""

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
            certificates.not_after(self.roots)
            is_pair = PrivateKey(self.private_key).public == certificates.public_key_of(self.chain)
        except (CertificateRejected, EncodingRejected) as error:
            raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error
        if not is_pair:
            raise WardgateError(ErrorCode.KEYRING_REJECTED, "certificate and private key are of different pairs")


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
        _log.event(Event.CERTIFICATES_ADOPTED, serial=certificates.serial_of(credentials.chain))


_Stamp = tuple[tuple[int, int, int], ...]


class KeyringCertificates:
    """Credentials in a keyring's files, read again when one of them changes.

    A change that cannot be used (half written, key and certificate of different pairs) is logged, and the last good
    credentials stay until the files are right: whoever renews may write the three in any order.

    Args:
        keyring: Where they are, kept safely.
        name: The secret `name` is the private key, the public `name` the certificate chain.
        roots: Public name of the authorities accepted from the other side.
        monotonic: Seconds from any start.

    Raises:
        WardgateError: `KEYRING_REJECTED`: they cannot be used at the start.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        name: str = "tls",
        roots: str = "roots",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keyring = keyring
        self._name = name
        self._roots = roots
        self._files = tuple(str(keyring.directory / file) for file in (f"{name}.key", f"{name}.pem", f"{roots}.pem"))
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked_at = monotonic()
        self._complaint = ""
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
        except (OSError, WardgateError) as error:
            if str(error) != self._complaint:  # once for each reason, not once a second
                self._complaint = str(error)
                _log.event(Event.CERTIFICATES_UNREADABLE, error=error)
        else:
            self._complaint = ""
            _log.event(Event.CERTIFICATES_ADOPTED, serial=certificates.serial_of(self._credentials.chain))

    def _stamps(self) -> _Stamp:
        found = (os.stat(file) for file in self._files)  # noqa: PTH116 - plain strings on the path of every handshake
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in found)

    def _read(self) -> tuple[_Stamp, Credentials]:
        try:
            stamp = self._stamps()  # before reading: a change in between is seen at the next look
            credentials = Credentials(
                chain=self._keyring.published(self._name),
                private_key=self._keyring.load(self._name),
                roots=self._keyring.published(self._roots),
            )
        except OSError as error:
            raise WardgateError(ErrorCode.KEYRING_REJECTED, f"certificate files: {error.strerror}") from error
        except KeyringRejected as error:
            raise WardgateError(ErrorCode.KEYRING_REJECTED, f"{self._name}: not kept safely or missing") from error
        credentials.check()
        return stamp, credentials
