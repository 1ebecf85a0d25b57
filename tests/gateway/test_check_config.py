"""`wardgate gateway check-config` says until when what the gateway certifies is good for anything."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from federation.exit_codes import ExitCode
from gateway.cli import gateway_app
from gateway.keychain import AUTHORITY, create_keychain, load_keychain
from keys.authority import AUTHORITY_LIFETIME, CertificateAuthority
from keys.certificates import not_after
from keys.keyring import Keyring
from keys.signing import SigningKey


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


ALICE, BASHIR = (SigningKey.generate().verify_key for _ in range(2))


def checked(settings: tuple[str, ...], operators: str) -> tuple[int, str]:
    file = Path(settings[-1])
    before, _, after = file.read_text().partition("[trustee]")
    file.write_text(f"{before}{operators}\n[trustee]{after}")
    result = CliRunner().invoke(gateway_app, settings)
    return result.exit_code, result.output


def test_each_operator_s_fingerprint_is_said_to_be_compared(settings: tuple[str, ...]) -> None:
    code, output = checked(settings, f'[operators]\nbashir = "{BASHIR.hex}"\nalice = "{ALICE.hex}"\n')
    assert code == ExitCode.DONE
    assert output.splitlines()[-2:] == [
        f"operator alice: fingerprint {ALICE.fingerprint}",
        f"operator bashir: fingerprint {BASHIR.fingerprint}",
    ]


@pytest.mark.parametrize("operators", ["", f'[operators]\nalice = "{ALICE.hex}"\n'])
def test_too_few_operators_are_a_warning(settings: tuple[str, ...], operators: str) -> None:
    code, output = checked(settings, operators)
    assert code == ExitCode.DONE
    assert output.splitlines()[-1].startswith("warning: fewer than two operators")


@pytest.mark.parametrize(
    ("operators", "sentence"),
    [
        (
            'operators = ["alice", "bashir"]',
            "operators: names without keys are not taken any more: each operator",
        ),
        ("operators = []", "operators: names without keys are not taken any more"),
        (
            f'[operators]\nalice = "{ALICE.hex}"\nbashir = "{ALICE.hex}"\n',
            "operators: two names have one key: that is one person",
        ),
        ('[operators]\nalice = ""\n', "operators.alice: not a verify key"),
        (f'[operators]\nalice = "{"2" * 64}"\n', "operators.alice: not a verify key"),
        (f'[operators]\nAlice = "{ALICE.hex}"\n', "operators"),
    ],
)
def test_what_cannot_be_an_operator_is_refused_in_words(
    settings: tuple[str, ...], operators: str, sentence: str
) -> None:
    code, output = checked(settings, operators)
    assert code == ExitCode.OPERATOR_NEEDED
    assert "SETTINGS_INVALID" in output
    assert sentence in output
    assert ALICE.hex not in output
