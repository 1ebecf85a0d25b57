"""A real OPA server beside the embedded engine, where there is one."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from federation.errors import ErrorCode, WardgateError
from federation.policy.server_engine import OpaServer
from sandbox.processes import free_ports, start_program, stop

BUILT: Final = Path(__file__).parents[1] / ".cache" / "opa" / "bin" / "opa"
READY_WAIT_S: Final = 20.0


def find_opa() -> Path | None:
    """The OPA command: `WARDGATE_OPA`, or what `make .cache/opa/bin/opa` built; None when there is none."""
    command = Path(os.environ.get("WARDGATE_OPA") or BUILT)
    return command if command.is_file() else None


@asynccontextmanager
async def opa_server(opa: Path, bundle: Path, folder: Path) -> AsyncIterator[OpaServer]:
    """Serve one OPA bundle for as long as the block lasts.

    Raises:
        WardgateError: `POLICY_UNAVAILABLE`, naming the log to read.
    """
    (port,) = free_ports(1)
    config, log = folder / "opa.yaml", folder / "opa.log"
    _write(config, f"bundles:\n  wardgate:\n    resource: file://{bundle}\n")
    arguments = ["run", "--server", "--addr", f"127.0.0.1:{port}", "--skip-version-check", "--log-level", "error"]
    process = start_program("opa", [str(opa), *arguments, "--config-file", str(config)], log=log)
    try:
        end = time.monotonic() + READY_WAIT_S
        while not await _is_healthy(port):
            if not process.is_running() or time.monotonic() > end:
                raise WardgateError(ErrorCode.POLICY_UNAVAILABLE, f"see {log}")
            await asyncio.sleep(0.05)
        yield OpaServer(port=port)
    finally:
        await asyncio.to_thread(stop, [process])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


async def _is_healthy(port: int) -> bool:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"http://127.0.0.1:{port}/health?bundles=true") as response:
                return response.status == 200  # noqa: PLR2004 - HTTP's OK
        except aiohttp.ClientConnectionError:
            return False
