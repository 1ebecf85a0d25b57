"""The trustee's settings: complete by default but for what cannot be guessed, and no quota raised by one person."""

from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.settings import describe
from keys.signing import SigningKey
from trustee.settings import TrusteeSettings

LEAST = """
data_dir = "/var/lib/wardgate"
[gateway]
address = "gateway.example:8443"
verify_key_file = "/etc/wardgate/gateway.pub"
audit_verify_key_file = "/etc/wardgate/audit.pub"
"""

ALICE, BOB = (SigningKey.generate().verify_key.hex for _ in range(2))


def load(tmp_path: Path, text: str) -> TrusteeSettings:
    file = tmp_path / "trustee.toml"
    file.write_text(text)
    return TrusteeSettings.load(file)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(WardgateError) as caught:
        load(tmp_path, text)
    assert caught.value.code is ErrorCode.SETTINGS_INVALID
    return caught.value.detail


def test_a_folder_and_the_gateway_are_enough(tmp_path: Path) -> None:
    found = load(tmp_path, LEAST)
    assert found.database == "sqlite+aiosqlite:////var/lib/wardgate/trustee.db"
    assert found.keyring == Path("/var/lib/wardgate/keyring")
    assert found.party.uri == "wardgate://trustee/main"
    assert found.gateway.party.uri == "wardgate://gateway/main"
    assert found.listen.address == "127.0.0.1:8444"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDGATE_TRUSTEE_LISTEN__HOST", "::1")
    monkeypatch.setenv("WARDGATE_TRUSTEE_QUOTAS__TICKETS_PER_HOUR", "7")
    found = load(tmp_path, LEAST)
    assert found.listen.address == "[::1]:8444"
    assert found.quotas.tickets_per_hour == 7


def test_people_with_keys_of_their_own_are_taken(tmp_path: Path) -> None:
    found = load(tmp_path, LEAST + f'[approvers]\nalice = "{ALICE}"\nbob = "{BOB}"\n')
    assert found.approvers == {"alice": ALICE, "bob": BOB}


def test_two_names_with_one_key_are_one_person_and_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, LEAST + f'[approvers]\nalice = "{ALICE}"\nbob = "{ALICE}"\n')
    assert "approvers: two names have one key: that is one person" in said


@pytest.mark.parametrize("key", ["", "1" * 63, "g" * 64, "2" * 64])
def test_what_is_no_key_is_refused(tmp_path: Path, key: str) -> None:
    assert "approvers" in refused(tmp_path, LEAST + f'[approvers]\nalice = "{key}"\n')


@pytest.mark.parametrize(
    "text",
    [
        LEAST.replace("data_dir", "data_directory"),
        "database_url = 'mysql://host/name'\n" + LEAST,
        "database_url = 'postgresql+asyncpg://user:word@host/name'\n" + LEAST,
        "directory_interval_s = 0\n" + LEAST,
        "id = 'Main'\n" + LEAST,
        LEAST + "[quotas]\ncaseload_percent = 99\n",
        LEAST + "[quotas]\ntickets_per_hour = 0\n",
        LEAST + "[retention]\ncounters_days = 1\n",
        LEAST.replace("\nverify_key_file", "\nverify_key"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


def test_every_setting_is_described() -> None:
    rows = describe(TrusteeSettings)
    assert {row.key for row in rows} >= {
        "data_dir",
        "gateway.address",
        "quotas.caseload_percent",
        "retention.counters_days",
    }
    assert all(row.description for row in rows)


@pytest.mark.parametrize(
    ("more", "address"),
    [("", "gateway.example.org:8442"), ('enrolment_address = "gateway.example.org:9442"', "gateway.example.org:9442")],
)
def test_the_enrolment_port_is_where_a_gateway_has_it_unless_it_is_set(tmp_path: Path, more: str, address: str) -> None:
    file = tmp_path / "trustee.toml"
    file.write_text(
        f'data_dir = "{tmp_path}"\n[gateway]\naddress = "gateway.example.org:8443"\n'
        f'verify_key_file = "{tmp_path}/gateway.pub"\naudit_verify_key_file = "{tmp_path}/audit.pub"\n{more}\n'
    )
    assert TrusteeSettings.load(file).gateway.enrolment_port_address == address
