"""Queries while epochs are turned: translated between the epochs that their tickets name, or refused."""

from dataclasses import replace

import pytest

from agency_node.asking.composing import Composed
from federation.directory import TrustedDirectory
from federation.errors import ErrorCode
from federation.ledger.entry import EntryKind
from keys.holder import ScopeEpoch
from tests.support.gateway_world import CSC, POLICE, SCHOOL, World, tasks_in

BOTH = (CSC, SCHOOL)


async def turn(world: World, *agencies: str) -> None:
    """Open the next epoch of some agencies at both holders."""
    for agency in agencies:
        world.trustee.epochs[agency] = (1, 2)
        await world.epochs.open(agency, operator="olga")


async def end(world: World, agency: str) -> None:
    """Retire its oldest, whoever is left in it."""
    await world.epochs.retire(agency, operator="olga", force=True)


def expected(world: World, composed: Composed, source: int, target: int) -> bytes:
    """The school's point of the query, as honest holders make it between two epochs."""
    part = next(part for part in composed.request.parts if part.responder == SCHOOL)
    point = part.blinded
    for holder in (world.secrets.holder, world.secrets.trustee_holder):
        point = holder.translation(ScopeEpoch(CSC, source), ScopeEpoch(SCHOOL, target)).apply(point)
    return point


@pytest.mark.parametrize("turned", [(), (CSC,), (SCHOOL,), BOTH])
async def test_a_query_composed_before_the_directory_changed_is_translated_as_its_ticket_says(
    world: World, turned: tuple[str, ...]
) -> None:
    """The epoch of requester or target, or both: the old ones are in use until they are retired."""
    composed = world.composed(targets=[SCHOOL])
    await turn(world, *turned)
    await world.put(composed)
    task = await world.task_of(composed)
    assert (task.epoch, task.translated) == (1, expected(world, composed, 1, 1))


@pytest.mark.parametrize("turned", [(CSC,), (SCHOOL,), BOTH])
async def test_a_query_composed_afterwards_is_translated_between_the_newest(
    world: World, turned: tuple[str, ...]
) -> None:
    await turn(world, *turned)
    composed = world.composed(targets=[SCHOOL])
    await world.put(composed)
    task = await world.task_of(composed)
    source, target = (2 if agency in turned else 1 for agency in BOTH)
    assert (task.epoch, task.translated) == (target, expected(world, composed, source, target))


async def test_a_target_whose_epoch_was_retired_in_between_costs_that_target_alone(world: World) -> None:
    composed = world.composed(targets=[POLICE, SCHOOL])
    await turn(world, SCHOOL)
    await end(world, SCHOOL)
    school, police = world.attach(SCHOOL), world.attach(POLICE)
    stream = world.stream(composed)
    await stream.opening()
    await stream.take()
    await stream.aclose()
    assert stream.states()[SCHOOL] == "REJECTED"
    assert (len(tasks_in(police)), tasks_in(school)) == (1, [])
    (entry,) = await world.entries(EntryKind.QUERY_ADMITTED)
    assert entry.body["not_translated"] == [SCHOOL]


async def test_a_requester_whose_own_epoch_was_retired_in_between_is_told_and_nobody_is_asked(world: World) -> None:
    composed = world.composed(targets=[POLICE, SCHOOL])
    await turn(world, CSC)
    await end(world, CSC)
    assert await world.refusal(composed.request) is ErrorCode.EPOCH_UNKNOWN
    assert world.trustee.asked == []
    await world.put(world.composed(targets=[POLICE, SCHOOL]))


async def test_a_query_that_waited_for_the_trustee_is_translated_as_its_ticket_says(world: World) -> None:
    composed = world.composed(targets=[SCHOOL])
    world.trustee.down = True
    assert await world.refusal(composed.request) is ErrorCode.TRUSTEE_UNAVAILABLE
    world.trustee.down = False
    await turn(world, *BOTH)
    await world.put(composed)
    assert (await world.task_of(composed)).translated == expected(world, composed, 1, 1)


async def test_an_epoch_that_the_trustee_alone_publishes_costs_that_target_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed = world.composed(targets=[POLICE, SCHOOL])
    await turn(world, SCHOOL)
    directory = world.directory.current()
    school = directory.agency(SCHOOL)
    half = replace(school, trustee_points={2: school.trustee_points[2]})
    told: TrustedDirectory = replace(directory, agencies={**directory.agencies, SCHOOL: half})
    monkeypatch.setattr(world.exchange._admitting, "_directory", lambda: told)
    stream = world.stream(composed)
    await stream.opening()
    await stream.take()
    await stream.aclose()
    assert stream.states()[SCHOOL] == "REJECTED"
