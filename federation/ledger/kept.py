"""The last checkpoint of a party's own ledger, kept outside its database: in the keyring.

A database that lost its last entries, or was put back from an older copy, is whole in itself. Who remembers how far it
had come can tell: witnesses do, and so does this.
"""

from typing import Final

from federation.errors import ErrorCode, WardgateError
from keys.errors import KeyringRejected
from keys.keyring import Keyring

KEPT: Final = "ledger-checkpoint"
"""Public name in a keyring: the file is `ledger-checkpoint.pem`, a signed note."""


class KeptCheckpoint:
    """One keyring's.

    Args:
        keyring: The party's.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring: Final = keyring

    @property
    def place(self) -> str:
        """Where it is, for whoever has to look."""
        return str(self._keyring.directory / f"{KEPT}.pem")

    def note(self) -> bytes | None:
        """The note as it was kept; None before the first.

        Raises:
            WardgateError: `KEYRING_REJECTED`: it is not kept safely.
        """
        try:
            return self._keyring.published(KEPT) if self._keyring.is_published(KEPT) else None
        except KeyringRejected as error:
            raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error

    def keep(self, note: bytes) -> None:
        """Keep a note, durably, in the place of the one before. Blocks for a flush to disk.

        Raises:
            WardgateError: `KEYRING_REJECTED`: it cannot be written.
        """
        try:
            self._keyring.publish(KEPT, note)
        except KeyringRejected as error:
            raise WardgateError(ErrorCode.KEYRING_REJECTED, str(error)) from error
