"""The trustee's keys on disk: made once, never replaced, refused when they are damaged or open to others."""

from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.transport.identity import Party, PartyKind
from keys.keyring import Keyring
from keys.secret import Secret
from keys.signing import SigningKey
from trustee.key_material import create_keys, load_keys, missing_keys, open_keyring, read_verify_key

TRUSTEE = Party(PartyKind.TRUSTEE, "main")


def test_keys_are_made_once_and_give_the_same_points_ever_after(tmp_path: Path) -> None:
    folder = tmp_path / "keyring"
    assert missing_keys(folder) == ["seed-1", "signing", "tls"]
    assert not folder.exists(), "looking makes nothing"
    assert create_keys(folder, TRUSTEE) == ["seed-1", "signing", "tls"]
    first = load_keys(open_keyring(folder))
    assert create_keys(folder, TRUSTEE) == []
    again = load_keys(open_keyring(folder))
    assert first.signing_key.verify_key == again.signing_key.verify_key
    assert first.holder.key("camden-csc", 1).public == again.holder.key("camden-csc", 1).public


def test_a_lost_key_alone_is_made_anew(tmp_path: Path) -> None:
    create_keys(tmp_path / "keyring", TRUSTEE)
    Keyring(tmp_path / "keyring").destroy("tls")
    assert create_keys(tmp_path / "keyring", TRUSTEE) == ["tls"]


def test_a_later_epoch_s_seed_counts_as_a_seed(tmp_path: Path) -> None:
    create_keys(tmp_path / "keyring", TRUSTEE)
    keyring = Keyring(tmp_path / "keyring")
    keyring.create("seed-2", Secret.random())
    keyring.destroy("seed-1")
    assert missing_keys(tmp_path / "keyring") == [], "a destroyed epoch is not brought back"
    assert load_keys(keyring).holder.epochs == (2,)


def test_the_certificate_request_asks_for_the_trustee_s_identity(tmp_path: Path) -> None:
    create_keys(tmp_path / "keyring", TRUSTEE)
    request = Keyring(tmp_path / "keyring").published("tls-request")
    assert request.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")


def test_a_keyring_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_keys(tmp_path / "keyring", TRUSTEE)
    (tmp_path / "keyring").chmod(0o750)
    with pytest.raises(WardgateError) as caught:
        open_keyring(tmp_path / "keyring")
    assert caught.value.code is ErrorCode.KEYRING_REJECTED


@pytest.mark.parametrize("damage", ["no seed", "short seed", "no signing key"])
def test_an_incomplete_or_damaged_keyring_is_refused(tmp_path: Path, damage: str) -> None:
    create_keys(tmp_path / "keyring", TRUSTEE)
    keyring = Keyring(tmp_path / "keyring")
    keyring.destroy("signing" if damage == "no signing key" else "seed-1")
    if damage == "short seed":
        keyring.create("seed-1", Secret(b"short"))
    with pytest.raises(WardgateError) as caught:
        load_keys(keyring)
    assert caught.value.code is ErrorCode.KEYRING_REJECTED


def test_a_verify_key_is_read_from_a_file_and_anything_else_is_refused(tmp_path: Path) -> None:
    key, file = SigningKey.generate().verify_key, tmp_path / "gateway.pub"
    file.write_text(key.hex + "\n")
    assert read_verify_key(file) == key
    for content in ("", "0" * 64, key.hex[:-1], key.hex + key.hex, "é"):
        file.write_text(content)
        with pytest.raises(WardgateError) as caught:
            read_verify_key(file)
        assert caught.value.code is ErrorCode.SETTINGS_INVALID
    with pytest.raises(WardgateError):
        read_verify_key(tmp_path / "missing")
