"""Every purpose as its law has it: who may invoke it, on which conditions, up to where; each inside and outside."""

import copy
from typing import Any

import pytest

from federation.actor import Actor
from federation.correlation_id import CorrelationId
from federation.ledger.entry import Entry, EntryKind
from federation.policy.engine import EntryPoint
from tests.policies import asking
from tests.policies.conftest import Decide
from tests.policies.inputs import GOLDEN, REFERENCE, TIERS, Json

PURPOSES = sorted(REFERENCE["purposes"])

IN_THE_LAW = {
    *("S47_ENQ", "S47_EMERG", "S17_CIN", "FRONT_DOOR", "FAMILY_HELP", "ISD_16LA", "S10_COOP", "FGDM_OFFER", "PLO_S31"),
    *("CLA_PLAN", "CSPR_16H", "CDR", "EDU_SAFEG", "EDU_TRANSFER", "CME_436A", "CNIS_436B", "EHE_CONSENT_434A"),
    *("DA_MARAC", "MAPPA", "CSODS", "CLARE", "PREVENT_S36", "MISSING", "EXPLOIT", "PRIV_FOST", "EHCP", "YJ"),
    *("CRIME_DPA_S2P2", "PROBATION_PSR", "HOUSING", "COURT_ORDER", "SAR", "AUDIT"),
}
NEVER_AUTOMATIC = {"CSODS", "CLARE", "CRIME_DPA_S2P2"}
COMPELLING = {"COURT_ORDER": 1, "SAR": 2, "CSPR_16H": 1}
"""Purposes under which disclosure is compelled, and how many people answer."""
NOT_COMMENCED = {"FGDM_OFFER", "ISD_16LA", "EHE_CONSENT_434A", "CNIS_436B"}
MEMBERSHIP_ONLY = {"CME_436A", "CNIS_436B", "EHE_CONSENT_434A", "S10_COOP"}


def codes(part: Json) -> list[str]:
    return [reason["code"] for reason in part["reasons"]]


def row(purpose: str) -> Json:
    return REFERENCE["purposes"][purpose]


def at_gateway(decide: Decide, document: Json) -> Json:
    return decide(EntryPoint.GATEWAY, document)


def test_every_purpose_of_the_law_is_data_and_nothing_else_is() -> None:
    assert set(PURPOSES) == IN_THE_LAW


@pytest.mark.parametrize("purpose", PURPOSES)
def test_whoever_may_invoke_it_may_and_is_told_on_what_it_rests(purpose: str, decide: Decide) -> None:
    for invocation in asking.invocations(purpose):
        decision = at_gateway(decide, asking.gateway_input(purpose, invocation))
        assert decision["effect"] == "permit", invocation
        processing = row(purpose)["processing"]
        assert decision["processing"] == processing["by_kind"].get(invocation[0], processing["by_default"])
        assert decide(EntryPoint.REQUESTER, asking.requester_input(purpose, invocation))["effect"] == "permit"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_tier_is_above_purpose_and_role(purpose: str, decide: Decide) -> None:
    for kind, legal_class, role in asking.invocations(purpose):
        highest = max(
            invoker["roles"].get(role, "")
            for invoker in row(purpose)["invokers"]
            if {"*", kind} & set(invoker["agency_kinds"]) and legal_class in invoker["legal_classes"]
        )
        document = asking.gateway_input(purpose, (kind, legal_class, role))
        for category in document["query"]["categories"]:
            category["tier"] = "T2"
        for given in at_gateway(decide, document)["targets"][0]["categories"]:
            assert given["tier"] <= min(highest, row(purpose)["categories"][given["name"]]["highest_tier"])


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_role_that_is_not_named_is_refused(purpose: str, decide: Decide) -> None:
    document = asking.gateway_input(purpose)
    document["requester"]["user"]["role"] = "identifier_steward"
    assert "ROLE_NOT_ENTITLED" in codes(at_gateway(decide, document))


@pytest.mark.parametrize("purpose", [name for name in PURPOSES if name not in {"SAR", "AUDIT"}])
def test_an_agency_outside_the_class_is_refused(purpose: str, decide: Decide) -> None:
    document = asking.gateway_input(purpose)
    document["requester"]["agency"].update(kind="inspectorate", legal_class="NONE")
    assert "AGENCY_NOT_ENTITLED" in codes(at_gateway(decide, document))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_each_statement_it_demands_is_needed(purpose: str, decide: Decide) -> None:
    required = row(purpose)["requires"]
    assert required["attestations_all"] or required["attestations_any"]
    groups = [[code] for code in required["attestations_all"]]
    groups += [required["attestations_any"]] if required["attestations_any"] else []
    for group in groups:
        document = asking.gateway_input(purpose)
        document["query"]["attestations"] = [code for code in document["query"]["attestations"] if code not in group]
        assert "ATTESTATION_MISSING" in codes(at_gateway(decide, document)), group


