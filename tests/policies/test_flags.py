"""Each handling flag with its exact effect, and the order of precedence where two reach one record."""

import copy
from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

import pytest

from federation.policy.engine import EntryPoint
from tests.policies import asking
from tests.policies.conftest import Decide
from tests.policies.inputs import REFERENCE, TIERS, Json

FLAGS = sorted(REFERENCE["flags"])
PURPOSES = sorted(REFERENCE["purposes"])
OUTCOMES: Final = REFERENCE["enquiry"]["outcomes"]
OPENNESS: Final = {"withhold": 0, "refer": 1, "permit": 2}

WITHHELD_ALWAYS = {"WITNESS_PROT", "ADOPTED_SEALED", "HFEA", "LEGAL_PRIV"}
COMPELLING = {name for name in PURPOSES if REFERENCE["purposes"][name]["compelled"]["applies"]}
FOR_MEMBERS = {"MAPPA": "mappa", "CHANNEL": "channel"}
SILENT_REFERRAL = {
    *("CPS_LIVE", "SUB_JUDICE", "CONFLICT_INTEREST", "HIV_STI", "SEX_HEALTH", "ABORTION", "SUBST_MISUSE"),
    *("MENTAL_HEALTH_ADULT", "COMPETENT_CONFIDENCE", "COURT_RESTRICT"),
}


def codes(part: Json) -> list[str]:
    return [reason["code"] for reason in part["reasons"]]


def flagged(*flags: str, purpose: str = "S47_ENQ", category: str = "looked_after", **changes: Any) -> Json:
    """A responder's input about one record that carries these flags, against which nothing else stands."""
    document = asking.node_input(purpose, category, flags=list(flags), **changes)
    document["requester"]["agency"]["kind"] = "childrens_services"
    document["requester"]["user"]["role"] = "team_manager"
    return document


def decided(decide: Decide, document: Json) -> Json:
    return decide(EntryPoint.NODE, document)


def test_what_each_flag_does_to_an_enquiry(decide: Decide) -> None:
    """Of one record of children's services, by another authority of the area, without break-glass."""
    found: dict[str, set[str]] = {}
    for flag in FLAGS:
        decision = decided(decide, flagged(flag))
        effect = decision["records"][0]["effect"]
        found.setdefault(f"{effect} {decision['existence']}", set()).add(flag)
    assert found == {
        "withhold hidden": {*WITHHELD_ALWAYS, "DECEASED", "POLICE_INTEL"},
        # Of a record that claims to be about the child it is not known how somebody else is related to it.
        "refer visible": {*SILENT_REFERRAL - {"SUB_JUDICE"}, "THIRD_PARTY", "STAFF_SUBJECT", "VIP"},
        "permit visible": {
            "SUB_JUDICE",
            *("SENSITIVE_ADDRESS", "GENDER_RECOG", "INFORMANT", "NO_TIPOFF", "RETRACTED"),
            *("DISPUTED", "STALE", "UNBORN", "MAPPA", "CHANNEL"),
        },
    }


@pytest.mark.parametrize("flag", sorted(WITHHELD_ALWAYS))
def test_some_flags_open_to_nobody(flag: str, decide: Decide) -> None:
    for purpose in PURPOSES:
        category = asking.plain_categories(purpose)[0]
        decision = decided(decide, asking.node_input(purpose, category, flags=[flag]))
        assert decision["records"][0]["effect"] == "withhold", purpose
        assert decision["existence"] == "hidden"


def test_a_protected_identity_is_answered_like_nothing_held_and_one_officer_is_told(decide: Decide) -> None:
    for purpose in PURPOSES:
        document = asking.node_input(purpose, asking.plain_categories(purpose)[0], flags=["WITNESS_PROT"])
        held, nothing = decided(decide, document), decided(decide, {**document, "records": []})
        told = {"records": [], "person": nothing["person"]}
        assert {**held, **told} == nothing
        assert held["person"]["awaited"] == nothing["person"]["awaited"]
        assert [item["id"] for item in held["records"][0]["obligations"]][-1:] == ["silent_alert"]


def test_of_a_child_who_died_only_reviews_and_the_police_learn(decide: Decide) -> None:
    open_to = set()
    for purpose in PURPOSES:
        category = asking.plain_categories(purpose)[0]
        decision = decided(decide, asking.node_input(purpose, category, flags=["DECEASED"]))
        if decision["records"][0]["effect"] != "withhold":
            open_to.add(purpose)
    assert open_to == {"CDR", "CSPR_16H", "CRIME_DPA_S2P2"} | COMPELLING


