"""`wardgate sandbox …`: a whole synthetic region on this machine."""

import asyncio
import signal
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from federation.command import done, emit, fail_with_code
from sandbox.folder import SandboxFolder
from sandbox.region import SHIPPED_REGION, load_region

sandbox_app = typer.Typer(no_args_is_help=True, help="A whole synthetic region on this machine.")

RegionFile = Annotated[Path, typer.Option("--region", help="Region file (docs/region-file.md).")]
DEFAULT_DIR = Path("sandbox-run")
Dir = Annotated[Path, typer.Option("--dir", help="The sandbox's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _tell(text: str) -> None:
    typer.echo(text, err=True)


@sandbox_app.command()
@fail_with_code
def up(
    directory: Dir = DEFAULT_DIR,
    region: RegionFile = SHIPPED_REGION,
    detach: Annotated[bool, typer.Option("--detach", help="Return once everything is up.")] = False,
) -> None:
    """Start trustee, gateway and the region's agencies as separate processes with mutual TLS."""
    from sandbox.running import bring_up, take_down

    folder = SandboxFolder(directory.resolve())
    began = time.monotonic()
    asyncio.run(bring_up(load_region(region), folder, _tell))
    _tell(f"up after {time.monotonic() - began:.0f} s")
    if detach:
        return
    _tell("press Ctrl-C to take it down")
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        signal.pause()
    except KeyboardInterrupt:
        take_down(folder)


@sandbox_app.command()
@fail_with_code
def down(directory: Dir = DEFAULT_DIR) -> None:
    """End everything that `up` started in this folder; data and ledgers stay."""
    from sandbox.running import take_down

    killed = take_down(SandboxFolder(directory.resolve()))
    done("down" + (f"; had to kill {', '.join(killed)}" if killed else ""))


@sandbox_app.command()
@fail_with_code
def status(directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """What runs and how it is, each service by its own word."""
    from sandbox.running import status_of

    emit(asyncio.run(status_of(SandboxFolder(directory.resolve()))), as_json=as_json)


@sandbox_app.command()
@fail_with_code
def demo(
    directory: Annotated[Path | None, typer.Option("--dir", help="Keep everything in this folder.")] = None,
    region: RegionFile = SHIPPED_REGION,
    scene: Annotated[list[str] | None, typer.Option("--scene", help="Play only this scene; repeatable.")] = None,
) -> None:
    """The story of one referral, end to end; verifies the ledgers at the end."""
    from sandbox.demo import run_demo

    if directory is not None:
        raise typer.Exit(run_demo(load_region(region), SandboxFolder(directory.resolve()), scenes=scene or ()))
    with tempfile.TemporaryDirectory(prefix="wardgate-") as scratch:
        raise typer.Exit(run_demo(load_region(region), SandboxFolder(Path(scratch)), scenes=scene or ()))
