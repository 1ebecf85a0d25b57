from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import scalars
from keys.errors import EncodingRejected
from keys.scalars import ORDER
from keys.secret import Secret

numbers = st.integers(1, ORDER - 1)


def scalar(number: int) -> Secret:
    return Secret(number.to_bytes(32, "little"))


def number(value: Secret) -> int:
    return int.from_bytes(value.reveal(), "little")


@given(numbers, numbers)
def test_arithmetic_is_that_of_the_integers_modulo_the_order(left: int, right: int) -> None:
    assert number(scalars.multiply(scalar(left), scalar(right))) == left * right % ORDER
    assert number(scalars.divide(scalar(left), scalar(right))) == left * pow(right, -1, ORDER) % ORDER
    assert number(scalars.invert(scalar(left))) == pow(left, -1, ORDER)
    if (left + right) % ORDER:
        assert number(scalars.add(scalar(left), scalar(right))) == (left + right) % ORDER
    if left != right:
        assert number(scalars.subtract(scalar(left), scalar(right))) == (left - right) % ORDER


@given(st.binary(min_size=64, max_size=64).filter(any))
def test_reduction_is_little_endian(uniform: bytes) -> None:
    assert number(scalars.reduce_all([uniform])[0]) == int.from_bytes(uniform, "little") % ORDER


@pytest.mark.parametrize("edge", [1, 2, ORDER - 1])
def test_edges_of_the_range_are_scalars(edge: int) -> None:
    assert scalars.check_scalar(scalar(edge).reveal()) == scalar(edge).reveal()


@pytest.mark.parametrize(
    "wrong",
    [
        bytes(32),
        ORDER.to_bytes(32, "little"),
        (ORDER + 1).to_bytes(32, "little"),
        b"\xff" * 32,
        b"",
        b"\1",
        b"\1" + bytes(30),
        b"\1" + bytes(32),
    ],
)
def test_what_is_no_scalar_is_refused_everywhere(wrong: bytes) -> None:
    bad, good = Secret(wrong), scalar(5)
    attempts: list[Callable[[], object]] = [
        lambda: scalars.check_scalar(wrong),
        lambda: scalars.invert(bad),
        lambda: scalars.joined([good, bad]),
        lambda: scalars.multiply(bad, good),
        lambda: scalars.multiply(good, bad),
        lambda: scalars.add(bad, good),
        lambda: scalars.subtract(good, bad),
        lambda: scalars.divide(good, bad),
    ]
    for refused in attempts:
        with pytest.raises(EncodingRejected):
            refused()


def test_results_that_would_be_zero_are_refused() -> None:
    with pytest.raises(EncodingRejected):
        scalars.subtract(scalar(7), scalar(7))
    with pytest.raises(EncodingRejected):
        scalars.add(scalar(7), scalar(ORDER - 7))
    with pytest.raises(EncodingRejected):
        scalars.reduce_all([bytes(64)])


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_only_64_bytes_are_reduced(length: int) -> None:
    with pytest.raises(EncodingRejected):
        scalars.reduce_all([bytes([1]) * 64, bytes([1]) * length])


def test_random_scalars_are_valid_and_differ() -> None:
    drawn = [scalars.random_scalar(), *scalars.random_scalars(50)]
    assert all(scalars.check_scalar(one.reveal()) for one in drawn)
    assert len({one.reveal() for one in drawn}) == 51
    assert scalars.random_scalars(0) == []
