"""What a malicious party can put before another, signed as it should be, so that the code behind the signature is met.

A target takes one input, mutated or not, and does with it what the party does that reads it first: a member's as the
gateway, the trustee and the responder read it, the gateway's as members read it.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from agency_node.answering.task import open_question, pseudonym_of, verify_task
from agency_node.asking.answers import read_answer
from federation.actor import Actor
from federation.admission import AdmissionRecord, verify_admission, verify_decision
from federation.answer import Answer, AnswerHeader, seal_answer
from federation.audit_note import findings, open_note
from federation.batch import BatchHeader, verify_batch
from federation.certificate_claim import CertificateClaim, verify_claim
from federation.correlation_id import CorrelationId
from federation.description import sign_description
from federation.directory import DirectoryDocument, TrustedDirectory, signed_statement, verify_statement
from federation.errors import WardgateError
from federation.ledger.checkpoint import Checkpoint, NoteKey, sign_checkpoint, verify_cosignatures
from federation.ledger.entry import Entry, EntryKind
from federation.ledger.tree import EMPTY_ROOT, leaf_hash
from federation.ledger.witness import advance, included
from federation.misuse import MisuseNotice, verify_notice
from federation.query import (
    Part,
    QuestionContext,
    TargetPart,
    Ticket,
    audit_context,
    question_context,
    verify_query,
    verify_ticket,
)
from federation.translation import Statement
from federation.transport.denylist import DenyEntry, DenyList, DenyListDocument, SignedDenyList
from federation.transport.interceptors import Route
from federation.vocabulary import IdentifierState, Outcome
from federation.wire.v1 import admin_pb2, enrolment_pb2, ledger_pb2, link_pb2, pseudonym_pb2, query_pb2, team_pb2
from gateway.descriptions import SignedDescription
from keys import domains
from keys.digest import sha256, sha512
from keys.envelope import seal
from keys.padding import CAPACITY
from keys.padding import pad as pad_short
from keys.pseudonym import blind_identifiers
from tests.support.node_house import number
from tests.support.two_agencies import NOW, REQUESTER, RESPONDER, Federation, Put
from trustee.ticket import choose_points

FEDERATION = Federation()
MEMBER, OTHER = FEDERATION.parties[REQUESTER], FEDERATION.parties[RESPONDER]
PUT: Put = FEDERATION.ask(number(1))
REQUEST, TASK = PUT.composed.request, PUT.task
ELEMENTS = blind_identifiers([number(1).identifier_input()])[1]
CERTIFICATE_REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----"
LEDGER_KEY = NoteKey("wardgate/node/x", FEDERATION.gateway_key.verify_key)
SIGNED_NOTE = sign_checkpoint(Checkpoint(LEDGER_KEY.name, 0, EMPTY_ROOT), FEDERATION.gateway_key)
QUESTION_CONTEXT = question_context(
    QuestionContext(
        query_id=PUT.composed.header.query_id,
        requester=REQUESTER,
        responder=RESPONDER,
        sealing_epoch=1,
        purpose=PUT.composed.header.purpose,
        issued_at=PUT.composed.header.issued_at,
        expires_at=PUT.composed.header.expires_at,
    )
)
QUESTION = open_question(
    verify_task(TASK, directory=FEDERATION.directory, responder=RESPONDER, now=NOW),
    keys={1: OTHER.sealing},
    responder=RESPONDER,
).canonical()
AUDIT_NOTE = open_note(REQUEST.audit_envelope, PUT.composed.header, audit_key=FEDERATION.audit).canonical()
DIRECTORY = DirectoryDocument(
    version=1,
    issued_at=NOW,
    audit_keys=FEDERATION.auditors.statements,
    agencies=[FEDERATION._entry(party) for party in (MEMBER, OTHER)],
).canonical()


@dataclass(frozen=True)
class Target:
    """One door.

    Attributes:
        seed: A valid input.
        enter: Does what the reader does; raises what is wrong.
        is_json: Whether its structure can be mutated; else its bytes alone.
    """

    name: str
    seed: bytes
    enter: Callable[[bytes], object]
    is_json: bool = True


def pad(content: bytes) -> bytes:
    """Padded; what is too long for any part is cut."""
    return pad_short(content[:CAPACITY])


def _parts(request: query_pb2.AskRequest) -> list[Part]:
    return [Part(part.responder, part.blinded, part.salt, part.sealed) for part in request.parts]


# -- a member's, at the gateway ---------------------------------------------------------------------------------------


def _header_at_gateway(header: bytes) -> None:
    ticket = Ticket.parse(REQUEST.ticket).model_copy(update={"query_sha256": sha256(header)}).canonical()
    query = verify_query(
        header,
        MEMBER.signing.sign(domains.QUERY, header),
        parts=_parts(REQUEST),
        ticket=ticket,
        audit_envelope=REQUEST.audit_envelope,
        key=MEMBER.signing.verify_key,
        now=NOW,
    )
    seal(query.header.reply_key, purpose="answer", context=b"", plaintext=b"")


def _ticket(ticket: bytes) -> None:
    """At the trustee, which multiplies each point."""
    signature = MEMBER.signing.sign(domains.TICKET, ticket)
    found = verify_ticket(ticket, signature, key=MEMBER.signing.verify_key, now=NOW)
    choose_points(found, [RESPONDER])


def _key_statement(statement: bytes) -> None:
    """At enrolment."""
    signature = MEMBER.signing.sign(domains.KEY_STATEMENT, statement)
    keys = verify_statement(signed_statement(statement, signature), agency=REQUESTER, previous=None)
    seal(keys.sealing_key, purpose="question", context=b"", plaintext=b"")


def _statement_signature(signature: bytes) -> None:
    """At enrolment, where the signature is whatever a stranger sends."""
    signed = signed_statement(MEMBER.statement().canonical(), signature)
    verify_statement(signed, agency=REQUESTER, previous=None)


def _claim(claim: bytes) -> None:
    verify_claim(
        claim,
        MEMBER.signing.sign(domains.CERTIFICATE_CLAIM, claim),
        certificate_request=CERTIFICATE_REQUEST,
        key=MEMBER.signing.verify_key,
        now=NOW,
    )


def _notice(notice: bytes) -> None:
    signature = MEMBER.signing.sign(domains.MISUSE_NOTICE, notice)
    verify_notice(notice, signature, key=MEMBER.signing.verify_key, now=NOW)


def _batch(header: bytes) -> None:
    signature = MEMBER.signing.sign(domains.BATCH, header)
    verify_batch(header, signature, ELEMENTS, key=MEMBER.signing.verify_key, now=NOW)


def _audit_note(note: bytes) -> None:
    """At the auditor."""
    header = PUT.composed.header
    context = audit_context(header.query_id, header.requester)
    envelope = seal(FEDERATION.audit.public, purpose="audit", context=context, plaintext=pad(note))
    claimed = header.model_copy(update={"audit_sha256": sha256(envelope)})
    findings(claimed, open_note(envelope, claimed, audit_key=FEDERATION.audit))


# -- a member's, at a responder ---------------------------------------------------------------------------------------


def _admitted(header: bytes, part: query_pb2.TaskPart, translated: bytes) -> link_pb2.Task:
    """The task that an honest gateway makes of whatever a member signed, and an honest trustee vouches for."""
    statement = Statement(sha256(header), REQUESTER, RESPONDER, TASK.epoch, translated)
    admission = AdmissionRecord.parse(TASK.admission).model_copy(update={"query_sha256": sha256(header)}).canonical()
    return link_pb2.Task(
        task_id=TASK.task_id,
        header=header,
        signature=MEMBER.signing.sign(domains.QUERY, header),
        part=part,
        translated=translated,
        admission=admission,
        admission_signature=FEDERATION.gateway_key.sign(domains.ADMISSION, admission),
        decision=TASK.decision,
        epoch=TASK.epoch,
        trustee_signature=statement.sign(FEDERATION.trustee_key),
    )


def _answered(task: link_pb2.Task) -> None:
    """What a responder does: verify, open, unblind, seal an answer to whoever asked."""
    verified = verify_task(task, directory=FEDERATION.directory, responder=RESPONDER, now=NOW)
    question = open_question(verified, keys={1: OTHER.sealing}, responder=RESPONDER)
    pseudonym_of(verified, question)
    header = _answer_header().model_copy(update={"query_sha256": verified.query_sha256})
    seal_answer(_answer(), header, reply_key=verified.header.reply_key, key=OTHER.signing)


def _header_at_responder(header: bytes) -> None:
    _answered(_admitted(header, TASK.part, TASK.translated))


def _question(question: bytes) -> None:
    """What only the responder reads, sealed as it should be."""
    _sealed_part(seal(OTHER.sealing.public, purpose="question", context=QUESTION_CONTEXT, plaintext=pad(question)))


def _sealed_part(sealed: bytes) -> None:
    part = query_pb2.TaskPart(responder=RESPONDER, commitment=TASK.part.commitment, sealed=sealed)
    targets = {RESPONDER: TargetPart(RESPONDER, part.commitment, part.sealed).digest}
    changed = PUT.composed.header.model_copy(update={"targets": targets}).canonical()
    _answered(_admitted(changed, part, TASK.translated))


def _translated(element: bytes) -> None:
    _answered(_admitted(TASK.header, TASK.part, element))


def _task(content: bytes) -> None:
    """Whatever a gateway may send."""
    task = _decoded(link_pb2.Task, content)
    _answered(task)


# -- a responder's, at the requester ----------------------------------------------------------------------------------


def _answer() -> Answer:
    header = PUT.composed.header
    return Answer(
        query_id=header.query_id,
        outcome=Outcome.NOTHING_HELD,
        records=[],
        reasons=[],
        obligations=[],
        processing=[],
        reading=[],
        contact=None,
        period_covered=header.period,
        older=False,
        context_note="",
        identifier_state=IdentifierState.PRESENT,
        answered_at=NOW,
    )


def _answer_header() -> AnswerHeader:
    header = PUT.composed.header
    return AnswerHeader(
        query_id=header.query_id,
        task_id=TASK.task_id,
        requester=REQUESTER,
        responder=RESPONDER,
        responder_key_version=1,
        purpose=header.purpose,
        issued_at=NOW,
        expires_at=header.expires_at,
        decision_id=TASK.task_id,
        bundle_digest=sha256(b"bundle"),
        query_sha256=sha256(TASK.header),
        part=1,
        total=1,
    )


def _read(head: bytes, content: bytes) -> None:
    framing = sha512(head) + REQUESTER.encode() + b"\0" + RESPONDER.encode() + b"\0"
    ciphertext = seal(PUT.composed.header.reply_key, purpose="answer", context=head, plaintext=pad(framing + content))
    signature = OTHER.signing.sign(domains.ANSWER, head, sha512(ciphertext))
    sealed = query_pb2.SealedAnswer(
        task_id=TASK.task_id,
        responder=RESPONDER,
        parts=[query_pb2.AnswerPart(header=head, ciphertext=ciphertext, signature=signature)],
    )
    _opened(sealed)


def _opened(sealed: query_pb2.SealedAnswer) -> None:
    read_answer(
        sealed,
        header=PUT.composed.header,
        query_sha256=sha256(TASK.header),
        reply_key=PUT.composed.reply_key,
        directory=FEDERATION.directory,
    )


# -- the gateway's, at everybody --------------------------------------------------------------------------------------


def _admission(content: bytes) -> None:
    record = verify_admission(
        content,
        FEDERATION.gateway_key.sign(domains.ADMISSION, content),
        query_sha256=sha256(TASK.header),
        gateway_key=FEDERATION.gateway_key.verify_key,
    )
    verify_decision(record, RESPONDER, TASK.decision)


def _decision(decision: bytes) -> None:
    record = AdmissionRecord.parse(TASK.admission).model_copy(update={"decisions": {RESPONDER: sha256(decision)}})
    verify_decision(record, RESPONDER, decision)


def _description(content: bytes) -> None:
    SignedDescription(content, sign_description(content, MEMBER.signing)).verify(MEMBER.signing.verify_key)


def _directory(content: bytes) -> None:
    try:
        version = DirectoryDocument.parse(content).version
    except WardgateError:
        version = 1
    found = TrustedDirectory.empty(FEDERATION.directory.anchors).advance(
        content,
        FEDERATION.gateway_key.sign(domains.DIRECTORY, content),
        entry={"directory_sha256": sha256(content).hex(), "version": version},
        own=MEMBER.own(),
    )
    for agency in found.agencies.values():
        seal(agency.keys.sealing_key, purpose="question", context=b"", plaintext=b"")
    seal(found.audit_key, purpose="audit", context=b"", plaintext=b"")


def _deny_list(content: bytes) -> None:
    signature = FEDERATION.gateway_key.sign(domains.DENY_LIST, content)
    DenyList(FEDERATION.gateway_key.verify_key).adopt(SignedDenyList(content, signature))


def _entry(content: bytes) -> None:
    """An entry that stands in the tree as it is."""
    head = sign_checkpoint(Checkpoint(LEDGER_KEY.name, 1, leaf_hash(content)), FEDERATION.gateway_key)
    included(content, 0, [], head)


def _note(content: bytes) -> None:
    """A checkpoint's text, signed whatever it says; and a note as it is."""
    text = content.rpartition(b"\n\n")[0] + b"\n"
    head, _, encoded = SIGNED_NOTE.note.rpartition(b" ")
    signature = b64decode(encoded)[:4] + FEDERATION.gateway_key.sign_raw(text)
    signer = head.rpartition(b"\n\n")[2]
    advance(None, text + b"\n" + signer + b" " + b64encode(signature) + b"\n", [], LEDGER_KEY)
    verify_cosignatures(content, {"x": FEDERATION.gateway_key.verify_key})


