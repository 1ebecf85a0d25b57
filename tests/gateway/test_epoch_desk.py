"""Opening and retiring an epoch at the gateway: both holders' statements of the same epochs, in one version."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from federation.directory import Agency, PointsStatement, PublicPoint
from federation.errors import ErrorCode, WardgateError
from federation.ledger.entry import EntryKind
from federation.policy.evaluator import PolicyPoint
from federation.store import sqlite_url
from gateway.epoch_desk import Turned
from gateway.epochs import Step
from gateway.keychain import SEED, create_keychain, hold_seed, load_keychain
from keys import domains
from keys.holder import HolderKeys
from keys.keyring import Keyring
from keys.secret import Secret
from tests.support.gateway_world import CSC, POLICE, SCHOOL, Secrets, World, a_world

Open = Callable[[], Coroutine[Any, Any, World]]


@pytest.fixture
def secrets() -> Secrets:
    """A gateway that has the seed of the first epoch alone."""
    return Secrets(holder=HolderKeys("gateway", {1: Secret.random()}))


@pytest.fixture
async def begun(secrets: Secrets, tmp_path: Path, policy: PolicyPoint) -> AsyncIterator[World]:
    async with a_world(sqlite_url(tmp_path / "gateway.db"), policy, secrets=secrets) as world:
        yield world


def school(world: World) -> Agency:
    return world.directory.current().agency(SCHOOL)


def named(world: World) -> tuple[list[int], list[int]]:
    """The epochs in both statements of the school's row."""
    return sorted(school(world).gateway_points), sorted(school(world).trustee_points)


async def open_epoch(world: World) -> Turned:
    return await world.epochs.open(SCHOOL, operator="olga")


async def retire_epoch(world: World, *, force: bool = False) -> Turned:
    return await world.epochs.retire(SCHOOL, operator="olga", force=force)


async def refusal(act: Coroutine[Any, Any, Turned]) -> WardgateError:
    with pytest.raises(WardgateError) as caught:
        await act
    return caught.value


def moved(world: World, epoch: int = 2) -> None:
    """The school's node is attached and says where its caseload is."""
    if not world.links.is_connected(SCHOOL):
        world.attach(SCHOOL)
    world.caseloads.hear(SCHOOL, epoch)


async def overlapping(world: World) -> None:
    world.trustee.epochs[SCHOOL] = (1, 2)
    await open_epoch(world)


# -- opening ----------------------------------------------------------------------------------------------------------


async def test_what_the_trustee_has_not_opened_is_refused_in_words_and_nothing_changes(begun: World) -> None:
    version = begun.directory.current().version
    error = await refusal(open_epoch(begun))
    assert (error.code, error.told) == (ErrorCode.EPOCH_NOT_OPENED, f"{SCHOOL} is in epoch 1")
    assert begun.directory.current().version == version
    assert begun.secrets.keyring.names() == [f"{SEED}1"]
    assert await begun.entries(EntryKind.EPOCH_ROTATED) == []


async def test_both_statements_name_the_new_epoch_in_one_version_with_an_entry_of_who_opened_it(begun: World) -> None:
    begun.trustee.epochs[SCHOOL] = (1, 2)
    before = begun.directory.current()

    done = await open_epoch(begun)

    assert (done.changed, done.directory_version) == (True, before.version + 1)
    assert named(begun) == ([1, 2], [1, 2])
    assert school(begun).gateway_points[1] == before.agency(SCHOOL).gateway_points[1]
    assert begun.directory.current().agency(CSC) == before.agency(CSC)
    (rotated,) = await begun.entries(EntryKind.EPOCH_ROTATED)
    assert (str(rotated.actor), rotated.body) == (
        "wardgate://operator/olga",
        {"scope": SCHOOL, "oldest": 1, "newest": 2},
    )
    both = await begun.entries(EntryKind.EPOCH_ROTATED, EntryKind.DIRECTORY_PUBLISHED)
    assert [entry.kind for entry in both[-2:]] == [EntryKind.EPOCH_ROTATED, EntryKind.DIRECTORY_PUBLISHED]
    assert both[-1].body["change"] == f"opened epoch of {SCHOOL}"
    kept = HolderKeys("gateway", {2: begun.secrets.keyring.load(f"{SEED}2")})
    assert school(begun).gateway_points[2] == kept.key(SCHOOL, 2).public
    assert done.standing.step is Step.WAIT_FOR_CASELOAD


