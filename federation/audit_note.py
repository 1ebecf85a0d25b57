"""The envelope to the audit key, opened: who asked and why, and whether the signed header says the same. Pure.

Gateway and responders decide by what the header claims, `justified` among it, and cannot read the text behind it. An
auditor can, and what they find here is the requester's to answer for: its node signed both.
"""

from federation.errors import ErrorCode, WardgateError
from federation.query import AuditNote, QueryHeader, audit_context
from federation.words import says_something
from keys.digest import sha256
from keys.envelope import SealingKey
from keys.errors import EnvelopeRejected
from keys.padding import unpad

CLAIMED_AND_EMPTY = "The query claims a justification, and the one that was sealed for auditors is empty."
GIVEN_AND_DENIED = "The query claims no justification, and one was sealed for auditors."


def open_note(envelope: bytes, header: QueryHeader, *, audit_key: SealingKey) -> AuditNote:
    """Open the envelope of a query.

    Args:
        envelope: As the gateway keeps it.
        header: The query's header, whose signature holds.
        audit_key: The auditors' private key.

    Raises:
        WardgateError: `SIGNATURE_REJECTED`: it is not the envelope that was signed. `ENVELOPE_REJECTED`: it does not
            open, or is about another query. `MESSAGE_*`.
    """
    if sha256(envelope) != header.audit_sha256:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "the audit envelope is not the one signed")
    context = audit_context(header.query_id, header.requester)
    try:
        note = AuditNote.parse(unpad(audit_key.open(purpose="audit", context=context, ciphertext=envelope)))
    except EnvelopeRejected as error:
        raise WardgateError(ErrorCode.ENVELOPE_REJECTED, "audit") from error
    if (note.query_id, note.requester) != (header.query_id, header.requester):
        raise WardgateError(ErrorCode.ENVELOPE_REJECTED, "audit note of another query")
    return note


def findings(header: QueryHeader, note: AuditNote) -> list[str]:
    """In what a query's signed claims and its sealed note contradict each other; one sentence each."""
    given = says_something(note.justification)
    if given == header.justified:
        return []
    return [CLAIMED_AND_EMPTY if header.justified else GIVEN_AND_DENIED]
