package wardgate.node_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.node

_codes(part) := [reason.code | some reason in part.reasons]

_effects(decision) := [record.effect | some record in decision.records]

_two := fixtures.changed(fixtures.node, {"records": [
	fixtures.record("r2", "s47", fixtures.s47_fields),
	fixtures.record("r1", "s47", fixtures.s47_fields),
]})

test_a_record_within_all_limits_is_released if {
	decision := node.decision with input as fixtures.node
	decision.effect == "permit"
	decision.existence == "visible"
	decision.reasons == []
	decision.expires_in_s == 3600
	decision.records == [{
		"ref": "r1",
		"effect": "permit",
		"tier": "T2",
		"fields": fixtures.s47_fields,
		"grounds": [{"field": field, "column": "default_tier"} | some field in fixtures.s47_fields],
		"redactions": [],
		"enquiry": "delay",
		"reasons": [],
		"obligations": [],
		"shown_as": "",
	}]
}

test_records_are_decided_in_the_order_of_the_input if {
	decision := node.decision with input as _two
	[record.ref | some record in decision.records] == ["r2", "r1"]
}

test_an_incomplete_question_is_malformed if {
	every path in [
		"/time", "/query", "/query/id", "/requester", "/counters", "/responder", "/gateway", "/overlay", "/records", "/review",
		"/records/0/flags",
	] {
		decision := node.decision with input as fixtures.without(fixtures.node, path)
		decision.effect == "deny"
		_codes(decision) == ["INPUT_MALFORMED"]
		decision.records == []
		decision.existence == "hidden"
	}
	node.well_formed with input as fixtures.node
	not node.well_formed with input as {}
}

test_malformed_is_said_as_the_catalogue_says_it if {
	decision := node.decision with input as {}
	row := data.reference.reasons.INPUT_MALFORMED
	decision.reasons == [{"code": "INPUT_MALFORMED", "audience": row.audience, "severity": row.severity}]
}

test_the_node_asks_again_all_that_the_gateway_asked if {
	node.denials == {"APPROVAL_MISSING"} with input as fixtures.changed(fixtures.node, {"query": {"approvals": []}})
	elsewhere := fixtures.changed(fixtures.node, {"responder": {"areas": ["neighbourshire"]}})
	node.denials == {"TARGET_OUTSIDE_AREA"} with input as elsewhere
	node.denials == {"TARGET_IS_REQUESTER"} with input as fixtures.changed(fixtures.node, {"responder": fixtures.csc})
	node.denials == set() with input as fixtures.node
}

test_the_node_is_bound_and_party_or_refuses if {
	ended := object.union(fixtures.neighbour, {"legal_class": "ARRANGED_PROVIDER"})
	node.denials == {"TARGET_NOT_BOUND"} with input as fixtures.changed(fixtures.node, {"responder": ended})
	node.denials == {"TARGET_WITHOUT_AGREEMENT"} with input as fixtures.node
		with data.reference.purposes.S47_ENQ.responder_agreements_any as ["mappa"]
}

test_an_obligation_the_node_does_not_know_refuses if {
	known := {"id": "no_tip_off", "type": "handling", "mandatory": true, "params": {}}
	with_known := fixtures.changed(fixtures.node, {"gateway": {"obligations": [known]}})
	node.denials == set() with input as with_known
	every change in [{"id": "sing"}, {"type": "alert"}] {
		unknown := fixtures.changed(fixtures.node, {"gateway": {"obligations": [object.union(known, change)]}})
		node.denials == {"OBLIGATION_UNKNOWN"} with input as unknown
	}
}

test_the_overlay_refuses_purposes_and_roles if {
	refusing := fixtures.changed(fixtures.node, {"overlay": {"purposes_never": ["S47_ENQ"]}})
	node.denials == {"LOCAL_RULE_REFUSES"} with input as refusing
	node.denials == {"LOCAL_RULE_REFUSES"} with input as fixtures.changed(fixtures.node, {"overlay": {"roles_never": ["lcpp"]}})
	other := fixtures.changed(fixtures.node, {"overlay": {"purposes_never": ["S17_CIN"], "roles_never": ["dsl"]}})
	node.denials == set() with input as other
}

test_a_refusal_says_nothing_of_the_records if {
	refused := fixtures.changed(_two, {"query": {"approvals": []}})
	decision := node.decision with input as refused
	decision.effect == "deny"
	decision.existence == "hidden"
	_effects(decision) == ["withhold", "withhold"]
	empty := node.decision with input as fixtures.changed(refused, {"records": []})
	object.remove(empty, ["records"]) == object.remove(decision, ["records"])
}

