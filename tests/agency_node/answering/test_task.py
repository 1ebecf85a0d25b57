"""What a responder believes of a task, and what it does not."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from agency_node.answering.task import open_question, pseudonym_of, task_digest, verify_task
from federation.admission import TargetDecision
from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.query import CategoryAsked
from federation.team import CaseGrantGiven
from federation.translation import Statement
from federation.vocabulary import Tier
from federation.wire.v1 import link_pb2 as wire
from keys import domains, group
from keys.digest import sha256
from keys.envelope import SealingKey
from keys.signing import SigningKey
from tests.support.node_house import number
from tests.support.two_agencies import NOW, REQUESTER, RESPONDER, Federation, Put

CHILD = number(1)


@pytest.fixture(scope="module")
def federation() -> Federation:
    return Federation()


def refusal(federation: Federation, task: wire.Task, *, responder: str = RESPONDER, now: float = NOW) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        verify_task(task, directory=federation.directory, responder=responder, now=now)
    return caught.value.code


def resigned(federation: Federation, put: Put, key: SigningKey | None = None, **changes: Any) -> wire.Task:
    """The task with another decision of the gateway, signed anew."""
    from federation.admission import AdmissionRecord

    decision = TargetDecision.parse(put.task.decision).model_copy(update=changes.pop("decision", {})).canonical()
    admission = AdmissionRecord.parse(put.task.admission).model_copy(
        update={"decisions": {RESPONDER: sha256(decision)}, **changes}
    )
    put.task.decision, put.task.admission = decision, admission.canonical()
    put.task.admission_signature = (key or federation.gateway_key).sign(domains.ADMISSION, put.task.admission)
    return put.task


def test_a_whole_task_is_believed(federation: Federation) -> None:
    put = federation.ask(CHILD)

    found = verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW)

    assert found.header.query_id == put.composed.header.query_id
    assert found.requester.descriptor.id == REQUESTER
    assert found.query_sha256 == sha256(put.task.header)


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _swap_part(task: wire.Task) -> None:
    task.part.commitment = flip(task.part.commitment)


def _swap_translated(task: wire.Task) -> None:
    task.translated = group.multiply_base(group.random_scalar())


def _swap_epoch(task: wire.Task) -> None:
    task.epoch += 1


def _swap_trustee_signature(task: wire.Task) -> None:
    task.trustee_signature = flip(task.trustee_signature)


def _drop_trustee_signature(task: wire.Task) -> None:
    task.trustee_signature = b""


def _swap_sealed(task: wire.Task) -> None:
    task.part.sealed = flip(task.part.sealed)


def _swap_header(task: wire.Task) -> None:
    task.header = task.header.replace(b"S47_ENQ", b"S47_ENX")


def _swap_signature(task: wire.Task) -> None:
    task.signature = flip(task.signature)


def _swap_admission(task: wire.Task) -> None:
    task.admission_signature = flip(task.admission_signature)


def _swap_decision(task: wire.Task) -> None:
    task.decision = task.decision.replace(b'"T1"', b'"T2"')


@pytest.mark.parametrize(
    "tamper",
    [
        _swap_part,
        _swap_translated,
        _swap_epoch,
        _swap_trustee_signature,
        _drop_trustee_signature,
        _swap_sealed,
        _swap_header,
        _swap_signature,
        _swap_admission,
        _swap_decision,
    ],
)
def test_nothing_of_a_task_can_be_altered(federation: Federation, tamper: Callable[[wire.Task], None]) -> None:
    task = federation.ask(CHILD, categories=(("enrolment", "T1"),)).task
    before = task.SerializeToString()
    tamper(task)

    assert task.SerializeToString() != before
    assert refusal(federation, task) is ErrorCode.SIGNATURE_REJECTED


@pytest.mark.parametrize(
    "said",
    [
        {"query_sha256": sha256(b"another query")},
        {"requester": RESPONDER},
        {"responder": REQUESTER},
        {"responder_epoch": 2},
        {"element": group.multiply_base(group.random_scalar())},
    ],
    ids=lambda said: next(iter(said)),
)
def test_the_trustees_word_for_anything_else_is_not_believed(federation: Federation, said: dict[str, Any]) -> None:
    put = federation.ask(CHILD)
    true = Statement(sha256(put.task.header), REQUESTER, RESPONDER, put.task.epoch, put.task.translated)
    put.task.trustee_signature = replace(true, **said).sign(federation.trustee_key)
    assert refusal(federation, put.task) is ErrorCode.SIGNATURE_REJECTED
    put.task.trustee_signature = true.sign(federation.trustee_key)
    verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW)


def test_nobody_signs_for_the_trustee(federation: Federation) -> None:
    """Neither the gateway nor the requester, nor the trustee itself in another domain."""
    put = federation.ask(CHILD)
    true = Statement(sha256(put.task.header), REQUESTER, RESPONDER, put.task.epoch, put.task.translated)
    for key in (federation.gateway_key, federation.parties[REQUESTER].signing):
        put.task.trustee_signature = true.sign(key)
        assert refusal(federation, put.task) is ErrorCode.SIGNATURE_REJECTED
    put.task.trustee_signature = federation.trustee_key.sign(domains.POINTS, *true._parts())
    assert refusal(federation, put.task) is ErrorCode.SIGNATURE_REJECTED


def test_a_task_of_the_older_wire_is_refused_in_words(federation: Federation) -> None:
    put = federation.ask(CHILD)
    put.task.header = to_canonical(json.loads(put.task.header) | {"v": 1})
    put.task.signature = federation.parties[REQUESTER].signing.sign(domains.QUERY, put.task.header)
    with pytest.raises(WardgateError) as caught:
        verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW)
    assert caught.value.code is ErrorCode.WIRE_VERSION_REFUSED
    assert caught.value.told == "QueryHeader speaks wire version 1, this side speaks version 2"


def test_a_task_for_another_responder_is_refused(federation: Federation) -> None:
    assert refusal(federation, federation.ask(CHILD).task, responder=REQUESTER) is ErrorCode.SIGNATURE_REJECTED


def test_a_requester_that_the_directory_does_not_list_is_refused() -> None:
    federation = Federation()
    task = federation.ask(CHILD).task
    federation.publish(REQUESTER)

    assert refusal(federation, task) is ErrorCode.AGENCY_UNKNOWN


def test_a_query_signed_under_another_version_of_the_key_is_refused(federation: Federation) -> None:
    put = federation.ask(CHILD)
    header = put.composed.header.model_copy(update={"requester_key_version": 2}).canonical()
    put.task.header = header
    put.task.signature = federation.parties[REQUESTER].signing.sign(domains.QUERY, header)

    assert refusal(federation, put.task) is ErrorCode.SIGNATURE_REJECTED


def test_an_admission_signed_by_anybody_else_is_refused(federation: Federation) -> None:
    assert (
        refusal(federation, resigned(federation, federation.ask(CHILD), SigningKey.generate()))
        is ErrorCode.SIGNATURE_REJECTED
    )


def test_an_admission_of_another_query_is_refused(federation: Federation) -> None:
    task = resigned(federation, federation.ask(CHILD), query_id=str(uuid4()))
    assert refusal(federation, task) is ErrorCode.SIGNATURE_REJECTED


def test_a_target_that_the_gateway_denied_is_refused(federation: Federation) -> None:
    assert refusal(federation, federation.ask(CHILD, effect="deny").task) is ErrorCode.NOT_AUTHORISED


def test_a_permission_without_categories_is_none(federation: Federation) -> None:
    task = resigned(federation, federation.ask(CHILD), decision={"categories": []})
    assert refusal(federation, task) is ErrorCode.NOT_AUTHORISED


@pytest.mark.parametrize(
    ("name", "tier", "is_believed"),
    [("enrolment", "T0", True), ("enrolment", "T1", True), ("enrolment", "T2", False), ("attendance", "T0", False)],
)
def test_the_gateway_may_narrow_and_never_widen(
    federation: Federation,
    name: str,
    tier: str,
    is_believed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    put = federation.ask(CHILD, categories=(("enrolment", "T1"),))
    task = resigned(federation, put, decision={"categories": [CategoryAsked(name=name, tier=Tier(tier))]})

    if is_believed:
        verify_task(task, directory=federation.directory, responder=RESPONDER, now=NOW)
    else:
        assert refusal(federation, task) is ErrorCode.NOT_AUTHORISED


def test_a_task_is_believed_until_the_second_in_which_it_expires(federation: Federation) -> None:
    task = federation.ask(CHILD, expiry_s=3600).task

    verify_task(task, directory=federation.directory, responder=RESPONDER, now=NOW + 3599)
    assert refusal(federation, task, now=NOW + 3600) is ErrorCode.QUERY_EXPIRED


@pytest.mark.parametrize("task_id", ["", "not-a-uuid", "0B0E5F0C-3A53-4B57-9B43-3D2F9A1C7E11", "9" * 36 + "0"])
def test_a_task_id_that_is_none_is_malformed(federation: Federation, task_id: str) -> None:
    task = federation.ask(CHILD).task
    task.task_id = task_id
    assert refusal(federation, task) is ErrorCode.MESSAGE_MALFORMED


def test_sizes_are_looked_at_first(federation: Federation) -> None:
    task = federation.ask(CHILD).task
    task.part.sealed = bytes(400 * 1024)
    assert refusal(federation, task) is ErrorCode.MESSAGE_TOO_LARGE

    for field, size in (("translated", 31), ("translated", 33)):
        task = federation.ask(CHILD).task
        setattr(task, field, bytes(size))
        assert refusal(federation, task) is ErrorCode.MESSAGE_MALFORMED
    for size in (0, 31, 33):
        task = federation.ask(CHILD).task
        task.part.commitment = bytes(size)
        assert refusal(federation, task) is ErrorCode.MESSAGE_MALFORMED


def test_a_second_delivery_differs_in_its_lease_alone(federation: Federation) -> None:
    task = federation.ask(CHILD).task
    digest = task_digest(task)

    task.lease_id, task.lease_expires_at = "another lease", 1
    assert task_digest(task) == digest
    task.translated = group.multiply_base(group.random_scalar())
    assert task_digest(task) != digest


# -- opening ----------------------------------------------------------------------------------------------------------


def test_the_question_uncovers_this_agencys_own_pseudonym(federation: Federation) -> None:
    put = federation.ask(CHILD)
    found = verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW)
    keys = {1: federation.parties[RESPONDER].sealing}

    question = open_question(found, keys=keys, responder=RESPONDER)

    assert pseudonym_of(found, question) == federation.pseudonym(RESPONDER, CHILD)
    assert pseudonym_of(found, question) != federation.pseudonym(REQUESTER, CHILD)


def test_a_key_of_an_older_epoch_still_opens_what_was_sealed_to_it(federation: Federation) -> None:
    put = federation.ask(CHILD)
    found = verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW)

    keys = {2: SealingKey.generate(), 1: federation.parties[RESPONDER].sealing}
    assert open_question(found, keys=keys, responder=RESPONDER).query_id == found.header.query_id
    # The same key under another epoch's number is another context.
    with pytest.raises(WardgateError, match="ENVELOPE_REJECTED"):
        open_question(found, keys={2: federation.parties[RESPONDER].sealing}, responder=RESPONDER)


def test_a_question_moved_into_another_query_does_not_open(federation: Federation) -> None:
    first, second = federation.ask(CHILD), federation.ask(CHILD)
    found = verify_task(first.task, directory=federation.directory, responder=RESPONDER, now=NOW)
    other = verify_task(second.task, directory=federation.directory, responder=RESPONDER, now=NOW)
    moved = type(found)(**{**{name: getattr(found, name) for name in found.__slots__}, "sealed": other.sealed})

    with pytest.raises(WardgateError, match="ENVELOPE_REJECTED"):
        open_question(moved, keys={1: federation.parties[RESPONDER].sealing}, responder=RESPONDER)


def test_a_point_that_is_not_one_is_malformed(federation: Federation) -> None:
    """Even where the trustee signed it."""
    put = federation.ask(CHILD)
    put.task.translated = bytes(32)
    put.task.trustee_signature = Statement(sha256(put.task.header), REQUESTER, RESPONDER, 1, bytes(32)).sign(
        federation.trustee_key
    )
    found = verify_task(put.task, directory=federation.directory, responder=RESPONDER, now=NOW)
    question = open_question(found, keys={1: federation.parties[RESPONDER].sealing}, responder=RESPONDER)

    with pytest.raises(WardgateError, match="MESSAGE_MALFORMED"):
        pseudonym_of(found, question)


GRANT = CaseGrantGiven(
    id="5d2c1b7e-0000-4000-8000-000000000001",
    area="testshire",
    professions=["education", "health", "police", "social_work"],
    member=True,
    closed=False,
    expires_at=NOW + 3600,
)


def test_an_admission_speaks_of_the_very_case_grant_that_the_query_names(federation: Federation) -> None:
    found = verify_task(
        federation.ask(CHILD, case_grant=GRANT).task, directory=federation.directory, responder=RESPONDER, now=NOW
    )
    assert found.admission.case_grant == GRANT

    other = GRANT.model_copy(update={"id": "5d2c1b7e-0000-4000-8000-000000000002"})
    for named, said in ((GRANT, other), (GRANT, None), (None, GRANT)):
        task = resigned(federation, federation.ask(CHILD, case_grant=named), case_grant=said)
        assert refusal(federation, task) is ErrorCode.SIGNATURE_REJECTED
