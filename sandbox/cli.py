"""`wardgate sandbox …`: a whole synthetic region on this machine."""

import asyncio
import signal
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from federation.canonical import JsonObject
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
    region: Annotated[
        Path | None, typer.Option("--region", help="Region file; without it, those that come with Wardgate.")
    ] = None,
    scene: Annotated[
        list[str] | None, typer.Option("--scene", help="Play this scene; repeatable. `all` plays every scene.")
    ] = None,
    list_scenes: Annotated[bool, typer.Option("--list", help="Only print which scenes there are.")] = False,
    as_json: Json = False,
) -> None:
    """The story of one referral, or scenes by name: one for each purpose and handling flag; verifies the ledgers."""
    from sandbox.demo import run_demo
    from sandbox.repertoire import listing, programme_of, whole_repertoire

    if list_scenes:
        _print_listing(listing(whole_repertoire(region)), as_json=as_json)
        return
    programmes = programme_of(region, scene or ())
    if directory is not None:
        raise typer.Exit(run_demo(programmes, directory.resolve(), as_json=as_json))
    with tempfile.TemporaryDirectory(prefix="wardgate-") as scratch:
        raise typer.Exit(run_demo(programmes, Path(scratch), as_json=as_json))


def _print_listing(scenes: list[JsonObject], *, as_json: bool) -> None:
    if as_json:
        emit({"scenes": scenes}, as_json=True)
        return
    table = Table("scene", "shows", "title", "region")
    for item in scenes:
        shows = f"flag {item['flag']}" if item["flag"] else f"purpose {item['purpose']}"
        table.add_row(
            item["name"], shows, item["title"], item["region"] + (", in the story" if item["in_story"] else "")
        )
    Console().print(table)
