"""Public keys as files: written as other people's tools read them, read as older versions wrote them too."""

import shutil
import subprocess
from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.keyfiles import read_auditors, read_verify_key, write_auditors, write_verify_key
from keys.signing import SigningKey, VerifyKey
from keys.tls_key import PrivateKey
from tests.support.auditors import Auditors

PUBLISHED = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
"""The example of RFC 8410, section 10.1."""
ITS_KEY = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"


def test_the_published_example_is_read_and_written_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "key.pub"
    path.write_text(PUBLISHED)
    key = read_verify_key(path)
    assert key.hex == ITS_KEY
    write_verify_key(tmp_path / "again.pub", key)
    assert (tmp_path / "again.pub").read_text() == PUBLISHED


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_file_of_an_older_version_is_read(tmp_path: Path, ending: str) -> None:
    key = SigningKey.generate().verify_key
    path = tmp_path / "key.pub"
    path.write_text(key.hex + ending)
    assert read_verify_key(path) == key


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"19bf",
        ITS_KEY.upper().encode(),
        PUBLISHED.replace("MCow", "MCox").encode(),
        PUBLISHED.replace("GbuE", "").replace("xZuE=", "").encode(),
        b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        b"\xff" * 64,
        SigningKey.generate().secret.reveal(),
        PrivateKey.generate().pem.reveal(),
    ],
)
def test_what_is_no_verify_key_is_refused_and_its_file_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pub"
    path.write_bytes(content)
    with pytest.raises(WardgateError) as caught:
        read_verify_key(path)
    assert caught.value.code is ErrorCode.SETTINGS_INVALID
    assert "key.pub" in caught.value.detail


def test_a_key_of_small_order_is_refused_in_pem_too(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    small = Ed25519PublicKey.from_public_bytes(bytes([1]) + bytes(31))
    path = tmp_path / "key.pub"
    path.write_bytes(small.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(WardgateError):
        read_verify_key(path)


def test_openssl_reads_what_is_written(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command")
    key = VerifyKey.from_hex(ITS_KEY)
    write_verify_key(tmp_path / "key.pub", key)
    arguments = [openssl, "pkey", "-pubin", "-in", str(tmp_path / "key.pub"), "-outform", "DER"]
    done = subprocess.run(arguments, capture_output=True, check=True)
    assert done.stdout.endswith(bytes(key))


def test_the_auditors_statements_are_read_as_they_were_written(tmp_path: Path) -> None:
    auditors = Auditors()
    auditors.succeed()
    write_auditors(tmp_path / "audit-keys.json", auditors.statements)
    assert read_auditors(tmp_path / "audit-keys.json") == auditors.statements


@pytest.mark.parametrize("content", ["", "nonsense", "{}", '{"v":1,"statements":[]}'])
def test_what_states_no_key_is_a_mistake_of_settings(tmp_path: Path, content: str) -> None:
    (tmp_path / "audit-keys.json").write_text(content)
    with pytest.raises(WardgateError) as caught:
        read_auditors(tmp_path / "audit-keys.json")
    assert caught.value.code is ErrorCode.SETTINGS_INVALID


@pytest.mark.parametrize("read", [read_auditors, read_verify_key])
def test_a_path_with_a_nul_is_a_mistake_of_settings(tmp_path: Path, read: object) -> None:
    assert callable(read)
    with pytest.raises(WardgateError) as caught:
        read(tmp_path / "a\0b")
    assert caught.value.code is ErrorCode.SETTINGS_INVALID
