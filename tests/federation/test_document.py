"""Every document of the wire: junk and near misses are refused with the catalogue's errors alone."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.admission import AdmissionRecord, TargetDecision
from federation.answer import Answer, AnswerHeader
from federation.batch import BatchHeader
from federation.canonical import from_json, to_canonical
from federation.directory import AgencyDescriptor, DirectoryDocument, KeyStatement, PointsStatement, SignedStatement
from federation.document import Document
from federation.errors import ErrorCode, WardgateError
from federation.query import AuditNote, QueryHeader, Question, Ticket
from keys.nhs_number import NhsNumber
from tests.support.two_agencies import RESPONDER, Federation

DOCUMENTS: list[type[Document]] = [
    AdmissionRecord, AgencyDescriptor, Answer, AnswerHeader, AuditNote, BatchHeader, DirectoryDocument, KeyStatement,
    PointsStatement, Question, QueryHeader, SignedStatement, TargetDecision, Ticket,
]  # fmt: skip
CODES = {ErrorCode.MESSAGE_MALFORMED, ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.WIRE_VERSION_REFUSED}
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**60), st.text(max_size=70), st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2), st.just("é" * 64), st.just("A" * 65),
    st.just("2026-02-30"), st.just("00" * 32), st.just("FF" * 32), st.just("AA="), st.just("AAA"),
)  # fmt: skip
FEDERATION = Federation()
PUT = FEDERATION.ask(NhsNumber.parse("9990000018"))
EXAMPLES: dict[type[Document], bytes] = {
    QueryHeader: PUT.composed.request.header,
    Ticket: PUT.composed.request.ticket,
    AdmissionRecord: PUT.task.admission,
    TargetDecision: PUT.task.decision,
    KeyStatement: FEDERATION.parties[RESPONDER].statement().canonical(),
    SignedStatement: FEDERATION.parties[RESPONDER].signed().canonical(),
    AgencyDescriptor: FEDERATION.directory.agency(RESPONDER).descriptor.canonical(),
}


def refused(document: type[Document], content: bytes) -> WardgateError:
    with pytest.raises(WardgateError) as caught:
        document.parse(content)
    assert caught.value.code in CODES
    return caught.value


@pytest.mark.parametrize("document", DOCUMENTS)
@given(content=st.binary(max_size=300))
def test_junk_is_refused(document: type[Document], content: bytes) -> None:
    refused(document, content)


@pytest.mark.parametrize("document", DOCUMENTS)
@settings(max_examples=50)
@given(value=st.dictionaries(st.text(max_size=12), JUNK, max_size=4))
def test_json_of_another_shape_is_refused(document: type[Document], value: dict[str, Any]) -> None:
    refused(document, to_canonical({name: item for name, item in value.items() if _canonical(item)}))


def _canonical(item: object) -> bool:
    return not isinstance(item, int) or abs(item) < 2**53


@pytest.mark.parametrize("document", EXAMPLES)
def test_an_example_is_read_and_written_back_unchanged(document: type[Document]) -> None:
    assert document.parse(EXAMPLES[document]).canonical() == EXAMPLES[document]


@pytest.mark.parametrize("document", EXAMPLES)
@given(data=st.data())
def test_one_field_of_junk_is_refused_or_is_a_value_of_its_kind(document: type[Document], data: st.DataObject) -> None:
    value = from_json(EXAMPLES[document], max_bytes=10**6, what="example")
    name = data.draw(st.sampled_from(sorted(value)))
    value[name] = data.draw(JUNK.filter(_canonical))
    content = to_canonical(value)
    try:
        found = document.parse(content)
    except WardgateError as error:
        assert error.code in CODES  # noqa: PT017 - or it is valid
        assert name in error.detail  # noqa: PT017 - or it is valid
    else:
        assert found.canonical() == content


@pytest.mark.parametrize("document", EXAMPLES)
def test_a_field_too_many_or_too_few_is_refused(document: type[Document]) -> None:
    value = from_json(EXAMPLES[document], max_bytes=10**6, what="example")
    refused(document, to_canonical({**value, "more": 1}))
    for name, field in document.model_fields.items():
        if field.is_required():
            refused(document, to_canonical({key: item for key, item in value.items() if key != name}))


@pytest.mark.parametrize("document", EXAMPLES)
def test_the_limit_stands_before_parsing(document: type[Document]) -> None:
    padded = EXAMPLES[document] + b" " * (document.MAX_BYTES - len(EXAMPLES[document]))
    document.parse(padded)
    assert refused(document, padded + b" ").code is ErrorCode.MESSAGE_TOO_LARGE


LOOSE: list[tuple[str, Callable[[str], Any]]] = [
    ("query_id", str.upper),
    ("requester", lambda text: text + "\n"),
    ("requester", lambda _: "Testshire"),
    ("requester", lambda _: "t"),
    ("user_ref", lambda _: ""),
    ("user_ref", lambda _: "a" * 65),
    ("user_ref", lambda _: "a b"),
    ("audit_sha256", str.upper),
    ("audit_sha256", lambda text: text[:-2]),
    ("audit_sha256", lambda text: " " + text),
    ("reply_key", lambda text: text + "="),
    ("reply_key", lambda text: text + "\n"),
    ("issued_at", lambda _: -1),
    ("issued_at", lambda _: 2**40 + 1),
    ("issued_at", lambda _: True),
    ("issued_at", lambda _: "1"),
    ("v", lambda _: 0),
    ("v", lambda _: "2"),
    ("v", lambda _: True),
]


@pytest.mark.parametrize(("name", "change"), LOOSE)
def test_loose_encodings_are_refused(name: str, change: Callable[[str], Any]) -> None:
    value = from_json(EXAMPLES[QueryHeader], max_bytes=10**6, what="example")
    value[name] = change(value[name])
    assert f"QueryHeader.{name}" in refused(QueryHeader, to_canonical(value)).detail


def test_the_error_names_the_field_and_never_its_value() -> None:
    value = from_json(EXAMPLES[QueryHeader], max_bytes=10**6, what="example")
    value["user_ref"] = "Amina Khan of 12 Example Street"
    error = refused(QueryHeader, to_canonical(value))
    assert "user_ref" in error.detail
    assert "Amina" not in f"{error} {error.detail} {error.__cause__}"
