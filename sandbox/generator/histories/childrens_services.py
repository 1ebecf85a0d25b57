"""Children's social care: contacts, referrals, assessments, enquiries, plans, care."""

import datetime as dt
import json
from typing import Final

from agency_node.sources.record import Assertion, FieldValue
from sandbox.generator.dice import Dice
from sandbox.generator.drafts import Draft, Holding
from sandbox.generator.histories.staff import TEAMS, social_worker
from sandbox.generator.people import Household, Need, Person

_CONTACTED: Final = 0.10
"""Share of otherwise unknown households with a contact that came to nothing in the last three years."""
_EHC_PLAN: Final = 0.053
_LOOK_BACK_YEARS: Final = 6.0
_ENQUIRY_DAYS: Final = 30
"""An enquiry that is older has ended: the conference is due within 15 working days."""
_SOURCES: Final = (
    (("2B", "Police"), 0.28),
    (("3A", "Schools"), 0.21),
    (("3C", "Health services"), 0.15),
    (("1A", "Individual - family member"), 0.12),
    (("5A", "Local authority services"), 0.13),
    (("8", "Anonymous"), 0.04),
    (("6", "Other legal agency"), 0.07),
)
"""Sources of referral with shares as in the children in need census 2025."""
_NEEDS: Final = (("N1", 0.57), ("N2", 0.09), ("N3", 0.03), ("N4", 0.08), ("N5", 0.15), ("N6", 0.08))
_ABUSE: Final = (("NEG", 0.49), ("EMO", 0.37), ("PHY", 0.07), ("SAB", 0.04), ("MUL", 0.03))
_CLOSED: Final = ("RC7 Case closed after assessment", "RC8 Transferred to Family Help", "RC5 Transferred elsewhere")


def holding(seed: int, today: dt.date, households: tuple[Household, ...]) -> Holding:
    """What children's social care holds."""
    found = Holding()
    for household in households:
        dice = Dice(seed, f"childrens_services:{household.number}")
        known = household.need is not Need.UNIVERSAL or dice.happens(_CONTACTED)
        for child in household.children:
            if known:
                _known_child(found, dice, household.need, child, today)
            if dice.happens(_EHC_PLAN):
                found.add(child, _ehc_plan(dice, child, today))
    return found


def _known_child(found: Holding, dice: Dice, need: Need, child: Person, today: dt.date) -> None:
    start = max(dice.day_before(today, _LOOK_BACK_YEARS, at_least=20), child.born + dt.timedelta(days=3))
    if start >= today:
        start = today - dt.timedelta(days=1)
    found.add(child, _address(child, start), _contact(dice, start))
    if need is Need.UNIVERSAL:
        return
    if need is Need.EARLY_HELP:
        found.add(child, _early_help(dice, start, today))
        return
    is_open = dice.happens(0.35)
    found.add(child, _episode(dice, start, today, is_open=is_open), _assessment(dice, start, today))
    found.add(child, _involvement(dice, need, start, today, is_open=is_open))
    if need in {Need.PROTECTION, Need.CARE}:
        found.add(child, _enquiry(dice, start, today, is_open=is_open), _plan(dice, start, today, is_open=is_open))
    if need is Need.CARE:
        found.add(child, *_care(dice, child, start, today))


def _later(dice: Dice, start: dt.date, today: dt.date, low: int, high: int) -> dt.date:
    """A day so many days after another, but not after today."""
    return min(start + dt.timedelta(days=dice.between(low, high)), today)


def _ended(dice: Dice, start: dt.date, today: dt.date, days: tuple[int, int], *, is_open: bool) -> str:
    """The end of something as text; empty while it goes on, or when it would not have ended yet."""
    end = start + dt.timedelta(days=dice.between(*days))
    return "" if is_open or end > today else end.isoformat()


def _with(fields: dict[str, FieldValue]) -> dict[str, FieldValue]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value != ""}


def _address(child: Person, start: dt.date) -> Draft:
    address = {"house": child.address.split(",")[0], "town": "Thornbury"}
    fields: dict[str, FieldValue] = {"addr_address_postcode": child.postcode, "addr_address_json": json.dumps(address)}
    return Draft("address", "address", start, fields)


def _contact(dice: Dice, start: dt.date) -> Draft:
    code, words = dice.weighted(_SOURCES)
    fields: dict[str, FieldValue] = {
        "cont_contact_source_code": code,
        "cont_contact_source_desc": words,
        "cont_contact_outcome_json": json.dumps({"OUTCOME_NFA_FLAG": dice.pick("YN")}),
    }
    return Draft("contacts", "contact", start, fields)


def _early_help(dice: Dice, start: dt.date, today: dt.date) -> Draft:
    fields = _with(
        {
            "earl_episode_end_date": _ended(dice, start, today, (60, 400), is_open=dice.happens(0.3)),
            "earl_episode_organisation": dice.pick(("Family Hub", "School", "Health visiting", "Voluntary sector")),
            "earl_episode_reason": dice.pick(
                ("Parenting support", "Housing", "Attendance at school", "Child's behaviour")
            ),
        }
    )
    return Draft("early_help", "early_help_episode", start, fields)


def _episode(dice: Dice, start: dt.date, today: dt.date, *, is_open: bool) -> Draft:
    close = _ended(dice, start, today, (30, 500), is_open=is_open)
    code, _ = dice.weighted(_SOURCES)
    fields = _with(
        {
            "cine_cin_primary_need_code": dice.weighted(_NEEDS),
            "cine_referral_source_code": code,
            "cine_referral_nfa": False,
            "cine_close_date": close,
            "cine_close_reason": dice.pick(_CLOSED) if close else "",
        }
    )
    return Draft("cin", "cin_episode", start, fields)


