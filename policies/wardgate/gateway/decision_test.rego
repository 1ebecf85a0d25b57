package wardgate.gateway_test

import data.wardgate.gateway
import data.wardgate.lib.fixtures_test as fixtures

_targets(targets) := fixtures.changed(fixtures.gateway, {"targets": targets})

_codes(part) := [reason.code | some reason in part.reasons]

test_each_target_is_decided_in_the_order_of_the_input if {
	decision := gateway.decision with input as fixtures.gateway
	decision.effect == "permit"
	decision.reasons == []
	decision.expires_in_s == 3600
	[target.agency | some target in decision.targets] == ["testshire-police", "neighbour-csc", "testshire-gp"]
	[target.effect | some target in decision.targets] == ["permit", "permit", "deny"]
}

test_each_target_is_asked_only_for_what_its_kind_keeps if {
	decision := gateway.decision with input as fixtures.gateway
	decision.targets[0].categories == [{"name": "police_incident", "tier": "T2"}]
	decision.targets[1].categories == [{"name": "s47", "tier": "T2"}]
	decision.targets[2].categories == []
	_codes(decision.targets[2]) == ["TARGET_KEEPS_NONE"]
}

test_categories_keep_the_order_in_which_they_were_asked if {
	asked := [{"name": "looked_after", "tier": "T0"}, {"name": "cin", "tier": "T1"}, {"name": "s47", "tier": "T2"}]
	decision := gateway.decision with input as fixtures.changed(_targets([fixtures.neighbour]), {"query": {"categories": asked}})
	decision.targets[0].categories == asked
}

test_an_incomplete_question_is_malformed if {
	every path in ["/time", "/query", "/query/id", "/requester", "/counters", "/targets", "/targets/0/areas"] {
		decision := gateway.decision with input as fixtures.without(fixtures.gateway, path)
		decision.effect == "deny"
		_codes(decision) == ["INPUT_MALFORMED"]
		decision.targets == []
	}
	gateway.well_formed with input as fixtures.gateway
	not gateway.well_formed with input as {}
}

test_malformed_is_said_as_the_catalogue_says_it if {
	decision := gateway.decision with input as {}
	row := data.reference.reasons.INPUT_MALFORMED
	decision.reasons == [{"code": "INPUT_MALFORMED", "audience": row.audience, "severity": row.severity}]
}

test_a_refused_query_reaches_nobody if {
	decision := gateway.decision with input as fixtures.changed(fixtures.gateway, {"query": {"approvals": []}})
	decision.effect == "deny"
	_codes(decision) == ["APPROVAL_MISSING"]
	decision.expires_in_s == 0
	every target in decision.targets {
		target.effect == "deny"
		target.categories == []
		_codes(target) == ["QUERY_REFUSED"]
	}
	count(decision.targets) == 3
}

test_never_permitted_purposes_are_reported if {
	decision := gateway.decision with input as fixtures.changed(fixtures.gateway, {"query": {"purpose": "BULK_LISTING"}})
	decision.effect == "deny"
	_codes(decision) == ["PURPOSE_NEVER_PERMITTED"]
	[obligation.id | some obligation in decision.obligations; obligation.mandatory] == ["alert_misuse"]
}

test_a_target_works_in_the_area_asked_about if {
	elsewhere := object.union(fixtures.police, {"id": "elsewhere", "areas": ["neighbourshire"]})
	decision := gateway.decision with input as _targets([fixtures.police, elsewhere])
	[target.effect | some target in decision.targets] == ["permit", "deny"]
	_codes(decision.targets[1]) == ["TARGET_OUTSIDE_AREA"]
}

test_the_duty_to_share_reaches_its_classes_only if {
	duty := fixtures.changed(fixtures.gateway, {
		"query": {
			"purpose": "ISD_16LA",
			"categories": [{"name": "gp_registration", "tier": "T1"}, {"name": "enrolment", "tier": "T1"}],
			"attestations": ["relevant_to_welfare", "may_facilitate_function"],
		},
		"targets": [fixtures.school, fixtures.gp],
	})
	decision := gateway.decision with input as duty
	[target.effect | some target in decision.targets] == ["permit", "deny"]
	_codes(decision.targets[1]) == ["TARGET_NOT_BOUND"]
}

test_a_target_is_party_to_the_agreement_demanded if {
	party := object.union(fixtures.police, {"agreements": ["mappa"]})
	decision := gateway.decision with input as _targets([party, fixtures.neighbour])
		with data.reference.purposes.S47_ENQ.responder_agreements_any as ["mappa"]
	[target.effect | some target in decision.targets] == ["permit", "deny"]
	_codes(decision.targets[1]) == ["TARGET_WITHOUT_AGREEMENT"]
}

test_nobody_is_asked_by_itself if {
	decision := gateway.decision with input as _targets([fixtures.csc, fixtures.neighbour])
	[target.effect | some target in decision.targets] == ["deny", "permit"]
	_codes(decision.targets[0]) == ["TARGET_IS_REQUESTER"]
}

test_nobody_to_ask_is_a_denial_with_each_targets_own_reason if {
	decision := gateway.decision with input as _targets([fixtures.csc, fixtures.gp])
	decision.effect == "deny"
	_codes(decision) == ["NO_TARGET_PERMITTED"]
	_codes(decision.targets[0]) == ["TARGET_IS_REQUESTER"]
	_codes(decision.targets[1]) == ["TARGET_KEEPS_NONE"]
	gateway.denials == set() with input as fixtures.gateway
}

