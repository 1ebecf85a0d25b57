"""Identifiers of people who do not exist.

NHS numbers come from 999 000 0000 to 999 999 9999, which the NHS keeps for tests and never issues.
"""

import uuid
from collections.abc import Iterator
from typing import Final

from keys.nhs_number import NhsNumber, check_digit
from sandbox.generator.dice import Dice

SCRIPTED: Final = range(999_000_000, 999_010_000)
"""First nine digits of the scripted families' numbers, which are written in their file."""
DRAWN: Final = range(999_010_000, 1_000_000_000)
"""First nine digits of everybody else's."""

_UPN_LETTERS: Final = "ABCDEFGHJKLMNPQRTUVWXYZ"


def nhs_numbers(dice: Dice) -> Iterator[NhsNumber]:
    """Different valid numbers of the test range without end (there are about 900,000)."""
    seen: set[int] = set()
    while True:
        first_nine = dice.between(DRAWN.start, DRAWN.stop - 1)
        digit = check_digit(str(first_nine))
        if digit is not None and first_nine not in seen:
            seen.add(first_nine)
            yield NhsNumber(f"{first_nine}{digit}")


def wrong_number(number: NhsNumber) -> str:
    """The number with a wrong check digit, as a typing error leaves it."""
    digits = number.canonical()
    return f"{digits[:9]}{(int(digits[9]) + 1) % 10}"


def upn(serial: int) -> str:
    """A unique pupil number of a school that does not exist: check letter, LA 999, school 9999, year, serial.

    The check letter is the sum of the digits weighted 2 to 13, modulus 23 (DfE, "Unique pupil numbers: guide").
    """
    year, number = divmod(serial, 1_000)
    digits = f"9999999{20 + year:02d}{number:03d}"
    letter = _UPN_LETTERS[sum(weight * int(digit) for weight, digit in enumerate(digits, start=2)) % 23]
    return letter + digits


def resource_id(kind: str, key: str) -> str:
    """The id of a FHIR resource, always the same for the same thing."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:wardgate:sandbox:{kind}:{key}"))