# -- protobuf ---------------------------------------------------------------------------------------------------------


def _decoded(kind: type[Any], content: bytes) -> Any:
    """As `federation.transport.interceptors` reads every request."""
    return Route("/x/Y", frozenset(), 2**22, False, kind.FromString, bytes).decode(content)


def _ask(content: bytes) -> None:
    request = _decoded(query_pb2.AskRequest, content)
    verify_query(
        request.header,
        request.signature,
        parts=_parts(request),
        ticket=request.ticket,
        audit_envelope=request.audit_envelope,
        key=MEMBER.signing.verify_key,
        now=NOW,
    )


def _message(kind: type[Any]) -> Callable[[bytes], object]:
    return lambda content: _decoded(kind, content)


def _wire(*messages: Message) -> list[Target]:
    return [
        Target(f"wire {type(message).__name__}", message.SerializeToString(), _message(type(message)), is_json=False)
        for message in messages
    ]


_NOTICE = MisuseNotice(
    notice_id=TASK.task_id,
    key_version=1,
    agency=REQUESTER,
    user_ref="a" * 32,
    role="team_manager",
    purpose="S47_ENQ",
    area="testshire",
    reason="NOT_TRAINED",
    at=NOW,
    decision_id=TASK.task_id,
    bundle_digest=sha256(b"bundle"),
)
_BATCH = BatchHeader(
    batch_id=TASK.task_id,
    agency=REQUESTER,
    epoch=1,
    use="query",
    count=1,
    elements_sha256=sha256(ELEMENTS),
    issued_at=NOW,
    expires_at=NOW + 60,
)
_DENIED = DenyListDocument(
    version=2, issued_at=NOW, entries=[DenyEntry(identity="wardgate://node/testshire-csc", reason_code="LEFT")]
)
_WRITTEN = Entry(
    kind=EntryKind.ANSWERED,
    at=NOW,
    actor=Actor.agency(RESPONDER),
    correlation_id=CorrelationId(TASK.task_id),
    query_id=TASK.task_id,
    body={"outcome": "records", "alerts": ["a"], "decision": {"id": "x"}},
)
SEALED_ANSWER = query_pb2.SealedAnswer(
    task_id=TASK.task_id,
    responder=RESPONDER,
    parts=[
        query_pb2.AnswerPart(header=part.header, ciphertext=part.ciphertext, signature=part.signature)
        for part in seal_answer(_answer(), _answer_header(), reply_key=PUT.composed.header.reply_key, key=OTHER.signing)
    ],
)

