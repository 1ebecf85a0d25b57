"""How every command fails: a documented exit code, one line for people, one object for machines, nothing personal."""

import json
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from federation.command import MAX_JSON_FILE_BYTES, emit, fail_with_code, read_json_file
from federation.errors import CATALOGUE, ErrorCode, WardgateError
from federation.exit_codes import ExitCode, exit_code_of
from keys.errors import KeyringRejected, NhsNumberRejected

app = typer.Typer()
RUNNER = CliRunner()


@app.command()
@fail_with_code
def fail(code: str, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:  # noqa: FBT002 - an option
    """Fail with a code, or not."""
    if code == "keyring":
        raise KeyringRejected("signing: mode 0644 is too open")
    if code == "number":
        raise NhsNumberRejected("check digit")
    if code == "none":
        emit({"done": True}, as_json=as_json)
        return
    raise WardgateError(ErrorCode(code), "task-17")


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_ends_with_its_exit_code_and_says_what_to_do(code: ErrorCode) -> None:
    result = RUNNER.invoke(app, [code.value])
    spec = CATALOGUE[code]
    assert result.exit_code == exit_code_of(WardgateError(code)) != ExitCode.DONE
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines == [f"{code}: {spec.public}", "  task-17", f"  {spec.remedy}"]


@pytest.mark.parametrize("code", list(ErrorCode))
def test_with_json_the_error_is_one_object_on_standard_error(code: ErrorCode) -> None:
    result = RUNNER.invoke(app, [code.value, "--json"])
    assert result.exit_code == exit_code_of(WardgateError(code))
    assert result.stdout == ""
    assert json.loads(result.stderr) == {
        "error": {
            "code": code.value,
            "message": CATALOGUE[code].public,
            "remedy": CATALOGUE[code].remedy,
            "detail": "task-17",
        }
    }


def test_a_keyring_that_is_not_kept_safely_says_which_key() -> None:
    result = RUNNER.invoke(app, ["keyring"])
    assert result.exit_code == ExitCode.OPERATOR_NEEDED
    assert "signing: mode 0644 is too open" in result.stderr


def test_any_other_failure_of_keys_is_a_defect_and_says_nothing_of_it() -> None:
    result = RUNNER.invoke(app, ["number", "--json"])
    assert result.exit_code == ExitCode.INTERNAL
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["detail"]) == ("INTERNAL", "")


def test_success_prints_to_standard_output_alone() -> None:
    result = RUNNER.invoke(app, ["none", "--json"])
    assert (result.exit_code, json.loads(result.stdout), result.stderr) == (0, {"done": True}, "")


def test_what_is_no_error_of_ours_is_not_hidden() -> None:
    result = RUNNER.invoke(app, ["NO_SUCH_CODE"])
    assert isinstance(result.exception, ValueError)


def test_a_json_file_is_read_or_refused_by_code(tmp_path: Path) -> None:
    path = tmp_path / "agency.json"
    with pytest.raises(WardgateError) as caught:
        read_json_file(path)
    assert caught.value.code is ErrorCode.SETTINGS_INVALID
    assert str(tmp_path) not in caught.value.detail
    path.write_bytes(b'{"a":1}' + b" " * (MAX_JSON_FILE_BYTES - 7))
    assert read_json_file(path) == {"a": 1}
    path.write_bytes(b'{"a":1}' + b" " * (MAX_JSON_FILE_BYTES - 6))
    with pytest.raises(WardgateError) as caught:
        read_json_file(path)
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
    path.write_bytes(b"a = 1")
    with pytest.raises(WardgateError) as caught:
        read_json_file(path)
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED
