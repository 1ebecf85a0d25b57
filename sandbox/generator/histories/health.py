"""A shared care record: GP registration, attendances, injuries, appointments, 0 to 19 services, mental health."""

import datetime as dt
from typing import Final

from agency_node.sources.record import Assertion, ContactLevel, FieldValue, Relation
from sandbox.generator.dice import Dice
from sandbox.generator.drafts import Draft, Holding
from sandbox.generator.histories.staff import CLINICIANS, HEALTH_VISITORS, PRACTICES
from sandbox.generator.people import Household, Need, Person

_REGISTERED: Final = 0.985
_ATTENDS: Final = 0.30
"""A year; England has about 3 attendances of children for every 10 children."""
_INJURED: Final = 0.35
_SCHOOL_AGE: Final = 5
_CAMHS_AGE: Final = 8
_SEXUAL_HEALTH_AGE: Final = 15
_NEW_BIRTH_DAYS: Final = 14
_CAMHS: Final = 0.06
_ADULT: Final = {
    Need.UNIVERSAL: 0.01,
    Need.EARLY_HELP: 0.08,
    Need.IN_NEED: 0.18,
    Need.PROTECTION: 0.35,
    Need.CARE: 0.40,
}
_COMPLAINTS: Final = ("Fever", "Wheeze", "Fall at home", "Fall in the playground", "Abdominal pain", "Rash")
_INJURIES: Final = (
    "Bruising to the shin",
    "Fracture of the wrist",
    "Head injury, minor",
    "Burn to the hand",
    "Injury to the ankle",
)
_EXPLANATIONS: Final = (
    "Fell from a swing.",
    "Fell off a bicycle.",
    "Knocked over a hot drink.",
    "Playing with a sibling.",
)


def holding(seed: int, today: dt.date, households: tuple[Household, ...]) -> Holding:
    """What the shared care record holds."""
    found = Holding()
    for household in households:
        dice = Dice(seed, f"health:{household.number}")
        practice = dice.pick(PRACTICES)
        adult = _adult(dice, today) if dice.happens(_ADULT[household.need]) else None
        for child in household.children:
            if not dice.happens(0.998):
                continue
            found.of(child)
            if dice.happens(_REGISTERED):
                found.add(child, _registration(dice, household.need, child, practice, today))
            found.add(child, *_own(dice, household.need, child, today))
            if adult is not None and adult.date >= child.born:
                found.add(child, adult)
    return found


def _registration(dice: Dice, need: Need, child: Person, practice: str, today: dt.date) -> Draft:
    start = min(child.born + dt.timedelta(days=dice.between(5, 40)), today)
    missed = dice.between(0, 4) if need is not Need.UNIVERSAL else dice.weighted(((0, 0.85), (1, 0.12), (2, 0.03)))
    fields: dict[str, FieldValue] = {
        "practice_name": practice,
        "last_seen_date": max(dice.day_before(today, 1.5), start).isoformat(),
        "immunisation_behind": dice.happens(0.12),
        "safeguarding_code_present": need in {Need.PROTECTION, Need.CARE},
        "wnb_count_12m": missed,
    }
    return Draft("gp_registration", "registration", start, fields)


def _own(dice: Dice, need: Need, child: Person, today: dt.date) -> list[Draft]:
    drafts: list[Draft] = []
    years = (today - child.born).days / 365
    if years < 1:
        return [_caseload(dice, child, today)]
    if dice.happens(_ATTENDS * (1 if need is Need.UNIVERSAL else 1.6)):
        drafts += _attendance(dice, today)
    if dice.happens(0.12 if need is Need.UNIVERSAL else 0.35):
        drafts.append(_missed(dice, today))
    age = child.age(today)
    if age < _SCHOOL_AGE:
        drafts.append(_caseload(dice, child, today))
    if age >= _CAMHS_AGE and dice.happens(_CAMHS * (1 if need is Need.UNIVERSAL else 2.5)):
        drafts.append(_camhs(dice, today))
    if age >= _SEXUAL_HEALTH_AGE and dice.happens(0.04):
        flags = frozenset({"HIV_STI"}) if dice.happens(0.2) else frozenset[str]()
        drafts.append(Draft("sexual_health", "clinic_attendance", dice.day_before(today, 1.0), flags=flags))
    return drafts


