import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ErrorCode, WardgateError
from federation.ledger.checkpoint import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    Checkpoint,
    NoteKey,
    SignedCheckpoint,
    cosign_checkpoint,
    cosignature_line,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
    with_cosignatures,
)
from keys.signing import SigningKey
from tests.support.ledger import KEY, NOTE_KEY, NOW, ORIGIN

ROOT = bytes(range(32))
WITNESS = SigningKey.generate()

# A checkpoint of the Armored Witness project's public firmware log, with its published key.
PUBLISHED_KEY = "transparency.dev-aw-ftlog-ci-2+f77c6276+AZXqiaARpwF4MoNOxx46kuiIRjrML0PDTm+c7BLaAMt6"
PUBLISHED_ORIGIN = "transparency.dev/armored-witness/firmware_transparency/ci/2"
PUBLISHED_NOTE = (
    f"{PUBLISHED_ORIGIN}\n56\n7azctENRYLlBCBQ5OX2qxxIKCTOeCda1KfTwjdt0wdA=\n\n"
    "— transparency.dev-aw-ftlog-ci-2 "
    "93xidocoWXVph2jEuzW2oovU+IjU71+FeVGKtKXQknSla2HCvr6RYHRSdJfxpo4kj5geqxkjrDXcbpiSo7lK96X4Dgc=\n"
).encode()


def signed(size: int = 7) -> SignedCheckpoint:
    return sign_checkpoint(Checkpoint(ORIGIN, size, ROOT), KEY)


def rejection(note: bytes, key: NoteKey = NOTE_KEY) -> str:
    with pytest.raises(WardgateError) as caught:
        verify_checkpoint(note, key)
    assert caught.value.code is ErrorCode.LEDGER_INVALID
    return caught.value.detail


def test_a_published_checkpoint_verifies_under_its_published_key() -> None:
    found = verify_checkpoint(PUBLISHED_NOTE, NoteKey.parse(PUBLISHED_KEY), origin=PUBLISHED_ORIGIN)
    assert (found.size, found.root.hex()[:8]) == (56, "edacdcb4")