test_never_permitted_purposes_are_reported if {
	decision := node.decision with input as fixtures.changed(fixtures.node, {"query": {"purpose": "STAFF_CURIOSITY"}})
	decision.effect == "deny"
	_codes(decision) == ["PURPOSE_NEVER_PERMITTED"]
	[obligation.id | some obligation in decision.obligations] == ["alert_misuse"]
}

test_withholding_outweighs_referral_and_referral_release if {
	plain := fixtures.record("r1", "s47", fixtures.s47_fields)
	referred := object.union(plain, {"ref": "r2", "flags": ["COURT_RESTRICT"]})
	both := object.union(plain, {"ref": "r3", "flags": ["COURT_RESTRICT", "LEGAL_PRIV"]})
	decision := node.decision with input as fixtures.changed(fixtures.node, {"records": [plain, referred, both]})
	_effects(decision) == ["permit", "refer", "withhold"]
}

test_a_record_without_a_result_refuses_the_whole if {
	decision := node.decision with input as fixtures.node with data.wardgate.lib.tiers.name as []
	decision.effect == "deny"
	_codes(decision) == ["INPUT_MALFORMED"]
}

test_an_unknown_record_is_withheld_by_default if {
	node.effect_on("r1") == "permit" with input as fixtures.node
	node.effect_on("unheard-of") == "withhold" with input as fixtures.node
}

test_nothing_held_is_hidden if {
	decision := node.decision with input as fixtures.changed(fixtures.node, {"records": []})
	decision.effect == "permit"
	decision.existence == "hidden"
	decision.records == []
}

test_held_but_hidden_differs_from_nothing_held_in_its_records_only if {
	nothing := node.decision with input as fixtures.changed(fixtures.node, {"records": []})
	hidden := node.decision with input as fixtures.with_record(fixtures.node, {"flags": ["WITNESS_PROT"]})
	_effects(hidden) == ["withhold"]
	object.remove(hidden, ["records"]) == object.remove(nothing, ["records"])
}

test_a_referral_shows_existence_unless_its_rule_shields_it if {
	shown := node.decision with input as fixtures.changed(fixtures.node, {"overlay": {"categories_refer": ["s47"]}})
	_effects(shown) == ["refer"]
	shown.existence == "visible"
	shielded := node.decision with input as fixtures.with_record(fixtures.node, {"flags": ["COMPETENT_CONFIDENCE"]})
		with data.reference.flags.COMPETENT_CONFIDENCE.refer.open_purposes as []
	_effects(shielded) == ["refer"]
	shielded.existence == "hidden"
}

test_existence_follows_the_most_open_record if {
	hidden := object.union(fixtures.node.records[0], {"ref": "r2", "flags": ["LEGAL_PRIV"]})
	both := fixtures.changed(fixtures.node, {"records": [hidden, fixtures.node.records[0]]})
	decision := node.decision with input as both
	_effects(decision) == ["withhold", "permit"]
	decision.existence == "visible"
}

test_a_permission_names_the_holders_conditions_and_a_refusal_none if {
	holder := node.decision with input as fixtures.node
	holder.processing == data.reference.purposes.S47_ENQ.processing.by_default
	police := node.decision with input as fixtures.police_node
	police.processing == data.reference.purposes.S47_ENQ.processing.by_kind.police
	refused := node.decision with input as fixtures.changed(fixtures.node, {"query": {"approvals": []}})
	refused.processing == []
}

test_the_strictest_flag_that_shows_says_who_may_learn_of_the_question if {
	plain := node.decision with input as fixtures.node
	plain.enquiry.outcome == "delay"
	strict := node.decision with input as fixtures.with_record(fixtures.node, {"flags": ["NO_TIPOFF"]})
	strict.enquiry == {"outcome": "never", "after_s": 0, "audience": []}
	strict.records[0].enquiry == "never"
}

test_a_hidden_record_speaks_for_itself_only if {
	hidden := node.decision with input as fixtures.with_record(fixtures.node, {"flags": ["WITNESS_PROT"]})
	hidden.records[0].enquiry == "never"
	nothing := node.decision with input as fixtures.changed(fixtures.node, {"records": []})
	hidden.enquiry == nothing.enquiry
	nothing.enquiry.outcome == "delay"
}

test_of_an_unknown_flag_nobody_learns if {
	decision := node.decision with input as fixtures.with_record(fixtures.node, {"flags": ["UNHEARD_OF"]})
	decision.records[0].enquiry == "never"
}

test_flags_of_the_child_that_are_no_texts_are_malformed if {
	decision := node.decision with input as fixtures.changed(fixtures.node, {"child_flags": "WITNESS_PROT"})
	[reason.code | some reason in decision.reasons] == ["INPUT_MALFORMED"]
}
