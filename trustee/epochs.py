"""Which epochs of a scope are in use. A scope begins with epoch 1; a new epoch overlaps with the one before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from federation.errors import ErrorCode, WardgateError
from keys.pseudonym import HolderKeys

FIRST: Final = 1
MOST_IN_USE: Final = 8
"""As many as a statement of public points can hold."""


@dataclass(frozen=True, slots=True)
class EpochRange:
    """Epochs of one scope, both included."""

    oldest: int = FIRST
    newest: int = FIRST

    def __contains__(self, epoch: int) -> bool:
        return self.oldest <= epoch <= self.newest

    def opened(self) -> "EpochRange":
        """With one more epoch.

        Raises:
            WardgateError: `EPOCH_UNKNOWN`: too many are in use.
        """
        if self.newest - self.oldest + 1 >= MOST_IN_USE:
            raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"{MOST_IN_USE} epochs are in use; retire the oldest first")
        return EpochRange(self.oldest, self.newest + 1)

    def retired(self) -> "EpochRange":
        """Without the oldest epoch.

        Raises:
            WardgateError: `EPOCH_IN_USE`: it is the only one.
        """
        if self.oldest == self.newest:
            raise WardgateError(ErrorCode.EPOCH_IN_USE, "the only epoch of a scope cannot be retired")
        return EpochRange(self.oldest + 1, self.newest)


class Epochs:
    """The epochs of every scope, as the store holds them, narrowed to those whose seed the keyring still has."""

    def __init__(self, keys: HolderKeys, ranges: Mapping[str, EpochRange]) -> None:
        self._keys = keys
        self._ranges = dict(ranges)

    def replace(self, ranges: Mapping[str, EpochRange]) -> None:
        """Take over what the store holds now."""
        self._ranges = dict(ranges)

    def range_of(self, scope: str) -> EpochRange:
        """The range of one scope."""
        return self._ranges.get(scope, EpochRange())

    def in_use(self, scope: str) -> tuple[int, ...]:
        """Epochs of one scope, oldest first."""
        chosen = self.range_of(scope)
        return tuple(epoch for epoch in self._keys.epochs if epoch in chosen)

    def chosen(self, scope: str, asked: Sequence[int]) -> tuple[int, ...]:
        """The epochs asked for, oldest first; all that are in use where none are asked for.

        Raises:
            WardgateError: `EPOCH_UNKNOWN`: one of them is not in use.
        """
        in_use = self.in_use(scope)
        if unknown := set(asked) - set(in_use):
            raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"{scope} epoch {min(unknown)}")
        return tuple(sorted(set(asked))) or in_use

    def check(self, scope: str, epoch: int) -> None:
        """Refuse an epoch that is not in use.

        Raises:
            WardgateError: `EPOCH_UNKNOWN`.
        """
        if epoch not in self.in_use(scope):
            raise WardgateError(ErrorCode.EPOCH_UNKNOWN, f"{scope} epoch {epoch}")
