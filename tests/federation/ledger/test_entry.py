from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.actor import Actor, ActorKind
from federation.canonical import MAX_INTEGER, to_canonical
from federation.correlation_id import CorrelationId
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import MAX_BODY_DEPTH, MAX_ENTRY_BYTES, Entry, EntryKind
from federation.ledger.tables import KIND_CHARS
from keys.nhs_number import check_digit
from tests.support.ledger import NOW, QUERY

NUMBER = "9434765919"
"""The published example of a valid NHS number."""

KEYS = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(lambda key: "nhs" not in key and "dob" not in key)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Nd", "Cs"]), max_size=20)
BODIES = st.dictionaries(
    KEYS,
    st.recursive(
        st.booleans() | st.integers(-(10**9), 10**8) | WORDS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def entry(body: dict[str, Any] | None = None, **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "kind": EntryKind.QUERY_ADMITTED,
        "at": NOW,
        "actor": Actor.keeper("wardgate/gateway/main"),
        "correlation_id": CorrelationId("c0ffee00" * 4),
        "query_id": QUERY,
        "body": body or {},
    }
    return Entry(**(fields | changes))


def nested(depth: int) -> dict[str, Any]:
    body: dict[str, Any] = {"v": 1}
    for _ in range(depth - 1):
        body = {"inner": body}
    return body


def refusal(body: dict[str, Any] | None = None, **changes: Any) -> str:
    with pytest.raises(WardgateError) as caught:
        entry(body, **changes)
    assert caught.value.code is ErrorCode.INTERNAL
    return caught.value.detail


@given(body=BODIES)
def test_an_entry_is_canonical_json_and_reads_back(body: dict[str, Any]) -> None:
    made = entry(body)
    assert made.content == to_canonical(
        {
            "v": 1,
            "kind": "query_admitted",
            "at": NOW,
            "actor": made.actor,
            "correlation_id": made.correlation_id,
            "query_id": QUERY,
            "body": body,
        }
    )
    assert Entry.parse(made.content) == made


def test_an_entry_without_query_reads_back() -> None:
    made = entry(query_id=None)
    assert b'"query_id":""' in made.content
    assert Entry.parse(made.content) == made


@given(content=st.binary(max_size=200))
def test_what_is_no_entry_is_refused(content: bytes) -> None:
    with pytest.raises(WardgateError) as caught:
        Entry.parse(content)
    assert caught.value.code is ErrorCode.LEDGER_INVALID


@pytest.mark.parametrize(
    "change",
    [
        (b'"v":1', b'"v":2'),
        (b'"v":1}', b'"v":1,"x":1}'),
        (b'"kind":"query_admitted"', b'"kind":"query_invented"'),
        (b'{"actor"', b'{ "actor"'),
        (b'"at":', b'"at":0,"at":'),
        (b',"v":1', b""),
    ],
)
def test_only_the_exact_form_is_an_entry(change: tuple[bytes, bytes]) -> None:
    altered = entry().content.replace(*change)
    assert altered != entry().content
    with pytest.raises(WardgateError) as caught:
        Entry.parse(altered)
    assert caught.value.code is ErrorCode.LEDGER_INVALID


@pytest.mark.parametrize("kind", EntryKind)
def test_every_kind_fits_its_column(kind: EntryKind) -> None:
    assert len(kind.value) <= KIND_CHARS
    assert kind.value == kind.name.lower()


@pytest.mark.parametrize("value", [1.5, float("nan"), None, b"x", {1, 2}, object(), ("a",)])
def test_only_strings_integers_booleans_lists_and_objects_are_taken(value: object) -> None:
    assert "is of type" in refusal({"value": value})
    assert "is of type" in refusal({"list": [{"value": value}]})


def test_integers_are_taken_up_to_what_every_reader_can_read() -> None:
    entry({"n": MAX_INTEGER, "m": -MAX_INTEGER})
    assert "2^53" in refusal({"n": MAX_INTEGER + 1})
    assert "2^53" in refusal({"n": -MAX_INTEGER - 1})


def test_depth_is_limited() -> None:
    entry(nested(MAX_BODY_DEPTH))
    assert "deeper" in refusal(nested(MAX_BODY_DEPTH + 1))


def test_size_is_limited_to_what_an_export_can_carry() -> None:
    room = MAX_ENTRY_BYTES - len(entry({"text": ""}).content)
    assert len(entry({"text": "x" * room}).content) == MAX_ENTRY_BYTES
    assert "bytes" in refusal({"text": "x" * (room + 1)})


def test_half_a_character_is_refused() -> None:
    assert "half a character" in refusal({"text": "\ud800"})


@pytest.mark.parametrize("key", ["", "with space", "é", 'quote"', "x" * 129, 5])
def test_names_in_the_body_are_identifiers(key: Any) -> None:
    assert "identifier" in refusal({key: 1})


@pytest.mark.parametrize("key", ["nhs_number", "NHS_Number", "child_nhs", "surname", "date_of_birth", "postcode"])
def test_personal_fields_are_refused(key: str) -> None:
    assert "personal" in refusal({key: "x"})
    assert "personal" in refusal({"list": [{key: "x"}]})


@pytest.mark.parametrize("key", ["name", "category", "fields", "postcodes_checked"])
def test_names_that_only_resemble_personal_fields_are_taken(key: str) -> None:
    entry({key: "x"})


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "query_admitted"},
        {"at": 1.5},
        {"at": True},
        {"at": -1},
        {"at": MAX_INTEGER + 1},
        {"actor": ""},
        {"actor": "Jo Bloggs"},
        {"actor": "wardgate://gateway/main"},
        {"correlation_id": ""},
        {"correlation_id": "c0ffee00" * 4},
        {"query_id": ""},
        {"query_id": QUERY.upper()},
        {"query_id": "q-1"},
    ],
)
def test_the_head_has_fixed_forms(changes: dict[str, Any]) -> None:
    refusal(**changes)


