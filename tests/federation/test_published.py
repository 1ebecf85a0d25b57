"""A holder acts with the key that everybody was told of, or not at all: the same rule for gateway and trustee."""

from dataclasses import replace

import pytest

from federation.directory import Agency, TrustedDirectory, verify_points
from federation.errors import ErrorCode, WardgateError
from federation.published import check_all_published, check_in_use, check_published, state_points
from keys.pseudonym import HolderKeys, Role
from keys.secret import Secret
from keys.signing import SigningKey
from tests.support.region import Region
from tests.support.signers import NOW

ROLES: list[Role] = ["gateway", "trustee"]


@pytest.fixture
def region() -> Region:
    region = Region.of("camden-csc", "uclh")
    region.members["uclh"].epochs = (1, 2)
    return region


def holder(region: Region, role: Role) -> HolderKeys:
    return region.gateway_holder if role == "gateway" else region.trustee_holder


def of(region: Region, role: Role, *epochs: int) -> HolderKeys:
    """The holder's own seeds, of these epochs alone."""
    return HolderKeys(role, {epoch: holder(region, role)._seeds[epoch] for epoch in epochs})


def telling(directory: TrustedDirectory, scope: str, role: Role, points: dict[int, bytes]) -> TrustedDirectory:
    """The directory with another statement of one holder's points."""
    agency = replace(directory.agency(scope), **{f"{role}_points": points})  # type: ignore[arg-type]  # by name
    return replace(directory, agencies={**directory.agencies, scope: agency})


def refusal(agency: Agency, epoch: int, keys: HolderKeys) -> WardgateError:
    with pytest.raises(WardgateError) as caught:
        check_published(agency, epoch, keys)
    return caught.value


@pytest.mark.parametrize("role", ROLES)
def test_the_published_key_is_given_in_every_epoch(region: Region, role: Role) -> None:
    directory, keys = region.trusted(), holder(region, role)
    for epoch in (1, 2):
        key = check_published(directory.agency("uclh"), epoch, keys)
        assert (key.scope, key.epoch, key.public) == ("uclh", epoch, directory.agency("uclh").points(role)[epoch])
    check_all_published(directory, keys)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("epoch", [1, 2])
def test_the_seed_of_another_backup_is_not_used_and_is_named_without_being_shown(
    region: Region, role: Role, epoch: int
) -> None:
    directory, wrong = region.trusted(), Secret.random()
    keys = HolderKeys(role, {**of(region, role, 1, 2)._seeds, epoch: wrong})
    error = refusal(directory.agency("uclh"), epoch, keys)
    assert error.code is ErrorCode.KEYRING_REJECTED
    assert error.detail == f"uclh: the {role} seed of epoch {epoch} does not give the published point"
    with pytest.raises(WardgateError) as caught:
        check_all_published(directory, keys)
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
    assert wrong.reveal().hex() not in caught.value.detail


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("scope", ["camden-csc", "uclh"])
def test_another_point_in_the_directory_is_a_mismatch_at_once_although_the_one_before_was_checked(
    region: Region, role: Role, scope: str
) -> None:
    directory, keys = region.trusted(), holder(region, role)
    check_all_published(directory, keys)
    other = {epoch: HolderKeys(role, {epoch: Secret.random()}).key(scope, epoch).public for epoch in (1, 2)}
    told = {epoch: other[epoch] for epoch in directory.agency(scope).points(role)}
    with pytest.raises(WardgateError) as caught:
        check_all_published(telling(directory, scope, role, told), keys)
    assert caught.value.code is ErrorCode.KEYRING_REJECTED
    check_all_published(directory, keys)


@pytest.mark.parametrize("role", ROLES)
def test_an_epoch_that_nobody_published_is_not_used(region: Region, role: Role) -> None:
    error = refusal(region.trusted().agency("camden-csc"), 2, holder(region, role))
    assert error.code is ErrorCode.EPOCH_UNKNOWN


@pytest.mark.parametrize("role", ROLES)
def test_an_older_seed_may_be_destroyed_and_the_newest_may_not(region: Region, role: Role) -> None:
    region.members["camden-csc"].epochs = (1, 2)
    directory = region.trusted()
    check_all_published(directory, of(region, role, 2))
    assert refusal(directory.agency("uclh"), 1, of(region, role, 2)).code is ErrorCode.KEYRING_REJECTED
    with pytest.raises(WardgateError) as caught:
        check_all_published(directory, of(region, role, 1))
    assert caught.value.detail == f"camden-csc: there is no {role} seed of epoch 2"


def test_without_agencies_every_seed_will_do(region: Region) -> None:
    check_all_published(TrustedDirectory.empty(region.anchors), region.gateway_holder)


# -- what both holders publish ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("alone", ROLES)
def test_an_epoch_that_one_holder_publishes_alone_is_not_in_use(region: Region, alone: Role) -> None:
    """It is not open at the other yet, or was retired there."""
    directory = region.trusted()
    other: Role = "trustee" if alone == "gateway" else "gateway"
    uclh = directory.agency("uclh")
    check_in_use(uclh, 1, holder(region, alone))
    half = telling(directory, "uclh", other, {2: uclh.points(other)[2]}).agency("uclh")
    check_published(half, 1, holder(region, alone))
    with pytest.raises(WardgateError) as caught:
        check_in_use(half, 1, holder(region, alone))
    assert caught.value.code is ErrorCode.EPOCH_UNKNOWN
    check_in_use(half, 2, holder(region, alone))


# -- statements -------------------------------------------------------------------------------------------------------

KEY = SigningKey.generate()


def keys(role: Role = "trustee") -> HolderKeys:
    return HolderKeys(role, {1: Secret(b"1" * 32), 2: Secret(b"2" * 32)})


@pytest.mark.parametrize("role", ROLES)
def test_a_statement_verifies_as_the_directory_demands(role: Role) -> None:
    stated = state_points(keys(role), KEY, scope="camden-csc", epochs=(1, 2), issued_at=NOW)
    found = verify_points(stated.statement, stated.signature, holder=role, scope="camden-csc", key=KEY.verify_key)
    assert [point.epoch for point in found.epochs] == [1, 2]
    assert [point.public for point in found.epochs] == [keys(role).key("camden-csc", epoch).public for epoch in (1, 2)]


def test_points_follow_from_the_seed_alone_and_differ_by_scope() -> None:
    first = state_points(keys(), KEY, scope="camden-csc", epochs=(1,), issued_at=NOW)
    again = state_points(keys(), KEY, scope="camden-csc", epochs=(1,), issued_at=NOW)
    other = state_points(keys(), KEY, scope="uclh", epochs=(1,), issued_at=NOW)
    assert first == again
    assert first != other


def test_a_statement_does_not_verify_for_another_scope() -> None:
    stated = state_points(keys(), KEY, scope="camden-csc", epochs=(1,), issued_at=NOW)
    with pytest.raises(WardgateError) as caught:
        verify_points(stated.statement, stated.signature, holder="trustee", scope="uclh", key=KEY.verify_key)
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED


@pytest.mark.parametrize("scope", ["", "A", "camden csc", "x" * 64, "-camden"])
def test_a_scope_that_is_no_agency_id_has_no_points(scope: str) -> None:
    with pytest.raises(WardgateError) as caught:
        state_points(keys(), KEY, scope=scope, epochs=(1,), issued_at=NOW)
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


def test_a_holder_without_an_epoch_states_nothing() -> None:
    with pytest.raises(WardgateError) as caught:
        state_points(keys(), KEY, scope="camden-csc", epochs=(), issued_at=NOW)
    assert caught.value.code is ErrorCode.EPOCH_UNKNOWN
