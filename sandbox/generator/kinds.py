"""Which kinds of agencies have a generated source: what they hold, and the shape it is written in."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sandbox.generator.drafts import Holding, Target, Written
from sandbox.generator.histories import childrens_services as social_care
from sandbox.generator.histories import health as care_record
from sandbox.generator.histories import police as force
from sandbox.generator.histories import school as roll
from sandbox.generator.histories import youth_justice as youth
from sandbox.generator.people import Household
from sandbox.generator.shapes import health, police, school, ssd, youth_justice
from sandbox.generator.shapes.table import Table


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of source system.

    Attributes:
        mapping: Bare name of the shipped mapping that reads it.
        tables: Its tables.
        history: What an agency holds of a population.
        write: Writes it.
    """

    mapping: str
    tables: tuple[Table, ...]
    history: Callable[[int, dt.date, tuple[Household, ...]], Holding]
    write: Callable[[Holding, Target], Written]


SHAPES: Final = {
    "childrens_services": Shape(ssd.MAPPING, ssd.TABLES, social_care.holding, ssd.write),
    "police": Shape(police.MAPPING, police.TABLES, force.holding, police.write),
    "school": Shape(school.MAPPING, school.TABLES, roll.holding, school.write),
    "icb": Shape(health.MAPPING, health.TABLES, care_record.holding, health.write),
    "youth_justice": Shape(youth_justice.MAPPING, youth_justice.TABLES, youth.holding, youth_justice.write),
}
"""By kind of agency, in the policy bundle's words."""
