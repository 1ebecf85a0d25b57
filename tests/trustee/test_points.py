"""The trustee's public points: signed, the same for the same seed, and nothing but points."""

import pytest

from federation.directory import verify_points
from federation.errors import ErrorCode, WardgateError
from keys.pseudonym import HolderKeys
from keys.secret import Secret
from keys.signing import SigningKey
from tests.support.signers import NOW, some_elements
from trustee.points import check_points, state_points

KEY = SigningKey.generate()


def keys() -> HolderKeys:
    return HolderKeys("trustee", {1: Secret(b"1" * 32), 2: Secret(b"2" * 32)})


def test_a_statement_verifies_as_the_directory_demands() -> None:
    statement, signature = state_points(keys(), KEY, scope="camden-csc", epochs=(1, 2), issued_at=NOW)
    found = verify_points(statement, signature, holder="trustee", scope="camden-csc", key=KEY.verify_key)
    assert [point.epoch for point in found.epochs] == [1, 2]
    assert [point.public for point in found.epochs] == [keys().key("camden-csc", epoch).public for epoch in (1, 2)]


def test_points_follow_from_the_seed_alone_and_differ_by_scope() -> None:
    first = state_points(keys(), KEY, scope="camden-csc", epochs=(1,), issued_at=NOW)
    again = state_points(keys(), KEY, scope="camden-csc", epochs=(1,), issued_at=NOW)
    other = state_points(keys(), KEY, scope="uclh", epochs=(1,), issued_at=NOW)
    assert first == again
    assert first != other


def test_a_statement_does_not_verify_for_another_scope() -> None:
    statement, signature = state_points(keys(), KEY, scope="camden-csc", epochs=(1,), issued_at=NOW)
    with pytest.raises(WardgateError) as caught:
        verify_points(statement, signature, holder="trustee", scope="uclh", key=KEY.verify_key)
    assert caught.value.code is ErrorCode.DIRECTORY_REJECTED


@pytest.mark.parametrize("scope", ["", "A", "camden csc", "x" * 64, "-camden"])
def test_a_scope_that_is_no_agency_id_has_no_points(scope: str) -> None:
    with pytest.raises(WardgateError) as caught:
        state_points(keys(), KEY, scope=scope, epochs=(1,), issued_at=NOW)
    assert caught.value.code is ErrorCode.MESSAGE_MALFORMED


def test_valid_points_pass_and_identity_noise_and_fragments_do_not() -> None:
    good = some_elements(3)
    check_points(good)
    for bad in (b"", good[:-1], good + bytes(32), b"\xff" * 32 + good):
        with pytest.raises(WardgateError) as caught:
            check_points(bad)
        assert caught.value.code is ErrorCode.MESSAGE_MALFORMED
