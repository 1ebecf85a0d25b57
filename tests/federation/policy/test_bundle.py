import json
import os
from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.policy.bundle import (
    MANIFEST,
    SIGNATURE,
    BundleId,
    VerifiedBundle,
    install_bundle,
    keep_bundle,
    sign_bundle,
)
from federation.policy.bundle_files import MAX_FILE_BYTES
from keys.signing import SigningKey
from tests.support.policy import NOW, fixture_bundle, write_dist


@pytest.fixture
def installed(scratch: Path, key: SigningKey) -> Path:
    target = scratch / "installed"
    install_bundle(write_dist(scratch / "dist", revision=3), target, key, clock=lambda: NOW)
    return target


def refused(directory: Path, key: SigningKey, activated: BundleId | None = None) -> str:
    with pytest.raises(WardgateError) as caught:
        VerifiedBundle.load(directory, key.verify_key, activated=activated)
    assert caught.value.code is ErrorCode.BUNDLE_REJECTED
    return caught.value.detail


def test_an_installed_bundle_loads_with_its_revision_digest_time_and_files(installed: Path, key: SigningKey) -> None:
    bundle = VerifiedBundle.load(installed, key.verify_key)
    assert bundle.id.revision == 3
    assert len(bytes.fromhex(bundle.id.digest)) == 32
    assert bundle.signed_at == NOW
    assert bundle.file("policy.wasm").startswith(b"\0asm")
    assert bundle.data_sha256 == bundle.manifest.files["data.json"].hex()


def test_the_digest_is_the_contents_and_not_the_signers(scratch: Path, key: SigningKey) -> None:
    dist = write_dist(scratch / "dist")
    one = install_bundle(dist, scratch / "one", key, clock=lambda: NOW)
    two = install_bundle(dist, scratch / "two", SigningKey.generate(), clock=lambda: NOW + 9)
    assert one.id == two.id


def test_an_unsigned_bundle_is_refused(scratch: Path, key: SigningKey) -> None:
    assert refused(write_dist(scratch / "dist"), key) == f"no {SIGNATURE}"


def test_a_bundle_without_a_manifest_is_refused(installed: Path, key: SigningKey) -> None:
    (installed / MANIFEST).unlink()
    assert refused(installed, key) == f"no {MANIFEST}"


def test_a_missing_directory_is_refused(tmp_path: Path, key: SigningKey) -> None:
    assert refused(tmp_path / "nowhere", key) == "no bundle directory"


def test_another_authoritys_signature_is_refused(installed: Path) -> None:
    assert refused(installed, SigningKey.generate()) == "signature"


