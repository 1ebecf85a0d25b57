"""Which version of the wire this side speaks, and the one place where another is refused. Pure.

The version stands in every signed document whose meaning changes with it (`WireDocument`) and in the first message of a
link. It is one number for all of them, and changes once for a release. Between parties there is no older form: who
speaks one is told so in words. What a party stored under an older version it still reads, for its own people and its
ledger (`WireDocument.parse_kept`), and never acts on it.
"""

from typing import Annotated, Final, Self

from pydantic import Field

from federation.canonical import JsonObject, from_json
from federation.document import Document
from federation.errors import ErrorCode, WardgateError

WIRE_VERSION: Final = 2
"""1: the trustee multiplied first. 2: the gateway does, both holders prove, the trustee signs each point."""


def check_wire_version(spoken: int, what: str) -> None:
    """Refuse another version of the wire.

    Args:
        spoken: The version that was named; 0 where a message of version 1 names none.
        what: Which document or message named it.

    Raises:
        WardgateError: `WIRE_VERSION_REFUSED`, with both numbers as what its caller is told.
    """
    if spoken != WIRE_VERSION:
        told = f"{what} speaks wire version {max(spoken, 1)}, this side speaks version {WIRE_VERSION}"
        raise WardgateError(ErrorCode.WIRE_VERSION_REFUSED, told=told)


class WireDocument(Document):
    """A document whose meaning changes with the version of the wire.

    Fields that a later version adds have a default, so that `parse_kept` reads what was stored before.
    """

    v: Annotated[int, Field(ge=1, le=WIRE_VERSION)] = WIRE_VERSION

    @classmethod
    def parse_kept(cls, content: bytes) -> Self:
        """Read a document that this party stored itself, of this or an older version.

        Raises:
            WardgateError: As `Document.parse`.
        """
        from_json(content, max_bytes=cls.MAX_BYTES, what=cls.__name__)
        return cls._validated(content)

    @classmethod
    def _check_parsed(cls, found: JsonObject) -> None:
        version = found.get("v")
        if type(version) is int and version > 0:  # anything else is malformed, and named so by validation
            check_wire_version(version, cls.__name__)
