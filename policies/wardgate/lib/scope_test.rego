package wardgate.lib.scope_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.scope

_asking(categories) := fixtures.changed(fixtures.question, {"query": {"categories": categories}})

_asked(name, tier) := [{"name": name, "tier": tier}]

_front_door := fixtures.changed(fixtures.question, {
	"query": {
		"purpose": "FRONT_DOOR",
		"categories": _asked("cp_plan", "T1"),
		"attestations": ["threshold_decision_needed", "partner_most_relevant"],
		"approvals": [fixtures.approval("manager", "mash_manager")],
	},
	"requester": {"user": {"role": "mash_practitioner"}},
})

_family_help := fixtures.changed(fixtures.question, {
	"query": {
		"purpose": "FAMILY_HELP",
		"categories": _asked("early_help", "T2"),
		"attestations": ["needs_beyond_universal"],
	},
	"requester": {"user": {"role": "team_manager"}},
})

_consent := fixtures.changed(fixtures.question, {
	"query": {
		"purpose": "EHE_CONSENT_434A",
		"categories": [{"name": "s47", "tier": "T0"}, {"name": "cp_plan", "tier": "T0"}],
		"attestations": ["withdrawal_notice_received"],
	},
	"requester": {"agency": fixtures.school, "user": {"role": "dsl"}},
})

test_what_is_asked_within_all_limits_is_granted if {
	scope.granted == {"s47": 2, "police_incident": 2} with input as fixtures.question
	count(scope.denials) == 0 with input as fixtures.question
	count(scope.notes) == 0 with input as fixtures.question
}

test_no_more_is_granted_than_was_asked if {
	scope.granted == {"s47": 0} with input as _asking(_asked("s47", "T0"))
}

test_no_more_is_granted_than_the_purpose_ever_gives if {
	scope.granted == {"sexual_health": 0} with input as _asking(_asked("sexual_health", "T2"))
	scope.notes == {"TIER_ABOVE_PURPOSE"} with input as _asking(_asked("sexual_health", "T2"))
	count(scope.notes) == 0 with input as _asking(_asked("sexual_health", "T0"))
}

test_no_more_is_granted_than_the_role_may_see if {
	worker := fixtures.changed(_asking(_asked("s47", "T2")), {"requester": {"user": {"role": "social_worker"}}})
	scope.granted == {"s47": 1} with input as worker
	scope.notes == {"TIER_ABOVE_ROLE"} with input as worker
	modest := fixtures.changed(worker, {"query": {"categories": _asked("s47", "T1")}})
	count(scope.notes) == 0 with input as modest
}

test_the_front_door_gives_summary_only_of_the_most_relevant if {
	scope.granted == {"cp_plan": 1} with input as _front_door
	scope.beyond_default with input as _front_door
	unstated := fixtures.changed(_front_door, {"query": {"attestations": ["threshold_decision_needed"]}})
	scope.granted == {"cp_plan": 0} with input as unstated
	scope.notes == {"TIER_NEEDS_CONDITIONS"} with input as unstated
	not scope.beyond_default with input as unstated
}

test_the_front_door_gives_summary_only_with_the_managers_approval if {
	unapproved := fixtures.changed(_front_door, {"query": {"approvals": []}})
	scope.granted == {"cp_plan": 0} with input as unapproved
}

test_family_help_gives_detail_only_when_the_family_knows if {
	scope.granted == {"early_help": 2} with input as _family_help
	count(scope.notes) == 0 with input as _family_help
	unsafe := fixtures.changed(_family_help, {"query": {"family_informed": "unsafe"}})
	scope.granted == {"early_help": 1} with input as unsafe
	scope.notes == {"TIER_NEEDS_CONDITIONS"} with input as unsafe
	modest := fixtures.changed(unsafe, {"query": {"categories": _asked("early_help", "T1")}})
	count(scope.notes) == 0 with input as modest
	never := fixtures.changed(unsafe, {"query": {"categories": _asked("enrolment", "T2")}})
	scope.notes == {"TIER_ABOVE_PURPOSE"} with input as never
}

