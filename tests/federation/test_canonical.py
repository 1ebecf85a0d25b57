"""Canonical JSON out, strict JSON in: junk is refused with the catalogue's errors and nothing else."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from federation.canonical import MAX_DEPTH, MAX_INTEGER, from_json, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import Entry

LIMIT = 4_096
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def refusal(content: bytes, *, max_bytes: int = LIMIT) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        from_json(content, max_bytes=max_bytes, what="test")
    return caught.value.code


@given(st.dictionaries(st.text(max_size=10), VALUES, max_size=4))
def test_what_is_written_is_read_back(value: dict[str, object]) -> None:
    content = to_canonical(value)
    assert from_json(content, max_bytes=len(content), what="test") == value
    assert to_canonical(from_json(content, max_bytes=len(content), what="test")) == content


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 9), min_size=2, max_size=6))
def test_the_order_of_making_does_not_matter(value: dict[str, int]) -> None:
    assert to_canonical(value) == to_canonical(dict(reversed(value.items())))


@given(st.binary(max_size=200))
def test_junk_is_refused_and_never_more_than_refused(content: bytes) -> None:
    try:
        from_json(content, max_bytes=100, what="test")
    except WardgateError as error:
        assert error.code in {ErrorCode.MESSAGE_MALFORMED, ErrorCode.MESSAGE_TOO_LARGE}  # noqa: PT017 - or it is JSON


@given(st.text(alphabet='{}[]",:\\ud8e0123456789.-+ntf ', max_size=60))
def test_text_that_resembles_json_is_refused_or_can_be_written_again(text: str) -> None:
    try:
        value = from_json(text.encode(), max_bytes=LIMIT, what="test")
    except WardgateError as error:
        assert error.code is ErrorCode.MESSAGE_MALFORMED  # noqa: PT017 - or it is JSON
    else:
        to_canonical(value)


def test_the_limit_is_checked_before_any_parsing() -> None:
    content = b'{"a":' + b" " * 10 + b"1}"
    assert from_json(content, max_bytes=len(content), what="test") == {"a": 1}
    assert refusal(content, max_bytes=len(content) - 1) is ErrorCode.MESSAGE_TOO_LARGE
    assert refusal(b"\xff" * 10, max_bytes=9) is ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1}x',
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{"a":"\n"}',
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(content: bytes) -> None:
    assert refusal(content) is ErrorCode.MESSAGE_MALFORMED


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
def test_other_encodings_are_refused(encoding: str) -> None:
    assert refusal(json.dumps({"a": 1}).encode(encoding)) is ErrorCode.MESSAGE_MALFORMED


def test_a_whole_surrogate_pair_is_text() -> None:
    assert from_json(b'{"a":"\\ud83d\\ude00"}', max_bytes=LIMIT, what="test") == {"a": "\U0001f600"}


def test_integers_end_where_they_stop_being_interoperable() -> None:
    for value in (MAX_INTEGER, -MAX_INTEGER):
        assert from_json(json.dumps({"a": value}).encode(), max_bytes=LIMIT, what="test") == {"a": value}
    for value in (MAX_INTEGER + 1, -MAX_INTEGER - 1):
        assert refusal(json.dumps({"a": value}).encode()) is ErrorCode.MESSAGE_MALFORMED
    assert refusal(b'{"a":' + b"9" * 5_000 + b"}", max_bytes=10_000) is ErrorCode.MESSAGE_MALFORMED


def test_nesting_ends_at_the_limit() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)

    from_json(nested(MAX_DEPTH), max_bytes=LIMIT, what="test")
    assert refusal(nested(MAX_DEPTH + 1)) is ErrorCode.MESSAGE_MALFORMED
    assert refusal(b'{"a":' + b"[" * 100_000, max_bytes=1_000_000) is ErrorCode.MESSAGE_MALFORMED


def test_the_error_names_the_document_and_none_of_its_content() -> None:
    with pytest.raises(WardgateError) as caught:
        from_json(b'{"name":"Amina", "name":"Khan"}', max_bytes=LIMIT, what="question")
    assert "question" in caught.value.detail
    assert "Amina" not in str(caught.value)
    assert "Khan" not in str(caught.value)


@given(st.binary(max_size=100))
def test_a_ledger_entry_that_is_junk_is_refused_by_code(content: bytes) -> None:
    with pytest.raises(WardgateError):
        Entry.parse(content)


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
            max_leaves=12,
        ),
        max_size=5,
    )
)
def test_the_quick_writer_gives_the_bytes_of_rfc_8785(value: dict[str, Any]) -> None:
    assert to_canonical(value) == rfc8785.dumps(value)