@pytest.mark.parametrize(
    "published", [PUBLISHED_KEY, "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
)
def test_published_keys_read_and_write_the_same(published: str) -> None:
    assert NoteKey.parse(published + "\n").text() == published


def test_a_published_checkpoint_that_was_altered_is_refused() -> None:
    with pytest.raises(WardgateError):
        verify_checkpoint(
            PUBLISHED_NOTE.replace(b"\n56\n", b"\n57\n"), NoteKey.parse(PUBLISHED_KEY), origin=PUBLISHED_ORIGIN
        )


def test_a_checkpoint_reads_back() -> None:
    note = signed().note
    assert verify_checkpoint(note, NOTE_KEY) == signed()
    text, _, signature = note.decode().partition("\n\n")
    assert text == f"{ORIGIN}\n7\n{base64.b64encode(ROOT).decode()}"
    assert signature.startswith(f"— {ORIGIN} ")


def test_the_empty_tree_has_a_checkpoint_too() -> None:
    assert verify_checkpoint(signed(0).note, NOTE_KEY).size == 0


@pytest.mark.parametrize(
    "change",
    [
        (b"\n7\n", b"\n8\n"),
        (b"\n7\n", b"\n07\n"),
        (b"\n7\n", b"\n+7\n"),
        (b"\n7\n", b"\n-7\n"),
        (b"\n7\n", b"\n\n"),
        (b"\n7\n", b"\n7\nextension\n"),
        (b"camden", b"barnet"),
        (b"\n\n", b"\n"),
        ("— ".encode(), b"- "),
        (b"=\n", b"\n"),
        (b"AAEC", b"AAED"),
        (b"\n7\n", b"\n7\r\n"),
    ],
)
def test_an_altered_checkpoint_is_refused(change: tuple[bytes, bytes]) -> None:
    altered = signed().note.replace(*change)
    assert altered != signed().note
    rejection(altered)


def test_every_single_bit_counts() -> None:
    note = signed().note
    for at in range(len(note)):
        for bit in (1, 16, 128):
            rejection(note[:at] + bytes([note[at] ^ bit]) + note[at + 1 :])


def test_another_key_does_not_verify() -> None:
    assert "not signed" in rejection(signed().note, NoteKey(ORIGIN, WITNESS.verify_key))


def test_another_origin_is_refused_even_under_the_same_key() -> None:
    other = sign_checkpoint(Checkpoint("wardgate/node/other", 7, ROOT), KEY)
    assert "wardgate/node/other" in rejection(other.note)


def test_unknown_signatures_are_ignored_and_known_ones_are_not() -> None:
    stranger = sign_checkpoint(Checkpoint(ORIGIN, 7, ROOT), WITNESS).note.partition(b"\n\n")[2]
    assert verify_checkpoint(signed().note + stranger, NOTE_KEY).size == 7
    forged = signed(8).note.partition(b"\n\n")[2]
    assert "does not verify" in rejection(signed(7).note + forged)


def test_the_number_of_signatures_is_limited() -> None:
    stranger = sign_checkpoint(Checkpoint(ORIGIN, 7, ROOT), WITNESS).note.partition(b"\n\n")[2]
    assert verify_checkpoint(signed().note + stranger * (MAX_SIGNATURES - 1), NOTE_KEY).size == 7
    assert "too many" in rejection(signed().note + stranger * MAX_SIGNATURES)
    assert "too long" in rejection(signed().note + b"x" * MAX_NOTE_BYTES)


@given(note=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_in_order(note: bytes) -> None:
    rejection(note)


@given(lines=st.lists(st.text(max_size=30), max_size=6))
def test_arbitrary_text_is_refused_in_order(lines: list[str]) -> None:
    rejection("\n".join(lines).encode(errors="replace"))


@pytest.mark.parametrize("origin", ["", "with space", "plus+sign", "new\nline", "x" * 129, "cosignature/v1", "é"])
def test_an_origin_is_a_plain_name(origin: str) -> None:
    with pytest.raises(WardgateError):
        Checkpoint(origin, 1, ROOT)


@pytest.mark.parametrize(("size", "root"), [(-1, ROOT), (2**63, ROOT), (1, ROOT[:31]), (1, ROOT + b"\0")])
def test_size_and_root_are_in_range(size: int, root: bytes) -> None:
    with pytest.raises(WardgateError):
        Checkpoint(ORIGIN, size, root)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+id",
        NOTE_KEY.text().replace("+", "-", 1),
        NOTE_KEY.text().replace(ORIGIN, "other"),
        NOTE_KEY.text()[:-4],
        f"{ORIGIN}+00000000+{NOTE_KEY.text().rsplit('+', 1)[1]}",
        f"{ORIGIN}+00000000+{base64.b64encode(bytes([1]) + bytes(32)).decode()}",
        f"{ORIGIN}+00000000+{base64.b64encode(bytes([4]) + bytes(KEY.verify_key)).decode()}",
    ],
)
def test_a_public_key_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(WardgateError) as caught:
        NoteKey.parse(text)
    assert caught.value.code is ErrorCode.LEDGER_INVALID


def test_a_witness_cosigns_a_checkpoint_with_the_time() -> None:
    line = cosign_checkpoint(signed(), name="wardgate/node/barnet", key=WITNESS, at=NOW)
    note = with_cosignatures(signed().note, line)
    assert verify_cosignatures(note, {"wardgate/node/barnet": WITNESS.verify_key}) == {"wardgate/node/barnet": NOW}
    assert verify_checkpoint(note, NOTE_KEY).size == 7
    assert cosignature_line(note, "wardgate/node/barnet") == line


def test_cosignatures_of_others_do_not_count() -> None:
    line = cosign_checkpoint(signed(), name="wardgate/node/barnet", key=WITNESS, at=NOW)
    note = with_cosignatures(signed().note, line)
    assert verify_cosignatures(note, {"wardgate/node/brent": WITNESS.verify_key}) == {}
    assert verify_cosignatures(note, {"wardgate/node/barnet": KEY.verify_key}) == {}
    with pytest.raises(WardgateError):
        cosignature_line(note, "wardgate/node/brent")


def test_a_cosignature_of_another_tree_or_time_is_refused() -> None:
    line = cosign_checkpoint(signed(8), name="w", key=WITNESS, at=NOW)
    with pytest.raises(WardgateError):
        verify_cosignatures(with_cosignatures(signed(7).note, line), {"w": WITNESS.verify_key})
    good = cosign_checkpoint(signed(7), name="w", key=WITNESS, at=NOW)
    stamped = bytearray(base64.b64decode(good.split(b" ")[2]))
    stamped[11] ^= 1
    altered = f"— w {base64.b64encode(stamped).decode()}\n".encode()
    with pytest.raises(WardgateError):
        verify_cosignatures(with_cosignatures(signed(7).note, altered), {"w": WITNESS.verify_key})


def test_a_log_signature_is_no_cosignature() -> None:
    assert verify_cosignatures(signed().note, {ORIGIN: KEY.verify_key}) == {}
