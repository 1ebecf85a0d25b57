"""The one command: every sub-command is there, and help lists them all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from federation.keyfiles import read_verify_key
from wardgate.cli import SUB_COMMANDS, build

ROOT = Path(__file__).parents[2]


def test_help_lists_every_sub_command() -> None:
    done = CliRunner().invoke(build([]), ["--help"])

    assert done.exit_code == 0
    assert all(name in done.output for name in SUB_COMMANDS)


@pytest.mark.parametrize("name", SUB_COMMANDS)
def test_every_sub_command_has_help(name: str) -> None:
    assert CliRunner().invoke(build([name]), [name, "--help"]).exit_code == 0


def test_a_bundle_is_signed_and_verified_by_command(tmp_path: Path) -> None:
    runner, keyring, public = CliRunner(), str(tmp_path / "keys"), str(tmp_path / "authority.pub")

    def run(*arguments: str) -> str:
        done = runner.invoke(build(["policy"]), ["policy", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    assert "would make" in run("keys-init", "--keyring", keyring, "--public", public)
    assert not (tmp_path / "keys").exists()
    made = json.loads(run("keys-init", "--keyring", keyring, "--public", public, "--yes", "--json"))
    assert read_verify_key(Path(public)).hex == made["verify_key"]
    signed = json.loads(run("sign", "--keyring", keyring, "--out", str(tmp_path / "bundle"), "--json"))
    found = json.loads(run("verify", str(tmp_path / "bundle"), "--key", public, "--json"))

    assert {key: found[key] for key in signed} == signed
    assert "S47_ENQ" in found["purposes"]
    assert "BULK_LISTING" in found["never_permitted"]


def test_a_bundle_that_was_touched_is_refused_with_its_code(tmp_path: Path) -> None:
    runner, keyring, public = CliRunner(), str(tmp_path / "keys"), str(tmp_path / "authority.pub")
    app = build(["policy"])
    runner.invoke(app, ["policy", "keys-init", "--keyring", keyring, "--public", public, "--yes"])
    runner.invoke(app, ["policy", "sign", "--keyring", keyring, "--out", str(tmp_path / "bundle")])
    data = tmp_path / "bundle" / "data.json"
    data.write_bytes(data.read_bytes() + b" ")

    done = runner.invoke(app, ["policy", "verify", str(tmp_path / "bundle"), "--key", public, "--json"])

    assert done.exit_code == 12
    assert "BUNDLE_REJECTED" in done.stderr


def test_help_loads_nothing_of_what_authors_work_with() -> None:
    program = (
        "import sys; from wardgate.cli import build; build(['policy'])\n"
        "print(*sorted(name for name in sys.modules if name.startswith(('federation.policy.authoring', 'wasmtime'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.split() == ["federation.policy.authoring", "federation.policy.authoring.cli"]
