"""What a responder checks of a task before it believes a word of it. Pure: bytes, keys and the time are passed in.

A task is good only if all of this holds: the requester's own signature over header and, by hash, this very part; the
trustee's over the translated point as the end of this very question here; the gateway's over an admission of this very
query; a permission for this very responder that does not go beyond what was asked; and times of validity. The gateway
can drop a task, but it can neither make one up nor widen one, nor have this agency look for another child.

The requester's blinded point is not among what comes: with it and the sealed blind this agency would have the
requester's own pseudonym of the child.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from federation import limits
from federation.admission import AdmissionRecord, TargetDecision, verify_admission, verify_decision
from federation.directory import Agency, TrustedDirectory
from federation.errors import ErrorCode, WardgateError
from federation.query import (
    QueryHeader,
    Question,
    QuestionContext,
    TargetPart,
    parse_query,
    question_context,
    verify_part,
)
from federation.translation import Statement
from federation.wire.v1 import link_pb2 as wire
from keys.digest import sha256
from keys.envelope import SealingKey
from keys.errors import EncodingRejected, EnvelopeRejected
from keys.group import ELEMENT_BYTES
from keys.padding import unpad
from keys.pseudonym import Pseudonym, unblind_element
from keys.secret import Secret

ID_CHARS: Final = 36
MAX_ADMISSION_BYTES: Final = 64 * 1024
"""200 targets with their hashes are about 30 KiB."""
MAX_TASK_BYTES: Final = limits.MAX_HEADER_BYTES + limits.MAX_SEALED_PART_BYTES + 2 * MAX_ADMISSION_BYTES + 4 * 1024


@dataclass(frozen=True, slots=True)
class VerifiedTask:
    """A task whose every signature, hash and time holds. Made only by `verify_task`.

    Attributes:
        task_id: The gateway's id of it.
        header: The query.
        query_sha256: Digest of the header's bytes.
        requester: The requester as the directory has it.
        permitted: What the gateway permits this responder to be asked.
        admission: The gateway's decision as a whole.
        sealed: The envelope with the question.
        translated: The blinded pseudonym in this agency's scope.
        epoch: The epoch of this agency's keys that it was translated into.
    """

    task_id: str
    header: QueryHeader
    query_sha256: bytes
    requester: Agency
    permitted: TargetDecision
    admission: AdmissionRecord
    sealed: bytes
    translated: bytes
    epoch: int


def task_digest(task: wire.Task) -> bytes:
    """SHA-256 over everything of a task but its lease: what a second delivery must equal."""
    bare = wire.Task()
    bare.CopyFrom(task)
    bare.ClearField("lease_id")
    bare.ClearField("lease_expires_at")
    return sha256(bare.SerializeToString(deterministic=True))


def verify_task(task: wire.Task, *, directory: TrustedDirectory, responder: str, now: float) -> VerifiedTask:
    """Check a task as it came.

    Raises:
        WardgateError: `WIRE_VERSION_REFUSED`, `MESSAGE_*`, `AGENCY_UNKNOWN`, `SIGNATURE_REJECTED`, `QUERY_EXPIRED`,
            `NOT_AUTHORISED`.
    """
    _check_sizes(task)
    if task.part.responder != responder:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "part of another responder")
    requester = _requester(task.header, directory)
    part = TargetPart(responder, task.part.commitment, task.part.sealed)
    header, digest = verify_part(task.header, task.signature, part=part, key=requester.verify_key, now=now)
    translated = Statement(digest, header.requester, responder, task.epoch, task.translated)
    translated.verify(directory.anchors.trustee_key, task.trustee_signature)
    admission = verify_admission(
        task.admission,
        task.admission_signature,
        query_sha256=digest,
        gateway_key=directory.anchors.gateway_key,
    )
    permitted = verify_decision(admission, responder, task.decision)
    _check_permission(header, admission, permitted)
    return VerifiedTask(
        task_id=task.task_id,
        header=header,
        query_sha256=digest,
        requester=requester,
        permitted=permitted,
        admission=admission,
        sealed=task.part.sealed,
        translated=task.translated,
        epoch=task.epoch,
    )


def _check_sizes(task: wire.Task) -> None:
    if task.ByteSize() > MAX_TASK_BYTES:
        raise WardgateError(ErrorCode.MESSAGE_TOO_LARGE, f"task of {task.ByteSize()} bytes")
    if len(task.task_id) != ID_CHARS or not set(task.task_id) <= set("0123456789abcdef-"):
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "task id")
    if len(task.translated) != ELEMENT_BYTES:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "translated element")


def _requester(header_bytes: bytes, directory: TrustedDirectory) -> Agency:
    header = parse_query(header_bytes)
    requester = directory.agency(header.requester)
    if header.requester_key_version != requester.keys.version:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, f"key version {header.requester_key_version}")
    return requester


def _check_permission(header: QueryHeader, admission: AdmissionRecord, permitted: TargetDecision) -> None:
    if admission.query_id != header.query_id:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "admission of another query")
    if admission.effect != "permit" or permitted.effect != "permit" or not permitted.categories:
        raise WardgateError(ErrorCode.NOT_AUTHORISED, "the gateway did not permit this target")
    named = admission.case_grant.id if admission.case_grant is not None else ""
    if named != header.case_grant:
        raise WardgateError(ErrorCode.SIGNATURE_REJECTED, "admission under another case grant")
    asked = {item.name: item.tier for item in header.categories}
    for item in permitted.categories:
        # Tiers are ordered by their names; "" is below all of them.
        if item.tier > asked.get(item.name, ""):
            raise WardgateError(ErrorCode.NOT_AUTHORISED, "the gateway permitted more than was asked")


def open_question(task: VerifiedTask, *, keys: Mapping[int, SealingKey], responder: str) -> Question:
    """Open the sealed question.

    Args:
        task: The verified task.
        keys: This node's sealing keys by sealing epoch; the requester sealed to one of them.
        responder: This agency.

    Raises:
        WardgateError: `ENVELOPE_REJECTED` or `MESSAGE_*`.
    """
    header = task.header
    for epoch in sorted(keys, reverse=True):
        context = QuestionContext(
            query_id=header.query_id,
            requester=header.requester,
            responder=responder,
            sealing_epoch=epoch,
            purpose=header.purpose,
            issued_at=header.issued_at,
            expires_at=header.expires_at,
        )
        try:
            padded = keys[epoch].open(purpose="question", context=question_context(context), ciphertext=task.sealed)
        except EnvelopeRejected:
            continue
        question = Question.parse(_unpadded(padded))
        if (question.query_id, question.requester, question.responder) != (
            header.query_id,
            header.requester,
            responder,
        ):
            raise WardgateError(ErrorCode.ENVELOPE_REJECTED, "question of another query")
        return question
    raise WardgateError(ErrorCode.ENVELOPE_REJECTED, "question")


def _unpadded(padded: bytes) -> bytes:
    try:
        return unpad(padded)
    except EnvelopeRejected as error:
        raise WardgateError(ErrorCode.ENVELOPE_REJECTED, "padding of a question") from error


def pseudonym_of(task: VerifiedTask, question: Question) -> Pseudonym:
    """Take the requester's blind off the translated point: the child's pseudonym in this agency's scope.

    Raises:
        WardgateError: `MESSAGE_MALFORMED` when point or blind is not canonical.
    """
    try:
        return unblind_element(Secret(question.blind), task.translated)
    except EncodingRejected as error:
        raise WardgateError(ErrorCode.MESSAGE_MALFORMED, "translated element") from error
