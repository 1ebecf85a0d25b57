"""The NHS number: ten digits whose last is a modulus 11 check digit (NHS Data Model and Dictionary, "NHS NUMBER").

`NhsNumber` says whether a number is well formed, `may_be_issued` whether anybody can bear it. A made-up number that is
well formed (9876543210) joins up strangers, so whoever takes a number from people or systems asks both.
"""

import calendar
import re
from typing import Final, Self, final

from keys.errors import NhsNumberRejected

# As written: 9434765919, 943 476 5919, 943-476-5919; forms copied from web pages carry no-break spaces.
_AS_WRITTEN: Final = re.compile("([0-9]{3})([ \u00a0-]?)([0-9]{3})\\2([0-9]{4})")
_LONGEST: Final = 64
_WEIGHTS: Final = range(10, 1, -1)
_MODULUS: Final = 11
_NO_CHECK_DIGIT: Final = 10
_MONTHS: Final = 12

_CHI: Final = range(311_300_000)
"""Scotland's Community Health Index: day, month and year of birth, then three digits."""
_ISSUED: Final = (range(311_300_000, 500_000_000), range(600_000_000, 800_000_000))
"""First nine digits of what else is issued: 4, 6 and 7 in England, Wales and the Isle of Man; from 320 Northern
Ireland's Health and Care Number. Of 311 3 to 319 the public sources differ, so they are taken: only what is certainly
never issued is refused (5 is reserved, 8 belongs to Ireland's own numbers, 9 to synthetic patients)."""
_TEST: Final = range(999_000_000, 1_000_000_000)
"""First nine digits of the numbers that the NHS keeps for tests and demonstrations: 999 000 0000 to 999 999 9999."""


@final
class NhsNumber:
    """A valid NHS number. Its repr and str never show it.

    Args:
        digits: The canonical form, ten digits.

    Raises:
        NhsNumberRejected: Not ten digits, a wrong check digit, or ten times the same digit.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        # `from None` and the early return of a reason keep the number out of the exception and its chain.
        if reason := _fault(digits):
            raise NhsNumberRejected(reason)
        self._digits: Final = digits

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number as people write it: ten digits, or 3-3-4 with spaces or hyphens.

        Raises:
            NhsNumberRejected: It is not a valid NHS number.
        """
        found = _AS_WRITTEN.fullmatch(text.strip()) if len(text) <= _LONGEST else None
        if found is None:
            raise NhsNumberRejected("an NHS number is ten digits, also written 3-3-4 with spaces or hyphens")
        return cls(found[1] + found[3] + found[4])

    def canonical(self) -> str:
        """The ten digits."""
        return self._digits

    def spaced(self) -> str:
        """The form for the eye of an authorised person: 3-3-4 with spaces."""
        return f"{self._digits[:3]} {self._digits[3:6]} {self._digits[6:]}"

    def identifier_input(self) -> bytes:
        """What is hashed to the group: the digits behind the name of the identifier's type."""
        return b"nhs-number:" + self._digits.encode("ascii")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NhsNumber) and self._digits == other._digits

    def __hash__(self) -> int:
        return hash((NhsNumber, self._digits))

    def __repr__(self) -> str:
        return "NhsNumber(**)"


def may_be_issued(number: NhsNumber, *, test_numbers: bool = False) -> bool:
    """Whether a health service of the United Kingdom issues numbers like this one.

    The services share one numbering scheme without overlap, and a child who moves brings the number of the country it
    comes from.

    Args:
        number: A well-formed number.
        test_numbers: Take the range that is kept for tests as well.
    """
    first_nine = int(number.canonical()[:9])
    if first_nine in _CHI:
        return _begins_with_a_day(number.canonical())
    return any(first_nine in issued for issued in _ISSUED) or (test_numbers and first_nine in _TEST)


def _begins_with_a_day(digits: str) -> bool:
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    # The century is not told: 29 February is a day if it is one in 19yy or 20yy, and then it is one in 20yy.
    return 1 <= month <= _MONTHS and 1 <= day <= calendar.monthrange(2000 + year, month)[1]


def check_digit(first_nine: str) -> int | None:
    """The tenth digit that belongs to nine, or None where no number begins with them."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_nine, strict=True))
    found = -total % _MODULUS
    return None if found == _NO_CHECK_DIGIT else found


def _fault(digits: str) -> str:
    """Why the canonical form is refused; empty when it is not."""
    if not re.fullmatch("[0-9]{10}", digits):
        return "an NHS number is ten digits"
    if check_digit(digits[:9]) != int(digits[9]):
        return "the check digit of the NHS number is wrong"
    if len(set(digits)) == 1:
        # Ten equal digits pass modulus 11. Systems use them for "not known": they would join up strangers.
        return "ten times the same digit is a placeholder, not an NHS number"
    return ""
