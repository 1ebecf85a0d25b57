package wardgate.lib.entitlement_test

import data.wardgate.lib.entitlement
import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.tiers

_by(agency, role) := fixtures.changed(fixtures.question, {"requester": {
	"agency": agency,
	"user": {"ref": "user", "role": role},
}})

_under(question, purpose) := fixtures.changed(question, {"query": {"purpose": purpose}})

test_an_entitled_practitioner_is_not_denied if {
	count(entitlement.denials) == 0 with input as fixtures.question
	entitlement.role_rank == tiers.rank.T2 with input as fixtures.question
}

test_detail_is_for_the_lead_practitioner_and_the_manager if {
	entitlement.role_rank == tiers.rank.T1 with input as _by(fixtures.csc, "social_worker")
	entitlement.role_rank == tiers.rank.T2 with input as _by(fixtures.csc, "team_manager")
	count(entitlement.denials) == 0 with input as _by(fixtures.csc, "social_worker")
}

test_an_agency_of_another_kind_is_not_entitled if {
	count(entitlement.denials) == 0 with input as _by(fixtures.police, "police_officer")
	entitlement.denials == {"AGENCY_NOT_ENTITLED"} with input as _by(fixtures.school, "dsl")
	probation := fixtures.agency("testshire-probation", "probation", "S11_1")
	entitlement.denials == {"AGENCY_NOT_ENTITLED"} with input as _by(probation, "lcpp")
}

test_the_right_kind_in_the_wrong_class_is_not_entitled if {
	unbound := object.union(fixtures.csc, {"legal_class": "NONE"})
	entitlement.denials == {"AGENCY_NOT_ENTITLED"} with input as _by(unbound, "lcpp")
}

test_a_role_the_purpose_does_not_name_is_not_entitled if {
	entitlement.denials == {"ROLE_NOT_ENTITLED"} with input as _by(fixtures.csc, "early_help_practitioner")
	not entitlement.role_rank with input as _by(fixtures.csc, "early_help_practitioner")
}

test_a_role_must_exist_at_agencies_of_the_kind if {
	roles := {"lcpp": {"agency_kinds": ["macpt"]}}
	entitlement.denials == {"ROLE_NOT_ENTITLED"} with input as fixtures.question with data.reference.roles as roles
	everywhere := {"lcpp": {"agency_kinds": ["*"]}}
	count(entitlement.denials) == 0 with input as fixtures.question with data.reference.roles as everywhere
}

test_a_purpose_may_be_open_to_every_kind if {
	everyone := [{"agency_kinds": ["*"], "legal_classes": ["S16E_EDU"], "roles": {"dsl": "T1"}}]
	count(entitlement.denials) == 0 with input as _by(fixtures.school, "dsl")
		with data.reference.purposes.S47_ENQ.invokers as everyone
	entitlement.denials == {"AGENCY_NOT_ENTITLED"} with input as _by(fixtures.csc, "lcpp")
		with data.reference.purposes.S47_ENQ.invokers as everyone
}

test_an_arranged_provider_asks_while_its_arrangement_runs if {
	question := _under(_by(fixtures.hub, "family_help_lead"), "FAMILY_HELP")
	count(entitlement.denials) == 0 with input as question
	ended := fixtures.changed(question, {"time": {"date": fixtures.day(2027, 4, 1)}})
	entitlement.denials == {"ARRANGEMENT_NOT_CURRENT"} with input as ended
}

test_some_purposes_are_for_the_own_area_only if {
	elsewhere := object.union(fixtures.csc, {"areas": ["neighbourshire"]})
	question := _under(_by(elsewhere, "team_manager"), "FAMILY_HELP")
	entitlement.denials == {"AREA_NOT_OWN"} with input as question
	count(entitlement.denials) == 0 with input as _under(_by(fixtures.csc, "team_manager"), "FAMILY_HELP")
}

test_harm_is_followed_across_the_boundary if {
	elsewhere := object.union(fixtures.csc, {"areas": ["neighbourshire"]})
	count(entitlement.denials) == 0 with input as _by(elsewhere, "lcpp")
}

test_the_front_door_is_for_members_of_the_hub if {
	question := _under(_by(fixtures.csc, "mash_practitioner"), "FRONT_DOOR")
	entitlement.denials == {"AGREEMENT_MISSING"} with input as question
	member := object.union(fixtures.csc, {"agreements": ["mash"]})
	count(entitlement.denials) == 0 with input as _under(_by(member, "mash_practitioner"), "FRONT_DOOR")
}

test_an_unusable_purpose_is_left_to_its_own_reason if {
	count(entitlement.denials) == 0 with input as _under(fixtures.question, "S48_ENQ")
}

test_the_highest_tier_of_all_that_entitle_holds if {
	twice := [
		{"agency_kinds": ["*"], "legal_classes": ["S11_1"], "roles": {"lcpp": "T0"}},
		{"agency_kinds": ["childrens_services"], "legal_classes": ["S11_1"], "roles": {"lcpp": "T1"}},
	]
	entitlement.role_rank == tiers.rank.T1 with input as fixtures.question
		with data.reference.purposes.S47_ENQ.invokers as twice
}

test_nothing_is_said_of_the_role_under_law_that_is_not_in_force if {
	question := _by(fixtures.csc, "early_help_practitioner")
	entitlement.denials == {"ROLE_NOT_ENTITLED"} with input as question
	entitlement.denials == set() with input as question
		with data.reference.purposes.S47_ENQ.provisions as ["UNHEARD_OF"]
}
