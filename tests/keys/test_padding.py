import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import EnvelopeRejected
from keys.padding import BUCKETS, CAPACITY, join, pad, split, unpad

around_buckets = st.sampled_from(BUCKETS).flatmap(lambda bucket: st.integers(bucket - 8, bucket + 8))
sizes = st.one_of(st.integers(0, 5000), around_buckets, st.integers(0, 3 * BUCKETS[-1]))


@given(sizes, st.binary(min_size=1, max_size=16))
def test_round_trip_in_agreed_sizes_only(size: int, pattern: bytes) -> None:
    plaintext = (pattern * (size // len(pattern) + 1))[:size]
    parts = split(plaintext)
    assert join(parts) == plaintext
    assert {len(part) for part in parts} <= set(BUCKETS)
    assert all(len(part) == BUCKETS[-1] for part in parts[:-1])
    if len(parts) == 1:
        assert parts[0] == pad(plaintext)
        assert unpad(pad(plaintext)) == plaintext


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_fill_to_the_last_byte(bucket: int) -> None:
    assert len(pad(bytes(bucket - 4))) == bucket
    if bucket < BUCKETS[-1]:
        assert len(pad(bytes(bucket - 3))) > bucket


def test_nothing_still_fills_the_smallest_bucket() -> None:
    assert len(pad(b"")) == BUCKETS[0]
    assert split(b"") == [pad(b"")]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_nothing_stays_below_the_bucket_asked_for(bucket: int) -> None:
    assert {len(pad(bytes(size), smallest=bucket)) for size in (0, 1, bucket - 4)} == {bucket}
    assert unpad(pad(b"x", smallest=bucket)) == b"x"


def test_largest_part_and_one_byte_more() -> None:
    assert len(pad(bytes(CAPACITY))) == BUCKETS[-1]
    with pytest.raises(EnvelopeRejected, match="one part"):
        pad(bytes(CAPACITY + 1))
    assert [len(part) for part in split(bytes(CAPACITY + 1))] == [BUCKETS[-1], BUCKETS[0]]


@pytest.mark.parametrize("size", [0, 4, BUCKETS[0] - 1, BUCKETS[0] + 1, BUCKETS[-1] + 1])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(EnvelopeRejected, match="agreed size"):
        unpad(bytes(size))


def test_length_beyond_the_part_is_refused() -> None:
    fits = (BUCKETS[0] - 4).to_bytes(4, "big") + b"x" * (BUCKETS[0] - 4)
    assert unpad(fits) == b"x" * (BUCKETS[0] - 4)
    with pytest.raises(EnvelopeRejected, match="well formed"):
        unpad((BUCKETS[0] - 3).to_bytes(4, "big") + b"x" * (BUCKETS[0] - 4))
    with pytest.raises(EnvelopeRejected, match="well formed"):
        unpad(b"\xff" * BUCKETS[0])


@given(st.integers(4 + 5, BUCKETS[0] - 1), st.integers(1, 255))
def test_filling_that_is_not_zero_is_refused(place: int, value: int) -> None:
    padded = bytearray(pad(b"hello"))
    padded[place] = value
    with pytest.raises(EnvelopeRejected, match="well formed"):
        unpad(bytes(padded))


def test_no_parts_are_not_an_empty_text() -> None:
    with pytest.raises(EnvelopeRejected, match="no parts"):
        join([])
