import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import group
from keys.errors import EncodingRejected
from keys.group import ELEMENT_BYTES, GENERATOR, ORDER
from keys.secret import Secret

VECTORS = json.loads((Path(__file__).parent / "vectors" / "rfc9496.json").read_text())
IDENTITY = bytes(ELEMENT_BYTES)
NOT_ELEMENTS = [*map(bytes.fromhex, VECTORS["invalid"]), IDENTITY, b"", GENERATOR[:-1], GENERATOR + b"\0"]

small = st.integers(1, 2**64)


def scalar(number: int) -> Secret:
    return Secret((number % ORDER).to_bytes(32, "little"))


def point(number: int) -> bytes:
    return group.multiply_base(scalar(number))


def test_multiples_of_the_generator_are_those_of_the_rfc() -> None:
    for index, encoded in enumerate(VECTORS["multiples"], start=1):
        assert point(index).hex() == encoded
        assert group.multiply(scalar(index), GENERATOR).hex() == encoded
        assert group.check_element(bytes.fromhex(encoded)).hex() == encoded


def test_adding_the_generator_steps_through_its_multiples() -> None:
    total = GENERATOR
    for encoded in VECTORS["multiples"][1:]:
        total = group.add(total, GENERATOR)
        assert total.hex() == encoded


@pytest.mark.parametrize(("text", "encoded"), VECTORS["derived"])
def test_mapping_to_the_group_is_that_of_the_rfc(text: str, encoded: str) -> None:
    assert group.map_to_group([hashlib.sha512(text.encode()).digest()]).hex() == encoded


@pytest.mark.parametrize("wrong", NOT_ELEMENTS, ids=lambda wrong: wrong.hex() or "empty")
def test_what_is_no_element_is_refused_everywhere(wrong: bytes) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: group.check_element(wrong),
        lambda: group.multiply(scalar(2), wrong),
        lambda: group.multiply_all(scalar(2), wrong),
        lambda: group.add(wrong, GENERATOR),
        lambda: group.add(GENERATOR, wrong),
        lambda: group.multiply_each([scalar(2)], wrong),
        lambda: group.divide_each(wrong, [scalar(2)]),
        lambda: group.weighted_sum([scalar(2)], wrong),
    ]
    for refused in attempts:
        with pytest.raises(EncodingRejected):
            refused()


def test_error_names_the_position_of_the_bad_element() -> None:
    with pytest.raises(EncodingRejected, match="element 2 "):
        group.multiply_all(scalar(3), GENERATOR + GENERATOR + IDENTITY)
    with pytest.raises(EncodingRejected, match="element 1 "):
        group.multiply_each([scalar(3), scalar(4)], GENERATOR + b"\xff" * 32)


@pytest.mark.parametrize("wrong", [bytes(32), ORDER.to_bytes(32, "little"), b"\1", b""])
def test_what_is_no_scalar_is_refused_everywhere(wrong: bytes) -> None:
    bad = Secret(wrong)
    attempts: list[Callable[[], object]] = [
        lambda: group.multiply(bad, GENERATOR),
        lambda: group.multiply_base(bad),
        lambda: group.multiply_all(bad, GENERATOR),
        lambda: group.multiply_each([bad], GENERATOR),
        lambda: group.divide_each(GENERATOR, [bad]),
    ]
    for refused in attempts:
        with pytest.raises(EncodingRejected):
            refused()


def test_sums_that_are_the_identity_are_refused() -> None:
    with pytest.raises(EncodingRejected):
        group.add(point(5), point(ORDER - 5))
    with pytest.raises(EncodingRejected):
        group.weighted_sum([scalar(1), scalar(1)], point(5) + point(ORDER - 5))


@given(st.lists(st.tuples(small, small), min_size=1, max_size=6))
def test_functions_for_many_agree_with_those_for_one(pairs: list[tuple[int, int]]) -> None:
    factors = [scalar(left) for left, _ in pairs]
    elements = b"".join(point(right) for _, right in pairs)
    products = group.multiply_each(factors, elements)
    assert group.split(products) == [point(left * right) for left, right in pairs]
    assert group.divide_each(products, factors) == elements
    assert group.split(group.multiply_all(factors[0], elements)) == [point(pairs[0][0] * right) for _, right in pairs]
    assert group.weighted_sum(factors, elements) == point(sum(left * right for left, right in pairs))


@pytest.mark.parametrize("length", [0, 1, 31, 33, 63])
def test_concatenations_of_another_length_are_refused(length: int) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: group.count(bytes(length)),
        lambda: group.split(bytes(length)),
        lambda: group.multiply_all(scalar(2), bytes(length)),
        lambda: group.multiply_each([scalar(2)], bytes(length)),
    ]
    for refused in attempts:
        with pytest.raises(EncodingRejected):
            refused()


def test_as_many_scalars_as_elements_are_needed() -> None:
    for factors in ([], [scalar(2)], [scalar(2)] * 3):
        with pytest.raises(EncodingRejected):
            group.multiply_each(factors, GENERATOR * 2)
        with pytest.raises(EncodingRejected):
            group.divide_each(GENERATOR * 2, factors)


@pytest.mark.parametrize("uniforms", [[], [bytes(63)], [bytes(64), bytes(65)], [b""]])
def test_only_strings_of_64_bytes_are_mapped(uniforms: list[bytes]) -> None:
    with pytest.raises(EncodingRejected):
        group.map_to_group(uniforms)
