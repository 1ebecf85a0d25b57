"""Every scene that comes with Wardgate, played in its region: every purpose and flag, with what is just outside."""

import asyncio
from pathlib import Path

import pytest

from sandbox.folder import SandboxFolder
from sandbox.leaks import find_leaks, forbidden_places, needles_of
from sandbox.playing import Played, play_all, stage_of
from sandbox.region import SHIPPED_REGIONS, Region, load_region
from sandbox.running import bring_up, take_down
from sandbox.views import verify_ledgers

pytestmark = pytest.mark.system

CHILDREN = 20
"""Drawn beside the scripted families: enough that a source has others in it, and quick to index."""


@pytest.mark.parametrize("path", SHIPPED_REGIONS, ids=lambda path: path.stem)
def test_every_scene_ends_as_its_file_says(path: Path, tmp_path: Path) -> None:
    region = load_region(path)
    if region.population.children:
        # Without the usual faults: of so few rows, one that cannot be read makes a dataset fail.
        fewer = region.population.model_copy(update={"children": CHILDREN, "faults": False})
        region = region.model_copy(update={"population": fewer})
    folder = SandboxFolder(tmp_path)
    asyncio.run(bring_up(region, folder, lambda _: None))
    try:
        played = asyncio.run(play_whole(region, folder))
    finally:
        take_down(folder)

    assert [one.scene.name for one in played] == [scene.name for scene in region.scenes]
    assert [fault for one in played for fault in one.faults] == []
    assert find_leaks(list(forbidden_places(folder)), needles_of(region)) == []
    assert set(verify_ledgers(folder)) == {"gateway", "trustee", *(plan.id for plan in region.agencies)}


async def play_whole(region: Region, folder: SandboxFolder) -> list[Played]:
    async with stage_of(region, folder) as stage:
        return [one async for one in play_all(stage, region.scenes)]