test_a_category_outside_the_purpose_is_left_out if {
	both := _asking([{"name": "s47", "tier": "T0"}, {"name": "immigration", "tier": "T0"}])
	scope.granted == {"s47": 0} with input as both
	scope.notes == {"CATEGORY_NOT_FOR_PURPOSE"} with input as both
}

test_nothing_left_is_a_denial if {
	scope.denials == {"NO_CATEGORY_PERMITTED"} with input as _asking(_asked("immigration", "T0"))
}

test_a_category_the_bundle_does_not_hold_is_a_denial if {
	both := _asking([{"name": "s47", "tier": "T0"}, {"name": "horoscope", "tier": "T0"}])
	scope.denials == {"CATEGORY_UNKNOWN"} with input as both
}

test_a_sensitive_service_needs_cause_or_consent if {
	question := fixtures.changed(_family_help, {"query": {"categories": [
		{"name": "camhs", "tier": "T0"},
		{"name": "cin", "tier": "T0"},
	]}})
	scope.granted == {"cin": 0} with input as question
	scope.notes == {"CATEGORY_NEEDS_CAUSE"} with input as question
	agreed := fixtures.changed(question, {"query": {"attestations": ["needs_beyond_universal", "sensitive_consent"]}})
	scope.granted == {"camhs": 0, "cin": 0} with input as agreed
	count(scope.notes) == 0 with input as agreed
}

_lapsed := [{"areas": ["testshire"], "effective_from": "2026-11-23", "effective_to": null}]

test_a_category_is_asked_for_while_one_of_its_limbs_is_law if {
	scope.granted == {"s47": 0, "cp_plan": 0} with input as _consent
	count(scope.notes) == 0 with input as _consent
	cell := data.reference.purposes.EHE_CONSENT_434A.categories.cp_plan
	look_back := object.union(cell, {"limbs": [limb | some limb in cell.limbs; limb.look_back_years > 0]})
	scope.granted == {"s47": 0} with input as _consent
		with data.reference.purposes.EHE_CONSENT_434A.categories.cp_plan as look_back
	commenced := [{"areas": ["testshire"], "effective_from": "2026-11-22", "effective_to": null}]
	scope.granted == {"s47": 0, "cp_plan": 0} with input as _consent
		with data.reference.purposes.EHE_CONSENT_434A.categories.cp_plan as look_back
		with data.reference.provisions.EA1996_S434A_LOOK_BACK.rows as commenced
	scope.granted == {"s47": 0} with input as _consent
		with data.reference.purposes.EHE_CONSENT_434A.categories.cp_plan as look_back
		with data.reference.provisions.EA1996_S434A_LOOK_BACK.rows as _lapsed
}

test_a_category_waits_for_its_own_provisions_too if {
	cell := object.union(data.reference.purposes.EHE_CONSENT_434A.categories.s47, {"provisions": ["EA1996_S434A_LOOK_BACK"]})
	scope.granted == {"cp_plan": 0} with input as _consent
		with data.reference.purposes.EHE_CONSENT_434A.categories.s47 as cell
	plain := object.union(cell, {"limbs": []})
	scope.granted == {"cp_plan": 0} with input as _consent
		with data.reference.purposes.EHE_CONSENT_434A.categories.s47 as plain
	scope.notes == {"CATEGORY_NOT_FOR_PURPOSE"} with input as _consent
		with data.reference.purposes.EHE_CONSENT_434A.categories.s47 as plain
}

test_what_wants_cause_is_what_the_purpose_reaches_and_nobody_has_shown_cause_for if {
	question := fixtures.changed(_family_help, {"query": {"categories": [
		{"name": "camhs", "tier": "T0"},
		{"name": "cin", "tier": "T0"},
		{"name": "adult_mental_health", "tier": "T0"},
	]}})
	scope.wanting_cause == {"camhs"} with input as question
	agreed := fixtures.changed(question, {"query": {"attestations": ["needs_beyond_universal", "sensitive_consent"]}})
	scope.wanting_cause == set() with input as agreed
}

test_an_unusable_purpose_is_left_to_its_own_reason if {
	count(scope.denials) == 0 with input as fixtures.changed(fixtures.question, {"query": {"purpose": "S48_ENQ"}})
}
