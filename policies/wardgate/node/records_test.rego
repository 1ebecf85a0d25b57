package wardgate.node_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.node

_node(change) := fixtures.changed(fixtures.node, change)

_record_decision(document) := record if {
	decision := node.decision with input as document
	record := decision.records[0]
}

# The whole node asked about one category, at the highest tier, of one record.
_about(responder, category, fields) := _node({
	"query": {"categories": [{"name": category, "tier": "T2"}]},
	"responder": responder,
	"gateway": {"categories": [{"name": category, "tier": "T2"}]},
	"records": [fixtures.record("r1", category, fields)],
})

_asked_in_limbs_only := [{"name": name, "tier": "T0"} | some name in ["s47", "cp_plan", "special_school_placement"]]

_consent := _node({
	"query": {
		"purpose": "EHE_CONSENT_434A",
		"urgency": "routine",
		"categories": _asked_in_limbs_only,
		"attestations": ["withdrawal_notice_received"],
	},
	"requester": {"agency": fixtures.school, "user": {"role": "dsl"}},
	"gateway": {"categories": _asked_in_limbs_only},
	"records": [fixtures.record("r1", "s47", ["s47e_s47_start_date"])],
})

_duty := _node({
	"query": {
		"purpose": "ISD_16LA",
		"attestations": ["relevant_to_welfare", "may_facilitate_function"],
	},
	"requester": {"user": {"role": "team_manager"}},
})

test_the_gateways_tier_is_never_exceeded if {
	_record_decision(_node({"gateway": {"categories": [{"name": "s47", "tier": "T1"}]}})).tier == "T1"
	_record_decision(_node({"gateway": {"categories": [{"name": "s47", "tier": "T2"}]}})).tier == "T2"
}

test_the_nodes_own_grant_is_never_exceeded if {
	modest := _node({"query": {"categories": [{"name": "s47", "tier": "T1"}]}})
	_record_decision(modest).tier == "T1"
}

test_the_categorys_highest_tier_is_never_exceeded if {
	decision := node.decision with input as fixtures.node with data.reference.categories.s47.highest_tier as "T1"
	decision.records[0].tier == "T1"
}

test_the_lowest_of_the_overlays_caps_holds if {
	capped := _node({"overlay": {"tier_caps": [
		{"category": "s47", "tier": "T2"},
		{"category": "s47", "tier": "T0"},
		{"category": "cin", "tier": "T0"},
	]}})
	_record_decision(capped).tier == "T0"
	elsewhere := _node({"overlay": {"tier_caps": [{"category": "cin", "tier": "T0"}]}})
	_record_decision(elsewhere).tier == "T2"
}

test_a_category_the_gateway_did_not_permit_is_withheld if {
	record := _record_decision(_node({"gateway": {"categories": [{"name": "cin", "tier": "T2"}]}}))
	record.effect == "withhold"
	_codes(record) == ["CATEGORY_NOT_PERMITTED"]
}

test_a_category_the_query_did_not_ask_for_is_withheld if {
	unasked := _node({"query": {"categories": [{"name": "cin", "tier": "T2"}]}})
	_codes(_record_decision(unasked)) == ["CATEGORY_NOT_PERMITTED"]
}

test_a_category_the_overlay_bars_is_withheld if {
	_codes(_record_decision(_node({"overlay": {"categories_never": ["s47"]}}))) == ["CATEGORY_NOT_PERMITTED"]
	_record_decision(_node({"overlay": {"categories_never": ["cin"]}})).effect == "permit"
}

test_a_category_agencies_of_the_kind_do_not_keep_is_withheld if {
	_codes(_record_decision(_node({"responder": {"kind": "housing"}}))) == ["CATEGORY_NOT_PERMITTED"]
}

test_a_school_learns_of_a_current_enquiry_and_no_more if {
	decision := node.decision with input as _consent
	decision.existence == "visible"
	record := decision.records[0]
	record.effect == "permit"
	record.tier == "T0"
	record.fields == []
	[obligation.id | some obligation in record.obligations] == ["do_not_remove_from_roll"]
}

test_records_about_others_follow_the_purpose if {
	_record_decision(fixtures.with_record(fixtures.node, {"relation": "parent"})).tier == "T2"
	_record_decision(fixtures.with_record(fixtures.node, {"relation": "household"})).tier == "T1"
	other := fixtures.with_record(_consent, {"relation": "household"})
	_codes(_record_decision(other)) == ["RELATION_NOT_COVERED"]
}