async def test_opening_again_says_so_and_changes_nothing(begun: World) -> None:
    await overlapping(begun)
    version = begun.directory.current().version
    again = await open_epoch(begun)
    assert (again.changed, again.directory_version, begun.directory.current().version) == (False, version, version)
    assert len(await begun.entries(EntryKind.EPOCH_ROTATED)) == 1


async def test_agencies_share_the_seed_of_an_epoch_and_not_its_points(begun: World) -> None:
    await overlapping(begun)
    seed = begun.secrets.keyring.load(f"{SEED}2")
    begun.trustee.epochs[POLICE] = (1, 2)
    await begun.epochs.open(POLICE, operator="olga")
    assert begun.secrets.keyring.load(f"{SEED}2") == seed
    police = begun.directory.current().agency(POLICE)
    assert police.gateway_points[2] != school(begun).gateway_points[2]


async def test_a_gateway_that_was_stopped_after_it_made_the_seed_goes_on_with_that_seed(
    secrets: Secrets, tmp_path: Path, policy: PolicyPoint
) -> None:
    """The trustee has opened the epoch, the seed is on disk, the directory was never published; then a restart."""
    url = sqlite_url(tmp_path / "gateway.db")
    async with a_world(url, policy, secrets=secrets) as world:
        world.trustee.epochs[SCHOOL] = (1, 2)
        await world.break_ledger()
        assert (await refusal(open_epoch(world))).code is ErrorCode.LEDGER_UNAVAILABLE
        assert named(world) == ([1], [1])
        await world.mend_ledger()
    seed = secrets.keyring.load(f"{SEED}2")
    secrets.holder = HolderKeys("gateway", {epoch: secrets.keyring.load(f"{SEED}{epoch}") for epoch in (1, 2)})
    async with a_world(url, policy, secrets=secrets) as world:
        assert named(world) == ([1], [1])
        world.trustee.epochs[SCHOOL] = (1, 2)
        (standing,) = await world.epochs.standings(SCHOOL)
        assert standing.step is Step.OPEN_AT_GATEWAY
        assert (await open_epoch(world)).changed
        assert named(world) == ([1, 2], [1, 2])
    assert secrets.keyring.load(f"{SEED}2") == seed


async def test_the_seed_outlives_a_restart_after_the_directory_names_it(
    secrets: Secrets, tmp_path: Path, policy: PolicyPoint
) -> None:
    url = sqlite_url(tmp_path / "gateway.db")
    async with a_world(url, policy, secrets=secrets) as world:
        await overlapping(world)
        points = school(world).gateway_points
    secrets.holder = HolderKeys("gateway", {epoch: secrets.keyring.load(f"{SEED}{epoch}") for epoch in (1, 2)})
    async with a_world(url, policy, secrets=secrets) as world:
        assert school(world).gateway_points == points
        world.trustee.epochs[SCHOOL] = (1, 2)
        assert not (await open_epoch(world)).changed


def test_a_gateway_that_starts_again_has_every_seed_that_it_made(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path / "keys")
    create_keychain(keyring)
    running = load_keychain(keyring).holder_keys
    hold_seed(keyring, running, 2, is_published=False)
    again = load_keychain(keyring).holder_keys
    assert again.epochs == running.epochs == (1, 2)
    assert again.key(SCHOOL, 2).public == running.key(SCHOOL, 2).public


async def test_a_seed_that_was_used_and_is_gone_is_never_made_anew(begun: World) -> None:
    """A new one would give other points under the same epoch to whoever is in it."""
    await overlapping(begun)
    begun.secrets.keyring.destroy(f"{SEED}2")
    begun.trustee.epochs[POLICE] = (1, 2)
    error = await refusal(begun.epochs.open(POLICE, operator="olga"))
    assert error.code is ErrorCode.KEYRING_REJECTED
    assert begun.secrets.keyring.names() == [f"{SEED}1"]


