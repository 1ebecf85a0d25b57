"""Makes the signed query out of a checked question: blinds, seals, signs. No I/O; randomness comes from `keys` alone.

The result is complete: the same bytes can be sent again after a crash, and nothing of them can be made anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agency_node.asking.question import CheckedQuestion, Times
from federation.centre_seen import CentreSeen
from federation.directory import Agency, TrustedDirectory
from federation.query import (
    AuditNote,
    Part,
    QueryHeader,
    Question,
    QuestionContext,
    Ticket,
    TicketPoint,
    audit_context,
    question_context,
)
from federation.vocabulary import UserRef
from federation.wire.v1 import query_pb2 as wire
from keys import domains
from keys.digest import random_salt, sha256
from keys.envelope import SealingKey, seal
from keys.padding import pad
from keys.pseudonym import Pseudonym, blind_pseudonym
from keys.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as the query will say it."""

    agency: Agency
    user_ref: UserRef
    user_id: str
    user_name: str
    role: str


@dataclass(frozen=True, slots=True)
class OwnPseudonym:
    """A child's pseudonym in this agency's scope, with the epoch that it is of.

    They stay together: the directory may show a newer epoch at any moment, and a pseudonym that is sent out as one of
    another epoch is a child that nobody knows.
    """

    pseudonym: Pseudonym
    epoch: int


@dataclass(frozen=True, slots=True)
class Composed:
    """A query ready to be stored and sent, with the private half of its reply key."""

    header: QueryHeader
    request: wire.AskRequest
    reply_key: SealingKey


def compose(
    question: CheckedQuestion,
    *,
    query_id: str,
    decision_id: str,
    asker: Asker,
    own: OwnPseudonym,
    targets: Mapping[str, Agency],
    directory: TrustedDirectory,
    times: Times,
    now: int,
    key: SigningKey,
    seen: CentreSeen | None = None,
) -> Composed:
    """Make the query.

    Args:
        question: What is asked.
        query_id: Its id, never used before.
        decision_id: Of this node's own decision that it may be put.
        asker: Who asks.
        own: The child's pseudonym in the asker's scope, and its epoch.
        targets: Whom to ask; at least one.
        directory: The trusted directory that lists them.
        times: Deadline and expiry for this urgency.
        now: Seconds since the epoch.
        key: The agency's signing key.
        seen: What this node has seen of the centre; each target compares it with what it has seen itself.
    """
    requester = asker.agency.descriptor.id
    expires_at = now + times.expiry_s
    parts: dict[str, Part] = {}
    for responder, target in targets.items():
        context = QuestionContext(
            query_id=query_id,
            requester=requester,
            responder=responder,
            sealing_epoch=target.keys.sealing_epoch,
            purpose=question.purpose,
            issued_at=now,
            expires_at=expires_at,
        )
        parts[responder] = _part(context, target, own.pseudonym, seen or CentreSeen())
    reply_key = SealingKey.generate()
    envelope = _audit_envelope(question, query_id, asker, own, directory)
    header = QueryHeader(
        query_id=query_id,
        requester=requester,
        requester_key_version=asker.agency.keys.version,
        user_ref=asker.user_ref,
        role=asker.role,
        purpose=question.purpose,
        urgency=question.urgency,
        area=question.area,
        categories=list(question.categories),
        period=question.period,
        attestations=list(question.attestations),
        approvals=list(question.approvals),
        family_informed=question.family_informed,
        break_glass=question.break_glass,
        justified=question.justified,
        identifier_state=question.identifier_state,
        issued_at=now,
        deadline_at=now + times.deadline_s,
        expires_at=expires_at,
        reply_key=reply_key.public,
        directory_version=directory.version,
        decision_id=decision_id,
        case_grant=question.case_grant,
        audit_sha256=sha256(envelope),
        targets={responder: part.for_target.digest for responder, part in parts.items()},
    )
    header_bytes = header.canonical()
    ticket = Ticket(
        query_sha256=sha256(header_bytes),
        requester=requester,
        epoch=own.epoch,
        issued_at=now,
        expires_at=expires_at,
        points=[
            TicketPoint(responder=responder, epoch=targets[responder].epoch, element=part.blinded)
            for responder, part in parts.items()
        ],
    ).canonical()
    request = wire.AskRequest(
        header=header_bytes,
        signature=key.sign(domains.QUERY, header_bytes),
        ticket=ticket,
        ticket_signature=key.sign(domains.TICKET, ticket),
        parts=[
            wire.TargetPart(responder=part.responder, blinded=part.blinded, salt=part.salt, sealed=part.sealed)
            for part in parts.values()
        ],
        audit_envelope=envelope,
    )
    return Composed(header, request, reply_key)


def _part(context: QuestionContext, target: Agency, pseudonym: Pseudonym, seen: CentreSeen) -> Part:
    """A fresh blind for every target: two targets that collude with the gateway learn nothing of each other's.

    The salt is fresh too, and goes to the gateway alone: without it a target cannot test a guess at the point.
    """
    blind, element = blind_pseudonym(pseudonym)
    inner = Question(
        query_id=context.query_id,
        requester=context.requester,
        responder=context.responder,
        blind=blind.reveal(),
        context_note="",
        seen=seen,
    ).canonical()
    sealed = seal(target.keys.sealing_key, purpose="question", context=question_context(context), plaintext=pad(inner))
    return Part(context.responder, element, random_salt(), sealed)


def _audit_envelope(
    question: CheckedQuestion,
    query_id: str,
    asker: Asker,
    own: OwnPseudonym,
    directory: TrustedDirectory,
) -> bytes:
    note = AuditNote(
        query_id=query_id,
        requester=asker.agency.descriptor.id,
        user=asker.user_id,
        user_name=asker.user_name,
        justification=question.justification,
        pseudonym=own.pseudonym.reveal(),
        epoch=own.epoch,
    ).canonical()
    context = audit_context(query_id, asker.agency.descriptor.id)
    return seal(directory.audit_key, purpose="audit", context=context, plaintext=pad(note))
