import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import EncodingRejected, EnvelopeRejected
from keys.record_cipher import OVERHEAD_BYTES, RecordCipher
from keys.secret import Secret

KEY = Secret(bytes(range(32)))
CIPHER = RecordCipher(KEY)
ENCRYPTED = CIPHER.encrypt(b"record", b"table/row")


@given(st.binary(max_size=500), st.binary(max_size=50))
def test_round_trip(plaintext: bytes, associated: bytes) -> None:
    ciphertext = CIPHER.encrypt(plaintext, associated)
    assert RecordCipher(KEY).decrypt(ciphertext, associated) == plaintext
    assert len(ciphertext) == len(plaintext) + OVERHEAD_BYTES


@given(st.integers(0, 8 * len(ENCRYPTED) - 1))
def test_one_flipped_bit_is_refused(bit: int) -> None:
    altered = bytearray(ENCRYPTED)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EnvelopeRejected):
        CIPHER.decrypt(bytes(altered), b"table/row")


def test_moved_to_another_row_or_key_is_refused() -> None:
    with pytest.raises(EnvelopeRejected):
        CIPHER.decrypt(ENCRYPTED, b"table/other")
    with pytest.raises(EnvelopeRejected):
        RecordCipher(Secret.random()).decrypt(ENCRYPTED, b"table/row")


@pytest.mark.parametrize("length", [0, 12, OVERHEAD_BYTES - 1, OVERHEAD_BYTES])
def test_truncated_records_are_refused(length: int) -> None:
    with pytest.raises(EnvelopeRejected):
        CIPHER.decrypt(ENCRYPTED[:length], b"table/row")


def test_data_key_itself_encrypts_nothing() -> None:
    with pytest.raises(InvalidTag):
        AESGCM(KEY.reveal()).decrypt(ENCRYPTED[:12], ENCRYPTED[12:], b"table/row")


def test_empty_record_is_a_record() -> None:
    assert CIPHER.decrypt(CIPHER.encrypt(b"", b""), b"") == b""


def test_encrypting_twice_uses_two_nonces() -> None:
    assert len({CIPHER.encrypt(b"same", b"")[:12] for _ in range(100)}) == 100


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(EncodingRejected):
        RecordCipher(Secret(bytes(length)))


def test_text_form_says_nothing() -> None:
    assert repr(CIPHER) == "RecordCipher(**)"