TARGETS: list[Target] = [
    Target("query header at the gateway", TASK.header, _header_at_gateway),
    Target("query header at a responder", TASK.header, _header_at_responder),
    Target("ticket", REQUEST.ticket, _ticket),
    Target("question", QUESTION, _question),
    Target("sealed part", TASK.part.sealed, _sealed_part, is_json=False),
    Target("translated element", TASK.translated, _translated, is_json=False),
    Target("task", TASK.SerializeToString(), _task, is_json=False),
    Target("audit note", AUDIT_NOTE, _audit_note),
    Target("key statement", MEMBER.statement().canonical(), _key_statement),
    Target("signature of a key statement", MEMBER.signed().signature, _statement_signature, is_json=False),
    Target(
        "certificate claim",
        CertificateClaim(
            party=f"wardgate://node/{REQUESTER}", request_sha256=sha256(CERTIFICATE_REQUEST), claimed_at=NOW
        ).canonical(),
        _claim,
    ),
    Target("misuse notice", _NOTICE.canonical(), _notice),
    Target("batch header", _BATCH.canonical(), _batch),
    Target("answer", _answer().canonical(), lambda content: _read(_answer_header().canonical(), content)),
    Target("answer header", _answer_header().canonical(), lambda head: _read(head, _answer().canonical())),
    Target(
        "sealed answer",
        SEALED_ANSWER.SerializeToString(),
        lambda content: _opened(_decoded(query_pb2.SealedAnswer, content)),
        is_json=False,
    ),
    Target("admission", TASK.admission, _admission),
    Target("decision", TASK.decision, _decision),
    Target("directory", DIRECTORY, _directory),
    Target("description", MEMBER.descriptor().canonical(), _description),
    Target("deny list", _DENIED.canonical(), _deny_list),
    Target("ledger entry", _WRITTEN.content, _entry),
    Target("checkpoint", SIGNED_NOTE.note, _note, is_json=False),
    Target("ask", REQUEST.SerializeToString(), _ask, is_json=False),
    *_wire(
        link_pb2.AttachRequest(hello=link_pb2.Hello(max_in_flight=16)),
        link_pb2.SubmitRequest(answer=SEALED_ANSWER),
        link_pb2.ClaimRequest(max_tasks=3, wait_s=20),
        pseudonym_pb2.EvaluateRequest(batch=pseudonym_pb2.BlindedBatch(header=_BATCH.canonical(), elements=bytes(32))),
        pseudonym_pb2.TranslateRequest(
            ticket=REQUEST.ticket,
            signature=bytes(64),
            halves=[pseudonym_pb2.HalfTranslation(responder=RESPONDER, element=bytes(32), proof=bytes(64))],
        ),
        enrolment_pb2.EnrolRequest(
            token="t" * 43,
            key_statement=MEMBER.statement().canonical(),
            description=MEMBER.descriptor().canonical(),
        ),
        enrolment_pb2.ProposeRequest(description=MEMBER.descriptor().canonical(), signature=bytes(64)),
        ledger_pb2.CosignRequest(cosigned_checkpoint=SIGNED_NOTE.note),
        team_pb2.OrderRequest(order=b"{}", signature=bytes(64)),
        admin_pb2.InviteRequest(agency=b"{}", valid_s=60),
    ),
]