test_responders_are_given_what_they_must_do if {
	unsafe := fixtures.changed(fixtures.gateway, {"query": {"family_informed": "unsafe"}})
	decision := gateway.decision with input as unsafe
	[obligation.id | some obligation in decision.targets[0].obligations] == ["no_tip_off"]
	decision.targets[2].obligations == []
}

test_unusual_volume_is_reported_by_the_gateway if {
	many := fixtures.changed(fixtures.gateway, {"counters": {"agency_queries_hour": 1000}})
	decision := gateway.decision with input as many
	decision.effect == "permit"
	_codes(decision) == ["VOLUME_UNUSUAL"]
	[obligation.id | some obligation in decision.obligations] == ["alert_volume"]
}

test_home_education_differs_by_day_and_area if {
	consent := fixtures.changed(fixtures.gateway, {
		"time": {"date": fixtures.day(2026, 9, 1)},
		"query": {
			"purpose": "EHE_CONSENT_434A",
			"urgency": "routine",
			"categories": [{"name": "s47", "tier": "T0"}],
			"attestations": ["withdrawal_notice_received"],
		},
		"requester": {"agency": fixtures.school, "user": {"role": "dsl"}},
		"targets": [fixtures.csc],
	})
	here := gateway.decision with input as consent
	here.effect == "permit"
	here.targets[0].categories == [{"name": "s47", "tier": "T0"}]
	eve := gateway.decision with input as fixtures.changed(consent, {"time": {"date": fixtures.day(2026, 8, 31)}})
	eve.effect == "deny"
	_codes(eve) == ["PURPOSE_NOT_IN_FORCE"]
	elsewhere := gateway.decision with input as fixtures.changed(consent, {
		"query": {"area": "neighbourshire"},
		"requester": {"agency": {"areas": ["neighbourshire"]}},
	})
	_codes(elsewhere) == ["PURPOSE_NOT_IN_FORCE"]
}

test_a_permission_names_the_requesters_conditions_and_who_may_learn if {
	decision := gateway.decision with input as fixtures.gateway
	decision.processing == data.reference.purposes.S47_ENQ.processing.by_default
	decision.enquiry.outcome == "delay"
	unsafe := gateway.decision with input as fixtures.changed(fixtures.gateway, {"query": {"family_informed": "unsafe"}})
	unsafe.enquiry == {"outcome": "never", "after_s": 0, "audience": []}
	refused := gateway.decision with input as fixtures.changed(fixtures.gateway, {"query": {"purpose": "UNHEARD_OF"}})
	refused.processing == []
	refused.enquiry.outcome == "never"
}

test_nothing_is_pushed_through_the_gateway if {
	pushed := fixtures.changed(fixtures.gateway, {"query": {
		"purpose": "ISD_16LA",
		"direction": "proactive",
		"attestations": ["relevant_to_welfare", "may_facilitate_function"],
	}})
	decision := gateway.decision with input as pushed
	_codes(decision) == ["DIRECTION_NOT_ALLOWED"]
	every target in decision.targets {
		_codes(target) == ["QUERY_REFUSED"]
	}
	requested := gateway.decision with input as fixtures.changed(pushed, {"query": {"direction": "request"}})
	requested.effect == "permit"
}

_front_door(categories) := fixtures.changed(fixtures.gateway, {
	"query": {
		"purpose": "FRONT_DOOR",
		"categories": [{"name": name, "tier": "T0"} | some name in categories],
		"attestations": ["threshold_decision_needed"],
		"approvals": [],
	},
	"requester": {"agency": {"agreements": ["mash"]}, "user": {"role": "mash_manager"}},
	"targets": [
		fixtures.police,
		fixtures.agency("probation", "probation", "S11_1"),
		fixtures.agency("camhs", "mental_health_trust", "S11_1"),
		fixtures.agency("inspectors", "inspectorate", "S11_1"),
	],
})

_said(categories) := [codes |
	decision := gateway.decision with input as _front_door(categories)
	some target in decision.targets
	codes := _codes(target)
]

test_three_truths_are_told_of_an_agency_that_is_not_asked if {
	_said(["police_known", "camhs"]) == [[], ["TARGET_NOT_REACHED"], ["TARGET_NEEDS_CAUSE"], ["TARGET_KEEPS_NONE"]]
	_said(["police_known", "camhs", "appointment"])[2] == []
	_said(["police_known"]) == [[], ["TARGET_NOT_REACHED"], ["TARGET_KEEPS_NONE"], ["TARGET_KEEPS_NONE"]]
	_said(["police_known", "adult_mental_health"]) == [
		[],
		["TARGET_NOT_REACHED"],
		["TARGET_NOT_REACHED"],
		["TARGET_KEEPS_NONE"],
	]
}

test_what_the_law_does_not_reach_yet_is_not_reached if {
	dormant := [{"areas": ["testshire"], "effective_from": "2026-11-23", "effective_to": null}]
	cell := object.union(data.reference.purposes.FRONT_DOOR.categories.police_known, {"provisions": ["EA1996_S434A_LOOK_BACK"]})
	only := object.union(data.reference.purposes.FRONT_DOOR, {"categories": null})
	row := object.union(only, {"categories": {"police_known": cell, "cin": data.reference.purposes.FRONT_DOOR.categories.cin}})
	document := fixtures.changed(_front_door(["cin"]), {"targets": [fixtures.police, fixtures.csc, fixtures.neighbour]})
	decision := gateway.decision with input as document
		with data.reference.purposes.FRONT_DOOR as row
		with data.reference.provisions.EA1996_S434A_LOOK_BACK.rows as dormant
	_codes(decision.targets[0]) == ["TARGET_NOT_REACHED"]
}
