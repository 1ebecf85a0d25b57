"""The policy guide's commands, run exactly as printed, by an author in a checkout of their own."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.opa import opa_command

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "policy-guide.md").read_text(encoding="utf-8")


def commands(title: str) -> list[str]:
    """The commands that a section of the guide shows."""
    section = GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", section, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policies as an author has them, and the bundle in force beside them."""
    folder = tmp_path_factory.mktemp("author")
    shutil.copytree(ROOT / "policies", folder / "policies")
    shutil.copytree(ROOT / "policies" / "dist", folder / "build" / "in-force")
    return folder


def run(line: str, checkout: Path) -> "subprocess.CompletedProcess[str]":
    """Run one line with the programs of this checkout, on the sources of that one."""
    shell = shutil.which("bash")
    assert shell is not None
    path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [shell, "-euo", "pipefail", "-c", line],
        cwd=checkout,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


SAID = {
    "explain --golden": ("wardgate/gateway/decision: permit", "the auditor reads: ", "rule: "),
    "explain policies": ("r1: permit", "no more because of flag POLICE_INTEL", "not released: incident_line"),
    "explain - <": ("wardgate/requester/decision: deny", "APPROVAL_MISSING", "obligation obtain_approval"),
    "matrix --purpose": ("S47_ENQ: ", "area testshire, 2026-11-22"),
    "matrix --role": ("lcpp in childrens_services", "s47"),
    "matrix --out": ("drawn into build/matrix.html",),
}


@pytest.mark.parametrize("line", commands("Reading what a bundle does"))
def test_what_reads_a_bundle_does_what_the_guide_says(line: str, checkout: Path) -> None:
    done = run(line, checkout)

    assert done.returncode == 0, done.stderr
    expected = [texts for start, texts in SAID.items() if line.startswith(f"wardgate policy {start}")]
    assert len(expected) == 1, line
    assert [text for text in expected[0] if text not in done.stdout] == []


def test_every_command_that_reads_is_shown() -> None:
    shown = commands("Reading what a bundle does")

    assert len(shown) == len(SAID)
    assert all(any(line.startswith(f"wardgate policy {start}") for line in shown) for start in SAID)


@pytest.mark.opa
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_change_goes_the_way_the_guide_says(checkout: Path) -> None:
    lint, test, build, diff = (f"{line} --opa {opa_command()}" for line in commands("Changing policy"))
    here = f"--source {checkout / 'policies'}"
    purposes = checkout / "policies" / "reference" / "roles" / "data.json"
    purposes.write_text(purposes.read_text().replace("Social worker", "Social worker, registered", 1))
    diff = diff.partition(" --opa")[0]

    linted, tested, built = (run(f"{line} {here}", checkout) for line in (lint, test, build))
    compared = run(diff, checkout)

    assert [done.returncode for done in (linted, tested, built, compared)] == [0, 0, 0, 0], built.stderr
    assert "checks hold" in linted.stdout
    assert "100 % of the lines" in tested.stdout
    assert "written; changed: bundle.tar.gz, data.json" in built.stdout
    assert "title: Social worker is now Social worker, registered" in compared.stdout
