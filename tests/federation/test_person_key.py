"""A person's key is made once, stays in its folder, and is known elsewhere by name and verify key."""

from pathlib import Path

import pytest

from federation.person_key import introduced, load_person_key, make_person_key, verify_keys
from keys.errors import KeyringRejected
from keys.signing import SigningKey


def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    key = make_person_key(tmp_path / "alice")
    assert make_person_key(tmp_path / "alice").hex == key.hex
    assert load_person_key(tmp_path / "alice").verify_key.hex == key.hex
    assert (tmp_path / "alice").stat().st_mode & 0o077 == 0


def test_where_there_is_no_key_none_is_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(KeyringRejected):
        load_person_key(tmp_path / "nobody")
    assert not (tmp_path / "nobody").exists()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    make_person_key(tmp_path / "alice")
    (tmp_path / "alice" / "person.key").chmod(0o640)
    with pytest.raises(KeyringRejected):
        load_person_key(tmp_path / "alice")


def test_people_are_introduced_by_their_fingerprints() -> None:
    keys = {name: SigningKey.generate().verify_key for name in ("idris", "amara")}
    people = {name: key.hex for name, key in keys.items()}
    assert {name: key.hex for name, key in verify_keys(people).items()} == people
    assert introduced(people) == [f"{name}: fingerprint {keys[name].fingerprint}" for name in ("amara", "idris")]
