"""A batch is accepted only if the node whose scope it names signed exactly these points, for now."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import limits
from federation.batch import BatchHeader, verify_batch
from federation.canonical import to_canonical
from federation.errors import ErrorCode, WardgateError
from keys import domains
from keys.signing import SigningKey
from tests.support.signers import NOW, SignedBatch, Signer, some_elements

CAMDEN = Signer("camden-csc")


def check(batch: SignedBatch, *, now: float = NOW, key: SigningKey = CAMDEN.key) -> BatchHeader:
    return verify_batch(batch.header, batch.signature, batch.elements, key=key.verify_key, now=now)


def refused(batch: SignedBatch, *, now: float = NOW, key: SigningKey = CAMDEN.key) -> ErrorCode:
    with pytest.raises(WardgateError) as caught:
        check(batch, now=now, key=key)
    return caught.value.code


def resigned(batch: SignedBatch, **changes: object) -> SignedBatch:
    header = to_canonical(json.loads(batch.header) | changes)
    return replace(batch, header=header, signature=CAMDEN.key.sign(domains.BATCH, header))


def test_a_batch_that_its_agency_signed_is_accepted() -> None:
    header = check(CAMDEN.batch(some_elements(3), use="query"))
    assert (header.agency, header.use, header.count) == ("camden-csc", "query", 3)


def test_points_that_nobody_signed_are_refused() -> None:
    batch = CAMDEN.batch(some_elements(2))
    assert refused(replace(batch, elements=some_elements(2))) is ErrorCode.SIGNATURE_REJECTED


def test_points_put_in_another_order_are_refused() -> None:
    batch = CAMDEN.batch(some_elements(2))
    swapped = batch.elements[32:] + batch.elements[:32]
    assert refused(replace(batch, elements=swapped)) is ErrorCode.SIGNATURE_REJECTED


def test_another_key_s_signature_is_refused() -> None:
    assert refused(CAMDEN.batch(some_elements(1)), key=SigningKey.generate()) is ErrorCode.SIGNATURE_REJECTED


@pytest.mark.parametrize("domain", [domains.TICKET, domains.QUERY, domains.DIRECTORY])
def test_a_signature_made_for_another_domain_is_refused(domain: str) -> None:
    batch = CAMDEN.batch(some_elements(1))
    moved = replace(batch, signature=CAMDEN.key.sign(domain, batch.header))
    assert refused(moved) is ErrorCode.SIGNATURE_REJECTED


def test_a_header_changed_after_signing_is_refused() -> None:
    batch = CAMDEN.batch(some_elements(1))
    changed = replace(batch, header=batch.header.replace(b'"caseload"', b'"query"'))
    assert refused(changed) is ErrorCode.SIGNATURE_REJECTED


@pytest.mark.parametrize("count", [0, 1, 3, limits.MAX_BATCH_ELEMENTS + 1, -1, True, "2"])
def test_a_count_that_is_not_the_number_of_elements_is_refused(count: object) -> None:
    assert refused(resigned(CAMDEN.batch(some_elements(2)), count=count)) is ErrorCode.MESSAGE_MALFORMED


def test_the_largest_batch_is_accepted_and_one_more_element_is_not() -> None:
    element = some_elements(1)
    check(CAMDEN.batch(element * limits.MAX_BATCH_ELEMENTS))
    largest = CAMDEN.batch(element * limits.MAX_BATCH_ELEMENTS)
    assert refused(replace(largest, elements=largest.elements + element)) is ErrorCode.MESSAGE_TOO_LARGE


def test_a_batch_is_refused_from_its_expiry_on() -> None:
    batch = CAMDEN.batch(some_elements(1), expires_at=NOW + 10)
    check(batch, now=NOW + 9.9)
    assert refused(batch, now=NOW + 10) is ErrorCode.QUERY_EXPIRED


def test_a_batch_from_the_future_is_refused_beyond_the_clock_skew() -> None:
    batch = CAMDEN.batch(some_elements(1))
    check(batch, now=NOW - limits.MAX_CLOCK_SKEW_S)
    assert refused(batch, now=NOW - limits.MAX_CLOCK_SKEW_S - 1) is ErrorCode.QUERY_EXPIRED


@pytest.mark.parametrize("use", ["audit", "", None])
def test_an_unknown_use_is_refused(use: object) -> None:
    assert refused(resigned(CAMDEN.batch(some_elements(1)), use=use)) is ErrorCode.MESSAGE_MALFORMED


def test_an_unknown_field_is_refused() -> None:
    assert refused(resigned(CAMDEN.batch(some_elements(1)), purpose="s47")) is ErrorCode.MESSAGE_MALFORMED


@given(header=st.binary(max_size=300), signature=st.binary(max_size=70), elements=st.binary(max_size=100))
def test_arbitrary_bytes_are_refused_with_an_error_of_the_catalogue(
    header: bytes, signature: bytes, elements: bytes
) -> None:
    with pytest.raises(WardgateError):
        verify_batch(header, signature, elements, key=CAMDEN.key.verify_key, now=NOW)


@given(data=st.data())
def test_one_flipped_bit_anywhere_is_refused(data: st.DataObject) -> None:
    batch = CAMDEN.batch(some_elements(2))
    name = data.draw(st.sampled_from(["header", "signature", "elements"]))
    value = bytearray(getattr(batch, name))
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    value[bit // 8] ^= 1 << bit % 8
    changed = {"header": batch.header, "signature": batch.signature, "elements": batch.elements, name: bytes(value)}
    with pytest.raises(WardgateError):
        verify_batch(**changed, key=CAMDEN.key.verify_key, now=NOW)
