"""One version of the wire between parties, older ones only in one's own store, and every refusal in words."""

import json

import pytest

from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.query import QueryHeader, Question, Ticket
from federation.wire_version import WIRE_VERSION, WireDocument, check_wire_version
from keys.nhs_number import NhsNumber
from tests.support.two_agencies import Federation

PUT = Federation().ask(NhsNumber.parse("9990000018"))
HEADER, TICKET = PUT.composed.request.header, PUT.composed.request.ticket
DOCUMENTS: list[tuple[type[WireDocument], bytes]] = [(QueryHeader, HEADER), (Ticket, TICKET)]


def of_version(content: bytes, version: object) -> bytes:
    return to_canonical(json.loads(content) | {"v": version})


@pytest.mark.parametrize(("document", "content"), DOCUMENTS)
def test_what_this_side_writes_it_reads(document: type[WireDocument], content: bytes) -> None:
    assert document.parse(content).v == document.parse_kept(content).v == WIRE_VERSION


@pytest.mark.parametrize("version", [1, WIRE_VERSION + 1, 1_000_000])
@pytest.mark.parametrize(("document", "content"), DOCUMENTS)
def test_another_version_is_refused_and_both_are_named(
    document: type[WireDocument], content: bytes, version: int
) -> None:
    with pytest.raises(WardgateError) as caught:
        document.parse(of_version(content, version))
    assert caught.value.code is ErrorCode.WIRE_VERSION_REFUSED
    assert caught.value.told == (
        f"{document.__name__} speaks wire version {version}, this side speaks version {WIRE_VERSION}"
    )
    assert "upgrade" in caught.value.spec.public


def test_a_newer_document_with_fields_that_are_not_known_here_is_refused_for_its_version() -> None:
    newer = to_canonical(json.loads(HEADER) | {"v": WIRE_VERSION + 1, "something_new": "x"})
    with pytest.raises(WardgateError) as caught:
        QueryHeader.parse(newer)
    assert caught.value.code is ErrorCode.WIRE_VERSION_REFUSED


@pytest.mark.parametrize("version", [0, -1, True, "2", None, []])
def test_what_is_no_version_is_malformed(version: object) -> None:
    for read in (QueryHeader.parse, QueryHeader.parse_kept):
        with pytest.raises(WardgateError) as caught:
            read(of_version(HEADER, version))
        assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


def test_what_was_stored_under_the_older_version_is_still_read_and_says_so() -> None:
    kept = QueryHeader.parse_kept(of_version(HEADER, 1))
    assert kept.v == 1
    assert kept.query_id == PUT.composed.header.query_id


def test_nothing_newer_was_ever_stored_here() -> None:
    with pytest.raises(WardgateError) as caught:
        QueryHeader.parse_kept(of_version(HEADER, WIRE_VERSION + 1))
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


def test_a_message_that_names_no_version_is_of_the_first() -> None:
    with pytest.raises(WardgateError) as caught:
        check_wire_version(0, "this link")
    assert caught.value.told == f"this link speaks wire version 1, this side speaks version {WIRE_VERSION}"
    check_wire_version(WIRE_VERSION, "this link")


def test_what_changes_with_the_wire_carries_its_version() -> None:
    assert {document.__name__ for document in WireDocument.__subclasses__()} >= {"QueryHeader", "Question", "Ticket"}
    assert all(document.model_fields["v"].default == WIRE_VERSION for document in (QueryHeader, Question, Ticket))
