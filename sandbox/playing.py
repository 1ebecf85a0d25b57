"""Plays scenes in a region that is up: asks as the scene's people would, lets people decide, compares what came back.

Several scenes are played at once; within a scene, its question comes first and its variations follow in their order,
because a decision that a person takes in one may bear on the next.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from agency_node.asking.question import ApprovalNamed, QuestionDocument
from agency_node.settings import NodeSettings
from federation.canonical import JsonObject
from sandbox.families import Family, find_child
from sandbox.folder import SandboxFolder
from sandbox.local_calls import NodeCaller
from sandbox.region import Region
from sandbox.region_scenes import Expectation, Scene, SceneDecision
from sandbox.scene_checks import differences, differences_before, differences_then, summary, unlike
from sandbox.sources import families_of

AT_ONCE: Final = 6
"""Scenes played at the same time: enough that one which waits for a deadline holds up no other on two cores."""

UNSETTLED: Final = frozenset({"referred", "delivered", "waiting"})
SETTLING_S: Final = 30.0
LEFT_OPEN_S: Final = 0.5
"""How long what must go on waiting is watched: several times what an answer takes that somebody released."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a scene and what it brought.

    Attributes:
        title: Of the variation; empty for the scene's own question.
        expected: What must come back.
        first: What came back before anybody decided.
        picture: What came back, after people have decided.
        decided: Agency, person and decision, of each referral that was decided.
        faults: In what the two differ.
    """

    title: str
    expected: Expectation
    first: JsonObject
    picture: JsonObject
    decided: Sequence[tuple[str, str, str]]
    faults: Sequence[str]

    def as_json(self) -> JsonObject:
        """For `--json`."""
        said = self.expected.model_dump(mode="json", exclude_defaults=True)
        expected = {key: value for key, value in said.items() if key in {*Expectation.model_fields, "alike"}}
        return {
            "title": self.title,
            "expected": expected,
            "outcome": summary(self.picture),
            "faults": list(self.faults),
        }


@dataclass(frozen=True, slots=True)
class Played:
    """A scene that was played: its own question first, then its variations."""

    scene: Scene
    asked: Sequence[Asked]

    @property
    def faults(self) -> list[str]:
        """What did not end as the region file says, with where."""
        return [
            f"{self.scene.name}{f' ({one.title})' if one.title else ''}: {fault}"
            for one in self.asked
            for fault in one.faults
        ]

    def as_json(self) -> JsonObject:
        """For `--json`."""
        scene = self.scene
        return {
            "name": scene.name,
            "title": scene.title,
            "purpose": scene.purpose,
            "flag": scene.flag,
            "ok": not self.faults,
            "asked": [one.as_json() for one in self.asked],
        }


@dataclass(slots=True)
class Stage:
    """A region that is up, and its people's tools."""

    region: Region
    folder: SandboxFolder
    families: Sequence[Family]
    _callers: dict[str, NodeCaller] = field(default_factory=dict)

    def caller(self, agency: str) -> NodeCaller:
        """One agency's tools."""
        if agency not in self._callers:
            self._callers[agency] = NodeCaller(NodeSettings.load(self.folder.node_config(agency)))
        return self._callers[agency]

    async def aclose(self) -> None:
        """Close every connection."""
        for caller in self._callers.values():
            await caller.aclose()


@asynccontextmanager
async def stage_of(region: Region, folder: SandboxFolder) -> AsyncIterator[Stage]:
    """A stage that is closed at the end."""
    stage = Stage(region, folder, families_of(region))
    try:
        yield stage
    finally:
        await stage.aclose()


async def play_all(stage: Stage, scenes: Iterable[Scene], *, at_once: int = AT_ONCE) -> AsyncIterator[Played]:
    """Play scenes, several at once; they come back in their order, each as soon as it and those before it ended."""
    places = asyncio.Semaphore(at_once)

    async def one(scene: Scene) -> Played:
        async with places:
            return await play_scene(stage, scene)

    tasks = [asyncio.create_task(one(scene)) for scene in scenes]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def play_scene(stage: Stage, scene: Scene) -> Played:
    """Put a scene's question and its variations, one after the other."""
    asked = [await _ask(stage, scene, scene, "")]
    for variation in scene.variations:
        one = await _ask(stage, scene.varied(variation), variation, variation.title)
        if variation.alike:
            one = replace(one, faults=[*one.faults, *unlike(asked[0].first, one.first)])
        asked.append(one)
    return Played(scene, asked)


