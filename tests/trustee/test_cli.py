"""The trustee's commands: dry until --yes, never replacing a key, clear about what is missing."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from federation.exit_codes import ExitCode
from federation.keyfiles import read_verify_key
from federation.ledger.checkpoint import NoteKey
from keys.keyring import Keyring
from keys.signing import SigningKey, VerifyKey
from tests.support.pki import TRUSTEE, Pki
from trustee.cli import trustee_app


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "gateway.pub").write_text(SigningKey.generate().verify_key.hex)
    file = tmp_path / "trustee.toml"
    file.write_text(
        f'data_dir = "{tmp_path / "trustee"}"\n[gateway]\naddress = "127.0.0.1:1"\n'
        f'verify_key_file = "{tmp_path / "gateway.pub"}"\n'
        f'audit_verify_key_file = "{tmp_path / "gateway.pub"}"\n'
    )
    return file


def run(*arguments: str) -> Result:
    return CliRunner().invoke(trustee_app, list(arguments))


def told(*arguments: str) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def certify(config: Path, *, since: timedelta = timedelta(0)) -> None:
    folder, pki = config.parent / "trustee", Pki()
    chain = pki.authority.issue(
        (folder / "trustee-request.pem").read_bytes(),
        identity=TRUSTEE.uri,
        lifetime=timedelta(hours=1),
        now=datetime.now(UTC) - since,
        dns=[TRUSTEE.dns_name],
    )
    (config.parent / "chain.pem").write_bytes(chain)
    (config.parent / "roots.pem").write_bytes(pki.authority.pem)


def test_keys_are_made_only_with_yes(config: Path) -> None:
    dry = told("keys-init", "--config", str(config))
    assert (dry["done"], dry["would_make"]) == (False, ["pseudonym-seed-1", "signing", "tls"])
    assert not (config.parent / "trustee").exists()

    made = told("keys-init", "--config", str(config), "--yes")
    assert (made["done"], made["made"]) == (True, ["pseudonym-seed-1", "signing", "tls"])
    folder = config.parent / "trustee"
    assert read_verify_key(folder / "trustee.pub").hex == made["verify_key"]
    assert VerifyKey.from_hex(made["verify_key"]).fingerprint == made["fingerprint"]
    ledger_key = NoteKey.parse((folder / "ledger.pub").read_text())
    assert (ledger_key.name, ledger_key.key.hex) == ("wardgate/trustee/main", made["verify_key"])


def test_making_keys_again_replaces_nothing(config: Path) -> None:
    first = told("keys-init", "--config", str(config), "--yes")
    again = told("keys-init", "--config", str(config), "--yes")
    assert again["made"] == []
    assert again["verify_key"] == first["verify_key"]


def test_no_command_prints_a_secret(config: Path) -> None:
    output = run("keys-init", "--config", str(config), "--yes").output
    keyring = Keyring(config.parent / "trustee" / "keyring")
    for name in ("pseudonym-seed-1", "signing", "tls"):
        secret = keyring.load(name).reveal()
        assert secret.hex() not in output
        assert secret.decode("latin-1") not in output


def test_a_certificate_is_installed_only_with_yes_and_then_the_configuration_is_valid(config: Path) -> None:
    run("keys-init", "--config", str(config), "--yes")
    assert run("check-config", "--config", str(config)).exit_code == ExitCode.OPERATOR_NEEDED
    certify(config)
    files = ("--chain", str(config.parent / "chain.pem"), "--roots", str(config.parent / "roots.pem"))
    assert run("certificate-install", "--config", str(config), *files).exit_code == 0
    assert run("check-config", "--config", str(config)).exit_code == ExitCode.OPERATOR_NEEDED
    assert run("certificate-install", "--config", str(config), *files, "--yes").exit_code == 0
    assert run("check-config", "--config", str(config)).exit_code == 0


def test_an_expired_certificate_is_not_installed_and_one_that_ran_out_is_named_not_called_valid(config: Path) -> None:
    run("keys-init", "--config", str(config), "--yes")
    certify(config, since=timedelta(hours=7))
    files = ("--chain", str(config.parent / "chain.pem"), "--roots", str(config.parent / "roots.pem"))
    result = run("certificate-install", "--config", str(config), *files, "--yes")
    assert result.exit_code == ExitCode.OPERATOR_NEEDED
    assert "not valid now" in result.output
    keyring = Keyring(config.parent / "trustee" / "keyring")
    assert not keyring.is_published("tls")

    keyring.publish("roots", (config.parent / "roots.pem").read_bytes())
    keyring.publish("tls", (config.parent / "chain.pem").read_bytes())
    result = run("check-config", "--config", str(config))
    assert result.exit_code == 0, "the service must start, for it claims a new one"
    assert "warning: the certificate ran out on" in result.output
    assert "certificate: valid" not in result.output


def test_a_configuration_without_keys_or_anchor_is_refused_and_nothing_is_made(config: Path) -> None:
    assert run("check-config", "--config", str(config)).exit_code == ExitCode.OPERATOR_NEEDED
    assert not (config.parent / "trustee").exists()
    (config.parent / "gateway.pub").unlink()
    result = run("check-config", "--config", str(config))
    assert result.exit_code == ExitCode.OPERATOR_NEEDED
    assert "SETTINGS_INVALID" in result.output


def test_status_needs_a_store_and_says_so(config: Path) -> None:
    run("keys-init", "--config", str(config), "--yes")
    result = run("status", "--config", str(config), "--json")
    assert result.exit_code == ExitCode.OPERATOR_NEEDED
    assert json.loads(result.stderr)["error"]["code"] == "STORE_UNAVAILABLE"
    assert not (config.parent / "trustee" / "trustee.db").exists(), "looking makes nothing"


def test_an_epoch_of_an_unknown_agency_is_not_opened(config: Path) -> None:
    run("keys-init", "--config", str(config), "--yes")
    result = run("epoch-open", "uclh", "--config", str(config), "--yes")
    assert result.exit_code != 0
