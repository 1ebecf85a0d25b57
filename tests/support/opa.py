"""A real OPA for tests: the pinned command, and a server bounded to the loopback interface and to one test."""

import asyncio
import os
import socket
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

ROOT = Path(__file__).parents[2]
PINNED_VERSION = "1.20.2"
START_DEADLINE_S = 20.0


def opa_command() -> Path:
    """The pinned OPA: `WARDGATE_OPA`, or what `make .cache/opa/bin/opa` built.

    A missing command skips the test, visibly; under CI it fails it, so that nothing is ever left untested there.
    """
    command = Path(os.environ.get("WARDGATE_OPA") or ROOT / ".cache/opa/bin/opa")
    if not command.is_file():
        missing = "no OPA command: run `make .cache/opa/bin/opa` or set WARDGATE_OPA"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    version = run_opa(command, "version").split()[1]
    assert version == PINNED_VERSION, f"OPA {version}, pinned is {PINNED_VERSION}"
    return command


def run_opa(command: Path, *arguments: str | Path) -> str:
    """Run the command to its end and give its output."""
    done = subprocess.run(
        [command, *arguments], check=False, capture_output=True, text=True, timeout=120, cwd=ROOT, env={}
    )
    assert done.returncode == 0, f"opa {arguments[0]}: {done.stderr}{done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class RunningOpa:
    """A server under test."""

    host: str
    port: int
    process: asyncio.subprocess.Process

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()


@asynccontextmanager
async def running_opa(
    bundle: Path, *, name: str = "wardgate", tls: tuple[Path, Path, Path] | None = None, token: str = "", port: int = 0
) -> AsyncIterator[RunningOpa]:
    """Serve one bundle under `name`.

    Args:
        bundle: An OPA bundle without a WebAssembly module. The server polls it, so moving another over it swaps it.
        name: The name the server gives the bundle.
        tls: Certificate, key and client authority; the server then speaks HTTPS and demands client certificates.
        token: Bearer token the server demands.
        port: Where it listens; a free one when 0.
    """
    command = opa_command()
    host, port = "127.0.0.1", port or _free_port()
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        config = Path(directory) / "config.yaml"
        config.write_text(
            f"services:\n  source:\n    url: http://{host}:{await stack.enter_async_context(_serving(bundle))}\n"
            f"bundles:\n  {name}:\n    service: source\n    resource: bundle.tar.gz\n"
            "    polling: {min_delay_seconds: 1, max_delay_seconds: 1}\n"
        )
        arguments = ["run", "--server", "--addr", f"{host}:{port}", "--skip-version-check", "--log-level", "error"]
        arguments += ["--config-file", str(config)]
        if tls is not None:
            certificate, key, authority = tls
            arguments += ["--tls-cert-file", str(certificate), "--tls-private-key-file", str(key)]
            arguments += ["--tls-ca-cert-file", str(authority), "--authentication", "tls"]
        if token:
            policy = Path(directory) / "authorise.rego"
            policy.write_text(
                "package system.authz\n\ndefault allow := false\n\n"
                f'allow if input.identity == "{token}"\n\nallow if input.path == ["health"]\n'
            )
            arguments += ["--authentication", "token", "--authorization", "basic", str(policy)]
        process = await asyncio.create_subprocess_exec(
            command, *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env={}
        )
        try:
            await _wait_until_up(process, host, port, plain=tls is None)
            yield RunningOpa(host, port, process)
        finally:
            if process.returncode is None:
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), 10)
                except TimeoutError:
                    process.kill()
            await process.wait()


@asynccontextmanager
async def _serving(bundle: Path) -> AsyncIterator[int]:
    """A bundle service, as operators run one; gives its port."""

    async def give(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(bundle)

    app = web.Application()
    app.router.add_get("/bundle.tar.gz", give)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _wait_until_up(process: asyncio.subprocess.Process, host: str, port: int, *, plain: bool) -> None:
    async with asyncio.timeout(START_DEADLINE_S):
        while True:
            assert process.returncode is None, f"OPA ended with {process.returncode}"
            if await (_healthy(host, port) if plain else _listens(host, port)):
                return
            await asyncio.sleep(0.02)


async def _healthy(host: str, port: int) -> bool:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"http://{host}:{port}/health?bundles=true") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def client_tls(authority: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """A client's context with a private authority and a certificate of its own."""
    context = ssl.create_default_context(cafile=str(authority))
    context.load_cert_chain(certificate, key)
    return context
