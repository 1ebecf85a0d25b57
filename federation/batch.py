"""A signed batch of blinded identifiers: what a node signs, and what both holders check before they evaluate. No I/O.

The gateway relays header, signature and elements to the trustee as the node made them. The header names the elements by
hash, so the one signature covers every point; nobody but the node can put another guess in.
"""

from typing import Annotated, Literal

from pydantic import Field

from federation import limits
from federation.document import AgencyName, Document, Hex32, Instant, Uuid
from federation.errors import ErrorCode, WardgateError
from federation.query import verify_fresh, verify_signed
from keys import domains
from keys.digest import sha256
from keys.group import ELEMENT_BYTES
from keys.signing import VerifyKey


class BatchHeader(Document):
    """What a node signs of a batch: whose scope and epoch, what for, how many points and which."""

    v: Literal[1] = 1
    batch_id: Uuid
    agency: AgencyName
    epoch: Annotated[int, Field(ge=1)]
    use: Literal["caseload", "query"]
    count: Annotated[int, Field(ge=1, le=limits.MAX_BATCH_ELEMENTS)]
    elements_sha256: Hex32
    issued_at: Instant
    expires_at: Instant


def parse_batch(header: bytes, elements: bytes) -> BatchHeader:
    """Read a batch's header, to learn whose key must verify it. Sizes are checked first.

    Raises:
        WardgateError: `MESSAGE_TOO_LARGE` or `MESSAGE_MALFORMED`.
    """
    if len(elements) > limits.MAX_BATCH_ELEMENTS * ELEMENT_BYTES:
        raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, f"batch of {len(elements)} bytes")
    found = BatchHeader.parse(header)
    if len(elements) != found.count * ELEMENT_BYTES:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "the batch holds another number of elements than it says")
    return found


def verify_batch(header: bytes, signature: bytes, elements: bytes, *, key: VerifyKey, now: float) -> BatchHeader:
    """Check that `key` signed exactly these points, for now.

    Raises:
        WardgateError: `MESSAGE_*`, `SIGNATURE_REJECTED` or `QUERY_EXPIRED`.
    """
    found = parse_batch(header, elements)
    verify_signed(key, signature, domains.BATCH, header)
    verify_fresh(found.issued_at, found.expires_at, now)
    if sha256(elements) != found.elements_sha256:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "the elements are not the ones signed")
    return found
