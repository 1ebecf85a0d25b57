"""The sealed answer: equal in shape whatever it says, bound to its header, whole or nothing."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation import limits
from federation.answer import (
    CHUNK_BYTES,
    MAX_PARTS,
    Answer,
    AnswerHeader,
    SealedPart,
    answer_digest,
    open_answer,
    seal_answer,
    verify_answer_parts,
)
from federation.errors import ErrorCode, WardgateError
from federation.query import Period
from federation.vocabulary import IdentifierState, Outcome, ReadingState, Share, Tier
from keys import domains
from keys.digest import sha512
from keys.envelope import SealingKey, seal
from keys.padding import pad
from keys.signing import SigningKey

NOW = 1_795_341_600
KEY, REPLY = SigningKey.generate(), SealingKey.generate()
QUERY = str(uuid4())


def a_header(**changes: Any) -> AnswerHeader:
    values: dict[str, Any] = {
        "query_id": QUERY, "task_id": str(uuid4()), "requester": "csc", "responder": "school",
        "responder_key_version": 1, "purpose": "S47_ENQ", "issued_at": NOW, "expires_at": NOW + 60,
        "decision_id": str(uuid4()), "bundle_digest": bytes(32), "query_sha256": bytes(32), "part": 1, "total": 1,
    }  # fmt: skip
    return AnswerHeader(**{**values, **changes})


def an_answer(*, reasons: int = 0, outcome: Outcome = Outcome.NOTHING_HELD, note: str = "") -> Answer:
    """An answer as long as wanted: a reason takes some 60 bytes."""
    reason = {"code": "A" * 64, "audience": "both", "severity": "info"}
    return Answer.model_validate(
        {
            "query_id": QUERY, "outcome": outcome, "records": [], "reasons": [reason] * reasons, "obligations": [],
            "processing": [], "contact": None,
            "reading": [],
            "period_covered": Period(start="2021-11-22", end="2026-11-22"), "older": False, "context_note": note,
            "identifier_state": IdentifierState.PRESENT, "answered_at": NOW,
        },
        strict=False,
    )  # fmt: skip


def a_told_answer(*, datasets: int, records: int) -> Answer:
    """An answer of an agency of so many datasets that discloses so many records."""
    reading = {
        "dataset": "social_care:child_protection_conferences", "categories": ["child_protection_plan"],
        "state": ReadingState.PARTIAL, "unreadable": Share.UP_TO_2, "unidentified": Share.UP_TO_10, "as_at": NOW,
    }  # fmt: skip
    record = {
        "category": "child_protection_plan", "type": "initial_conference", "tier": Tier.T2, "date": "2026-11-01",
        "fields": {"summary": "a" * 500}, "fields_unreadable": [], "assertion": "FACT", "relation": "SUBJECT",
        "contact_level": "NONE", "handling_code": "", "flags": [], "redactions": [], "reasons": [],
    }  # fmt: skip
    told = an_answer(outcome=Outcome.RECORDS if records else Outcome.NOTHING_HELD).model_dump()
    return Answer.model_validate({**told, "reading": [reading] * datasets, "records": [record] * records}, strict=False)


def sealed(answer: Answer, header: AnswerHeader) -> list[SealedPart]:
    return seal_answer(answer, header, reply_key=REPLY.public, key=KEY)


def refused(parts: list[SealedPart], expected: AnswerHeader) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        verify_answer_parts(parts, key=KEY.verify_key, expected=expected.context)
    return caught.value.code


@pytest.mark.parametrize("datasets", [0, 1, 20])
def test_how_an_agencys_datasets_stand_and_a_few_records_make_no_answer_longer_than_nothing_held(datasets: int) -> None:
    header = a_header()
    nothing, some = (sealed(a_told_answer(datasets=datasets, records=records), header) for records in (0, 5))
    many = sealed(a_told_answer(datasets=datasets, records=30), header)
    assert [len(part.ciphertext) for part in some] == [len(part.ciphertext) for part in nothing]
    assert [len(part.ciphertext) for part in many] > [len(part.ciphertext) for part in nothing]


@settings(max_examples=25)
@given(note=st.text(max_size=1_000), reasons=st.integers(0, 20), outcome=st.sampled_from(Outcome))
def test_what_is_sealed_is_opened_and_looks_the_same_from_outside(note: str, reasons: int, outcome: Outcome) -> None:
    header = a_header()
    answer = an_answer(reasons=reasons, outcome=outcome, note=note)
    parts = sealed(answer, header)
    verify_answer_parts(parts, key=KEY.verify_key, expected=header.context)
    assert open_answer(parts, reply_key=REPLY) == answer
    if len(answer.canonical()) < 16_000:
        assert [len(part.ciphertext) for part in parts] == [len(sealed(an_answer(), header)[0].ciphertext)]


def test_a_long_answer_travels_in_parts_that_must_all_come_in_order() -> None:
    header = a_header()
    answer = an_answer(reasons=6_000)
    assert len(answer.canonical()) > 2 * CHUNK_BYTES
    parts = sealed(answer, header)
    assert len(parts) > 2
    verify_answer_parts(parts, key=KEY.verify_key, expected=header.context)
    assert open_answer(parts, reply_key=REPLY) == answer
    for broken in (parts[:-1], parts[1:], parts[::-1], [*parts, parts[-1]], [parts[0], *parts[:-1]]):
        assert refused(broken, header) is ErrorCode.SIGNATURE_REJECTED
    other = sealed(answer, a_header(task_id=header.task_id))
    mixed = [parts[0], *other[1:]]
    with pytest.raises(WardgateError):
        verify_answer_parts(mixed, key=SigningKey.generate().verify_key, expected=header.context)


def test_the_number_of_parts_has_its_limits() -> None:
    header = a_header()
    part = sealed(an_answer(), header)[0]
    assert refused([], header) is ErrorCode.MESSAGE_MALFORMED
    assert refused([part] * (MAX_PARTS + 1), header) is ErrorCode.MESSAGE_MALFORMED


def test_an_answer_over_the_limit_is_refused_before_it_is_sealed() -> None:
    with pytest.raises(WardgateError) as caught:
        sealed(an_answer(reasons=limits.MAX_ANSWER_BYTES // 60), a_header())
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("field", ["query_id", "task_id", "requester", "responder", "purpose", "query_sha256"])
def test_every_field_of_the_context_is_compared(field: str) -> None:
    header = a_header()
    other = {"query_id": str(uuid4()), "task_id": str(uuid4()), "query_sha256": b"\1" * 32}.get(field, "another")
    assert refused(sealed(an_answer(), header), header.model_copy(update={field: other})) is (
        ErrorCode.SIGNATURE_REJECTED
    )


def test_times_decision_bundle_and_key_version_are_the_responders_to_say() -> None:
    header = a_header()
    expected = header.model_copy(
        update={"issued_at": 1, "expires_at": 2, "decision_id": str(uuid4()), "responder_key_version": 9}
    )
    verify_answer_parts(sealed(an_answer(), header), key=KEY.verify_key, expected=expected.context)


def test_an_answer_put_under_another_header_does_not_open() -> None:
    """Somebody with the reply key's public half reseals what he could read: the plaintext names its own header."""
    header, other = a_header(), a_header()
    (part,) = sealed(an_answer(), header)
    plain = REPLY.open(purpose="answer", context=part.header, ciphertext=part.ciphertext)
    moved = seal(REPLY.public, purpose="answer", context=other.canonical(), plaintext=plain)
    signature = KEY.sign(domains.ANSWER, other.canonical(), sha512(moved))
    resealed = [SealedPart(other.canonical(), moved, signature)]
    verify_answer_parts(resealed, key=KEY.verify_key, expected=other.context)
    with pytest.raises(WardgateError) as caught:
        open_answer(resealed, reply_key=REPLY)
    assert caught.value.code is ErrorCode.ENVELOPE_REJECTED


