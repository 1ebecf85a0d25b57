"""The trustee's keys on disk: made once, never replaced, refused when they are damaged or open to others."""

from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from keys.keyring import Keyring
from keys.secret import Secret
from trustee.key_material import (
    create_keys,
    load_keys,
    missing_keys,
    open_keyring,
)


def test_keys_are_made_once_and_give_the_same_points_ever_after(tmp_path: Path) -> None:
    folder = tmp_path / "keyring"
    assert missing_keys(folder) == ["pseudonym-seed-1", "signing", "tls"]
    assert not folder.exists(), "looking makes nothing"
    assert create_keys(folder) == ["pseudonym-seed-1", "signing", "tls"]
    first = load_keys(open_keyring(folder))
    assert create_keys(folder) == []
    again = load_keys(open_keyring(folder))
    assert first.signing_key.verify_key == again.signing_key.verify_key
    assert first.holder.key("camden-csc", 1).public == again.holder.key("camden-csc", 1).public


def test_a_lost_key_alone_is_made_anew(tmp_path: Path) -> None:
    create_keys(tmp_path / "keyring")
    Keyring(tmp_path / "keyring").destroy("tls")
    assert create_keys(tmp_path / "keyring") == ["tls"]


def test_a_later_epoch_s_seed_counts_as_a_seed(tmp_path: Path) -> None:
    create_keys(tmp_path / "keyring")
    keyring = Keyring(tmp_path / "keyring")
    keyring.create("pseudonym-seed-2", Secret.random())
    keyring.destroy("pseudonym-seed-1")
    assert missing_keys(tmp_path / "keyring") == [], "a destroyed epoch is not brought back"
    assert load_keys(keyring).holder.epochs == (2,)


def test_a_keyring_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_keys(tmp_path / "keyring")
    (tmp_path / "keyring").chmod(0o750)
    with pytest.raises(WardgateError) as caught:
        open_keyring(tmp_path / "keyring")
    assert caught.value.code is ErrorCode.KEYRING_REJECTED


@pytest.mark.parametrize("damage", ["no seed", "short seed", "no signing key"])
def test_an_incomplete_or_damaged_keyring_is_refused(tmp_path: Path, damage: str) -> None:
    create_keys(tmp_path / "keyring")
    keyring = Keyring(tmp_path / "keyring")
    keyring.destroy("signing" if damage == "no signing key" else "pseudonym-seed-1")
    if damage == "short seed":
        keyring.create("pseudonym-seed-1", Secret(b"short"))
    with pytest.raises(WardgateError) as caught:
        load_keys(keyring)
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
