"""A composed query: complete, signed, openable by its targets alone, and never twice the same."""

import pytest

from agency_node.answering.task import open_question, pseudonym_of, verify_task
from federation import limits
from federation.audit_note import findings, open_note
from federation.errors import ErrorCode, WardgateError
from federation.query import AuditNote, Part, Ticket, VerifiedQuery, audit_context, verify_query, verify_ticket
from keys.digest import sha256
from keys.envelope import SealingKey
from keys.errors import EnvelopeRejected
from keys.padding import unpad
from keys.signing import SigningKey
from tests.support.node_house import number
from tests.support.two_agencies import NOW, REQUESTER, RESPONDER, Federation, Put

CHILD = number(3)


@pytest.fixture
def federation() -> Federation:
    return Federation()


@pytest.fixture
def put(federation: Federation) -> Put:
    return federation.ask(CHILD)


def verified(put: Put, *, now: float = NOW) -> VerifiedQuery:
    request = put.composed.request
    return verify_query(
        request.header,
        request.signature,
        parts=[Part(part.responder, part.blinded, part.salt, part.sealed) for part in request.parts],
        ticket=request.ticket,
        audit_envelope=request.audit_envelope,
        key=put.federation.parties[REQUESTER].signing.verify_key,
        now=now,
    )


def test_the_gateway_can_verify_all_of_it(put: Put) -> None:
    found = verified(put)
    assert found.header == put.composed.header
    assert found.digest == sha256(put.composed.request.header)
    assert set(found.parts) == {RESPONDER}


def test_the_trustee_can_verify_the_ticket_and_sees_only_a_hash(put: Put) -> None:
    request, key = put.composed.request, put.federation.parties[REQUESTER].signing.verify_key
    ticket = verify_ticket(request.ticket, request.ticket_signature, key=key, now=NOW)
    assert ticket.query_sha256 == sha256(request.header)
    assert set(Ticket.model_fields) == {
        "v", "query_sha256", "requester", "epoch", "issued_at", "expires_at", "points",
    }  # fmt: skip
    assert put.composed.header.query_id.encode() not in request.ticket
    with pytest.raises(WardgateError) as caught:
        verify_ticket(request.ticket, request.signature, key=key, now=NOW)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED


def test_the_target_opens_its_question_and_finds_its_own_pseudonym(federation: Federation, put: Put) -> None:
    task = verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW)
    question = open_question(task, keys={1: federation.parties[RESPONDER].sealing}, responder=RESPONDER)
    assert pseudonym_of(task, question) == federation.pseudonym(RESPONDER, CHILD)
    assert pseudonym_of(task, question) != federation.pseudonym(REQUESTER, CHILD)


def test_nobody_else_opens_the_question(federation: Federation, put: Put) -> None:
    task = verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW)
    for key in (SealingKey.generate(), federation.parties[REQUESTER].sealing, federation.audit):
        with pytest.raises(WardgateError) as caught:
            open_question(task, keys={1: key}, responder=RESPONDER)
        assert caught.value.code is ErrorCode.ENVELOPE_REJECTED


def test_the_auditors_alone_read_who_asked_and_why(federation: Federation, put: Put) -> None:
    request, query_id = put.composed.request, put.composed.header.query_id
    context = audit_context(query_id, REQUESTER)
    plain = unpad(federation.audit.open(purpose="audit", context=context, ciphertext=request.audit_envelope))
    note = AuditNote.parse(plain)
    assert (note.user, note.user_name, note.justification) == (
        "a.khan", "Amina Khan", "Bruises seen by the class teacher.",
    )  # fmt: skip
    assert note.pseudonym == federation.pseudonym(REQUESTER, CHILD).reveal()
    with pytest.raises(EnvelopeRejected):
        federation.parties[RESPONDER].sealing.open(purpose="audit", context=context, ciphertext=request.audit_envelope)


def test_the_header_says_whether_a_justification_was_sealed(federation: Federation) -> None:
    for text, justified in (
        ("Bruises.", True),
        (" x.", True),
        (" .", False),
        ("\u200b", False),
        ("", False),
        (" \t\n", False),
    ):
        composed = federation.ask(CHILD, justification=text).composed
        assert composed.header.justified is justified
        note = open_note(composed.request.audit_envelope, composed.header, audit_key=federation.audit)
        assert (note.justification, findings(composed.header, note)) == (text, [])


def test_nothing_in_clear_names_child_user_or_reason(federation: Federation, put: Put) -> None:
    content = put.composed.request.SerializeToString()
    for secret in (
        CHILD.canonical().encode(),
        b"Amina",
        b"a.khan",
        b"Bruises",
        federation.pseudonym(REQUESTER, CHILD).reveal(),
        federation.pseudonym(REQUESTER, CHILD).reveal().hex().encode(),
    ):
        assert secret not in content


def test_every_query_has_fresh_blinds_and_a_fresh_reply_key(federation: Federation) -> None:
    puts = [federation.ask(CHILD) for _ in range(5)]
    for values in (
        [put.composed.request.parts[0].blinded for put in puts],
        [put.composed.request.parts[0].sealed for put in puts],
        [put.composed.header.reply_key for put in puts],
        [put.composed.request.audit_envelope for put in puts],
        [put.task.translated for put in puts],
    ):
        assert len(set(values)) == len(puts)


def test_the_reply_key_that_is_kept_is_the_one_named(put: Put) -> None:
    assert put.composed.reply_key.public == put.composed.header.reply_key


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (NOW - limits.MAX_CLOCK_SKEW_S, None),
        (NOW - limits.MAX_CLOCK_SKEW_S - 1, ErrorCode.QUERY_EXPIRED),
        (NOW + 24 * 3600 - 1, None),
        (NOW + 24 * 3600, ErrorCode.QUERY_EXPIRED),
    ],
)
def test_a_query_is_good_from_now_to_its_expiry(put: Put, now: float, code: ErrorCode | None) -> None:
    if code is None:
        verified(put, now=now)
        return
    with pytest.raises(WardgateError) as caught:
        verified(put, now=now)
    assert caught.value.code is code


def test_another_key_does_not_verify_it(put: Put) -> None:
    put.federation.parties[REQUESTER].signing = SigningKey.generate()
    with pytest.raises(WardgateError) as caught:
        verified(put)
    assert caught.value.code is ErrorCode.SIGNATURE_REJECTED


def test_longer_and_shorter_reasons_look_alike_from_outside(federation: Federation) -> None:
    sizes = {len(federation.ask(number(index)).composed.request.audit_envelope) for index in range(3)}
    assert len(sizes) == 1
