"""A school: roll, attendance, suspensions, home education, safeguarding log."""

import datetime as dt
from typing import Final

from agency_node.sources.record import Assertion, FieldValue
from sandbox.generator.dice import Dice
from sandbox.generator.drafts import Draft, Holding
from sandbox.generator.people import Household, Need, Person
from sandbox.generator.shapes.school import SUSPENSION_REASONS

AGES: Final = range(4, 16)
_SUSPENDED_AGES: Final = range(10, 16)
_SHARE: Final = 0.75
"""Of the households in Thornbury that send their children to this all-through school."""
_ON_LOG: Final = {
    Need.UNIVERSAL: 0.05,
    Need.EARLY_HELP: 0.45,
    Need.IN_NEED: 0.70,
    Need.PROTECTION: 0.95,
    Need.CARE: 0.85,
}
_ENTRIES: Final = (
    ("Attendance", "Late on four days running; says that there was no breakfast at home.", Assertion.FACT),
    ("Presentation", "Clothes unwashed for a second week.", Assertion.FACT),
    ("Behaviour", "Withdrawn since half term; form tutor is concerned.", Assertion.PROFESSIONAL_OPINION),
    ("Parent contact", "Parent said that money is short this month.", Assertion.FACT),
    ("Disclosure", "Another pupil says that there is shouting at home.", Assertion.THIRD_PARTY_ALLEGATION),
)


def holding(seed: int, today: dt.date, households: tuple[Household, ...]) -> Holding:
    """What the school holds."""
    found = Holding()
    for household in households:
        dice = Dice(seed, f"school:{household.number}")
        if not dice.happens(_SHARE):
            continue
        for child in household.children:
            if child.age(today) in AGES:
                _pupil(found, dice, household.need, child, today)
    return found


def _pupil(found: Holding, dice: Dice, need: Need, child: Person, today: dt.date) -> None:
    admitted = dt.date(today.year - max(child.age(today) - 4, 1), 9, 1)
    has_left = dice.happens(0.04)
    fields: dict[str, FieldValue] = {}
    if has_left:
        fields = {
            "leave_date": dice.day_before(today, 0.8).isoformat(),
            "off_roll_reason_code": dice.pick(("8.1.b", "8.1.e")),
        }
    found.add(child, Draft("enrolment", "left" if has_left else "on_roll", admitted, fields))
    for term in _terms(today):
        found.add(child, _attendance(dice, need, term))
    if child.age(today) in _SUSPENDED_AGES and dice.happens(0.04 if need is Need.UNIVERSAL else 0.18):
        found.add(child, _suspension(dice, today))
    if has_left and dice.happens(0.2):
        left = dt.date.fromisoformat(str(fields["leave_date"]))
        found.add(
            child, Draft("elective_home_education", "withdrawal_notice", left, {"ehe_start_date": left.isoformat()})
        )
    if dice.happens(_ON_LOG[need]):
        for _ in range(dice.between(1, 4)):
            found.add(child, _entry(dice, today))


def _terms(today: dt.date) -> list[dt.date]:
    starts = [dt.date(today.year + years, month, 5) for years in (-1, 0) for month in (1, 4, 9)]
    return [start for start in starts if start < today][-3:]


def _attendance(dice: Dice, need: Need, term: dt.date) -> Draft:
    percent = min(100, dice.between(86, 100) - (0 if need is Need.UNIVERSAL else dice.between(0, 25)))
    fields: dict[str, FieldValue] = {
        "attendance_percent": percent,
        "unauthorised_percent": dice.between(0, 100 - percent),
        "code_pattern": dice.pick(("None", "Mondays", "Late marks")),
    }
    return Draft("attendance", "term", term, fields)


def _suspension(dice: Dice, today: dt.date) -> Draft:
    permanent = dice.happens(0.03)
    fields: dict[str, FieldValue] = {
        "suspension_count": dice.between(1, 4),
        "permanently_excluded": permanent,
        "suspension_reason": dice.pick(SUSPENSION_REASONS),
    }
    return Draft("exclusion", "permanent_exclusion" if permanent else "suspension", dice.day_before(today, 1.0), fields)


def _entry(dice: Dice, today: dt.date) -> Draft:
    category, text, assertion = dice.pick(_ENTRIES)
    fields: dict[str, FieldValue] = {"entry_category": category, "entry_text": text}
    return Draft("safeguarding_log", "log_entry", dice.day_before(today, 1.5), fields, assertion=assertion)
