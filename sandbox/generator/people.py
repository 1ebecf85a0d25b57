"""The population: households, children, and how much trouble each household is in."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keys.nhs_number import NhsNumber
from sandbox.generator.dice import Dice
from sandbox.generator.identifiers import nhs_numbers
from sandbox.generator.names import FORENAMES_F, FORENAMES_M, POSTCODE_AREA, STREETS, SURNAMES

_SIZES: Final = ((1, 0.45), (2, 0.35), (3, 0.14), (4, 0.05), (5, 0.01))
"""Dependent children per family, roughly as in England."""


class Need(StrEnum):
    """The highest level of need a household has had in the last six years."""

    UNIVERSAL = "universal"
    EARLY_HELP = "early_help"
    IN_NEED = "in_need"
    PROTECTION = "protection"
    CARE = "care"


_NEEDS: Final = (
    (Need.UNIVERSAL, 0.860),
    (Need.EARLY_HELP, 0.070),
    (Need.IN_NEED, 0.050),
    (Need.PROTECTION, 0.013),
    (Need.CARE, 0.007),
)
"""Shares of households. England: 1 child in 30 in need, 42 per 10,000 on a plan, 70 per 10,000 looked after at a time;
over six years about twice that."""


@dataclass(frozen=True, slots=True)
class Person:
    """A child.

    Attributes:
        serial: From 1; what each agency's own numbers are made of.
        household: Number of the household.
    """

    serial: int
    nhs_number: NhsNumber
    forename: str
    surname: str
    sex: str
    born: dt.date
    household: int
    address: str
    postcode: str

    def age(self, today: dt.date) -> int:
        """In whole years."""
        return today.year - self.born.year - ((today.month, today.day) < (self.born.month, self.born.day))


@dataclass(frozen=True, slots=True)
class Household:
    """Children who live together."""

    number: int
    need: Need
    children: tuple[Person, ...]


def population(seed: int, today: dt.date, children: int) -> tuple[Household, ...]:
    """Households with together at least so many children, all under 18 today."""
    dice = Dice(seed, "population")
    numbers = nhs_numbers(dice)
    households: list[Household] = []
    serial = 0
    while serial < children:
        household = _household(dice, len(households) + 1, serial, today, numbers)
        serial += len(household.children)
        households.append(household)
    return tuple(households)


def _household(dice: Dice, number: int, serial: int, today: dt.date, numbers: Iterator[NhsNumber]) -> Household:
    surname = dice.pick(SURNAMES)
    address = f"{dice.between(1, 120)} {dice.pick(STREETS)}, Thornbury"
    postcode = f"{POSTCODE_AREA}{dice.between(1, 9)} {dice.between(1, 9)}{dice.pick('ABDEFGH')}{dice.pick('JLNPQRS')}"
    children = []
    for offset in range(1, dice.weighted(_SIZES) + 1):
        sex = dice.pick("FM")
        children.append(
            Person(
                serial=serial + offset,
                nhs_number=next(numbers),
                forename=dice.pick(FORENAMES_F if sex == "F" else FORENAMES_M),
                surname=surname,
                sex=sex,
                born=dice.day_before(today, 17.9),
                household=number,
                address=address,
                postcode=postcode,
            )
        )
    return Household(number, dice.weighted(_NEEDS), tuple(children))
