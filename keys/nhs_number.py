"""The NHS number: ten digits whose last is a modulus 11 check digit (NHS Data Model and Dictionary, "NHS NUMBER")."""

import re
from typing import Final, Self, final

from keys.errors import NhsNumberRejected

# As written: 9434765919, 943 476 5919, 943-476-5919; forms copied from web pages carry no-break spaces.
_AS_WRITTEN: Final = re.compile("([0-9]{3})([ \u00a0-]?)([0-9]{3})\\2([0-9]{4})")
_LONGEST: Final = 64
_WEIGHTS: Final = range(10, 1, -1)
_MODULUS: Final = 11
_NO_CHECK_DIGIT: Final = 10


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