@pytest.mark.parametrize("name", ["policy.wasm", "data.json", "bundle.tar.gz", "golden.json", "schemas/node.json"])
def test_one_changed_bit_in_any_file_is_refused(installed: Path, key: SigningKey, name: str) -> None:
    content = bytearray((installed / name).read_bytes())
    content[len(content) // 2] ^= 1
    (installed / name).write_bytes(content)
    assert refused(installed, key) == f"digest of {name}"


def test_a_manifest_changed_to_match_a_changed_file_is_refused(installed: Path, key: SigningKey) -> None:
    data = installed / "data.json"
    data.write_bytes(data.read_bytes().replace(b"deadline", b"reminder"))
    write_dist(installed, {p.relative_to(installed).as_posix(): p.read_bytes() for p in _contents(installed)})
    assert refused(installed, key) == "signature"


def _contents(directory: Path) -> list[Path]:
    own = (MANIFEST, SIGNATURE)
    return [path for path in directory.rglob("*") if path.is_file() and path.name not in own]


def test_a_signature_moved_to_another_time_is_refused(installed: Path, key: SigningKey) -> None:
    signed = json.loads((installed / SIGNATURE).read_bytes())
    (installed / SIGNATURE).write_text(json.dumps({**signed, "signed_at": signed["signed_at"] + 1}))
    assert refused(installed, key) == "signature"


def test_a_file_too_many_is_refused(installed: Path, key: SigningKey) -> None:
    (installed / "schemas" / "extra.json").write_text("{}")
    assert refused(installed, key) == "files and manifest differ: schemas/extra.json"


def test_a_file_too_few_is_refused(installed: Path, key: SigningKey) -> None:
    (installed / "golden.json").unlink()
    assert refused(installed, key) == "files and manifest differ: golden.json"


def test_a_symbolic_link_in_place_of_a_file_is_refused(installed: Path, key: SigningKey, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (installed / "golden.json").rename(elsewhere)
    (installed / "golden.json").symlink_to(elsewhere)
    assert refused(installed, key).startswith("unreadable file")


def test_a_symbolic_link_in_place_of_a_folder_is_refused(installed: Path, key: SigningKey, tmp_path: Path) -> None:
    (installed / "schemas").rename(tmp_path / "schemas")
    (installed / "schemas").symlink_to(tmp_path / "schemas")
    assert refused(installed, key) == "symbolic link in the bundle"


def test_a_pipe_in_place_of_a_file_is_refused_and_nobody_waits_for_it(installed: Path, key: SigningKey) -> None:
    (installed / "golden.json").unlink()
    os.mkfifo(installed / "golden.json")
    assert refused(installed, key) == "not a plain file"


def test_an_oversized_file_is_refused(installed: Path, key: SigningKey) -> None:
    with (installed / "golden.json").open("r+b") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert refused(installed, key) == f"file over {MAX_FILE_BYTES} bytes"


@pytest.mark.parametrize("name", ["../policy.wasm", "/etc/passwd", "a//b", ".hidden", "a/../b", ""])
def test_a_manifest_cannot_name_a_file_outside_the_bundle(installed: Path, key: SigningKey, name: str) -> None:
    manifest = json.loads((installed / MANIFEST).read_bytes())
    manifest["files"][name] = manifest["files"]["data.json"]
    (installed / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(WardgateError, match=r"BUNDLE_REJECTED: Manifest\.files"):
        sign_bundle(installed, key)


def test_an_older_revision_than_the_last_activated_is_refused(installed: Path, key: SigningKey) -> None:
    assert "rollback" in refused(installed, key, BundleId(4, "0" * 64))


def test_another_content_under_the_activated_revision_is_refused(installed: Path, key: SigningKey) -> None:
    assert "rollback" in refused(installed, key, BundleId(3, "0" * 64))


def test_the_activated_bundle_itself_and_a_newer_one_load(installed: Path, key: SigningKey) -> None:
    this = VerifiedBundle.load(installed, key.verify_key).id
    assert VerifiedBundle.load(installed, key.verify_key, activated=this).id == this
    assert VerifiedBundle.load(installed, key.verify_key, activated=BundleId(2, "0" * 64)).id == this


def test_signing_refuses_what_does_not_agree_with_its_manifest(scratch: Path, key: SigningKey) -> None:
    dist = write_dist(scratch / "dist")
    (dist / "data.json").write_text("{}")
    with pytest.raises(WardgateError, match=r"digest of data\.json"):
        sign_bundle(dist, key)
    assert not (dist / SIGNATURE).exists()


def test_installing_leaves_the_source_unsigned_and_replaces_what_stood_there(scratch: Path, key: SigningKey) -> None:
    target = scratch / "service" / "policy"
    install_bundle(write_dist(scratch / "one", revision=1), target, key)
    install_bundle(write_dist(scratch / "two", revision=2), target, key)
    assert VerifiedBundle.load(target, key.verify_key).id.revision == 2
    assert not (scratch / "two" / SIGNATURE).exists()
    assert [path.name for path in target.parent.iterdir()] == ["policy"]


def test_a_failed_installation_leaves_what_stood_there(installed: Path, scratch: Path, key: SigningKey) -> None:
    broken = write_dist(scratch / "broken", revision=9)
    (broken / "policy.wasm").write_bytes(b"")
    with pytest.raises(WardgateError):
        install_bundle(broken, installed, key)
    assert VerifiedBundle.load(installed, key.verify_key).id.revision == 3
    assert sorted(path.name for path in scratch.iterdir()) == ["broken", "dist", "installed"]


def test_a_bundle_in_use_does_not_notice_that_its_directory_changed(installed: Path, key: SigningKey) -> None:
    bundle = VerifiedBundle.load(installed, key.verify_key)
    before = bundle.file("data.json")
    (installed / "data.json").write_text("{}")
    assert bundle.file("data.json") == before


def test_a_kept_bundle_verifies_under_its_digest_and_is_kept_once(
    installed: Path, scratch: Path, key: SigningKey
) -> None:
    kept = keep_bundle(installed, scratch / "archive", key.verify_key)
    assert keep_bundle(installed, scratch / "archive", key.verify_key) == kept
    assert VerifiedBundle.load(kept, key.verify_key).id.digest == kept.name
    assert [path.name for path in (scratch / "archive").iterdir()] == [kept.name]


def test_a_file_the_bundle_lacks_is_named(scratch: Path, key: SigningKey) -> None:
    bundle = fixture_bundle(scratch, key)
    with pytest.raises(WardgateError, match=r"BUNDLE_REJECTED: no nothing\.json"):
        bundle.file("nothing.json")
