import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keys.errors import KeyringRejected
from keys.keyring import MAX_FILE_BYTES, Keyring
from keys.secret import Secret

VALUE = Secret(b"a secret value")


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "deep" / "keyring")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_stored_is_loaded_by_another_keyring(keyring: Keyring) -> None:
    keyring.create("signing", VALUE)
    assert Keyring(keyring.directory).load("signing") == VALUE
    assert keyring.exists("signing")
    assert keyring.names() == ["signing"]


@pytest.mark.parametrize("umask", [0, 0o077, 0o022])
def test_directory_and_files_are_closed_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        keyring = Keyring(tmp_path / "keyring")
        keyring.create("signing", VALUE)
        keyring.replace("signing", VALUE)
        keyring.publish("signing", b"public")
    finally:
        os.umask(before)
    assert mode(keyring.directory) == 0o700
    assert mode(keyring.directory / "signing.key") == 0o600
    assert mode(keyring.directory / "signing.pem") == 0o644


def test_creating_never_overwrites_and_replacing_does(keyring: Keyring) -> None:
    keyring.create("signing", VALUE)
    with pytest.raises(KeyringRejected, match="exists already"):
        keyring.create("signing", Secret(b"another"))
    assert keyring.load("signing") == VALUE
    keyring.replace("signing", Secret(b"another"))
    keyring.replace("fresh", VALUE)
    assert keyring.load("signing") == Secret(b"another")
    assert keyring.names() == ["fresh", "signing"]


def test_of_many_creators_exactly_one_wins(keyring: Keyring) -> None:
    def create(number: int) -> int | None:
        try:
            Keyring(keyring.directory).create("raced", Secret(bytes([number])))
        except KeyringRejected:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        won = [number for number in pool.map(create, range(32)) if number is not None]
    assert [bytes([number]) for number in won] == [keyring.load("raced").reveal()]
    assert [path.name for path in keyring.directory.iterdir()] == ["raced.key"]


