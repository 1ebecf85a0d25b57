"""Descriptions as operators read them in their terminal: what would change, and by which digest it is named."""

from federation.canonical import JsonObject
from federation.directory import AgencyDescriptor
from federation.errors import ErrorCode, WardgateError
from federation.renewal import in_words
from federation.wire.v1 import admin_pb2
from gateway.descriptions import differences
from keys.digest import sha256


def waiting(proposed: admin_pb2.ProposedDescription) -> JsonObject:
    """One description that waits, with the fields that it would change.

    Raises:
        WardgateError: `MESSAGE_*`.
    """
    listed, wanted = AgencyDescriptor.parse(proposed.listed), AgencyDescriptor.parse(proposed.proposed)
    before, after = listed.model_dump(mode="json"), wanted.model_dump(mode="json")
    return {
        "agency": proposed.agency,
        "description_sha256": sha256(proposed.proposed).hex(),
        "proposed": in_words(proposed.proposed_at),
        "changes": {name: {"from": before[name], "to": after[name]} for name in differences(listed, wanted)},
    }


def description_digest(text: str) -> bytes:
    """The digest that an operator typed.

    Raises:
        WardgateError: `MESSAGE_MALFORMED`.
    """
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "a description's SHA-256 is 64 hexadecimal digits") from error