@pytest.mark.parametrize("purpose", [name for name in PURPOSES if row(name)["requires"]["approvals"]])
def test_each_approval_is_somebody_elses(purpose: str, decide: Decide) -> None:
    for needed in row(purpose)["requires"]["approvals"]:
        bound = [item for item in asking.invocations(purpose) if item[2] not in needed["waived_for_roles"]]
        for invocation in bound[:2]:
            without = asking.gateway_input(purpose, invocation)
            given = without["query"]["approvals"]
            without["query"]["approvals"] = [item for item in given if item["kind"] != needed["kind"]]
            assert "APPROVAL_MISSING" in codes(at_gateway(decide, without))
            own = asking.gateway_input(purpose, invocation)
            for item in own["query"]["approvals"]:
                item["user_ref"] = asking.USER
            assert "APPROVAL_MISSING" in codes(at_gateway(decide, own))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_what_the_family_knows_is_as_the_purpose_demands(purpose: str, decide: Decide) -> None:
    accepted = row(purpose)["requires"]["family_informed"]
    for position in ("yes", "no", "unsafe", "not_practicable"):
        document = asking.gateway_input(purpose)
        document["query"]["family_informed"] = position
        refused = "FAMILY_NOT_INFORMED" in codes(at_gateway(decide, document))
        assert refused == (position not in accepted), position


@pytest.mark.parametrize("purpose", PURPOSES)
def test_without_its_further_conditions_it_gives_its_default(purpose: str, decide: Decide) -> None:
    beyond = row(purpose)["beyond_default"]
    further = set(beyond["attestations_all"] + beyond["attestations_any"])
    further -= set(row(purpose)["requires"]["attestations_all"] + row(purpose)["requires"]["attestations_any"])
    if not further:
        return
    document = asking.gateway_input(purpose)
    document["query"]["attestations"] = [code for code in document["query"]["attestations"] if code not in further]
    for given in at_gateway(decide, document)["targets"][0]["categories"]:
        assert given["tier"] <= row(purpose)["categories"][given["name"]]["default_tier"]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_category_it_does_not_reach_is_left_out_at_both_ends(purpose: str, decide: Decide) -> None:
    beyond = sorted(set(REFERENCE["categories"]) - set(row(purpose)["categories"]))
    asked = [{"name": name, "tier": "T0"} for name in beyond[:64]]
    document = asking.gateway_input(purpose)
    document["query"]["categories"] = asked
    assert "NO_CATEGORY_PERMITTED" in codes(at_gateway(decide, document))
    held = asking.node_input(purpose, beyond[0])
    held["query"]["categories"] = [*held["query"]["categories"], *asking.question(purpose)["query"]["categories"][:1]]
    decision = decide(EntryPoint.NODE, held)
    assert [record["effect"] for record in decision["records"]] == ["withhold"]
    assert decision["existence"] == "hidden"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_urgency_direction_and_break_glass_are_its_own(purpose: str, decide: Decide) -> None:
    for urgency in ("routine", "urgent", "emergency"):
        document = asking.gateway_input(purpose)
        document["query"]["urgency"] = urgency
        refused = "URGENCY_NOT_ALLOWED" in codes(at_gateway(decide, document))
        assert refused == (urgency not in row(purpose)["urgencies"])
    pushed = asking.gateway_input(purpose)
    pushed["query"]["direction"] = "proactive"
    assert "DIRECTION_NOT_ALLOWED" in codes(at_gateway(decide, pushed))
    for code in REFERENCE["break_glass"]:
        document = asking.gateway_input(purpose)
        document["query"]["break_glass"] = code
        refused = "BREAK_GLASS_NOT_ACCEPTED" in codes(at_gateway(decide, document))
        assert refused == (code not in row(purpose)["break_glass"]["codes"])


def test_exactly_what_is_not_commenced_is_refused_outside_the_invented_area(decide: Decide) -> None:
    refused = set()
    for purpose in PURPOSES:
        document = asking.gateway_input(purpose)
        document["query"]["area"] = "neighbourshire"
        for agency in (document["requester"]["agency"], *document["targets"]):
            agency["areas"] = ["neighbourshire"]
        if codes(at_gateway(decide, document)) == ["PURPOSE_NOT_IN_FORCE"]:
            refused.add(purpose)
    assert refused == NOT_COMMENCED


