import datetime as dt
import json
import os
from pathlib import Path

import pytest

from agency_node.users import Users, UsersFile, user_ref
from federation.england import date_in_england
from federation.errors import ErrorCode, WardgateError
from keys.secret import Secret

TOML = b"""
[[user]]
id = "a.khan"
name = "Amina Khan"
role = "mash_manager"
grants = ["S47_ENQ"]
training_expires = 2027-03-31

[[user]]
id = "b.lee"
name = "Ben Lee"
role = "dsl"
case_role = "lead_practitioner"
training_expires = 2026-12-31
employment_ends = 2026-11-30
supervised = true
"""


def test_a_file_in_toml_or_json_says_the_same() -> None:
    from_toml = Users.parse(TOML, name="users.toml")
    rows = [user.model_dump(mode="json") for user in from_toml.by_id.values()]

    assert Users.parse(json.dumps({"user": rows}).encode(), name="users.json") == from_toml
    assert from_toml.get("b.lee").case_role == "lead_practitioner"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"[[user]]\nid = 'x'", "user.0.name"),
        (TOML.replace(b"mash_manager", b"mash manager"), "user.0.role"),
        (TOML.replace(b"2027-03-31", b"'soon'"), "user.0.training_expires"),
        (TOML + b"\nshoe_size = 43", "shoe_size"),
        (TOML.replace(b"b.lee", b"a.khan"), "two users"),
        (b"user = 3", "user"),
        (b"[[user", "not TOML"),
        (b"\xff", "not TOML"),
    ],
)
def test_a_mistake_is_named_by_its_place_and_never_by_its_value(content: bytes, place: str) -> None:
    with pytest.raises(WardgateError) as caught:
        Users.parse(content, name="users.toml")
    assert caught.value.code is ErrorCode.SETTINGS_INVALID
    assert place in caught.value.detail
    assert "Khan" not in caught.value.detail


def test_an_unknown_user_is_an_error() -> None:
    with pytest.raises(WardgateError) as caught:
        Users.parse(TOML, name="users.toml").get("c.moss")
    assert caught.value.code is ErrorCode.USER_UNKNOWN


def test_a_person_counts_through_the_last_day() -> None:
    person = Users.parse(TOML, name="users.toml").get("b.lee")

    assert person.is_employed(dt.date(2026, 11, 30))
    assert not person.is_employed(dt.date(2026, 12, 1))
    assert person.is_trained(dt.date(2026, 12, 31))
    assert not person.is_trained(dt.date(2027, 1, 1))


def test_policy_sees_no_name_and_no_sign_in() -> None:
    person = Users.parse(TOML, name="users.toml").get("b.lee")

    given = person.policy_input(user_ref(Secret(bytes(32)), person.id))

    assert "Lee" not in json.dumps(given)
    assert "b.lee" not in json.dumps(given)
    assert given["training_expires"] == {"year": 2026, "month": 12, "day": 31}
    assert given["ref"] == user_ref(Secret(bytes(32)), "b.lee") != user_ref(Secret(b"1" * 32), "b.lee")


def test_a_changed_file_is_read_again_and_a_broken_one_stops_everybody(tmp_path: Path) -> None:
    path = tmp_path / "users.toml"
    path.write_bytes(TOML)
    users = UsersFile(path)
    assert users.current() is users.current()

    path.write_bytes(TOML.replace(b"a.khan", b"c.moss"))
    assert "a.khan" not in users.current().by_id

    path.write_bytes(b"[[user")
    for _ in range(2):
        with pytest.raises(WardgateError, match="SETTINGS_INVALID"):
            users.current()

    path.write_bytes(TOML)
    os.utime(path, ns=(1, 1))
    assert "a.khan" in users.current().by_id
    path.unlink()
    with pytest.raises(WardgateError, match="SETTINGS_INVALID"):
        users.current()


def test_the_date_is_englands() -> None:
    assert date_in_england(1_782_860_399) == dt.date(2026, 6, 30)  # 23:59:59 in London, 22:59:59 UTC
    assert date_in_england(1_782_860_400) == dt.date(2026, 7, 1)


def test_an_error_about_a_user_never_repeats_the_sign_in() -> None:
    with pytest.raises(WardgateError) as caught:
        Users({}).employed("a.khan", dt.date(2026, 1, 1))
    assert "khan" not in str(caught.value)
