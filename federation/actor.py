"""Who did what a ledger entry records: one closed vocabulary in every ledger, so that it can be searched. Pure.

An actor is a party of the federation, by the name in its certificate (`wardgate://node/camden-csc`,
`wardgate://operator/sam`), or a person of an agency, by the opaque reference that only the agency can resolve
(`user:` and 32 hexadecimal digits). What a service does by itself, it does as the party it is.
"""

import re
from enum import StrEnum
from typing import Final, Self

from federation.errors import ErrorCode, WardgateError
from federation.transport.identity import Party, PartyKind

_USER: Final = "user:"
_USER_FORM: Final = re.compile(r"user:[0-9a-f]{32}")
_PARTY_FORM: Final = re.compile(r"wardgate://(?:gateway|node|operator|trustee)/[a-z][a-z0-9-]{1,62}")
_EARLIER_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+*-]{0,127}")


class ActorKind(StrEnum):
    """What an actor can be."""

    PARTY = "party"
    USER = "user"
    EARLIER = "earlier"
    """Of an entry written before there was one vocabulary: an agency's id, or a word such as `node`. Never written."""


class Actor(str):
    """An actor; its text is what stands in the entry.

    Raises:
        WardgateError: `INTERNAL`: the text is neither a party's name nor a person's reference.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check the text."""
        if not (_PARTY_FORM.fullmatch(text) or _USER_FORM.fullmatch(text)):
            raise _refused()
        return str.__new__(cls, text)

    @classmethod
    def party(cls, party: Party) -> Self:
        """A party of the federation. Raises `INTERNAL` for a local tool or an anonymous caller, who act as nobody."""
        return cls(party.uri)

    @classmethod
    def agency(cls, agency_id: str) -> Self:
        """An agency, by its node's name."""
        return cls(f"wardgate://{PartyKind.NODE}/{agency_id}")

    @classmethod
    def operator(cls, operator_id: str) -> Self:
        """An operator of the gateway."""
        return cls(f"wardgate://{PartyKind.OPERATOR}/{operator_id}")

    @classmethod
    def keeper(cls, origin: str) -> Self:
        """The party whose ledger has this origin, such as `wardgate/gateway/main`: for what it does by itself."""
        return cls(origin.replace("/", "://", 1))

    @classmethod
    def user(cls, ref: str) -> Self:
        """A person, by an opaque reference of 32 hexadecimal digits."""
        return cls(f"{_USER}{ref}")

    @classmethod
    def recorded(cls, text: str) -> Self:
        """The actor of a stored entry, an earlier version's too; for the reader of entries only.

        Raises:
            WardgateError: `INTERNAL`: not an actor of any version.
        """
        if not _EARLIER_FORM.fullmatch(text):
            raise _refused()
        return str.__new__(cls, text)

    @property
    def kind(self) -> ActorKind:
        """What it is."""
        if _PARTY_FORM.fullmatch(self):
            return ActorKind.PARTY
        return ActorKind.USER if _USER_FORM.fullmatch(self) else ActorKind.EARLIER


def _refused() -> WardgateError:
    return WardgateError(ErrorCode.INTERNAL, "ledger entry refused: actor is not of the vocabulary")