@pytest.mark.parametrize("open_to_others", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_secret_open_to_others_is_refused_and_not_repaired(keyring: Keyring, open_to_others: int) -> None:
    keyring.create("signing", VALUE)
    path = keyring.directory / "signing.key"
    path.chmod(open_to_others)
    with pytest.raises(KeyringRejected, match=r"open to others.*chmod 600"):
        keyring.load("signing")
    assert mode(path) == open_to_others


@pytest.mark.parametrize("tighter", [0o600, 0o400])
def test_secret_closed_to_others_is_read(keyring: Keyring, tighter: int) -> None:
    keyring.create("signing", VALUE)
    (keyring.directory / "signing.key").chmod(tighter)
    assert keyring.load("signing") == VALUE


@pytest.mark.parametrize("open_to_others", [0o750, 0o705, 0o720, 0o777, 0o701])
def test_directory_open_to_others_is_refused_for_everything(keyring: Keyring, open_to_others: int) -> None:
    keyring.create("signing", VALUE)
    keyring.publish("signing", b"public")
    keyring.directory.chmod(open_to_others)
    attempts: list[Callable[[], object]] = [
        lambda: Keyring(keyring.directory),
        lambda: keyring.load("signing"),
        lambda: keyring.create("fresh", VALUE),
        lambda: keyring.replace("signing", VALUE),
        lambda: keyring.publish("signing", b"other"),
        lambda: keyring.published("signing"),
        lambda: keyring.destroy("signing"),
        keyring.names,
    ]
    for refused in attempts:
        with pytest.raises(KeyringRejected, match="chmod 700"):
            refused()


def test_another_users_files_are_refused(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.create("signing", VALUE)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(KeyringRejected, match="another user"):
        keyring.load("signing")


def test_symbolic_links_are_refused(keyring: Keyring, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"not ours")
    outside.chmod(0o600)
    (keyring.directory / "linked.key").symlink_to(outside)
    (keyring.directory / "linked.pem").symlink_to(outside)
    with pytest.raises(KeyringRejected, match="symbolic link"):
        keyring.load("linked")
    with pytest.raises(KeyringRejected, match="symbolic link"):
        keyring.published("linked")
    with pytest.raises(KeyringRejected, match="exists already"):
        keyring.create("linked", VALUE)
    keyring.replace("linked", VALUE)  # replaces the link, not what it points to
    assert keyring.load("linked") == VALUE
    assert outside.read_bytes() == b"not ours"


def test_keyring_that_is_a_symbolic_link_or_a_file_is_refused(keyring: Keyring, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(keyring.directory)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for name in ("link", "dangling", "file"):
        with pytest.raises(KeyringRejected, match="not a directory that can be read"):
            Keyring(tmp_path / name)
    with pytest.raises(KeyringRejected, match="cannot be made"):
        Keyring(tmp_path / "file" / "below")


def test_pipes_and_directories_are_refused_without_waiting(keyring: Keyring) -> None:
    os.mkfifo(keyring.directory / "pipe.key", 0o600)
    (keyring.directory / "folder.key").mkdir(0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(KeyringRejected):
            keyring.load(name)


def test_missing_secrets_say_so(keyring: Keyring) -> None:
    assert not keyring.exists("signing")
    assert not keyring.is_published("signing")
    attempts: list[Callable[[], object]] = [
        lambda: keyring.load("signing"),
        lambda: keyring.published("signing"),
        lambda: keyring.destroy("signing"),
    ]
    for refused in attempts:
        with pytest.raises(KeyringRejected, match="No such file"):
            refused()


@pytest.mark.parametrize(
    "name", ["", "../signing", "a/b", ".hidden", "Signing", "a b", "a.", "a..b", "a\n", "-a", "a" * 64]
)
def test_names_cannot_leave_the_keyring(keyring: Keyring, name: str) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: keyring.create(name, VALUE),
        lambda: keyring.replace(name, VALUE),
        lambda: keyring.load(name),
        lambda: keyring.exists(name),
        lambda: keyring.destroy(name),
        lambda: keyring.publish(name, b""),
        lambda: keyring.published(name),
        lambda: keyring.is_published(name),
    ]
    for refused in attempts:
        with pytest.raises(KeyringRejected, match="name in a keyring"):
            refused()


@pytest.mark.parametrize("name", ["a", "seed.3", "holder-seed.epoch-12.v2", "0", "a" * 63])
def test_names_may_have_dots_digits_and_hyphens(keyring: Keyring, name: str) -> None:
    keyring.create(name, VALUE)
    assert keyring.names() == [name]


def test_largest_secret_is_kept_and_a_larger_one_refused(keyring: Keyring) -> None:
    largest = Secret(b"x" * MAX_FILE_BYTES)
    keyring.create("largest", largest)
    assert keyring.load("largest") == largest
    with pytest.raises(KeyringRejected, match="over 64 KiB"):
        keyring.create("larger", Secret(b"x" * (MAX_FILE_BYTES + 1)))
    with (keyring.directory / "largest.key").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(KeyringRejected, match="over 64 KiB"):
        keyring.load("largest")


@pytest.mark.parametrize("step", ["rename", "link", "fsync"])
def test_failed_write_leaves_the_old_value_and_nothing_else(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    keyring.create("signing", VALUE)

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    name, write = ("fresh", keyring.create) if step == "link" else ("signing", keyring.replace)
    with pytest.raises(KeyringRejected, match="cannot be written: No space left"):
        write(name, Secret(b"another"))
    monkeypatch.undo()
    assert keyring.load("signing") == VALUE
    assert [path.name for path in keyring.directory.iterdir()] == ["signing.key"]


def test_what_a_killed_writer_left_is_not_listed_and_goes_with_its_secret(keyring: Keyring) -> None:
    keyring.create("seed.1", VALUE)
    keyring.create("seed.2", VALUE)
    left = keyring.directory / ".seed.1.key.0123456789abcdef"
    left.write_bytes(VALUE.reveal())
    assert keyring.names() == ["seed.1", "seed.2"]
    keyring.destroy("seed.1")
    assert [path.name for path in keyring.directory.iterdir()] == ["seed.2.key"]


def test_public_material_stands_beside_its_secret(keyring: Keyring) -> None:
    keyring.create("tls", VALUE)
    keyring.publish("tls", b"certificate")
    keyring.publish("tls", b"renewed")
    assert keyring.published("tls") == b"renewed"
    assert keyring.load("tls") == VALUE
    assert keyring.is_published("tls")
    assert keyring.names() == ["tls"]


@pytest.mark.parametrize("writable", [0o664, 0o646])
def test_public_material_that_others_could_write_is_refused(keyring: Keyring, writable: int) -> None:
    keyring.publish("root", b"certificate")
    (keyring.directory / "root.pem").chmod(writable)
    with pytest.raises(KeyringRejected, match="chmod 644"):
        keyring.published("root")


def test_repr_names_the_directory_alone(keyring: Keyring) -> None:
    keyring.create("signing", VALUE)
    assert repr(keyring) == f"Keyring({str(keyring.directory)!r})"