@pytest.mark.parametrize("purpose", PURPOSES)
def test_it_names_a_condition_of_article_6_and_one_for_special_categories(purpose: str) -> None:
    processing = row(purpose)["processing"]
    for conditions in (processing["by_default"], *processing["by_kind"].values()):
        law_enforcement = "DPA2018_PART3_S35" in conditions
        assert law_enforcement or any(code.startswith("UKGDPR_6_1_") for code in conditions)
        assert law_enforcement or any(code.startswith(("UKGDPR_9_2_", "UKGDPR_10")) for code in conditions)


def test_a_duty_rests_on_a_legal_obligation() -> None:
    for purpose in ("ISD_16LA", "S47_ENQ", "CSPR_16H", "COURT_ORDER"):
        assert "UKGDPR_6_1_C" in row(purpose)["processing"]["by_default"]


def test_what_never_releases_by_itself_waits_for_a_person_and_shows_nothing(decide: Decide) -> None:
    assert {name for name in PURPOSES if row(name)["human_decision_from"] == "T0"} == NEVER_AUTOMATIC
    for purpose in sorted(NEVER_AUTOMATIC):
        assert row(purpose)["human_decision_shields"]
        for category in asking.plain_categories(purpose):
            for tier in TIERS:
                document = asking.node_input(purpose, category)
                document["query"]["categories"] = [{"name": category, "tier": tier}]
                decision = decide(EntryPoint.NODE, document)
                assert [record["effect"] for record in decision["records"]] == ["refer"], (purpose, category)
                assert decision["existence"] == "hidden"


def test_a_person_releases_what_waited(decide: Decide) -> None:
    for purpose in sorted(NEVER_AUTOMATIC):
        category = asking.plain_categories(purpose)[0]
        document = asking.node_input(purpose, category)
        released = {"ref": "r1", "decision": "release", "reason": "considered", "reviewer": "reviewer"}
        document["review"] = [{**released, "expires_at": asking.NOW + 1}]
        decision = decide(EntryPoint.NODE, document)
        assert [record["effect"] for record in decision["records"]] == ["permit"], purpose
        assert decision["existence"] == "visible"


def test_where_disclosure_is_compelled_a_person_answers_whatever_is_held(decide: Decide) -> None:
    assert {
        name: row(name)["compelled"]["people"] for name in PURPOSES if row(name)["compelled"]["applies"]
    } == COMPELLING
    for purpose, people in COMPELLING.items():
        for category in asking.plain_categories(purpose):
            held = asking.node_input(purpose, category)
            hidden = asking.node_input(purpose, category, flags=["WITNESS_PROT"])
            decisions = [decide(EntryPoint.NODE, item) for item in (held, hidden, {**held, "records": []})]
            assert [decision["person"]["awaited"] for decision in decisions] == [True, True, True], category
            assert {decision["person"]["people"] for decision in decisions} == {people}
            assert [decision["absence_confirmed"] for decision in decisions] == [False, False, False]


def answered(document: Json, people: int, *, decision: str = "release", reason: str = "considered") -> Json:
    """The same input once so many people answered the question and decided on its record."""
    said = {"decision": decision, "reason": reason, "expires_at": asking.NOW + 1}
    refs = ["", *(record["ref"] for record in document["records"])]
    review = [{**said, "ref": ref, "reviewer": f"reviewer-{number}"} for ref in refs for number in range(people)]
    return {**document, "review": review}


def test_what_people_answer_is_what_leaves(decide: Decide) -> None:
    for purpose, people in COMPELLING.items():
        held = asking.node_input(purpose, asking.plain_categories(purpose)[0])
        unknown = {**held, "records": []}
        given = decide(EntryPoint.NODE, answered(held, people))
        assert [record["effect"] for record in given["records"]] == ["permit"], purpose
        assert decide(EntryPoint.NODE, answered(unknown, people))["absence_confirmed"], purpose
        assert not decide(EntryPoint.NODE, answered(unknown, people - 1))["absence_confirmed"], purpose
        kept = decide(EntryPoint.NODE, answered(held, 1, decision="withhold", reason="legal_restriction"))
        assert [record["effect"] for record in kept["records"]] == ["withhold"]
        assert not kept["absence_confirmed"]
        detriment = decide(EntryPoint.NODE, answered(held, 1, decision="withhold", reason="more_detrimental"))
        assert [record["effect"] for record in detriment["records"]] == ["refer"]
        assert detriment["person"]["awaited"]


