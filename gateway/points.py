"""Both holders' points of one scope, as the directory shows them: stated by each itself, for the same epochs."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from federation.directory import SignedPoints, signed_points, verify_points
from federation.errors import ErrorCode, WardgateError
from federation.published import check_in_use, state_points
from gateway.directory import DirectoryAuthority
from gateway.keychain import hold_seed
from gateway.translation import TrusteeClient
from keys.holder import HolderKeys
from keys.keyring import Keyring
from keys.signing import SigningKey


class Stated(NamedTuple):
    """What the trustee signed, verified, and the epochs in it, oldest first."""

    signed: SignedPoints
    epochs: tuple[int, ...]


class HolderPoints:
    """States the gateway's points, and asks the trustee for its own.

    Args:
        directory: The authority for the directory.
        keyring: Where the gateway's seeds are kept.
        keys: The gateway's half of every pseudonym key, as this process uses it.
        signing_key: The gateway's.
        trustee: The other holder.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        directory: DirectoryAuthority,
        keyring: Keyring,
        keys: HolderKeys,
        signing_key: SigningKey,
        trustee: TrusteeClient,
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._keyring = keyring
        self._keys = keys
        self._signing_key = signing_key
        self._trustee = trustee
        self._clock = clock

    async def stated(self, scope: str, epochs: Sequence[int] = ()) -> Stated:
        """The trustee's statement of these epochs of a scope, or of all that it has in use.

        Raises:
            WardgateError: `TRUSTEE_UNAVAILABLE`, `EPOCH_UNKNOWN`: it has not all of them in use; `DIRECTORY_REJECTED`
                or `MESSAGE_*`: what came is not its own statement, or is of other epochs.
        """
        statement, signature = await self._trustee.points(scope, epochs)
        signed = signed_points(statement, signature)
        key = self._directory.current().anchors.trustee_key
        found = verify_points(statement, signature, holder="trustee", scope=scope, key=key)
        stated = tuple(sorted(point.epoch for point in found.epochs))
        if epochs and stated != tuple(epochs):
            detail = f"the trustee states epochs {stated} of {scope} where {tuple(epochs)} were asked for"
            raise WardgateError(ErrorCode.DIRECTORY_REJECTED, detail)
        return Stated(signed, stated)

    def beside(self, scope: str, trustee: Stated) -> Mapping[str, SignedPoints]:
        """Both statements of the same epochs, by their names in a directory's entry.

        A seed that the gateway has never had is made, and is durable when this returns.

        Raises:
            WardgateError: `KEYRING_REJECTED`: a seed that is in use is gone or gives another point than is published,
                or the keyring cannot be read or written.
        """
        listed = self._directory.current().agencies.get(scope)
        for epoch in trustee.epochs:
            if listed is not None and epoch in listed.epochs:
                check_in_use(listed, epoch, self._keys)
            hold_seed(self._keyring, self._keys, epoch, is_published=self._is_published(epoch))
        own = state_points(
            self._keys, self._signing_key, scope=scope, epochs=trustee.epochs, issued_at=int(self._clock())
        )
        return {"gateway_points": own, "trustee_points": trustee.signed}

    def _is_published(self, epoch: int) -> bool:
        """Whether the directory names the gateway's point of this epoch for anybody."""
        return any(epoch in agency.gateway_points for agency in self._directory.current().agencies.values())
