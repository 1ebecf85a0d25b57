"""The trustee's keys on disk: made once, never replaced, refused when they are damaged or open to others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.transport.certificates import KeyringCertificates
from keys.certificates import identity_of
from keys.keyring import Keyring
from keys.secret import Secret
from tests.support.pki import TRUSTEE, Pki
from trustee.key_material import (
    certificate_request,
    create_keys,
    install_certificate,
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


def test_the_certificate_of_the_request_is_installed_and_another_key_s_is_not(tmp_path: Path) -> None:
    create_keys(tmp_path / "keyring")
    keyring, pki = Keyring(tmp_path / "keyring"), Pki()
    chain = pki.authority.issue(
        certificate_request(keyring, TRUSTEE),
        identity=TRUSTEE.uri,
        lifetime=timedelta(hours=1),
        now=datetime.now(UTC),
        dns=[TRUSTEE.dns_name],
    )
    with pytest.raises(WardgateError) as caught:
        install_certificate(keyring, chain=pki.credentials(TRUSTEE).chain, roots=pki.authority.pem)
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
    assert not keyring.is_published("tls")
    install_certificate(keyring, chain=chain, roots=pki.authority.pem)
    assert identity_of(KeyringCertificates(keyring).current().chain) == TRUSTEE.uri


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