test_output_of_national_systems_is_never_shared if {
	every type in ["pnd", "PND", "pnc_print", "from_Pnc", "P.N.D. print", "p-n-d", "PN C", "police national computer"] {
		_codes(_record_decision(fixtures.with_record(fixtures.police_node, {"type": type}))) == ["TYPE_NEVER_SHARED"]
	}
	_record_decision(fixtures.with_record(fixtures.police_node, {"type": "assault"})).effect == "permit"
}

test_the_overlay_withholds_by_type if {
	barred := fixtures.changed(fixtures.police_node, {"overlay": {"types_never": ["concern_for_child"]}})
	_codes(_record_decision(barred)) == ["LOCAL_RULE_WITHHOLDS"]
	other := fixtures.changed(fixtures.police_node, {"overlay": {"types_never": ["ppn"]}})
	_record_decision(other).effect == "permit"
}

test_handling_codes_permit_refer_and_withhold if {
	every code in ["", "P"] {
		_record_decision(fixtures.with_record(fixtures.police_node, {"handling_code": code})).effect == "permit"
	}
	every code in ["C", "3", "4", "5"] {
		record := _record_decision(fixtures.with_record(fixtures.police_node, {"handling_code": code}))
		record.effect == "refer"
		_codes(record) == ["HANDLING_CODE_CONDITIONS"]
		[obligation.id | some obligation in record.obligations] == ["no_onward_share", "originator_consult"]
	}
	every code in ["Z", "6"] {
		record := _record_decision(fixtures.with_record(fixtures.police_node, {"handling_code": code}))
		record.effect == "withhold"
		_codes(record) == ["HANDLING_CODE_WITHHOLDS"]
	}
}

test_legacy_codes_for_authorities_permit_to_them_alone if {
	every code in ["1", "2"] {
		coded := fixtures.with_record(fixtures.police_node, {"handling_code": code})
		record := _record_decision(coded)
		record.effect == "refer"
		_codes(record) == ["HANDLING_CODE_CONDITIONS"]
		force := fixtures.agency("other-police", "police", "S11_1")
		asked := fixtures.changed(coded, {
			"requester": {"agency": force, "user": {"role": "police_supervisor"}},
			"responder": fixtures.agency("testshire-police", "police", "S11_1"),
		})
		_record_decision(asked).effect == "permit"
	}
}

test_a_code_that_keeps_with_its_originator_shields_but_from_an_enquiry if {
	coded := fixtures.with_record(fixtures.police_node, {"handling_code": "4"})
	seen := node.decision with input as coded
	seen.existence == "visible"
	unseen := node.decision with input as coded with data.reference.handling_codes["4"].open_purposes as []
	unseen.existence == "hidden"
	"shield_existence" in [obligation.id | some obligation in unseen.records[0].obligations]
	conditions := node.decision with input as fixtures.with_record(fixtures.police_node, {"handling_code": "C"})
		with data.reference.handling_codes.C.open_purposes as []
	conditions.existence == "visible"
	released := node.decision with input as fixtures.changed(coded, {"review": [fixtures.review("r1", "release")]})
		with data.reference.handling_codes["4"].open_purposes as []
	not "shield_existence" in [obligation.id | some obligation in released.records[0].obligations]
}

test_a_type_that_is_on_no_list_is_for_a_person if {
	odd := fixtures.with_record(fixtures.police_node, {"type": "print"})
	_record_decision(odd).effect == "refer"
	_codes(_record_decision(odd)) == ["TYPE_NOT_LISTED"]
	_record_decision(fixtures.changed(odd, {"review": [fixtures.review("r1", "release")]})).effect == "permit"
	_record_decision(fixtures.with_record(fixtures.node, {"type": "print"})).effect == "permit"
}

test_a_category_that_shields_shows_its_referral_to_an_enquiry if {
	clinic := fixtures.agency("testshire-clinic", "sexual_health_service", "S11_1")
	decision := node.decision with input as _about(clinic, "sexual_health", [])
	_codes(decision.records[0]) == ["HUMAN_RELEASE"]
	decision.existence == "visible"
	decision.records[0].obligations == []
}

