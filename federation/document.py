"""Base of every signed, hashed or sealed document: canonical JSON with a closed set of typed, bounded fields."""

import base64
import binascii
from datetime import date
from typing import Annotated, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
)

from federation.canonical import JsonObject, from_json, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.limits import MAX_CODE_CHARS
from keys.envelope import check_public
from keys.errors import EncodingRejected


def _from_hex(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        found = bytes.fromhex(value)
    except ValueError as error:
        raise ValueError("not hexadecimal") from error
    if found.hex() != value:
        raise ValueError("not lower-case hexadecimal")
    return found


def _from_base64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        found = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if base64.b64encode(found).decode() != value:
        raise ValueError("not canonical base64")
    return found


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


Base64 = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    Field(max_length=64 * 1024, strict=False),
    PlainSerializer(_to_base64, return_type=str),
]
"""Longer binary values: standard base64 with padding."""


def _can_be_sealed_to(value: bytes) -> bytes:
    try:
        check_public(value)
    except EncodingRejected as error:
        raise ValueError(str(error)) from error
    return value


SealingPublic = Annotated[Base64, AfterValidator(_can_be_sealed_to)]
"""A public key that things are sealed to for as long as it stands: one that nothing can be sealed to is refused."""

Hex32 = Annotated[
    bytes,
    BeforeValidator(_from_hex),
    Field(min_length=32, max_length=32, strict=False),
    PlainSerializer(bytes.hex, return_type=str),
]
"""A SHA-256 digest, a ristretto255 element or an Ed25519 public key: 64 lower-case hex digits in JSON."""

Hex64 = Annotated[
    bytes,
    BeforeValidator(_from_hex),
    Field(min_length=64, max_length=64, strict=False),
    PlainSerializer(bytes.hex, return_type=str),
]
"""An Ed25519 signature: 128 lower-case hex digits in JSON."""

Code = Annotated[str, Field(min_length=1, max_length=MAX_CODE_CHARS, pattern=r"^[A-Za-z0-9_.-]+$")]
"""A purpose, category, role, flag or reason code."""

AgencyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
PartyUri = Annotated[str, Field(pattern=r"^wardgate://(node|gateway|trustee|operator|local)/[a-z][a-z0-9-]{1,62}$")]
"""A party's name as it stands in its certificate (`keys.identity.Identity`)."""
"""An agency id, which is also its pseudonym scope."""

Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]

Instant = Annotated[int, Field(ge=0, le=2**40)]
"""Whole seconds since the epoch."""


def _check_date(value: str) -> str:
    date.fromisoformat(value)
    return value


IsoDate = Annotated[str, Field(pattern=r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_check_date)]
"""A calendar date, YYYY-MM-DD."""


class Document(BaseModel):
    """A frozen document. Unknown fields, wrong types and loose encodings are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    MAX_BYTES: ClassVar[int] = 64 * 1024
    """Limit checked before any parsing."""

    @field_validator("v", mode="before", check_fields=False)
    @classmethod
    def _version_is_a_number(cls, value: object) -> object:
        """In Python `True` equals 1, so that a literal 1 would take it."""
        if isinstance(value, bool):
            raise ValueError("not a number")  # noqa: TRY004 - what pydantic expects of a validator
        return value

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read an untrusted document.

        Raises:
            WardgateError: `MESSAGE_TOO_LARGE` or `MESSAGE_MALFORMED`, naming the first bad field, never a value.
        """
        cls._check_parsed(from_json(content, max_bytes=cls.MAX_BYTES, what=cls.__name__))
        return cls._validated(content)

    @classmethod
    def _check_parsed(cls, found: JsonObject) -> None:
        """What a kind of document demands before its fields are looked at."""

    @classmethod
    def _validated(cls, content: bytes) -> Self:
        what = cls.__name__
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            place = ".".join(str(step) for step in first["loc"] if isinstance(step, int) or step.isidentifier())
            raise WardgateError(ErrorCode.MESSAGE_MALFORMED, f"{what}.{place}: {first['type']}") from None

    def canonical(self) -> bytes:
        """The document as RFC 8785 bytes: made once, then carried."""
        return to_canonical(self.model_dump(mode="json"))
