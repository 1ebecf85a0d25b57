import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keys.digest import (
    SALT_BYTES,
    commitment_of,
    derive_key,
    keyed_reference,
    opens_commitment,
    random_salt,
    salted_commitment,
    sha256,
    sha512,
)
from keys.secret import Secret

KEY = Secret(bytes(range(32)))


def test_plain_digests_are_the_standard_ones() -> None:
    # FIPS 180-4 examples for "abc".
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha512(b"abc").hex().startswith("ddaf35a193617abacc417349ae204131")
    assert len(sha512(b"abc")) == 64


def test_reference_is_stable_and_short() -> None:
    reference = keyed_reference(KEY, "user", b"alice")
    assert reference == keyed_reference(KEY, "user", b"alice")
    assert len(reference) == 32
    assert set(reference) <= set("0123456789abcdef")


def test_reference_depends_on_key_label_and_value() -> None:
    references = {
        keyed_reference(KEY, "user", b"alice"),
        keyed_reference(Secret.random(), "user", b"alice"),
        keyed_reference(KEY, "case", b"alice"),
        keyed_reference(KEY, "user", b"bob"),
    }
    assert len(references) == 4


def test_label_and_value_cannot_slide_into_each_other() -> None:
    assert keyed_reference(KEY, "ab", b"c") != keyed_reference(KEY, "a", b"bc")


@given(st.binary(), st.binary())
def test_commitment_opens_for_its_value_alone(value: bytes, other: bytes) -> None:
    assume(value != other)
    salt, commitment = salted_commitment(value)
    assert opens_commitment(commitment, salt, value)
    assert not opens_commitment(commitment, salt, other)
    assert not opens_commitment(commitment, bytes(32), value)


@given(st.binary(min_size=32, max_size=32), st.binary(), st.binary(min_size=32, max_size=32), st.binary())
def test_a_commitment_is_to_one_salt_and_one_value(salt: bytes, value: bytes, salt_b: bytes, value_b: bytes) -> None:
    assert commitment_of(salt, value) == commitment_of(salt, value)
    assert (commitment_of(salt, value) == commitment_of(salt_b, value_b)) is ((salt, value) == (salt_b, value_b))


def test_salts_are_fresh() -> None:
    assert len({random_salt() for _ in range(100)}) == 100
    assert len(random_salt()) == SALT_BYTES == 32


def test_two_commitments_to_one_value_look_unrelated() -> None:
    assert salted_commitment(b"same")[1] != salted_commitment(b"same")[1]


def test_commitment_is_not_a_bare_digest() -> None:
    salt, commitment = salted_commitment(b"value")
    assert commitment != hashlib.sha256(b"value").hexdigest()
    assert len(salt) == 32
    assert len(commitment) == 64


@pytest.mark.parametrize("other", ["b", "", "aa"])
def test_derived_keys_differ_by_purpose(other: str) -> None:
    assert derive_key(KEY, "a") == derive_key(KEY, "a")
    assert derive_key(KEY, "a") != derive_key(KEY, other)
    assert len(derive_key(KEY, other).reveal()) == 32