async def _ask(stage: Stage, scene: Scene, expected: Expectation, title: str) -> Asked:
    caller = stage.caller(scene.agency)
    first = picture = await caller.ask(question_of(stage.region, stage.families, scene))
    faults, decided = differences_before(expected, first), list[tuple[str, str, str]]()
    for chosen in expected.decide:
        many = await _decide(stage.caller(chosen.agency), chosen, first["query_id"])
        if not many:
            faults.append(f"{chosen.agency} referred nothing to {chosen.user}")
        decided += [(chosen.agency, chosen.user, chosen.decision)] * many
        if chosen.then is not None:
            picture = await _looked_at(caller, first["query_id"], scene.user, [chosen])
            faults += differences_then(chosen, picture)
    if expected.decide:
        picture = await _looked_at(caller, first["query_id"], scene.user, expected.decide)
    faults += [*differences(expected, picture), *await _alert_faults(stage, expected, first["query_id"])]
    return Asked(title, expected, first, picture, decided, faults)


async def _alert_faults(stage: Stage, expected: Expectation, query_id: str) -> list[str]:
    """Whom a question should have alerted and did not, or the other way round."""
    faults = []
    for one in (*expected.alerts, *expected.without_alerts):
        alerts = await stage.caller(one.agency).alerts(one.user)
        is_told = any(item["query_id"] == query_id and item["obligation"] == one.obligation for item in alerts)
        if is_told != (one in expected.alerts):
            faults.append(f"{one.user} of {one.agency} should {'not ' if is_told else ''}be told by {one.obligation}")
    return faults


async def _decide(caller: NodeCaller, chosen: SceneDecision, query_id: str) -> int:
    """Decide everything that one query referred to an agency; returns how many referrals that were."""
    referrals = [item for item in await caller.referrals(chosen.user) if item["query"]["query_id"] == query_id]
    for referral in referrals:
        await caller.decide(
            chosen.user,
            referral["referral_id"],
            decision=chosen.decision,
            reason=chosen.reason,
            ground=chosen.ground,
        )
    return len(referrals)


async def _looked_at(caller: NodeCaller, query_id: str, user: str, decisions: Iterable[SceneDecision]) -> JsonObject:
    """The picture once what people released has come from each agency; or as it is, when it does not come.

    Of several decisions at one agency the last counts: what it leaves open is watched for a moment.
    """
    last = {decision.agency: decision for decision in decisions}
    awaited = {agency for agency, decision in last.items() if decision.then not in UNSETTLED}
    until = asyncio.get_running_loop().time() + SETTLING_S
    if len(awaited) < len(last):
        await asyncio.sleep(LEFT_OPEN_S)
    while True:
        picture = await caller.picture(query_id, user)
        states = {target["agency"]: target["state"] for target in picture["targets"]}
        settled = not any(states.get(agency) in UNSETTLED for agency in awaited)
        if settled or asyncio.get_running_loop().time() > until:
            return picture
        await asyncio.sleep(0.1)


def question_of(region: Region, families: Sequence[Family], scene: Scene) -> QuestionDocument:
    """The scene's question as its person would put it.

    Raises:
        WardgateError: `FILE_INVALID`: there is no such child.
    """
    child = scene.child
    if "/" in child:
        child = find_child(families, child).nhs_number.canonical()
    return QuestionDocument(
        user=scene.user,
        purpose=scene.purpose,
        child=child,
        categories=list(scene.categories),
        start=(region.today - dt.timedelta(days=scene.look_back_days)).isoformat(),
        end=region.today.isoformat(),
        attestations=list(scene.attestations),
        approvals=[ApprovalNamed(user=approval.user, kind=approval.kind) for approval in scene.approvals],
        justification=scene.justification or scene.title,
        family_informed=scene.family_informed,
        urgency=scene.urgency,
        break_glass=scene.break_glass,
        area=scene.area,
    )
