"""A scope's epochs change by an operator's act, recorded first, and a running trustee follows."""

from pathlib import Path

import pytest

from federation.errors import ErrorCode, WardgateError
from keys.keyring import Keyring
from keys.pseudonym import HolderKeys
from keys.secret import Secret
from tests.support.trustee_house import House
from trustee.epochs import EpochRange, Epochs
from trustee.rotation import Following, load_ranges, open_epoch, retire_epoch


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    found = Keyring(tmp_path / "keyring")
    found.create("pseudonym-seed-1", Secret.random())
    return found


async def test_a_new_epoch_gets_a_seed_and_an_entry(house: House, keyring: Keyring) -> None:
    assert await open_epoch(house.engine, house.books, keyring, "uclh") == EpochRange(1, 2)
    assert keyring.exists("pseudonym-seed-2")
    assert await load_ranges(house.engine) == {"uclh": EpochRange(1, 2)}
    (entry,) = await house.entries()
    assert (entry.kind, entry.body) == ("epoch_rotated", {"scope": "uclh", "oldest": 1, "newest": 2})


async def test_scopes_share_the_seed_of_an_epoch_and_not_its_keys(house: House, keyring: Keyring) -> None:
    await open_epoch(house.engine, house.books, keyring, "uclh")
    seed = keyring.load("pseudonym-seed-2")
    await open_epoch(house.engine, house.books, keyring, "camden-csc")
    assert keyring.load("pseudonym-seed-2") == seed
    keys = HolderKeys("trustee", {2: seed})
    assert keys.key("uclh", 2).public != keys.key("camden-csc", 2).public


async def test_an_epoch_is_retired_but_never_the_only_one(house: House, keyring: Keyring) -> None:
    await open_epoch(house.engine, house.books, keyring, "uclh")
    assert await retire_epoch(house.engine, house.books, "uclh") == EpochRange(2, 2)
    with pytest.raises(WardgateError) as caught:
        await retire_epoch(house.engine, house.books, "uclh")
    assert caught.value.code is ErrorCode.EPOCH_IN_USE


async def test_without_a_ledger_no_epoch_changes(house: House, keyring: Keyring) -> None:
    await house.break_ledger()
    with pytest.raises(WardgateError) as caught:
        await open_epoch(house.engine, house.books, keyring, "uclh")
    assert caught.value.code is ErrorCode.LEDGER_UNAVAILABLE
    assert await load_ranges(house.engine) == {}


async def test_a_running_trustee_follows(house: House, keyring: Keyring) -> None:
    holder = HolderKeys("trustee", {1: keyring.load("pseudonym-seed-1")})
    epochs = Epochs(holder, {})
    following = Following(engine=house.engine, epochs=epochs, holder=holder, keyring=keyring)
    await open_epoch(house.engine, house.books, keyring, "uclh")
    assert epochs.in_use("uclh") == (1,)
    await following.once()
    assert epochs.in_use("uclh") == (1, 2)
    assert epochs.in_use("camden-csc") == (1,)
    await retire_epoch(house.engine, house.books, "uclh")
    await following.once()
    assert epochs.in_use("uclh") == (2,)
