"""Epochs of a scope: those in its range, and of those only the ones whose seed still exists."""

import pytest

from federation.errors import ErrorCode, WardgateError
from keys.pseudonym import HolderKeys
from keys.secret import Secret
from trustee.epochs import MOST_IN_USE, EpochRange, Epochs

SEEDS = {epoch: Secret(bytes([epoch]) * 32) for epoch in (1, 2, 3)}


def test_a_scope_nobody_has_rotated_has_epoch_one_only() -> None:
    epochs = Epochs(HolderKeys("trustee", SEEDS), {})
    assert epochs.in_use("camden-csc") == (1,)
    epochs.check("camden-csc", 1)
    with pytest.raises(WardgateError) as caught:
        epochs.check("camden-csc", 2)
    assert caught.value.code is ErrorCode.EPOCH_UNKNOWN


def test_epochs_overlap_and_belong_to_their_scope() -> None:
    epochs = Epochs(HolderKeys("trustee", SEEDS), {"camden-csc": EpochRange(2, 3)})
    assert epochs.in_use("camden-csc") == (2, 3)
    assert epochs.in_use("uclh") == (1,)
    with pytest.raises(WardgateError):
        epochs.check("camden-csc", 1)


def test_an_epoch_whose_seed_was_destroyed_is_not_in_use_whatever_the_store_says() -> None:
    epochs = Epochs(HolderKeys("trustee", {2: SEEDS[2]}), {"camden-csc": EpochRange(1, 2)})
    assert epochs.in_use("camden-csc") == (2,)


def test_epochs_are_stated_as_asked_for_and_all_in_use_when_nothing_is_asked() -> None:
    epochs = Epochs(HolderKeys("trustee", SEEDS), {"camden-csc": EpochRange(1, 2)})
    assert epochs.chosen("camden-csc", ()) == (1, 2)
    assert epochs.chosen("camden-csc", (2,)) == (2,)
    assert epochs.chosen("camden-csc", (2, 1, 2)) == (1, 2)
    for asked in ((3,), (1, 3), (0,)):
        with pytest.raises(WardgateError) as caught:
            epochs.chosen("camden-csc", asked)
        assert caught.value.code is ErrorCode.EPOCH_UNKNOWN


def test_a_range_grows_at_one_end_and_shrinks_at_the_other_but_is_never_empty() -> None:
    grown = EpochRange().opened()
    assert grown == EpochRange(1, 2)
    assert grown.retired() == EpochRange(2, 2)
    with pytest.raises(WardgateError):
        grown.retired().retired()


def test_no_more_epochs_are_in_use_than_a_points_statement_can_hold() -> None:
    widest = EpochRange(1, MOST_IN_USE - 1).opened()
    assert widest == EpochRange(1, MOST_IN_USE)
    with pytest.raises(WardgateError):
        widest.opened()
