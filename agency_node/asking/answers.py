"""Reads sealed answers to this node's own queries: verifies who made them, opens, and believes nothing else. Pure."""

from federation.answer import Answer, AnswerContext, SealedPart, open_answer, verify_answer_parts
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.query import QueryHeader
from federation.wire.v1 import query_pb2 as wire
from keys.envelope import SealingKey


def read_answer(
    sealed: wire.SealedAnswer,
    *,
    header: QueryHeader,
    query_sha256: bytes,
    reply_key: SealingKey,
    directory: TrustedDirectory,
) -> Answer:
    """Verify and open one answer.

    Args:
        sealed: As the gateway relayed it.
        header: The query it claims to answer.
        query_sha256: Digest of that query's bytes.
        reply_key: Private half of the query's reply key.
        directory: The trusted directory, whose keys the gateway cannot swap.

    Raises:
        WardgateError: `AGENCY_UNKNOWN`, `SIGNATURE_REJECTED`, `ENVELOPE_REJECTED`, `MESSAGE_*`.
    """
    if sealed.responder not in header.targets:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "answer of an agency that was not asked")
    parts = sealed_parts(sealed)
    expected = AnswerContext(
        query_id=header.query_id,
        task_id=sealed.task_id,
        requester=header.requester,
        responder=sealed.responder,
        purpose=header.purpose,
        query_sha256=query_sha256,
    )
    verify_answer_parts(parts, key=directory.agency(sealed.responder).verify_key, expected=expected)
    return open_answer(parts, reply_key=reply_key)


def sealed_parts(sealed: wire.SealedAnswer) -> list[SealedPart]:
    """The parts as `federation.answer` knows them."""
    return [SealedPart(part.header, part.ciphertext, part.signature) for part in sealed.parts]