@pytest.mark.parametrize(("flag", "agreement"), sorted(FOR_MEMBERS.items()))
def test_a_compartment_is_closed_to_those_outside_it(flag: str, agreement: str, decide: Decide) -> None:
    member, outsider = flagged(flag), flagged(flag)
    outsider["requester"]["agency"]["agreements"].remove(agreement)
    inside, outside = decided(decide, member), decided(decide, outsider)
    assert (inside["records"][0]["effect"], inside["records"][0]["tier"]) == ("permit", "T1")
    assert "no_onward_share" in {item["id"] for item in inside["records"][0]["obligations"]}
    assert outside == {**decided(decide, {**outsider, "records": []}), "records": outside["records"]}


REVEALING = {"refuge", "housing", "school", "college", "early_years", "gp", "family_hub"}
"""Whoever is known to one of these lives nearby. A voluntary body keeps nothing that the front door asks for."""


def test_a_protected_address_hides_which_agency_would_reveal_the_area(decide: Decide) -> None:
    silent = set()
    for kind in REFERENCE["agency_kinds"]:
        category = next(
            (
                name
                for name in asking.plain_categories("FRONT_DOOR")
                if kind in REFERENCE["categories"][name]["agency_kinds"]
            ),
            "",
        )
        if not category:
            continue
        document = asking.node_input("FRONT_DOOR", category, flags=["SENSITIVE_ADDRESS"])
        document["responder"]["kind"] = kind
        decision = decided(decide, document)
        if decision["existence"] == "hidden":
            silent.add(kind)
        else:
            assert decision["records"][0]["tier"] == "T0", kind
            assert decision["records"][0]["fields"] == [], kind
    assert silent == REVEALING


def test_a_protected_address_is_not_given_away_by_an_answer_from_elsewhere(decide: Decide) -> None:
    document = flagged("SENSITIVE_ADDRESS", purpose="CLA_PLAN")
    document["requester"]["user"]["role"] = "social_worker"
    assert decided(decide, document)["existence"] == "visible"
    document["requester"]["agency"]["areas"] = ["neighbourshire"]
    assert decided(decide, document)["existence"] == "hidden"


def test_no_purpose_is_given_a_location_of_a_protected_address(decide: Decide) -> None:
    for purpose in PURPOSES:
        for category in asking.plain_categories(purpose):
            document = asking.node_input(purpose, category, flags=["SENSITIVE_ADDRESS"])
            record = decided(decide, document)["records"][0]
            definitions = REFERENCE["categories"][category]["fields"]
            assert not [field for field in record["fields"] if "location" in definitions[field]["tags"]]


@pytest.mark.parametrize(
    ("code", "effect"), [("P", "refer"), ("1", "refer"), ("C", "refer"), ("3", "refer"), ("4", "refer"), ("5", "refer")]
)
def test_intelligence_goes_to_a_person_and_no_further(code: str, effect: str, decide: Decide) -> None:
    document = flagged("POLICE_INTEL", category="police_incident", handling_code=code)
    record = decided(decide, document)["records"][0]
    assert (record["effect"], record["tier"]) == (effect, "T1")
    assert "no_onward_share" in {item["id"] for item in record["obligations"]}


@pytest.mark.parametrize("code", ["", "Z"])
def test_intelligence_without_a_code_that_permits_is_withheld(code: str, decide: Decide) -> None:
    document = flagged("POLICE_INTEL", category="police_incident", handling_code=code)
    assert decided(decide, document)["records"][0]["effect"] == "withhold"


def test_output_of_national_police_systems_is_never_shared_under_any_category(decide: Decide) -> None:
    for purpose in PURPOSES:
        for category in asking.plain_categories(purpose):
            for kind in ("pnc", "pnd"):
                document = asking.node_input(purpose, category, type=kind)
                assert decided(decide, document)["records"][0]["effect"] == "withhold", (purpose, category)


@pytest.mark.parametrize("flag", ["HIV_STI", "SEX_HEALTH", "ABORTION"])
def test_sexual_health_needs_consent_or_cause_and_then_a_person(flag: str, decide: Decide) -> None:
    document = flagged(flag, purpose="S17_CIN", category="attendance_health")
    assert decided(decide, document)["records"][0]["effect"] == "withhold"
    document["query"]["attestations"].append("sensitive_consent")
    record = decided(decide, document)["records"][0]
    assert (record["effect"], record["tier"], record["fields"]) == ("refer", "T0", [])