async def test_a_seed_of_another_backup_is_not_taken_into_use(begun: World) -> None:
    await overlapping(begun)
    begun.secrets.keyring.replace(f"{SEED}2", Secret.random())
    begun.trustee.epochs[POLICE] = (1, 2)
    error = await refusal(begun.epochs.open(POLICE, operator="olga"))
    assert error.code is ErrorCode.KEYRING_REJECTED


async def test_without_a_keyring_that_can_be_written_nothing_is_published(begun: World) -> None:
    begun.trustee.epochs[SCHOOL] = (1, 2)
    keyring = begun.secrets.keyring
    keyring.directory.chmod(0o755)
    try:
        error = await refusal(open_epoch(begun))
    finally:
        keyring.directory.chmod(0o700)
    assert error.code is ErrorCode.KEYRING_REJECTED
    assert named(begun) == ([1], [1])


async def test_without_the_trustee_nothing_changes(begun: World) -> None:
    await overlapping(begun)
    begun.trustee.down = True
    for act in (open_epoch(begun), retire_epoch(begun, force=True)):
        assert (await refusal(act)).code is ErrorCode.TRUSTEE_UNAVAILABLE
    found = await begun.epochs.standings()
    assert {item.step for item in found} == {Step.ASK_TRUSTEE}
    assert {item.agency for item in found} == set(begun.directory.current().agencies)


async def test_an_epoch_that_the_trustee_has_lost_does_not_vanish_from_the_directory_by_opening(begun: World) -> None:
    await overlapping(begun)
    begun.trustee.keys.add(3, Secret.random())
    begun.trustee.epochs[SCHOOL] = (2, 3)
    error = await refusal(open_epoch(begun))
    assert (error.code, error.told) == (ErrorCode.EPOCH_UNKNOWN, f"the trustee has no epoch 1 of {SCHOOL}")
    assert named(begun) == ([1, 2], [1, 2])


async def test_a_trustee_that_has_lost_every_epoch_of_one_agency_hides_no_other(begun: World) -> None:
    points = begun.trustee.points

    async def stated(scope: str, epochs: Sequence[int] = ()) -> tuple[bytes, bytes]:
        if scope == SCHOOL:
            raise WardgateError(ErrorCode.EPOCH_UNKNOWN, scope)
        return await points(scope, epochs)

    begun.trustee.points = stated  # type: ignore[method-assign]
    found = {item.agency: item.step for item in await begun.epochs.standings()}
    assert (found[SCHOOL], found[POLICE]) == (Step.MEND_TRUSTEE, Step.NONE)


async def test_another_point_of_the_trustee_under_a_running_epoch_is_not_published(begun: World) -> None:
    begun.trustee.epochs[SCHOOL] = (1, 2)
    begun.trustee.keys = HolderKeys("trustee", {1: Secret.random(), 2: Secret.random()})
    assert (await refusal(open_epoch(begun))).code is ErrorCode.POINTS_REPLACED
    assert named(begun) == ([1], [1])