test_sensitive_services_are_released_by_a_person if {
	clinic := fixtures.agency("testshire-clinic", "sexual_health_service", "S11_1")
	held := _about(clinic, "sexual_health", [])
	decision := node.decision with input as held with data.reference.categories.sexual_health.open_purposes as []
	_codes(decision.records[0]) == ["HUMAN_RELEASE"]
	decision.existence == "hidden"
	[obligation.id | some obligation in decision.records[0].obligations] == ["shield_existence"]
	released := node.decision with input as fixtures.changed(held, {"review": [fixtures.review("r1", "release")]})
		with data.reference.categories.sexual_health.open_purposes as []
	released.records[0].effect == "permit"
	released.records[0].tier == "T0"
	released.records[0].obligations == []
	released.existence == "visible"
}

test_an_adults_record_travels_with_its_context if {
	service := fixtures.agency("testshire-recovery", "substance_misuse_service", "S11_1")
	held := _about(service, "substance_misuse", ["service_contact"])
	_codes(_record_decision(held)) == ["HUMAN_RELEASE", "THIRD_PARTY_WITHOUT_CONTEXT"]
	related := fixtures.with_record(held, {"relation": "parent", "contact_level": "regular"})
	_codes(_record_decision(related)) == ["HUMAN_RELEASE"]
	released := fixtures.changed(related, {"review": [fixtures.review("r1", "release")]})
	_record_decision(released).fields == ["service_contact"]
	_record_decision(released).tier == "T1"
	considered := fixtures.changed(held, {"review": [fixtures.review("r1", "release")]})
	_record_decision(considered).effect == "permit"
}

test_the_overlay_refers_purposes_and_categories if {
	every overlay in [{"categories_refer": ["s47"]}, {"purposes_refer": ["S47_ENQ"]}] {
		_codes(_record_decision(_node({"overlay": overlay}))) == ["LOCAL_RULE_REFERS"]
	}
	other := _node({"overlay": {"categories_refer": ["cin"], "purposes_refer": ["FRONT_DOOR"]}})
	_record_decision(other).effect == "permit"
	released := _node({"overlay": {"categories_refer": ["s47"]}, "review": [fixtures.review("r1", "release")]})
	_record_decision(released).effect == "permit"
}

test_an_allegation_stays_an_allegation if {
	alleged := _record_decision(fixtures.with_record(fixtures.node, {"assertion": "third_party_allegation"}))
	[obligation.id | some obligation in alleged.obligations] == ["mark_allegation"]
	_record_decision(fixtures.with_record(fixtures.node, {"assertion": "professional_opinion"})).obligations == []
}

test_an_alleged_perpetrator_is_reached_only_by_purposes_that_say_so if {
	_record_decision(fixtures.with_record(fixtures.node, {"relation": "alleged_perpetrator"})).tier == "T2"
	other := fixtures.with_record(_consent, {"relation": "alleged_perpetrator"})
	_codes(_record_decision(other)) == ["RELATION_NOT_COVERED"]
}

test_what_is_about_somebody_else_travels_with_their_contact if {
	known := fixtures.with_record(fixtures.node, {"relation": "parent", "contact_level": "none"})
	_record_decision(known).effect == "permit"
	unknown := fixtures.with_record(fixtures.node, {"relation": "parent", "contact_level": "unknown"})
	_codes(_record_decision(unknown)) == ["THIRD_PARTY_WITHOUT_CONTEXT"]
	about_the_child := fixtures.with_record(fixtures.node, {"contact_level": "unknown"})
	_record_decision(about_the_child).effect == "permit"
}

test_an_overlays_cap_is_for_its_category_alone if {
	capped := _node({"overlay": {"tier_caps": [
		{"category": "s47", "tier": "T1"},
		{"category": "cin", "tier": "T0"},
	]}})
	_record_decision(capped).tier == "T1"
}

test_a_person_who_withholds_does_not_lift_the_shield if {
	clinic := fixtures.agency("testshire-clinic", "sexual_health_service", "S11_1")
	held := _about(clinic, "sexual_health", [])
	decision := node.decision with input as fixtures.changed(held, {"review": [fixtures.review("r1", "withhold")]})
		with data.reference.categories.sexual_health.open_purposes as []
	"DETRIMENT_WITHHELD" in _codes(decision.records[0])
	"shield_existence" in [obligation.id | some obligation in decision.records[0].obligations]
}
