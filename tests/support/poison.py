"""What a malicious member sends: whatever it likes, and signed as it should be."""

from typing import Any

from agency_node.asking.composing import Composed
from federation.query import Part, QueryHeader, Ticket
from federation.wire.v1 import query_pb2 as wire
from keys import domains
from keys.digest import sha256
from keys.signing import SigningKey

NO_KEY = b"AAA"
"""A reply key that nothing can be sealed to."""

JUNK = bytes(5_232)
"""As long as a sealed question, and nobody can open it."""


def signed_anew(
    header: bytes, key: SigningKey, *, request: wire.AskRequest, ticket_changes: dict[str, Any]
) -> wire.AskRequest:
    """A query with another header, signed over and given the ticket that goes with it."""
    ticket = (
        Ticket.parse(request.ticket).model_copy(update={"query_sha256": sha256(header), **ticket_changes}).canonical()
    )
    return wire.AskRequest(
        header=header,
        signature=key.sign(domains.QUERY, header),
        ticket=ticket,
        ticket_signature=key.sign(domains.TICKET, ticket),
        parts=request.parts,
        audit_envelope=request.audit_envelope,
    )


def poisoned(composed: Composed, key: SigningKey, *, reply_key: bytes = b"", sealed: bytes = b"") -> Composed:
    """The query with another reply key or other sealed parts, correctly signed by its requester."""
    request = wire.AskRequest.FromString(composed.request.SerializeToString())
    for part in request.parts:
        part.sealed = sealed or part.sealed
    targets = {
        part.responder: Part(part.responder, part.blinded, part.salt, part.sealed).for_target.digest
        for part in request.parts
    }
    changes = {"reply_key": reply_key or composed.header.reply_key, "targets": targets}
    header: QueryHeader = composed.header.model_copy(update=changes)
    anew = signed_anew(header.canonical(), key, request=request, ticket_changes={})
    return Composed(header, anew, composed.reply_key)
