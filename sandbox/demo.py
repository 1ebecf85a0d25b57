"""`wardgate sandbox demo`: the story of one referral, end to end, and the proof that nobody in the middle learnt of it.

Every line printed comes from a running service: pictures from the nodes, decisions from the bundle, views from the
stores of gateway and trustee. A scene that does not end as the region file says makes the demo fail.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

from agency_node.asking.showing import show_picture
from federation.canonical import JsonObject
from federation.exit_codes import ExitCode
from sandbox.folder import SandboxFolder
from sandbox.leaks import find_leaks, forbidden_places, needles_of
from sandbox.playing import Asked, Played, play_all, stage_of
from sandbox.region import Region
from sandbox.region_scenes import Scene
from sandbox.repertoire import Programme
from sandbox.running import bring_up, take_down
from sandbox.scene_checks import outcomes
from sandbox.views import Views, shortened, verify_ledgers, views_of

VIEWED_SCENE: Final = "front-door"


def run_demo(programmes: Sequence[Programme], root: Path, *, as_json: bool = False) -> int:
    """Bring each region up, play its scenes, show the views, verify, take it down.

    Args:
        programmes: What to play where.
        root: The sandbox's folder; where there is more than one region, each has a folder of its own in it.
        as_json: Print one JSON object instead.

    Returns:
        The exit code: `CHECK_FAILED` when a scene ended otherwise than its file says, or something leaked.
    """
    out = Console(quiet=as_json)
    began = time.monotonic()
    reports = []
    for programme in programmes:
        folder = SandboxFolder(root if len(programmes) == 1 else root / programme.key)
        reports.append(_perform(programme, folder, out))
    out.print(f"[dim]{time.monotonic() - began:.0f} s[/dim]")
    faults = [fault for report in reports for fault in report["faults"]]
    for fault in faults:
        out.print(f"[bold red]{escape(fault)}[/bold red]")
    if as_json:
        typer.echo(json.dumps({"ok": not faults, "regions": reports}, ensure_ascii=False))
    return int(ExitCode.CHECK_FAILED if faults else ExitCode.DONE)


def _perform(programme: Programme, folder: SandboxFolder, out: Console) -> JsonObject:
    region = programme.region
    asyncio.run(bring_up(region, folder, lambda text: out.print(f"[dim]{escape(text)}[/dim]")))
    try:
        played = asyncio.run(_play(programme, folder, out))
    finally:
        take_down(folder)
    leaks = _after(region, folder, out)
    faults = [fault for one in played for fault in one.faults]
    return {"region": programme.key, "scenes": [one.as_json() for one in played], "faults": [*faults, *leaks]}


async def _play(programme: Programme, folder: SandboxFolder, out: Console) -> list[Played]:
    found = []
    async with stage_of(programme.region, folder) as stage:
        async for played in play_all(stage, programme.scenes):
            found.append(played)
            show_played(programme.region, played, out)
            if played.scene.name == VIEWED_SCENE and not out.quiet:
                show_views(await views_of(folder, played.asked[0].picture["query_id"]), out)
    return found


def show_played(region: Region, played: Played, out: Console) -> None:
    """Print a scene: who asks, why, what people decided, and the picture of each question."""
    scene = played.scene
    out.print(Rule(escape(scene.title)))
    if scene.text:
        out.print(escape(scene.text))
    for one, variation in zip(played.asked, (None, *scene.variations), strict=True):
        asked = scene if variation is None else scene.varied(variation)
        if one.title:
            out.print(Rule(escape(one.title), style="dim", align="left"))
        _show_asked(region, asked, one, out)
        if variation is not None and variation.alike and not one.faults:
            out.print("[bold]exactly the same answers as before[/bold]")


def _show_asked(region: Region, scene: Scene, one: Asked, out: Console) -> None:
    asker = region.agency(scene.agency)
    person = next(user for user in asker.users if user.id == scene.user)
    out.print(f"[bold]{escape(person.name)}[/bold], {escape(person.role)}, {escape(asker.name)}")
    found = outcomes(one.first)
    for agency in one.expected.before:
        out.print(f"{escape(agency)} before anybody decides: {found.get(agency)}")
    for agency, user, decision in one.decided:
        out.print(f"{escape(agency)}: {escape(user)} decides: {decision}")
    show_picture(one.picture, out)


def show_views(views: Views, out: Console) -> None:
    """Print what gateway and trustee hold about a query, literally but for long strings."""
    out.print(Rule("what the gateway saw of it"))
    out.print_json(json.dumps(shortened(views.header)))
    for entry in views.gateway:
        summary = {key: value for key, value in entry["body"].items() if key != "decision"}
        out.print_json(json.dumps({"ledger": entry["kind"], "actor": entry["actor"], **_as_object(summary)}))
    out.print(Rule("what the trustee saw of it"))
    for entry in views.trustee:
        out.print_json(json.dumps(shortened(entry)))


def _as_object(value: JsonObject) -> JsonObject:
    found = shortened(value)
    return found if isinstance(found, dict) else {}


def _after(region: Region, folder: SandboxFolder, out: Console) -> list[str]:
    out.print(Rule("afterwards"))
    needles = needles_of(region)
    files = list(forbidden_places(folder))
    leaks = find_leaks(files, needles)
    out.print(
        f"searched {len(files)} files of gateway, trustee and all logs for {len(needles)} numbers, names and texts: "
        f"{len(leaks)} found"
    )
    verified = verify_ledgers(folder)
    for service, ledger in verified.items():
        out.print(f"{service}: {ledger.size} entries, root {ledger.root.hex()[:16]}…")
    out.print("[bold green]ledgers verified[/bold green]")
    return [f"{leak.what} in {leak.file.name}" for leak in leaks]
