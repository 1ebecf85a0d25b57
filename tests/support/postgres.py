"""A throw-away PostgreSQL, started from the machine's own programs.

Tests take `postgres_url`: a fresh, empty database. One server serves the whole session; it is started when the first
test asks and stopped, by its own process id, at the end. Where PostgreSQL is not installed such tests are skipped,
visibly; in CI (the variable `CI` is set) they fail. A folder's `conftest.py` imports both fixtures from here.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no type information
import pytest

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
ADMIN = "wardgate"

_NEEDED = ("initdb", "postgres")


@dataclass
class Server:
    """A running server, reached through a Unix socket in its own folder."""

    process: subprocess.Popen[bytes]
    folder: Path
    databases: int = 0

    def create_database(self) -> str:
        """A new, empty database; returns its URL."""
        self.databases += 1
        name = f"test_{self.databases}"
        asyncio.run(self.execute(f'CREATE DATABASE "{name}"'))
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://{ADMIN}@/{database}?host={self.folder}"

    async def execute(self, statement: str) -> Any:
        """Run an administrator's statement outside any test database; returns the first value."""
        connection = await asyncpg.connect(host=str(self.folder), user=ADMIN, database="postgres")
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # "fast": disconnects clients, then ends in order
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def find_programs() -> Path | None:
    """The folder that has PostgreSQL's programs."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if all((folder / name).is_file() for name in _NEEDED)), None)


def start_server(programs: Path, *settings: str) -> Server:
    """Start a server of its own.

    Args:
        programs: Folder of `initdb` and `postgres`.
        settings: Further `name=value` settings. By default nothing is flushed to disk: a test machine may lose it.
    """
    folder = Path(tempfile.mkdtemp(prefix="wardgate-pg-"))
    as_user = _unprivileged(folder)
    data = folder / "data"
    initialise = f"initdb -D {data} -U {ADMIN} -A trust -E UTF8 --locale=C --no-sync".split()
    initialise[0] = str(programs / initialise[0])
    subprocess.run(initialise, check=True, stdout=subprocess.DEVNULL, timeout=START_TIMEOUT_S, cwd=folder, **as_user)
    options = [f"-c{setting}" for setting in (settings or ("fsync=off",))]
    log = (folder / "log").open("wb")
    with log:
        process = subprocess.Popen(
            [*_bound_to_us(), programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            **as_user,
        )
    server = Server(process, folder)
    try:
        _wait_until_ready(server)
    except BaseException:
        server.stop()
        raise
    return server


def _bound_to_us() -> list[str]:
    """Where the system can: end the server when this process is killed and can no longer do so itself."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT"] if setpriv else []


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: whom to run it as, and give that user the folder."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            asyncio.run(server.execute("SELECT 1"))
        except (OSError, asyncpg.PostgresError):
            if server.process.poll() is not None or time.monotonic() > deadline:
                text = (server.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start: {text[-2_000:]}") from None
            time.sleep(0.05)
        else:
            return


_running: list[Server] = []


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Server:
    """The session's server, the same one wherever this fixture is imported."""
    if not _running:
        programs = find_programs()
        if programs is None:
            reason = "PostgreSQL's programs (initdb, postgres) are not installed"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        _running.append(start_server(programs))
        request.config.add_cleanup(lambda: _running.pop().stop())
    return _running[0]


@pytest.fixture
def postgres_url(postgres_server: Server) -> str:
    """A fresh, empty database."""
    return postgres_server.create_database()
