import hashlib
import hmac
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from keys.envelope import BUCKETS, OVERHEAD_BYTES, PUBLIC_BYTES, SealingKey, check_public, pad, seal
from keys.errors import EncodingRejected, EnvelopeRejected
from keys.secret import Secret

KEY = SealingKey.generate()
HEADER = b'{"query_id":"1"}'
SEALED = seal(KEY.public, purpose="answer", context=HEADER, plaintext=b"plaintext")


@given(st.binary(max_size=2000), st.binary(max_size=200))
def test_round_trip(plaintext: bytes, context: bytes) -> None:
    ciphertext = seal(KEY.public, purpose="question", context=context, plaintext=plaintext)
    assert KEY.open("question", context, ciphertext) == plaintext
    assert len(ciphertext) == len(plaintext) + OVERHEAD_BYTES


@given(st.integers(0, 8 * len(SEALED) - 1))
def test_one_flipped_bit_is_refused(bit: int) -> None:
    altered = bytearray(SEALED)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EnvelopeRejected):
        KEY.open("answer", HEADER, bytes(altered))


@pytest.mark.parametrize("length", [0, 1, 1119, 1120, 1135, 1136, len(SEALED) - 1])
def test_truncated_envelopes_are_refused(length: int) -> None:
    with pytest.raises(EnvelopeRejected):
        KEY.open("answer", HEADER, SEALED[:length])


def test_low_order_share_in_an_envelope_is_refused() -> None:
    with pytest.raises(EnvelopeRejected):
        KEY.open("answer", HEADER, SEALED[:1088] + bytes(32) + SEALED[1120:])


def test_another_key_purpose_or_context_is_refused() -> None:
    with pytest.raises(EnvelopeRejected):
        SealingKey.generate().open("answer", HEADER, SEALED)
    with pytest.raises(EnvelopeRejected):
        KEY.open("question", HEADER, SEALED)
    with pytest.raises(EnvelopeRejected):
        KEY.open("answer", HEADER + b" ", SEALED)


def test_sealing_twice_gives_unrelated_ciphertexts() -> None:
    again = seal(KEY.public, purpose="answer", context=HEADER, plaintext=b"plaintext")
    assert again[:32] != SEALED[:32]
    assert again[-16:] != SEALED[-16:]


@pytest.mark.parametrize("plaintext", [b"", b"x", b"x" * 4000, b"x" * 5000])
def test_padded_envelopes_have_agreed_sizes(plaintext: bytes) -> None:
    ciphertext = seal(KEY.public, purpose="answer", context=HEADER, plaintext=pad(plaintext))
    assert len(ciphertext) - OVERHEAD_BYTES in BUCKETS


@pytest.mark.parametrize("purpose", ["", "Answer", "a/v1", "a\0", "a" * 64, "1"])
def test_purpose_is_a_short_lower_case_word(purpose: str) -> None:
    with pytest.raises(ValueError, match="purpose"):
        seal(KEY.public, purpose=purpose, context=HEADER, plaintext=b"")
    with pytest.raises(ValueError, match="purpose"):
        KEY.open(purpose, HEADER, SEALED)


@pytest.mark.parametrize(
    "public",
    [
        b"",
        KEY.public[:-1],
        KEY.public + b"\0",
        KEY.public[:1184] + bytes(32),  # an X25519 point of low order
        b"\xff" * 1184 + KEY.public[1184:],  # coefficients that are not reduced
    ],
    ids=["empty", "short", "long", "low order", "not reduced"],
)
def test_what_is_no_public_key_is_refused(public: bytes) -> None:
    with pytest.raises(EncodingRejected):
        seal(public, purpose="answer", context=HEADER, plaintext=b"")


@pytest.mark.parametrize("length", [0, 32, 95, 97])
def test_secret_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(EncodingRejected):
        SealingKey(Secret(bytes(length)))


def test_key_survives_the_keyring() -> None:
    again = SealingKey.from_secret(Secret(KEY.secret.reveal()))
    assert again.public == KEY.public
    assert len(KEY.public) == PUBLIC_BYTES
    assert again.open("answer", HEADER, SEALED) == b"plaintext"


def test_text_form_never_holds_the_secret() -> None:
    assert KEY.secret.reveal().hex()[:16] not in repr(KEY)
    assert repr(KEY).startswith("SealingKey(public=")


def test_opens_by_hand_as_the_published_formats_say() -> None:
    """RFC 9180, base mode, over the X-Wing key encapsulation (draft-connolly-cfrg-xwing-kem), step by step."""
    secret = KEY.secret.reveal()
    encapsulated, share, body = SEALED[:1088], SEALED[1088:1120], SEALED[1120:]
    post_quantum = MLKEM768PrivateKey.from_seed_bytes(secret[:64]).decapsulate(encapsulated)
    classical = X25519PrivateKey.from_private_bytes(secret[64:]).exchange(X25519PublicKey.from_public_bytes(share))
    label = bytes.fromhex("5c2e2f2f5e5c")
    shared = hashlib.sha3_256(post_quantum + classical + share + KEY.public[1184:] + label).digest()
    suite = b"HPKE" + bytes.fromhex("647a00010002")

    def extract(salt: bytes, label: bytes, material: bytes) -> bytes:
        return hmac.digest(salt, b"HPKE-v1" + suite + label + material, "sha256")

    def expand(key: bytes, label: bytes, info: bytes, size: int) -> bytes:
        return hmac.digest(key, size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\1", "sha256")[:size]

    info = b"wardgate/envelope/answer/v1\0" + hashlib.sha512(HEADER).digest()
    schedule = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    root = extract(shared, b"secret", b"")
    key, nonce = expand(root, b"key", schedule, 32), expand(root, b"base_nonce", schedule, 12)
    assert AESGCM(key).decrypt(nonce, body, b"") == b"plaintext"


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda public: public[:-1],
        lambda public: public + b"\0",
        lambda _: b"",
        lambda _: bytes(PUBLIC_BYTES),
        lambda _: b"\xff" * PUBLIC_BYTES,
        lambda public: b"\xff" * 1184 + public[1184:],
        lambda public: public[:1184] + bytes(32),
        lambda public: public[:1184] + b"\1" + bytes(31),
    ],
    ids=["short", "long", "none", "zeros", "ones", "modulus", "small order 0", "small order 1"],
)
def test_what_check_public_refuses_nothing_can_be_sealed_to(spoilt: Callable[[bytes], bytes]) -> None:
    public = spoilt(SealingKey.generate().public)
    with pytest.raises(EncodingRejected):
        check_public(public)
    with pytest.raises(EncodingRejected):
        seal(public, purpose="answer", context=b"", plaintext=b"")


def test_check_public_takes_a_key() -> None:
    check_public(SealingKey.generate().public)