@pytest.mark.parametrize(
    "text",
    [
        NUMBER,
        "943 476 5919",
        "943-476-5919",
        "943.476.5919",
        "943\u00a0476\u00a05919",
        f"child {NUMBER} was asked about",
        f"nhs{NUMBER}",
        f"child{NUMBER}",
        f"é{NUMBER}é",
        f"id={NUMBER};",
        f"12345 {NUMBER}",
    ],
)
def test_a_valid_nhs_number_is_refused_wherever_it_stands(text: str) -> None:
    assert NUMBER not in refusal({"text": text})
    assert "NHS number" in refusal({"list": [{"deep": text}]})
    if text.isascii() and " " not in text and ";" not in text and "=" not in text:
        assert "NHS number" in refusal({text: "x"})


def test_a_valid_nhs_number_is_refused_outside_texts_too() -> None:
    assert "NHS number" in refusal({"n": int(NUMBER)})
    assert "NHS number" in refusal(actor=Actor.operator(f"x{NUMBER}"))


def test_an_entry_of_an_earlier_version_reads_back_with_the_words_it_has() -> None:
    made = entry()
    earlier = made.content.replace(made.actor.encode(), b"node").replace(made.correlation_id.encode(), b"standing")
    found = Entry.parse(earlier)
    assert (found.actor, found.correlation_id, found.content) == ("node", "standing", earlier)
    assert found.actor.kind is ActorKind.EARLIER


@pytest.mark.parametrize(
    "text",
    [
        "9434765918",
        "94347659190",
        "19434765919",
        "943476591",
        f"0a{NUMBER}bcdef012",
        f"0a1b2c3d-0000-4000-8000-ab{NUMBER}",
        "943 4765919",
    ],
)
def test_other_digits_are_taken(text: str) -> None:
    entry({"text": text})


@given(at=st.integers(1_000_000_000, 3_999_999_999))
def test_instants_are_not_taken_for_nhs_numbers(at: int) -> None:
    entry({"issued_at": at, "epoch_s": at}, at=at)


@given(first=st.integers(400_000_000, 999_999_999).filter(lambda first: check_digit(str(first)) is not None))
def test_a_number_that_is_too_large_for_an_instant_is_refused_under_its_name_too(first: int) -> None:
    number = int(f"{first}{check_digit(str(first))}")
    assert "NHS number" in refusal({"issued_at": number})


@given(digest=st.binary(min_size=32, max_size=32))
def test_digests_are_never_refused(digest: bytes) -> None:
    entry({"sha256": digest.hex(), "short": digest.hex()[:16]})


def test_the_representation_does_not_hold_the_bytes_twice() -> None:
    assert "content" not in repr(entry())
