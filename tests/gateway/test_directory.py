"""The authority's directory: versions, proofs, restarts."""

import pytest

from federation.errors import ErrorCode, WardgateError
from federation.following.follower import View
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from tests.support.following import Following
from tests.support.gateway_world import CSC, FARAWAY, ORIGIN, POLICE, SCHOOL, Secrets, World, a_world, described
from tests.support.two_agencies import Clock


def a_follower(secrets: Secrets, agency: str = SCHOOL) -> Following:
    return Following(
        View.first(secrets.anchors, ORIGIN, own=lambda: secrets.parties[agency].own(described(secrets.parties[agency])))
    )


async def follow(world: World, follower: Following) -> bool:
    response = await world.directory.directory_response(follower.directory.version, follower.known_size)
    return follower.accept_directory(response)


async def test_a_follower_verifies_what_is_published(stored_world: World) -> None:
    world = stored_world
    follower = a_follower(world.secrets)
    assert await follow(world, follower)
    assert follower.directory == world.directory.current()
    assert set(follower.directory.agencies) == {CSC, SCHOOL, POLICE, FARAWAY}
    assert not await follow(world, follower)

    await world.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga")
    assert await follow(world, follower)
    assert set(follower.directory.agencies) == {CSC, SCHOOL, POLICE}


async def test_every_version_is_one_ledger_entry(world: World) -> None:
    published = await world.entries(EntryKind.DIRECTORY_PUBLISHED)
    assert [entry.body["version"] for entry in published] == list(range(1, len(published) + 1))
    assert await world.count("directory_version") == len(published) == world.directory.current().version


async def test_a_restart_goes_on_where_it_was(store_url: str, policy: PolicyPoint) -> None:
    secrets, clock = Secrets(), Clock()
    follower = a_follower(secrets)
    async with a_world(store_url, policy, secrets=secrets, clock=clock) as before:
        await follow(before, follower)
        kept = before.directory.current()
    async with a_world(store_url, policy, secrets=secrets, clock=clock, enrol=[]) as after:
        assert after.directory.current().version == kept.version
        assert after.directory.current().agencies == kept.agencies
        assert not await follow(after, follower)
        await after.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga")
        assert await follow(after, follower)
        assert follower.directory.version == kept.version + 1


async def test_a_caller_who_claims_a_larger_ledger_hears_of_a_fork(world: World) -> None:
    size = (await world.journal.checkpoint()).size
    with pytest.raises(WardgateError) as caught:
        await world.directory.directory_response(0, size + 1)
    assert caught.value.code is ErrorCode.LEDGER_FORKED


async def test_without_the_ledger_no_version_comes_into_force(stored_world: World) -> None:
    world = stored_world
    before = world.directory.current()
    await world.break_ledger()
    with pytest.raises(WardgateError) as caught:
        await world.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga")
    assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
    await world.mend_ledger()
    assert world.directory.current() == before
    assert not world.directory.is_denied(FARAWAY)
    await world.desk.revoke(FARAWAY, reason_code="LEFT", operator="olga")
    assert world.directory.is_denied(FARAWAY)
