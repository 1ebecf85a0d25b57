"""How exports spell nothing, amounts and NHS numbers. Pure; no text is repeated in an error."""

import re
from decimal import Decimal
from typing import Final

NULLS: Final = frozenset({"NULL", "(null)", r"\N"})
"""What database tools write into a text export where the database has no value (SQL Server Management Studio; SQL
Developer and pgAdmin; the dumps of MySQL and PostgreSQL). Exactly these: a person may be called Null."""

NOTHINGS: Final = frozenset({"null", "(null)", r"\n", "n/a", "none", "nil", "-", "--"})
"""What people and templates write for "no value" as well, in lower case. Only where it can be nothing else: in a date,
an amount, a yes or no, or a code that the mapping does not list. In free text `-` may be what somebody wrote."""

_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_HUNDRED: Final = 100

_HYPHENS: Final = "\u2010\u2011\u2012\u2013-"
_SPACES: Final = " \u00a0\u202f"
_NUMBER: Final = rf"[0-9]{{3}}[{_SPACES}{_HYPHENS}]?[0-9]{{3}}[{_SPACES}{_HYPHENS}]?[0-9]{{4}}"
_AS_EXPORTED: Final = tuple(
    re.compile(form)
    for form in (
        rf"({_NUMBER})",
        rf"'({_NUMBER})'?",  # the quotation mark by which Excel is told to leave a number alone
        rf'="({_NUMBER})"',  # the formula by which an export tells Excel the same
        r"([0-9]{10})\.0+",  # a column of numbers that went through a floating-point type
    )
)


def is_null(text: str) -> bool:
    """Whether a text is a database tool's word for no value."""
    return text in NULLS


def is_nothing(text: str) -> bool:
    """Whether a text says that there is no value, where it can mean nothing else."""
    return text.lower() in NOTHINGS


def read_number(text: str) -> int | str:
    """A decimal number: an integer where it is whole, else its digits, because records hold no fractions.

    Raises:
        ValueError: It is none.
    """
    if _DECIMAL.fullmatch(text) is None:
        raise ValueError("not a decimal number")
    found = Decimal(text)
    return int(found) if found == found.to_integral_value() else f"{found.normalize():f}"


def read_percent(text: str) -> int | str:
    """A percentage from 0 to 100, with or without its sign, as `read_number` gives it.

    Raises:
        ValueError: It is none.
    """
    found = read_number(text.removesuffix("%").rstrip())
    if not 0 <= Decimal(found) <= _HUNDRED:
        raise ValueError("not from 0 to 100")
    return found


def exported_nhs_number(text: str) -> str:
    """An NHS number without what spreadsheets and exports put around it; any other text as it stands.

    Only forms in which all ten digits are there: `9.99E+09` has lost them.
    """
    for form in _AS_EXPORTED:
        if found := form.fullmatch(text):
            return re.sub(r"[^0-9]", "", found[1])
    return text
