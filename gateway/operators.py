"""Who acts as an operator: a name of the settings, by a certificate issued on a claim signed with that name's own key.

A certificate counts only while the gateway that issued it runs: whoever was taken out of the settings, or was given
another key there, is refused from the restart on that every change of the settings needs, not minutes later.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from federation.errors import ErrorCode, WardgateError
from federation.transport.identity import PartyKind, Peer
from keys.certificates import not_after, serial_of
from keys.signing import VerifyKey

OPERATOR_LIFE: Final = timedelta(minutes=10)
"""One command's worth: a certificate is claimed for each."""

LEAST: Final = 2
"""One invites, another approves."""


class Operators:
    """The operators of a gateway.

    Args:
        keys: Their verify keys, by name.
        clock: Seconds since the epoch.
    """

    def __init__(self, keys: Mapping[str, VerifyKey], clock: Callable[[], float]) -> None:
        self._keys: Final = dict(keys)
        self._clock: Final = clock
        self._issued: dict[str, float] = {}

    def key_of(self, name: str) -> VerifyKey | None:
        """The verify key of an operator; None where nobody has that name."""
        return self._keys.get(name)

    def remember(self, certificate: bytes) -> None:
        """Take note of a certificate that an operator claimed: it is good from now on."""
        now = self._clock()
        self._issued = {serial: until for serial, until in self._issued.items() if until >= now}
        self._issued[serial_of(certificate)] = not_after(certificate).timestamp()

    def acting(self, peer: Peer) -> str:
        """The name of the operator who calls.

        Raises:
            WardgateError: `NOT_AUTHORISED`: no operator, none of the settings, or by a certificate that nobody claimed
                since the gateway started.
        """
        party = peer.party
        if party.kind is not PartyKind.OPERATOR or party.id not in self._keys or peer.serial not in self._issued:
            raise WardgateError(ErrorCode.NOT_AUTHORISED, str(party))
        return party.id


def check_second(invited_by: str, operator: str) -> None:
    """Whoever invited an agency does not approve it.

    Raises:
        WardgateError: `SECOND_OPERATOR_NEEDED`.
    """
    if operator == invited_by:
        raise WardgateError(ErrorCode.SECOND_OPERATOR_NEEDED, f"operator {operator}")
