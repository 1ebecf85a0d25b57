package wardgate.lib.query_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.query

_query(change) := fixtures.changed(fixtures.question, {"query": change})

_ids(pairs) := {pair[0] | some pair in pairs}

test_nothing_stands_against_a_valid_question if {
	query.denials == set() with input as fixtures.question
	query.notes == set() with input as fixtures.question
}

test_denials_of_every_part_come_together if {
	wrong := fixtures.changed(
		_query({
			"attestations": [],
			"categories": [{"name": "immigration", "tier": "T0"}],
		}),
		{"requester": {"user": {"role": "dsl"}}},
	)
	query.denials == {"ATTESTATION_MISSING", "ROLE_NOT_ENTITLED", "NO_CATEGORY_PERMITTED"} with input as wrong
	query.denials == {"PURPOSE_UNKNOWN"} with input as _query({"purpose": "S48_ENQ"})
}

test_law_that_is_not_in_force_is_the_only_fault_then_told if {
	wrong := fixtures.changed(fixtures.question, {
		"query": {
			"purpose": "EHE_CONSENT_434A",
			"area": "neighbourshire",
			"urgency": "emergency",
			"attestations": [],
			"approvals": [],
			"break_glass": "immediate_danger",
		},
		"requester": {"user": {"role": "dsl"}},
	})
	query.denials == {"PURPOSE_NOT_IN_FORCE"} with input as wrong
	query.denials == {"PURPOSE_NOT_IN_FORCE"} with input as wrong
		with data.reference.purposes.EHE_CONSENT_434A.requires.family_informed as []
		with data.reference.purposes.EHE_CONSENT_434A.agreements_any as ["mash"]
		with data.reference.purposes.EHE_CONSENT_434A.break_glass as {"use": "required", "codes": []}
}

test_notes_of_every_part_come_together if {
	noted := fixtures.changed(
		_query({"categories": [
			{"name": "s47", "tier": "T2"},
			{"name": "immigration", "tier": "T0"},
		]}),
		{"counters": {"user_queries_day": data.reference.limits.user_queries_day.alert}},
	)
	query.notes == {"CATEGORY_NOT_FOR_PURPOSE", "VOLUME_UNUSUAL"} with input as noted
}

test_a_permission_ends_with_the_query_or_the_grant if {
	query.expires_in_s == 3600 with input as fixtures.question
	long := _query({"expires_at": (fixtures.now + data.reference.purposes.S47_ENQ.ttl_s) + 1})
	query.expires_in_s == data.reference.purposes.S47_ENQ.ttl_s with input as long
}

test_the_purposes_obligations_and_clocks_are_always_there if {
	_ids(query.obligations) == {"record_outcome", "rejustify_after", "statutory_clock"} with input as fixtures.question
	some clock in query.obligations with input as fixtures.question
	clock[0] == "statutory_clock"
	clock[1].limit == 15
}

test_a_purpose_without_a_statutory_clock_has_none if {
	shared := _query({"purpose": "ISD_16LA"})
	not "statutory_clock" in _ids(query.obligations) with input as shared
	"single_use" in _ids(query.obligations) with input as shared
}

test_break_glass_is_reported_and_reviewed if {
	broken := _query({"break_glass": "shielded_person"})
	{"alert_break_glass", "post_hoc_review"} - _ids(query.obligations) == set() with input as broken
	not "alert_break_glass" in _ids(query.obligations) with input as fixtures.question
	not "post_hoc_review" in _ids(query.obligations) with input as fixtures.question
}

test_the_family_is_not_tipped_off_when_that_is_unsafe if {
	"no_tip_off" in _ids(query.obligations) with input as _query({"family_informed": "unsafe"})
	not "no_tip_off" in _ids(query.obligations) with input as _query({"family_informed": "not_practicable"})
}

test_an_identifier_not_known_in_time_follows if {
	"identifier_follow_up" in _ids(query.obligations) with input as _query({"identifier_state": "unknown_delay"})
	not "identifier_follow_up" in _ids(query.obligations) with input as fixtures.question
}

test_unusual_volume_is_reported if {
	many := fixtures.changed(fixtures.question, {"counters": {"user_queries_day": 100}})
	"alert_volume" in _ids(query.obligations) with input as many
	not "alert_volume" in _ids(query.obligations) with input as fixtures.question
}

test_never_permitted_purposes_and_refused_volume_are_reported if {
	never := {"code": "PURPOSE_NEVER_PERMITTED"}
	query.refusal_obligations == {["alert_misuse", never], ["report_misuse", never]} with input as _query({"purpose": "COMMERCIAL"})
	flood := fixtures.changed(fixtures.question, {"counters": {"user_queries_day": 500}})
	refused := {"code": "VOLUME_REFUSED"}
	query.refusal_obligations == {["alert_misuse", refused], ["report_misuse", refused]} with input as flood
}

test_ordinary_refusals_are_not_reported if {
	query.refusal_obligations == set() with input as _query({"attestations": []})
}

test_an_identifier_left_out_for_the_childs_sake_is_recorded if {
	left_out := fixtures.changed(fixtures.question, {"query": {"identifier_state": "withheld_detriment"}})
	found := query.obligations with input as left_out
	["identifier_withheld", {}] in found
	plain := query.obligations with input as fixtures.question
	not ["identifier_withheld", {}] in plain
}