def _attendance(dice: Dice, today: dt.date) -> list[Draft]:
    day = dice.day_before(today, 1.0)
    injured = dice.happens(_INJURED)
    fields: dict[str, FieldValue] = {
        "setting": dice.pick(("Thornbury Royal Infirmary", "Millstream Urgent Treatment Centre")),
        "presenting_complaint": "Injury" if injured else dice.pick(_COMPLAINTS),
        "left_before_seen": dice.happens(0.05),
        "injury_coded": injured,
        "cp_is_checked": dice.happens(0.9),
    }
    drafts = [Draft("attendance_health", dice.pick(("emergency", "urgent_care")), day, fields)]
    if injured:
        found: dict[str, FieldValue] = {
            "injury_description": dice.pick(_INJURIES),
            "explanation_given": dice.pick(_EXPLANATIONS),
        }
        opinion = Assertion.FACT if dice.happens(0.9) else Assertion.PROFESSIONAL_OPINION
        drafts.append(Draft("injury", "injury", day, found, assertion=opinion))
    return drafts


def _missed(dice: Dice, today: dt.date) -> Draft:
    missed = dice.happens(0.6)
    clinic = dice.pick(("Community paediatrics", "Dental clinic", "Audiology", "Speech and language therapy"))
    fields: dict[str, FieldValue] = {"appointment_setting": clinic, "was_not_brought": missed}
    return Draft("appointment", "was_not_brought" if missed else "attended", dice.day_before(today, 1.0), fields)


def _caseload(dice: Dice, child: Person, today: dt.date) -> Draft:
    days = (today - child.born).days
    fields: dict[str, FieldValue] = {
        "service_level": dice.weighted(
            (("Universal", 0.85), ("Universal Plus", 0.11), ("Universal Partnership Plus", 0.04))
        ),
        "new_birth_visit": "Done" if days > _NEW_BIRTH_DAYS else "Due",
        "worker_name": dice.pick(HEALTH_VISITORS),
    }
    for name, due in (("six_week_review", 56), ("one_year_review", 400), ("two_year_review", 900)):
        if days > due:
            fields[name] = dice.weighted((("Done", 0.88), ("Missed", 0.12)))
    return Draft("health_visiting", "caseload", child.born, fields)


def _camhs(dice: Dice, today: dt.date) -> Draft:
    status = dice.weighted((("Open", 0.5), ("Waiting", 0.3), ("Closed", 0.2)))
    start = dice.day_before(today, 2.0, at_least=60)
    fields: dict[str, FieldValue] = {
        "camhs_status": status,
        "lead_contact": dice.pick(CLINICIANS),
        "crisis_in_90_days": status == "Open" and dice.happens(0.1),
    }
    if status == "Closed":
        fields["camhs_closed_date"] = (start + dt.timedelta(days=dice.between(20, 59))).isoformat()
    return Draft("camhs", "episode", start, fields)


def _adult(dice: Dice, today: dt.date) -> Draft:
    category = dice.pick(("adult_mental_health", "substance_misuse"))
    contact = {"adult_mental_health": "Thornbury Recovery Team", "substance_misuse": "Turning Tide"}[category]
    return Draft(
        category,
        "adult_in_treatment",
        dice.day_before(today, 2.0),
        {"service_contact": f"{contact}, 01632 960188", "children_recorded": dice.between(1, 3)},
        relation=Relation.PARENT,
        contact_level=dice.pick((ContactLevel.LIVES_WITH, ContactLevel.REGULAR)),
    )
