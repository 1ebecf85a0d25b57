"""`keys` is pure: it loads no network, RPC or database library, and it holds no clock but one that may be replaced."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(f"keys.{path.stem}" for path in (ROOT / "keys").glob("*.py") if path.stem != "__init__")
FOREIGN = ("grpc", "sqlalchemy", "sqlmodel", "aiohttp", "aiosqlite", "asyncpg", "pydantic", "federation", "gateway")


def test_every_module_is_looked_at() -> None:
    assert len(MODULES) >= 20
    assert {"keys.group", "keys.pseudonym", "keys.envelope", "keys.keyring"} <= set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_module_loads_nothing_foreign_in_a_fresh_interpreter(module: str) -> None:
    program = (
        f"import sys, {module}\n"
        f"loaded = sorted(set({FOREIGN!r}) & {{name.partition('.')[0] for name in sys.modules}})\n"
        "print(*loaded)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_importing_does_not_open_libsodium() -> None:
    program = "import keys.pseudonym, keys.sodium, sys; sys.exit(keys.sodium.sodium.cache_info().currsize)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