def test_what_an_order_finds_shut_is_refused_and_never_called_absent(decide: Decide) -> None:
    category = asking.plain_categories("COURT_ORDER")[0]
    for flag in ("WITNESS_PROT", "ADOPTED_SEALED", "HFEA", "LEGAL_PRIV"):
        shut = answered(asking.node_input("COURT_ORDER", category, flags=[flag]), 1)
        assert not decide(EntryPoint.NODE, shut)["absence_confirmed"], flag
    for flag in ("SENSITIVE_ADDRESS", "DECEASED", "MAPPA", "HIV_STI"):
        released = answered(asking.node_input("COURT_ORDER", category, flags=[flag]), 1)
        released["requester"]["agency"]["agreements"] = []
        assert decide(EntryPoint.NODE, released)["records"][0]["effect"] == "permit", flag


def test_some_purposes_learn_of_membership_only() -> None:
    for purpose in MEMBERSHIP_ONLY:
        assert {cell["highest_tier"] for cell in row(purpose)["categories"].values()} == {"T0"}, purpose
    for purpose in ("CME_436A", "CNIS_436B"):
        assert "membership_only" in {item["id"] for item in row(purpose)["obligations"]}


def test_immigration_and_permanence_are_reached_by_no_purpose() -> None:
    reached = {name for purpose in PURPOSES for name in row(purpose)["categories"]}
    assert set(REFERENCE["categories"]) - reached == {"immigration", "permanence"}


def test_a_plan_for_special_needs_reaches_no_safeguarding_record() -> None:
    safeguarding = {"involvement", "contacts", "cin", "s47", "cp_plan", "safeguarding_log", "safeguarding_file"}
    kept_by_police = {name for name, item in REFERENCE["categories"].items() if "police" in item["agency_kinds"]}
    assert not set(row("EHCP")["categories"]) & (safeguarding | kept_by_police)


def released(decide: Decide, document: Json) -> Json:
    record = decide(EntryPoint.NODE, document)["records"][0]
    assert record["effect"] == "permit"
    return record


def test_a_family_meeting_learns_of_the_network_and_no_risk_to_third_parties(decide: Decide) -> None:
    assert set(row("FGDM_OFFER")["categories"]) == {"family_network", "court_orders", "kinship"}
    record = released(decide, asking.node_input("FGDM_OFFER", "family_network", relation="other"))
    assert set(record["fields"]) == {
        *("relative_relationship", "relative_contact_safety", "parental_responsibility", "court_order_type"),
    }
    contact = released(decide, asking.node_input("FGDM_OFFER", "kinship"))
    assert contact["redactions"] == ["local_offer_contact"]
    assert codes(contact) == ["PURPOSE_REDACTS"]


def test_behind_the_firewall_nobody_learns_where_the_victim_is(decide: Decide) -> None:
    tags = {
        field: definition["tags"]
        for item in REFERENCE["categories"].values()
        for field, definition in item["fields"].items()
    }
    for category in asking.plain_categories("DA_MARAC"):
        document = asking.node_input("DA_MARAC", category)
        record = decide(EntryPoint.NODE, document)["records"][0]
        assert not [field for field in record["fields"] if {"location", "source_identity"} & set(tags[field])]
        if record["effect"] == "permit":
            owed = {item["id"] for item in record["obligations"]}
            assert owed >= {"perpetrator_firewall", "no_onward_share"}
    about = asking.node_input("DA_MARAC", "domestic_abuse", relation="alleged_perpetrator")
    assert released(decide, about)["tier"] == "T2"
    elsewhere = asking.node_input("EHCP", "send", relation="alleged_perpetrator")
    assert decide(EntryPoint.NODE, elsewhere)["records"][0]["effect"] == "withhold"


def test_only_child_protection_leads_and_managers_open_detail_of_an_enquiry() -> None:
    at_the_authority = row("S47_ENQ")["invokers"][0]["roles"]
    assert {role for role, tier in at_the_authority.items() if tier == "T2"} == {
        *("lcpp", "team_manager", "mash_manager"),
    }


