import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keys import domains
from keys.errors import EncodingRejected, SignatureRejected
from keys.secret import Secret
from keys.signing import SigningKey, VerifyKey, message

KEY = SigningKey(Secret(bytes(range(32))))
ALL_DOMAINS = sorted(value for name, value in vars(domains).items() if name.isupper())


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_signature_verifies_over_the_same_parts(parts: list[bytes]) -> None:
    KEY.verify_key.verify(KEY.sign(domains.QUERY, *parts), domains.QUERY, *parts)


@given(st.binary(max_size=64), st.integers(0, 511))
def test_one_flipped_bit_in_the_signature_is_refused(part: bytes, bit: int) -> None:
    signature = bytearray(KEY.sign(domains.ANSWER, part))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SignatureRejected):
        KEY.verify_key.verify(bytes(signature), domains.ANSWER, part)


@given(st.binary(min_size=1, max_size=64), st.data())
def test_one_flipped_bit_in_a_part_is_refused(part: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, 8 * len(part) - 1))
    altered = bytearray(part)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SignatureRejected):
        KEY.verify_key.verify(KEY.sign(domains.ANSWER, part), domains.ANSWER, bytes(altered))


@pytest.mark.parametrize(("made_for", "shown_for"), [*itertools.permutations(ALL_DOMAINS, 2)])
def test_signature_of_one_domain_fails_in_every_other(made_for: str, shown_for: str) -> None:
    with pytest.raises(SignatureRejected):
        KEY.verify_key.verify(KEY.sign(made_for, b"part"), shown_for, b"part")


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_different_lists_of_parts_never_share_a_message(left: list[bytes], right: list[bytes]) -> None:
    assume(left != right)
    assert message(domains.BATCH, *left) != message(domains.BATCH, *right)


def test_message_has_the_published_form() -> None:
    expected = b"wardgate/query/v1\0" + b"\0\0\0\0\0\0\0\2ab" + b"\0\0\0\0\0\0\0\0"
    assert message(domains.QUERY, b"ab", b"") == expected


@pytest.mark.parametrize("domain", ["", "Query", "a/v1", "a\0b", "1a", "a" * 64, "-a", "a\n"])
def test_domain_is_a_short_lower_case_word(domain: str) -> None:
    with pytest.raises(ValueError, match="domain"):
        KEY.sign(domain, b"part")


def test_longest_domain_is_accepted() -> None:
    KEY.verify_key.verify(KEY.sign("a" * 63), "a" * 63)


def test_another_key_is_refused() -> None:
    with pytest.raises(SignatureRejected):
        SigningKey.generate().verify_key.verify(KEY.sign(domains.QUERY), domains.QUERY)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(SignatureRejected):
        KEY.verify_key.verify(bytes(length), domains.QUERY)
    with pytest.raises(SignatureRejected):
        KEY.verify_key.verify_raw(bytes(length), b"text")


def test_raw_signature_is_plain_ed25519() -> None:
    # RFC 8032, section 7.1, test 2.
    key = SigningKey(Secret(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")))
    assert key.verify_key.hex == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign_raw(bytes.fromhex("72"))
    assert signature.hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    key.verify_key.verify_raw(signature, bytes.fromhex("72"))
    with pytest.raises(SignatureRejected):
        key.verify_key.verify_raw(signature, bytes.fromhex("73"))


def test_raw_and_domain_signatures_do_not_mix() -> None:
    with pytest.raises(SignatureRejected):
        KEY.verify_key.verify_raw(KEY.sign(domains.QUERY, b"x"), b"x")


def test_key_survives_the_keyring() -> None:
    assert SigningKey.from_secret(KEY.secret).verify_key == KEY.verify_key
    assert KEY.secret == Secret(bytes(range(32)))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_seed_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(EncodingRejected):
        SigningKey(Secret(bytes(length)))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        bytes(31),
        bytes(33),
        bytes(32),  # order 4
        b"\x01" + bytes(31),  # the identity
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),  # order 2
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),  # order 8
        b"\x02" + bytes(31),  # not on the curve
        b"\xff" * 32,  # not canonical
    ],
)
def test_what_is_no_public_key_is_refused(value: bytes) -> None:
    with pytest.raises(EncodingRejected):
        VerifyKey(value)


def test_hex_form_round_trips_and_is_strict() -> None:
    assert VerifyKey.from_hex(KEY.verify_key.hex) == KEY.verify_key
    for wrong in (KEY.verify_key.hex.upper(), KEY.verify_key.hex[:-2], KEY.verify_key.hex + "\n", "zz" * 32, ""):
        with pytest.raises(EncodingRejected):
            VerifyKey.from_hex(wrong)


def test_fingerprint_is_eight_groups_of_four() -> None:
    groups = KEY.verify_key.fingerprint.split("-")
    assert [len(group) for group in groups] == [4] * 8
    assert KEY.verify_key.fingerprint != SigningKey.generate().verify_key.fingerprint


def test_verify_keys_compare_by_value() -> None:
    same = VerifyKey(bytes(KEY.verify_key))
    assert same == KEY.verify_key
    assert hash(same) == hash(KEY.verify_key)
    assert KEY.verify_key != SigningKey.generate().verify_key
    assert KEY.verify_key != bytes(KEY.verify_key)


def test_text_forms_show_the_public_half_alone() -> None:
    assert KEY.verify_key.hex in repr(KEY)
    assert KEY.verify_key.hex in repr(KEY.verify_key)
    assert KEY.secret.reveal().hex() not in repr(KEY)
