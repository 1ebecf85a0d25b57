"""Which scenes there are, in the regions that come with Wardgate or in a file of one's own, and which to play."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.canonical import JsonObject
from federation.errors import ErrorCode, WardgateError
from sandbox.region import SHIPPED_REGION, SHIPPED_REGIONS, Region, load_region
from sandbox.region_scenes import Scene

EVERY_SCENE: Final = "all"


@dataclass(frozen=True, slots=True)
class Programme:
    """What is played in one region.

    Attributes:
        key: The region file's name without its ending.
        scenes: In the order in which they are shown.
    """

    key: str
    region: Region
    scenes: Sequence[Scene]


def whole_repertoire(path: Path | None) -> list[Programme]:
    """Every scene of a region file, or of all the regions that come with Wardgate.

    Raises:
        WardgateError: `FILE_INVALID`.
    """
    programmes = []
    for found in SHIPPED_REGIONS if path is None else (path,):
        region = load_region(found)
        programmes.append(Programme(found.stem, region, region.scenes))
    return programmes


def story_of(path: Path | None) -> list[Programme]:
    """What is played when no scene is named: the region's story, or all its scenes where it names none."""
    found = path or SHIPPED_REGION
    region = load_region(found)
    by_name = {scene.name: scene for scene in region.scenes}
    return [Programme(found.stem, region, [by_name[name] for name in region.story] or region.scenes)]


def programme_of(path: Path | None, names: Sequence[str]) -> list[Programme]:
    """The scenes to play, by region.

    Args:
        path: A region file; None for those that come with Wardgate.
        names: Names of scenes, or `all`; none for the story.

    Raises:
        WardgateError: `FILE_INVALID`; `NAME_UNKNOWN`, naming every scene there is.
    """
    if not names:
        return story_of(path)
    repertoire = whole_repertoire(path)
    if EVERY_SCENE in names:
        return [programme for programme in repertoire if programme.scenes]
    known = [scene.name for programme in repertoire for scene in programme.scenes]
    if set(names) - set(known):
        raise WardgateError(ErrorCode.NAME_UNKNOWN, f"there are {', '.join([EVERY_SCENE, *known])}")
    chosen = [
        Programme(programme.key, programme.region, [scene for scene in programme.scenes if scene.name in names])
        for programme in repertoire
    ]
    return [programme for programme in chosen if programme.scenes]


def listing(programmes: Sequence[Programme]) -> list[JsonObject]:
    """What each scene shows, for `--list`."""
    return [
        {
            "name": scene.name,
            "title": scene.title,
            "purpose": scene.purpose,
            "flag": scene.flag,
            "region": programme.key,
            "in_story": scene.name in programme.region.story,
        }
        for programme in programmes
        for scene in programme.scenes
    ]