def _assessment(dice: Dice, start: dt.date, today: dt.date) -> Draft:
    factors = dice.some(("1B", "3B", "4B", "5A", "8B", "16A", "20"), 2)
    fields = _with(
        {
            "cina_assessment_auth_date": _later(dice, start, today, 20, 45).isoformat(),
            "cina_assessment_outcome_json": json.dumps({"OUTCOME_CP_CONFERENCE_FLAG": dice.pick("YN")}),
            "cinf_assessment_factors_json": json.dumps(sorted(factors)),
        }
    )
    return Draft("assessment", "assessment", start, fields, assertion=Assertion.PROFESSIONAL_OPINION)


def _involvement(dice: Dice, need: Need, start: dt.date, today: dt.date, *, is_open: bool) -> Draft:
    team, name = {Need.PROTECTION: TEAMS[3], Need.CARE: TEAMS[4]}.get(need, TEAMS[1])
    fields = _with(
        {
            "invo_professional_role_id": "Allocated worker",
            "invo_professional_team": team,
            "dept_team_name": name,
            "prof_professional_name": social_worker(dice),
            "invo_involvement_end_date": _ended(dice, start, today, (30, 500), is_open=is_open),
        }
    )
    return Draft("involvement", "involvement", start, fields)


def _enquiry(dice: Dice, start: dt.date, today: dt.date, *, is_open: bool) -> Draft:
    held = _later(dice, start, today, 9, 15)
    fields = _with(
        {
            "s47e_s47_end_date": _ended(
                dice, start, today, (8, 20), is_open=is_open and (today - start).days < _ENQUIRY_DAYS
            ),
            "s47e_s47_nfa": False,
            "s47e_s47_outcome_json": json.dumps({"OUTCOME_CP_CONFERENCE_FLAG": "Y"}),
            "icpc_icpc_target_date": (start + dt.timedelta(days=21)).isoformat(),
            "icpc_icpc_date": held.isoformat(),
            "icpc_icpc_outcome_cp_flag": True,
        }
    )
    return Draft("s47", "s47_enquiry", start, fields)


def _plan(dice: Dice, start: dt.date, today: dt.date, *, is_open: bool) -> Draft:
    begun = _later(dice, start, today, 15, 21)
    end = _ended(dice, begun, today, (90, 700), is_open=is_open)
    category = dice.weighted(_ABUSE)
    fields = _with(
        {
            "cppl_cp_plan_end_date": end,
            "cppl_cp_plan_initial_category": category,
            "cppl_cp_plan_latest_category": category,
            "cppr_cp_review_due": "" if end else (today + dt.timedelta(days=dice.between(5, 170))).isoformat(),
            "cppv_cp_visit_date": _later(dice, begun, today, 2, 10).isoformat(),
            "cppv_cp_visit_seen": True,
            "cppv_cp_visit_seen_alone": dice.happens(0.7),
        }
    )
    return Draft("cp_plan", "cp_plan", begun, fields)


def _care(dice: Dice, child: Person, start: dt.date, today: dt.date) -> list[Draft]:
    entered = _later(dice, start, today, 30, 90)
    ceased = _ended(dice, entered, today, (100, 1200), is_open=dice.happens(0.6))
    fields = _with(
        {
            "clae_cla_episode_ceased_date": ceased,
            "clap_cla_placement_type": dice.pick(
                ("U1 Foster placement with relative", "U6 Foster placement", "K2 Home")
            ),
            "clap_cla_placement_postcode": child.postcode,
            "lega_legal_status": dice.pick(("C2 Full care order", "V2 Section 20", "E1 Placement order")),
        }
    )
    drafts = [Draft("looked_after", "cla_episode", entered, fields)]
    decided: dict[str, FieldValue] = {
        "prep_pre_pro_outcome": "Issue care proceedings",
        "prep_court_reference": "ZZ26C00000",
    }
    drafts.append(Draft("pre_proceedings", "pre_proceedings", start, decided))
    if dice.happens(0.2):
        order: dict[str, FieldValue] = {
            "perm_part_of_sibling_group": False,
            "perm_permanence_order_type": "Placement order",
        }
        drafts.append(Draft("permanence", "permanence", entered, order))
    if dice.happens(0.1):
        status: dict[str, FieldValue] = {"immi_immigration_status": "Unaccompanied asylum-seeking child"}
        drafts.append(Draft("immigration", "immigration_status", entered, status))
    if dice.happens(0.25):
        drafts.append(_missing(dice, entered, today))
    return drafts


def _missing(dice: Dice, entered: dt.date, today: dt.date) -> Draft:
    start = _later(dice, entered, today, 10, 200)
    fields: dict[str, FieldValue] = {
        "miss_missing_episode_end_date": _later(dice, start, today, 0, 2).isoformat(),
        "miss_missing_episode_type": "Missing",
        "miss_missing_rhi_offered": "Y",
        "miss_missing_rhi_accepted": dice.pick("YN"),
    }
    return Draft("missing", "missing_episode", start, fields)


def _ehc_plan(dice: Dice, child: Person, today: dt.date) -> Draft:
    needs = (
        "Autistic spectrum disorder",
        "Speech, language and communication needs",
        "Social, emotional and mental health",
        "Severe learning difficulty",
    )
    start = max(child.born + dt.timedelta(days=900), dice.day_before(today, 5.0))
    fields: dict[str, FieldValue] = {
        "senn_active_ehcp_need_type": dice.pick(needs),
        "ehca_ehcp_assessment_outcome": "Y",
    }
    return Draft("send", "ehc_plan", min(start, today), fields)
