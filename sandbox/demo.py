"""`wardgate sandbox demo`: the story of one referral, end to end, and the proof that nobody in the middle learnt of it.

Every line printed comes from a running service: pictures from the nodes, decisions from the bundle, views from the
stores of gateway and trustee. A scene that does not end as the region file says makes the demo fail.
"""

import asyncio
import datetime as dt
import json
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

from agency_node.asking.question import ApprovalNamed, QuestionDocument
from agency_node.asking.showing import show_picture
from agency_node.settings import NodeSettings
from federation.canonical import JsonObject
from federation.exit_codes import ExitCode
from sandbox.families import find_child
from sandbox.folder import SandboxFolder
from sandbox.leaks import find_leaks, forbidden_places, needles_of
from sandbox.local_calls import NodeCaller
from sandbox.region import Region
from sandbox.region_scenes import Scene, SceneDecision
from sandbox.running import bring_up, take_down
from sandbox.sources import families_of
from sandbox.views import Views, shortened, verify_ledgers, views_of

VIEWED_SCENE: Final = "front-door"


def run_demo(region: Region, folder: SandboxFolder, *, scenes: Sequence[str] = ()) -> int:
    """Bring the region up, play its scenes, show the views, verify, take it down. Returns the exit code."""
    out = Console()
    began = time.monotonic()
    asyncio.run(bring_up(region, folder, lambda text: out.print(f"[dim]{escape(text)}[/dim]")))
    try:
        faults = asyncio.run(_play(region, folder, scenes, out))
    finally:
        take_down(folder)
    faults += _after(region, folder, out)
    out.print(f"[dim]{time.monotonic() - began:.0f} s[/dim]")
    for fault in faults:
        out.print(f"[bold red]{escape(fault)}[/bold red]")
    return int(ExitCode.CHECK_FAILED if faults else ExitCode.DONE)


async def _play(region: Region, folder: SandboxFolder, names: Sequence[str], out: Console) -> list[str]:
    faults: list[str] = []
    for scene in region.scenes:
        if names and scene.name not in names:
            continue
        picture = await play_scene(region, folder, scene, out)
        faults += differences(scene, picture)
        if scene.name == VIEWED_SCENE:
            show_views(await views_of(folder, picture["query_id"]), out)
    return faults


async def play_scene(region: Region, folder: SandboxFolder, scene: Scene, out: Console) -> JsonObject:
    """Put one scene's question, let people decide what was referred to them, and show the picture."""
    asker = region.agency(scene.agency)
    person = next(user for user in asker.users if user.id == scene.user)
    out.print(Rule(escape(scene.title)))
    if scene.text:
        out.print(escape(scene.text))
    out.print(f"[bold]{escape(person.name)}[/bold], {escape(person.role)}, {escape(asker.name)}")
    caller = NodeCaller(NodeSettings.load(folder.node_config(scene.agency)))
    try:
        picture = await caller.ask(question_of(region, scene))
        for decision in scene.decide:
            await _decide(folder, decision, out)
        if scene.decide:
            picture = await _settled(caller, picture, scene.user)
    finally:
        await caller.aclose()
    show_picture(picture, out)
    return picture


def question_of(region: Region, scene: Scene) -> QuestionDocument:
    """The scene's question as its person would put it."""
    child = scene.child
    if "/" in child:
        child = find_child(families_of(region), child).nhs_number.canonical()
    return QuestionDocument(
        user=scene.user,
        purpose=scene.purpose,
        child=child,
        categories=list(scene.categories),
        start=(region.today - dt.timedelta(days=scene.look_back_days)).isoformat(),
        end=region.today.isoformat(),
        attestations=list(scene.attestations),
        approvals=[ApprovalNamed(user=approval.user, kind=approval.kind) for approval in scene.approvals],
        justification=scene.justification,
        family_informed=scene.family_informed,
        urgency=scene.urgency,
        break_glass=scene.break_glass,
    )


async def _decide(folder: SandboxFolder, chosen: SceneDecision, out: Console) -> None:
    caller = NodeCaller(NodeSettings.load(folder.node_config(chosen.agency)))
    try:
        for referral in await caller.referrals(chosen.user):
            await caller.decide(chosen.user, referral["referral_id"], decision=chosen.decision, reason=chosen.reason)
            out.print(f"{escape(chosen.agency)}: {escape(chosen.user)} decides: {chosen.decision}")
    finally:
        await caller.aclose()


async def _settled(caller: NodeCaller, picture: JsonObject, user: str) -> JsonObject:
    """The picture once the answers that people released have come."""
    for _ in range(100):
        picture = await caller.picture(picture["query_id"], user)
        if not any(target["state"] in {"referred", "delivered", "waiting"} for target in picture["targets"]):
            break
        await asyncio.sleep(0.1)
    return picture


def differences(scene: Scene, picture: JsonObject) -> list[str]:
    """What did not end as the region file says; empty when all did."""
    found = []
    outcomes = {target["agency"]: target["outcome"] or target["state"] for target in picture["targets"]}
    for agency, expected in scene.expect.items():
        if outcomes.get(agency) != expected:
            found.append(f"{scene.name}: {agency} should be {expected}, is {outcomes.get(agency)}")
    if scene.completeness is not None and picture["completeness"] != scene.completeness:
        found.append(f"{scene.name}: picture should be {scene.completeness}, is {picture['completeness']}")
    return found


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