@pytest.mark.parametrize("purpose", PURPOSES)
def test_who_may_learn_is_the_purposes_or_stricter_where_telling_is_unsafe(purpose: str, decide: Decide) -> None:
    enquiry = row(purpose)["enquiry"]
    document = asking.gateway_input(purpose)
    if document["query"]["family_informed"] != "unsafe":
        assert at_gateway(decide, document)["enquiry"]["outcome"] == enquiry["outcome"]
    if "unsafe" in row(purpose)["requires"]["family_informed"]:
        document["query"]["family_informed"] = "unsafe"
        assert at_gateway(decide, document)["enquiry"] == {"outcome": "never", "after_s": 0, "audience": []}
    assert (enquiry["outcome"] == "never") == (enquiry["audience"] == [])
    assert (enquiry["outcome"] == "delay") == (enquiry["after_days"] > 0)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_is_pinned_by_a_golden_decision_inside_and_one_outside(purpose: str) -> None:
    pinned = {
        item["result"]["effect"]
        for item in GOLDEN.values()
        if item["entry_point"] == EntryPoint.GATEWAY and item["input"]["query"]["purpose"] == purpose
    }
    assert pinned == {"permit", "deny"}


LIMBS: list[tuple[str, dict[str, Any], str]] = [
    ("in the class of section 11", {}, ""),
    ("in the class of section 16E", {"kind": "school", "legal_class": "S16E_EDU"}, ""),
    ("arranged, within the contract", {"legal_class": "ARRANGED_PROVIDER"}, ""),
    ("outside the class", {"legal_class": "NONE"}, "AGENCY_NOT_ENTITLED"),
    ("arranged by nobody", {"legal_class": "ARRANGED_PROVIDER", "arranged_by": ""}, "ARRANGEMENT_NOT_CURRENT"),
    (
        "arranged until yesterday",
        {"legal_class": "ARRANGED_PROVIDER", "contract_to": {"year": 2026, "month": 11, "day": 21}},
        "ARRANGEMENT_NOT_CURRENT",
    ),
    (
        "arranged from tomorrow",
        {"legal_class": "ARRANGED_PROVIDER", "contract_from": {"year": 2026, "month": 11, "day": 23}},
        "ARRANGEMENT_NOT_CURRENT",
    ),
]


@pytest.mark.parametrize(("limb", "changes", "code"), LIMBS, ids=[limb for limb, _, _ in LIMBS])
def test_the_duty_to_share_runs_within_its_class_on_both_sides(
    limb: str, changes: dict[str, Any], code: str, decide: Decide
) -> None:
    whole = {"kind": "family_hub", "legal_class": "S11_1", **changes}
    role = "dsl" if whole["kind"] == "school" else "family_hub_practitioner"
    own = asking.agency("asker", **copy.deepcopy(whole))
    asks = asking.gateway_input("ISD_16LA", ("family_hub", "S11_1", role))
    asks["requester"]["agency"] = own
    decision = at_gateway(decide, asks)
    assert (decision["effect"] == "permit") == (code == ""), limb
    assert not code or code in codes(decision)
    held = asking.node_input("ISD_16LA", "early_help")
    held["responder"] = {**own, "id": "asked", "kind": "early_help"}
    answered = decide(EntryPoint.NODE, held)
    assert (answered["effect"] == "permit") == (code == ""), limb
    assert not code or codes(answered) == ["TARGET_NOT_BOUND"]


def test_what_the_duty_releases_says_of_each_field_why_it_was_sufficient(decide: Decide) -> None:
    document = asking.node_input("ISD_16LA", "cin")
    document["requester"]["agency"]["kind"] = "childrens_services"
    document["requester"]["user"]["role"] = "team_manager"
    review = {"ref": "r1", "decision": "release", "reason": "considered", "reviewer": "reviewer"}
    document["review"] = [{**review, "expires_at": asking.NOW + 1}]
    record = released(decide, document)
    assert [ground["field"] for ground in record["grounds"]] == record["fields"]
    assert {ground["column"] for ground in record["grounds"]} == {"default_tier", "highest_tier"}
    fields = REFERENCE["categories"]["cin"]["fields"]
    for ground in record["grounds"]:
        assert ground["column"] == {"T1": "default_tier", "T2": "highest_tier"}[fields[ground["field"]]["tier"]]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_whatever_is_decided_can_stand_in_a_ledger(purpose: str, decide: Decide) -> None:
    """A ledger refuses what looks personal, names of fields as keys included: that would stop the disclosure itself."""
    for category in asking.plain_categories(purpose):
        document = asking.node_input(purpose, category)
        hold = {"ref": "r1", "decision": "withhold", "reason": "more_detrimental", "reviewer": "reviewer"}
        held = {**document, "review": [{**hold, "expires_at": 1_795_345_209}]}
        for asked in (document, held):
            body = {"result": decide(EntryPoint.NODE, asked)}
            entry = Entry(
                kind=EntryKind.ANSWERED,
                at=asking.NOW,
                actor=Actor.agency("camden-csc"),
                correlation_id=CorrelationId("c" * 32),
                body=body,
            )
            assert entry.content
