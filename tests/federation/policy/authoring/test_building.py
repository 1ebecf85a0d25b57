"""`wardgate policy build` and `test`: what they say, what they write, how they end."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from federation.policy.authoring.opa import IN_CHECKOUT, Opa
from federation.policy.authoring.source import SHIPPED_SOURCE
from tests.support.opa import opa_command
from wardgate.cli import build

SMALL = {
    ".manifest": '{"revision": "1", "roots": ["wardgate", "reference"], "rego_version": 1}',
    "reference/words/data.json": "{}",
    "wardgate/small.rego": "package wardgate.small\n\na if input.b == 1\n\nc if input.d == 1\n",
    "wardgate/small_test.rego": (
        "package wardgate.small_test\n\nimport data.wardgate.small\n\n"
        'test_a if small.a with input as {"b": 1}\n\ntest_c if small.c with input as {"d": 1}\n'
    ),
}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build(["policy"]), ["policy", *(str(argument) for argument in arguments)])


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two rules and two tests."""
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.opa
@pytest.mark.slow
def test_what_is_shipped_is_formatted_strict_tested_throughout_and_current(tmp_path: Path) -> None:
    done = run("build", "--check", "--opa", opa_command(), "--json")

    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["built"], found["written"], found["stale"]) == (True, False, [])
    assert (found["tests"]["coverage"], found["tests"]["unreached"]) == (100, {})
    assert found["tests"]["tests"] > 200
    assert list(tmp_path.iterdir()) == []


@pytest.mark.opa
def test_sources_with_a_finding_are_not_built(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED_SOURCE, tmp_path / "policies")
    tiers = tmp_path / "policies" / "wardgate" / "lib" / "tiers.rego"
    tiers.write_text(tiers.read_text() + "\nsurprise := 1\n")
    before = {path: path.read_bytes() for path in (tmp_path / "policies" / "dist").rglob("*") if path.is_file()}

    done = run("build", "--source", tmp_path / "policies", "--opa", opa_command())

    assert done.exit_code == 1
    assert "rule surprise has no note" in done.stdout
    assert done.stdout.splitlines()[-1] == "not built"
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.opa
def test_tests_that_pass_and_reach_everything_hold(small: Path) -> None:
    done = run("test", "--source", small, "--opa", opa_command())

    assert done.exit_code == 0
    assert done.stdout == "2 tests passed; 100 % of the lines were reached\n"


@pytest.mark.opa
def test_a_line_that_no_test_reaches_is_named(small: Path) -> None:
    twin = small / "wardgate" / "small_test.rego"
    twin.write_text(twin.read_text().partition("\ntest_c")[0])

    done = run("test", "--source", small, "--opa", opa_command(), "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["unreached"] == {"wardgate/small.rego": [5]}


@pytest.mark.opa
@pytest.mark.parametrize(("old", "new"), [('{"d": 1}', '{"d": 2}'), ("test_c", "todo_test_c")])
def test_a_test_that_fails_or_is_put_off_is_named(small: Path, old: str, new: str) -> None:
    twin = small / "wardgate" / "small_test.rego"
    twin.write_text(twin.read_text().replace(old, new))

    done = run("test", "--source", small, "--opa", opa_command())

    assert done.exit_code == 1
    assert "failed: wardgate/small_test.rego:7" in done.stdout


@pytest.mark.opa
def test_sources_that_do_not_compile_are_an_error_with_its_code(small: Path) -> None:
    (small / "wardgate" / "small.rego").write_text("package wardgate.small\n\na if {\n")

    done = run("test", "--source", small, "--opa", opa_command(), "--json")

    assert done.exit_code == 1
    assert json.loads(done.stderr)["error"]["code"] == "POLICY_SOURCE_INVALID"


def test_without_opa_the_error_says_what_to_do(tmp_path: Path) -> None:
    done = run("lint", "--opa", tmp_path / "opa", "--json")

    assert done.exit_code == 12
    assert json.loads(done.stderr)["error"]["code"] == "OPA_UNAVAILABLE"
    assert "Running Wardgate needs none" in done.stderr


@pytest.mark.opa
def test_opa_is_found_in_the_checkout_of_the_sources_and_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.policy.authoring.opa.PACKAGE_ROOT", tmp_path / "elsewhere")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "opa").symlink_to(opa_command())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert Opa.find(None, tmp_path / "policies").path == opa_command().resolve()

    mine = tmp_path / IN_CHECKOUT
    mine.parent.mkdir(parents=True)
    mine.symlink_to(tmp_path / "bin" / "opa")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Opa.find(None, tmp_path / "policies").path == opa_command().resolve()


def test_checking_and_accepting_exclude_each_other() -> None:
    assert run("build", "--check", "--accept-golden").exit_code == 2