async def test_a_statement_that_is_not_the_trustees_or_of_other_epochs_is_not_published(
    begun: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun.trustee.epochs[SCHOOL] = (1, 2)
    key = begun.trustee.signing

    async def stated(scope: str, _epochs: object = ()) -> tuple[bytes, bytes]:
        points = [PublicPoint(epoch=epoch, public=begun.trustee.keys.key(scope, epoch).public) for epoch in (1, 2)]
        statement = PointsStatement(holder="trustee", scope=scope, epochs=points, issued_at=1).canonical()
        return statement, key.sign(domains.POINTS, statement)

    monkeypatch.setattr(begun.trustee, "points", stated)
    await open_epoch(begun)
    moved(begun)
    assert (await refusal(retire_epoch(begun))).code is ErrorCode.DIRECTORY_REJECTED  # both, where one was asked
    key = begun.secrets.signing
    assert (await refusal(retire_epoch(begun))).code is ErrorCode.DIRECTORY_REJECTED
    assert named(begun) == ([1, 2], [1, 2])


async def test_an_agency_that_nobody_knows_has_no_epochs(begun: World) -> None:
    for act in (
        begun.epochs.open("invented", operator="olga"),
        begun.epochs.retire("invented", operator="o", force=True),
    ):
        assert (await refusal(act)).code is ErrorCode.AGENCY_UNKNOWN
    with pytest.raises(WardgateError) as caught:
        await begun.epochs.standings("invented")
    assert caught.value.code is ErrorCode.AGENCY_UNKNOWN


async def test_an_agency_that_comes_back_is_published_in_the_epochs_that_the_trustee_has(begun: World) -> None:
    await overlapping(begun)
    token = await begun.desk.invite(begun.descriptor("testshire-south-csc"), valid_s=3600, operator="olga")
    begun.trustee.epochs["testshire-south-csc"] = (2,)
    party = begun.secrets.parties["testshire-south-csc"]
    await begun.apply(token, party)
    await begun.desk.approve(party.agency, key_fingerprint=party.signing.verify_key.fingerprint, operator="piet")
    assert begun.directory.current().agency(party.agency).epochs == {2}


# -- retiring ---------------------------------------------------------------------------------------------------------


async def test_the_only_epoch_is_not_retired_even_by_force(begun: World) -> None:
    moved(begun, 1)
    for force in (False, True):
        error = await refusal(retire_epoch(begun, force=force))
        assert (error.code, error.told) == (ErrorCode.EPOCH_IN_USE, f"epoch 1 is the only one of {SCHOOL}")
    assert named(begun) == ([1], [1])


async def test_an_epoch_is_kept_until_the_agencys_node_says_that_nobody_is_left_in_it(begun: World) -> None:
    await overlapping(begun)
    version = begun.directory.current().version
    told = []
    begun.caseloads.hear(SCHOOL, 2)
    told.append((await refusal(retire_epoch(begun))).told)
    for epoch in (0, 1):
        moved(begun, epoch)
        error = await refusal(retire_epoch(begun))
        assert error.code is ErrorCode.CASELOAD_NOT_MOVED
        told.append(error.told)
    assert told == [
        f"the node of {SCHOOL} is not attached",
        f"the node of {SCHOOL} has not said in which epoch its caseload is",
        f"the caseload of {SCHOOL} is in epoch 1, at least in part",
    ]
    assert (begun.directory.current().version, named(begun)) == (version, ([1, 2], [1, 2]))

    moved(begun, 2)
    done = await retire_epoch(begun)

    assert (done.changed, named(begun)) == (True, ([2], [2]))
    entry = (await begun.entries(EntryKind.EPOCH_ROTATED))[-1]
    assert entry.body == {
        "scope": SCHOOL, "oldest": 2, "newest": 2, "attached": True, "caseload": 2, "forced": False,
    }  # fmt: skip
    assert done.standing.step is Step.RETIRE_AT_TRUSTEE


async def test_force_retires_it_all_the_same_and_the_entry_says_so(begun: World) -> None:
    await overlapping(begun)
    assert (await retire_epoch(begun, force=True)).changed
    assert named(begun) == ([2], [2])
    body = (await begun.entries(EntryKind.EPOCH_ROTATED))[-1].body
    assert (body["forced"], body["attached"], body["caseload"]) == (True, False, 0)


async def test_retiring_again_waits_for_the_trustee_and_takes_no_second_epoch(begun: World) -> None:
    begun.trustee.keys.add(3, Secret.random())
    begun.trustee.epochs[SCHOOL] = (1, 2, 3)
    await open_epoch(begun)
    assert named(begun) == ([1, 2, 3], [1, 2, 3])
    moved(begun, 3)
    assert (await retire_epoch(begun)).changed
    again = await retire_epoch(begun)
    assert (again.changed, again.standing.step) == (False, Step.RETIRE_AT_TRUSTEE)
    assert named(begun) == ([2, 3], [2, 3])
    begun.trustee.epochs[SCHOOL] = (2, 3)
    assert (await retire_epoch(begun)).changed
    assert named(begun) == ([3], [3])


async def test_what_was_retired_here_does_not_come_back_by_opening(begun: World) -> None:
    await overlapping(begun)
    moved(begun)
    await retire_epoch(begun)
    assert (await refusal(open_epoch(begun))).code is ErrorCode.EPOCH_NOT_OPENED
    begun.trustee.keys.add(3, Secret.random())
    begun.trustee.epochs[SCHOOL] = (1, 2, 3)
    await open_epoch(begun)
    assert named(begun) == ([2, 3], [2, 3])
