from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.transport import certificates
from federation.transport.certificates import Credentials, HeldCertificates, KeyringCertificates
from keys.keyring import Keyring
from tests.support.pki import CAMDEN, Pki
from tests.support.transport import Clock


def store(keyring: Keyring, credentials: Credentials) -> None:
    keyring.replace("tls", credentials.private_key)
    keyring.publish("tls", credentials.chain)
    keyring.publish("roots", credentials.roots)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keyring")


def test_what_the_keyring_holds_is_given(keyring: Keyring) -> None:
    held = Pki().credentials(CAMDEN)
    store(keyring, held)

    given = KeyringCertificates(keyring).current()

    assert (given.chain, given.private_key, given.roots) == (held.chain, held.private_key, held.roots)


def test_a_renewed_certificate_is_given_without_restart(keyring: Keyring) -> None:
    pki, clock = Pki(), Clock(0)
    store(keyring, pki.credentials(CAMDEN))
    source = KeyringCertificates(keyring, monotonic=clock)
    first, renewed = source.current(), pki.credentials(CAMDEN)

    store(keyring, renewed)
    clock.now += certificates.CHECK_INTERVAL_S

    assert source.current().chain == renewed.chain
    assert source.current() is not first
    assert source.current() is source.current()


def test_unchanged_files_give_the_same_object(keyring: Keyring) -> None:
    clock = Clock(0)
    store(keyring, Pki().credentials(CAMDEN))
    source = KeyringCertificates(keyring, monotonic=clock)

    first = source.current()
    clock.now += 100

    assert source.current() is first


def test_a_half_written_change_keeps_the_last_good_credentials_until_it_is_whole(
    keyring: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    pki, clock = Pki(), Clock(0)
    store(keyring, pki.credentials(CAMDEN))
    source = KeyringCertificates(keyring, monotonic=clock)
    first, renewed = source.current(), pki.credentials(CAMDEN)

    keyring.replace("tls", renewed.private_key)
    clock.now += 10
    while_half = source.current()
    keyring.publish("tls", renewed.chain)
    clock.now += 10

    assert while_half is first
    assert "CERTIFICATES_UNREADABLE" in caplog.text
    assert source.current().chain == renewed.chain


def test_files_that_vanish_keep_the_last_good_credentials(keyring: Keyring, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(0)
    store(keyring, Pki().credentials(CAMDEN))
    source = KeyringCertificates(keyring, monotonic=clock)
    first = source.current()

    (keyring.directory / "roots.pem").unlink()
    for _ in range(3):
        clock.now += 10
        assert source.current() is first

    assert caplog.text.count("CERTIFICATES_UNREADABLE") == 1


def test_a_key_that_others_may_read_is_refused_at_the_start(keyring: Keyring) -> None:
    store(keyring, Pki().credentials(CAMDEN))
    (keyring.directory / "tls.key").chmod(0o640)

    with pytest.raises(WardgateError) as refused:
        KeyringCertificates(keyring)

    assert refused.value.code is ErrorCode.KEYRING_REJECTED


def test_missing_files_are_refused_at_the_start(keyring: Keyring) -> None:
    with pytest.raises(WardgateError) as refused:
        KeyringCertificates(keyring)

    assert refused.value.code is ErrorCode.KEYRING_REJECTED


@pytest.mark.parametrize("part", ["chain", "roots"])
def test_credentials_that_are_not_certificates_are_refused_and_the_old_ones_stay(part: str) -> None:
    good = Pki().credentials(CAMDEN)
    parts = {"chain": good.chain, "roots": good.roots} | {part: b"-----BEGIN CERTIFICATE-----\nAAAA\n"}
    held = HeldCertificates(good)

    with pytest.raises(WardgateError) as refused:
        held.replace(Credentials(parts["chain"], good.private_key, parts["roots"]))

    assert refused.value.code is ErrorCode.KEYRING_REJECTED
    assert held.current() is good


def test_a_private_key_is_never_shown() -> None:
    held = Pki().credentials(CAMDEN)

    assert "PRIVATE" not in repr(held)
