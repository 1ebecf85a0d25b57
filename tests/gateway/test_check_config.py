"""`wardgate gateway check-config` says until when what the gateway certifies is good for anything."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import gateway_app
from gateway.keychain import AUTHORITY, create_keychain, load_keychain
from keys.authority import AUTHORITY_LIFETIME, CertificateAuthority
from keys.certificates import not_after
from keys.keyring import Keyring


@pytest.fixture
def settings(tmp_path: Path) -> tuple[str, ...]:
    """Every required setting, by the environment's names, whatever else there is."""
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'data_dir = "{tmp_path}"\naudit_statements_file = "{tmp_path}/audit-keys.json"\n'
        f'audit_verify_key_file = "{tmp_path}/audit.pub"\n'
        f'[trustee]\naddress = "127.0.0.1:1"\nverify_key_file = "{tmp_path}/trustee.pub"\n'
        f'[policy]\nbundle_dir = "{tmp_path}/bundle"\nbundle_key_file = "{tmp_path}/authority.pub"\n'
    )
    return "check-config", "--config", str(file)


def test_the_authority_s_end_is_said_and_one_that_ran_out_is_a_warning(
    settings: tuple[str, ...], tmp_path: Path
) -> None:
    result = CliRunner().invoke(gateway_app, settings)
    assert (result.exit_code, result.output.splitlines()[1]) == (
        0,
        "certificate authority: none yet; `keys-init` makes it",
    )
    assert not (tmp_path / "keyring").exists(), "looking makes nothing"

    keyring = Keyring(tmp_path / "keyring")
    create_keychain(keyring)
    end = not_after(load_keychain(keyring).authority.pem)
    result = CliRunner().invoke(gateway_app, settings)
    assert result.output.splitlines()[1] == f"certificate authority: valid until {end:%Y-%m-%d %H:%M} UTC"

    old = CertificateAuthority.create("old", now=datetime.now(UTC) - AUTHORITY_LIFETIME - timedelta(days=1))
    keyring.replace(AUTHORITY, old.private_key.pem)
    keyring.publish(AUTHORITY, old.pem)
    result = CliRunner().invoke(gateway_app, settings)
    assert result.output.splitlines()[1].startswith("warning: the certificate authority ran out on")