@pytest.mark.parametrize("flag", ["STAFF_SUBJECT", "VIP"])
def test_records_about_staff_go_to_two_people_unless_break_glass_and_a_second_person_were_given(
    flag: str, decide: Decide
) -> None:
    document = flagged(flag)
    second = {"role": "lcpp", "kind": "second_person", "user_ref": asking.APPROVER}
    for glass, approval, effect in (
        ("", [], "refer"),
        ("shielded_person", [], "refer"),
        ("", [second], "refer"),
        ("shielded_person", [{**second, "user_ref": asking.USER}], "refer"),
        ("shielded_person", [{**second, "role": "social_worker"}], "refer"),
        ("shielded_person", [second], "permit"),
    ):
        asked = copy.deepcopy(document)
        asked["query"]["break_glass"] = glass
        asked["query"]["approvals"] += approval
        decision = decided(decide, asked)
        record = decision["records"][0]
        assert (record["effect"], decision["existence"]) == (effect, "visible")
        assert decision["person"]["people"] == {"refer": 2, "permit": 1}[effect]
        assert "alert_shielded_person" in {item["id"] for item in record["obligations"]}


@pytest.mark.parametrize(
    ("flag", "changes", "effect"),
    [
        ("CONFLICT_INTEREST", {"barred_users": [asking.USER]}, "withhold"),
        ("CONFLICT_INTEREST", {"barred_users": ["c" * 32]}, "permit"),
        ("CONFLICT_INTEREST", {}, "refer"),
        ("COURT_RESTRICT", {"permitted_users": [asking.USER]}, "permit"),
        ("COURT_RESTRICT", {"permitted_users": ["c" * 32]}, "refer"),
        ("COURT_RESTRICT", {}, "refer"),
    ],
)
def test_a_flag_may_turn_on_who_asks(flag: str, changes: Mapping[str, Any], effect: str, decide: Decide) -> None:
    assert decided(decide, flagged(flag, **changes))["records"][0]["effect"] == effect


def test_an_unborn_childs_plan_stands_under_the_mothers_number(decide: Decide) -> None:
    assert decided(decide, flagged("UNBORN"))["records"][0]["tier"] == "T2"
    other = flagged("UNBORN", purpose="S17_CIN", category="cin")
    record = decided(decide, other)["records"][0]
    assert (record["effect"], record["tier"]) == ("refer", "T1")


def assert_meet(both: Json, one: Json, other: Json) -> None:
    """Two flags together do what the stricter of them does, in every respect by itself."""
    record, parts = both["records"][0], (one["records"][0], other["records"][0])
    assert OPENNESS[record["effect"]] == min(OPENNESS[part["effect"]] for part in parts)
    assert record["enquiry"] == max((part["enquiry"] for part in parts), key=OUTCOMES.index)
    if record["effect"] != "withhold":
        assert record["tier"] == min((part["tier"] for part in parts), key=TIERS.index)
        assert set(record["fields"]) == set(parts[0]["fields"]) & set(parts[1]["fields"])
    owed = [{item["id"] for item in part["obligations"]} for part in (record, *parts)]
    standing = {name for name, row in REFERENCE["obligations"].items() if row["when_withheld"]}
    kept = standing if record["effect"] == "withhold" else owed[1] | owed[2]
    assert owed[0] == (owed[1] | owed[2]) & kept
    spoken = [code for code in codes(record) if code.startswith("FLAG_")]
    assert spoken == sorted(spoken, key=lambda code: int(REFERENCE["reasons"][code]["order"]))


@pytest.mark.parametrize("purpose", ["S47_ENQ", "S17_CIN", "CSPR_16H"])
def test_of_two_flags_the_stricter_wins_in_every_respect(purpose: str, decide: Decide) -> None:
    """Withholding before referral before release; the lower tier, fewer fields, all obligations, the longer silence."""
    category = "looked_after"
    alone = {flag: decided(decide, flagged(flag, purpose=purpose, category=category)) for flag in FLAGS}
    for one, other in combinations(FLAGS, 2):
        both = decided(decide, flagged(one, other, purpose=purpose, category=category))
        assert_meet(both, alone[one], alone[other])


def test_a_person_who_withholds_outweighs_every_flag_and_no_release_outweighs_one_that_withholds(
    decide: Decide,
) -> None:
    review = {"ref": "r1", "reason": "considered", "reviewer": "reviewer", "expires_at": asking.NOW + 1}
    for flag in FLAGS:
        document = flagged(flag)
        plain = decided(decide, document)["records"][0]["effect"]
        people = ["reviewer", "another"][: REFERENCE["flags"][flag]["decided_by"]["people"]]
        document["review"] = [{**review, "decision": "release", "reviewer": person} for person in people]
        freed = decided(decide, document)["records"][0]["effect"]
        assert freed == ("withhold" if plain == "withhold" else "permit"), flag
        document["review"].append({**review, "decision": "withhold", "reason": "more_detrimental"})
        assert decided(decide, document)["records"][0]["effect"] == "withhold", flag
