"""A youth justice service: interventions and offences."""

import datetime as dt
from typing import Final

from sandbox.generator.dice import Dice
from sandbox.generator.drafts import Draft, Holding
from sandbox.generator.histories.staff import CASE_MANAGERS
from sandbox.generator.people import Household, Need
from sandbox.generator.shapes.youth_justice import PROGRAMMES

_KNOWN: Final = {
    Need.UNIVERSAL: 0.012,
    Need.EARLY_HELP: 0.04,
    Need.IN_NEED: 0.06,
    Need.PROTECTION: 0.10,
    Need.CARE: 0.15,
}
_FROM_AGE: Final = 10
"""The age of criminal responsibility."""
_OFFENCES: Final = ("Criminal damage", "Theft from a shop", "Common assault", "Possession of cannabis")


def holding(seed: int, today: dt.date, households: tuple[Household, ...]) -> Holding:
    """What the service holds."""
    found = Holding()
    for household in households:
        dice = Dice(seed, f"youth_justice:{household.number}")
        for child in household.children:
            if child.age(today) > _FROM_AGE and dice.happens(_KNOWN[household.need]):
                found.add(child, *_case(dice, today))
    return found


def _case(dice: Dice, today: dt.date) -> list[Draft]:
    start = dice.day_before(today, 1.0, at_least=10)
    kind = dice.weighted(
        (
            ("prevention", 0.4),
            ("out_of_court_resolution", 0.3),
            ("referral_order", 0.25),
            ("youth_rehabilitation_order", 0.05),
        )
    )
    fields: dict[str, str | int | bool] = {
        "order_type": PROGRAMMES[kind][1],
        "order_end_date": (start + dt.timedelta(days=dice.between(90, 360))).isoformat(),
        "risk_level": dice.pick(("Low", "Medium", "High")),
        "worker_name": dice.pick(CASE_MANAGERS),
        "worker_contact": "01632 960177",
    }
    drafts = [Draft("youth_justice", kind, start, fields)]
    if kind != "prevention":
        offence: dict[str, str | int | bool] = {
            "offence_type": dice.pick(_OFFENCES),
            "outcome": PROGRAMMES[kind][1],
            "outcome_date": start.isoformat(),
        }
        drafts.append(Draft("offending", "offence", start - dt.timedelta(days=dice.between(10, 60)), offence))
    return drafts
