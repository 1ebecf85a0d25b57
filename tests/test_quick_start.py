"""The README's commands, run exactly as printed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]


def blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)


def test_the_quick_start_is_at_most_ten_lines() -> None:
    first, second, *_ = blocks()

    assert first == "make demo\n"
    assert len(second.splitlines()) <= 9


def test_what_the_quick_start_prints_happens(tmp_path: Path) -> None:
    script = blocks()[1].replace("/tmp/region", str(tmp_path / "region"))
    shell = shutil.which("bash")
    assert shell is not None

    done = subprocess.run(
        [shell, "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "picture complete" in done.stdout
    assert "attendance" in done.stdout


def test_the_demo_ends_well(tmp_path: Path) -> None:
    wardgate = ROOT / ".venv" / "bin" / "wardgate"

    done = subprocess.run(
        [wardgate, "sandbox", "demo", "--dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for said in ("what the gateway saw of it", "what the trustee saw of it", "0 found", "ledgers verified"):
        assert said in done.stdout
