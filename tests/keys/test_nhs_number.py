import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import NhsNumberRejected
from keys.nhs_number import NhsNumber, check_digit, may_be_issued

VALID = "9434765919"  # the example of the NHS Data Model and Dictionary

nine_digits = st.text("0123456789", min_size=9, max_size=9)
numbers = nine_digits.filter(lambda first: check_digit(first) is not None).map(
    lambda first: f"{first}{check_digit(first)}"
)
valid_numbers = numbers.filter(lambda number: len(set(number)) > 1)


@pytest.mark.parametrize(
    "written",
    [VALID, "943 476 5919", "943-476-5919", "943\u00a0476\u00a05919", "  9434765919\n"],
)
def test_reads_the_ways_it_is_written(written: str) -> None:
    assert NhsNumber.parse(written).canonical() == VALID


@pytest.mark.parametrize(
    "written",
    [
        "",
        "943476591",
        "94347659190",
        "9434765918",
        "943 4765919",
        "943 476-5919",
        "943  476  5919",
        "9 4 3 4 7 6 5 9 1 9",
        "943.476.5919",
        "943476591X",
        "\u0669\u0664\u0663\u0664\u0667\u0666\u0665\u0669\u0661\u0669",  # Arabic-Indic digits
        "\uff19434765919",  # a full-width digit
        "9434765919\x00",
        " " * 100 + VALID,
        "-9434765919",
    ],
)
def test_refuses_everything_else(written: str) -> None:
    with pytest.raises(NhsNumberRejected):
        NhsNumber.parse(written)


@pytest.mark.parametrize("digits", ["943 476 5919", "943476591", "", "943476591\n"])
def test_constructor_takes_the_canonical_form_only(digits: str) -> None:
    with pytest.raises(NhsNumberRejected, match="ten digits"):
        NhsNumber(digits)


@pytest.mark.parametrize("digit", "0123456789")
def test_ten_equal_digits_are_a_placeholder(digit: str) -> None:
    assert check_digit(digit * 9) == int(digit)  # they would pass modulus 11
    with pytest.raises(NhsNumberRejected, match="placeholder"):
        NhsNumber.parse(digit * 10)


def test_nine_digits_whose_check_would_be_ten_begin_no_number() -> None:
    first = next(f"{number:09}" for number in range(1000) if check_digit(f"{number:09}") is None)
    for last in range(10):
        with pytest.raises(NhsNumberRejected):
            NhsNumber(f"{first}{last}")


@given(valid_numbers)
def test_round_trips_through_every_way_of_writing(digits: str) -> None:
    number = NhsNumber.parse(digits)
    assert number == NhsNumber.parse(number.spaced()) == NhsNumber(number.canonical())
    assert hash(number) == hash(NhsNumber(digits))
    assert number.identifier_input() == b"nhs-number:" + digits.encode()


@given(valid_numbers, st.integers(0, 9), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(digits: str, place: int, shift: int) -> None:
    wrong = digits[:place] + str((int(digits[place]) + shift) % 10) + digits[place + 1 :]
    with pytest.raises(NhsNumberRejected):
        NhsNumber(wrong)


@given(valid_numbers, st.integers(0, 8))
def test_two_neighbours_swapped_are_always_found(digits: str, place: int) -> None:
    swapped = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    if swapped != digits:
        with pytest.raises(NhsNumberRejected):
            NhsNumber(swapped)


@given(valid_numbers)
def test_text_forms_never_hold_the_number(digits: str) -> None:
    number = NhsNumber(digits)
    for text in (repr(number), str(number), f"{number}", repr({number: [number]})):
        assert "NhsNumber(**)" in text
        assert digits not in text


@given(numbers.map(lambda number: number[:9] + str((int(number[9]) + 1) % 10)) | st.text("0123456789- ", min_size=6))
def test_errors_never_repeat_what_was_given(text: str) -> None:
    with pytest.raises(NhsNumberRejected) as raised:
        NhsNumber(NhsNumber.parse(text).canonical() + "0")
    shown = "".join(traceback.format_exception_only(raised.value))
    assert text not in shown
    assert not any(character.isdigit() for character in shown.replace("3-3-4", "").replace("11", ""))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_is_not_equal_to_other_types() -> None:
    assert NhsNumber(VALID) != VALID
    assert NhsNumber(VALID) != NhsNumber("9434765870")


def first_from(start: int) -> NhsNumber:
    return next(
        NhsNumber(f"{first:09}{digit}")
        for first in range(start, start + 100)
        if (digit := check_digit(f"{first:09}")) is not None
    )


def last_before(end: int) -> NhsNumber:
    return next(
        NhsNumber(f"{first:09}{digit}")
        for first in range(end - 1, end - 100, -1)
        if (digit := check_digit(f"{first:09}")) is not None and len({*f"{first:09}"}) > 1
    )


@pytest.mark.parametrize(("start", "end"), [(311_300_000, 500_000_000), (600_000_000, 800_000_000)])
def test_numbers_of_an_issued_range_may_be_somebodys(start: int, end: int) -> None:
    for number in (first_from(start), first_from((start + end) // 2), last_before(end)):
        assert may_be_issued(number)
        assert may_be_issued(number, test_numbers=True)


@pytest.mark.parametrize("first", [500_000_000, 599_999_900, 800_000_000, 860_000_000, 900_000_000, 998_999_900])
def test_numbers_of_other_ranges_are_nobodys(first: int) -> None:
    assert not may_be_issued(first_from(first), test_numbers=True)


def test_numbers_kept_for_tests_are_somebodys_in_tests_only() -> None:
    for number in (first_from(999_000_000), NhsNumber("9990000018"), last_before(1_000_000_000)):
        assert may_be_issued(number, test_numbers=True)
        assert not may_be_issued(number)


@pytest.mark.parametrize(
    ("first", "issued"),
    [
        (10_100_000, True),  # 1 January
        (290_200_000, True),  # 29 February of a leap year
        (290_201_000, False),
        (290_204_000, True),
        (300_204_000, False),
        (311_299_900, True),  # 31 December, the last of them
        (310_400_000, False),
        (1_300_000, False),  # day 0
        (10_000_000, False),  # month 0
        (11_300_000, False),  # month 13
        (0, False),
    ],
)
def test_a_scottish_number_begins_with_a_day(first: int, *, issued: bool) -> None:
    assert may_be_issued(first_from(first + 1)) is issued


@pytest.mark.parametrize("placeholder", ["9876543210", "1234567881", "8000000016", VALID])
def test_numbers_that_people_make_up_are_nobodys(placeholder: str) -> None:
    assert not may_be_issued(NhsNumber(placeholder), test_numbers=True)


@given(valid_numbers)
def test_taking_test_numbers_adds_them_and_nothing_else(digits: str) -> None:
    number = NhsNumber(digits)
    assert may_be_issued(number, test_numbers=True) == (may_be_issued(number) or digits.startswith("999"))
