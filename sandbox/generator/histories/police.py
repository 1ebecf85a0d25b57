"""Police: who is known, notifications, domestic abuse, missing children, protection, exploitation."""

import datetime as dt
from typing import Final

from agency_node.sources.record import ContactLevel, FieldValue, Relation
from sandbox.generator.dice import Dice
from sandbox.generator.drafts import Draft, Holding
from sandbox.generator.people import Household, Need, Person

_DOMESTIC_ABUSE: Final = {
    Need.UNIVERSAL: 0.025,
    Need.EARLY_HELP: 0.20,
    Need.IN_NEED: 0.35,
    Need.PROTECTION: 0.55,
    Need.CARE: 0.50,
}
_NOTIFIED: Final = {
    Need.UNIVERSAL: 0.03,
    Need.EARLY_HELP: 0.15,
    Need.IN_NEED: 0.40,
    Need.PROTECTION: 0.70,
    Need.CARE: 0.60,
}
_MISSING: Final = {Need.PROTECTION: 0.12, Need.CARE: 0.25}
_TEENAGE: Final = 11
_YEAR: Final = 365
_LINES: Final = (
    "Officers attended a disturbance at the home. The child was present and unharmed.",
    "Neighbours reported shouting. All in order on arrival.",
    "Child found alone in the town centre late in the evening and taken home.",
    "Parent under the influence of drink in charge of the child.",
)


def holding(seed: int, today: dt.date, households: tuple[Household, ...]) -> Holding:
    """What the force holds."""
    found = Holding()
    for household in households:
        dice = Dice(seed, f"police:{household.number}")
        incident = _household_incident(dice, today) if dice.happens(_DOMESTIC_ABUSE[household.need]) else None
        for child in household.children:
            drafts = [incident] if incident is not None and incident.date >= child.born else []
            drafts += _own(dice, household.need, child, today)
            if drafts:
                found.add(child, _nominal(drafts, today), *drafts)
    return found


def _household_incident(dice: Dice, today: dt.date) -> Draft:
    fields: dict[str, FieldValue] = {
        "incident_count": dice.weighted(((1, 0.6), (2, 0.25), (4, 0.15))),
        "heard_at_marac": dice.happens(0.15),
        "op_encompass_sent": dice.happens(0.8),
        "incident_line": "Verbal argument between the adults, one of whom left. No injuries seen.",
    }
    return Draft(
        "domestic_abuse",
        "household_incident",
        dice.day_before(today, 3.0),
        fields,
        relation=Relation.HOUSEHOLD,
        contact_level=dice.pick((ContactLevel.LIVES_WITH, ContactLevel.REGULAR, ContactLevel.UNKNOWN)),
        handling_code="P",
    )


def _own(dice: Dice, need: Need, child: Person, today: dt.date) -> list[Draft]:
    drafts: list[Draft] = []
    youngest = (today - child.born).days / 365
    if youngest < 1:
        return drafts
    if dice.happens(_NOTIFIED[need]):
        fields: dict[str, FieldValue] = {"incident_type": "Concern for child", "incident_line": dice.pick(_LINES)}
        day = dice.day_before(today, min(youngest, 3.0))
        drafts.append(Draft("police_incident", "concern_for_child", day, fields, handling_code="P"))
    if child.age(today) >= _TEENAGE and dice.happens(_MISSING.get(need, 0.004)):
        drafts.extend(_missing(dice, today) for _ in range(dice.between(1, 3)))
        if dice.happens(0.2):
            drafts.append(_marker(dice, today))
    if need in {Need.PROTECTION, Need.CARE} and dice.happens(0.15):
        used: dict[str, FieldValue] = {"circumstances": "Child found without a responsible adult."}
        drafts.append(Draft("police_protection", "section_46", dice.day_before(today, min(youngest, 3.0)), used))
    return drafts


def _missing(dice: Dice, today: dt.date) -> Draft:
    start = dice.day_before(today, 1.5, at_least=3)
    fields: dict[str, FieldValue] = {
        "miss_missing_episode_end_date": (start + dt.timedelta(days=dice.between(0, 2))).isoformat(),
        "miss_missing_episode_type": dice.pick(("Missing", "Absent")),
    }
    return Draft("missing", "missing_episode", start, fields)


def _marker(dice: Dice, today: dt.date) -> Draft:
    fields: dict[str, FieldValue] = {
        "exploitation_marker": dice.pick(("Child sexual exploitation", "Child criminal exploitation")),
        "risk_level": dice.pick(("Medium", "High")),
    }
    return Draft("exploitation", "marker", dice.day_before(today, 1.0), fields)


def _nominal(drafts: list[Draft], today: dt.date) -> Draft:
    last = max(draft.date for draft in drafts)
    return Draft("police_known", "nominal", last, {"known_in_12_months": (today - last).days <= _YEAR})