@pytest.mark.parametrize("plaintext", [b"", b"{}", b"\0" * 100])
def test_junk_in_a_good_envelope_is_refused(plaintext: bytes) -> None:
    header = a_header().canonical()
    ciphertext = seal(REPLY.public, purpose="answer", context=header, plaintext=pad(plaintext))
    with pytest.raises(WardgateError) as caught:
        open_answer([SealedPart(header, ciphertext, bytes(64))], reply_key=REPLY)
    assert caught.value.code is ErrorCode.ENVELOPE_REJECTED


def test_another_reply_key_does_not_open() -> None:
    with pytest.raises(WardgateError) as caught:
        open_answer(sealed(an_answer(), a_header()), reply_key=SealingKey.generate())
    assert caught.value.code is ErrorCode.ENVELOPE_REJECTED


def test_an_answer_whose_content_names_another_query_is_refused() -> None:
    with pytest.raises(WardgateError) as caught:
        open_answer(sealed(an_answer(), a_header(query_id=str(uuid4()))), reply_key=REPLY)
    assert caught.value.code is ErrorCode.ENVELOPE_REJECTED


def test_one_stored_answer_has_one_name_and_two_answers_have_two() -> None:
    header = a_header()
    parts = sealed(an_answer(), header)
    assert answer_digest(parts) == answer_digest(list(parts))
    assert answer_digest(parts) != answer_digest(sealed(an_answer(), header))
