package wardgate.lib.conditions_test

import data.wardgate.lib.conditions
import data.wardgate.lib.fixtures_test as fixtures

_query(change) := fixtures.changed(fixtures.question, {"query": change})

_counting(change) := fixtures.changed(fixtures.question, {"counters": change})

_emergency := _query({
	"purpose": "S47_EMERG",
	"urgency": "emergency",
	"attestations": ["immediate_risk_only", "immediate_danger"],
	"break_glass": "immediate_danger",
})

test_nothing_stands_against_a_valid_question if {
	count(conditions.denials) == 0 with input as fixtures.question
	count(conditions.notes) == 0 with input as fixtures.question
	count(conditions.denials) == 0 with input as _emergency
}

test_every_attestation_of_the_all_of_list_is_needed if {
	missing := _query({"attestations": ["reasonable_cause_significant_harm"]})
	conditions.denials == {"ATTESTATION_MISSING"} with input as missing
	conditions.missing_attestations({"attestations_all": ["strategy_discussion_held"]}) == ["strategy_discussion_held"] with input as missing
	conditions.missing_attestations({"attestations_all": ["strategy_discussion_held"]}) == [] with input as fixtures.question
}

test_one_attestation_of_the_any_of_list_is_needed if {
	other := _query({"attestations": ["strategy_discussion_held", "police_protection_in_force"]})
	count(conditions.denials) == 0 with input as other
	neither := _query({"attestations": ["strategy_discussion_held"]})
	conditions.denials == {"ATTESTATION_MISSING"} with input as neither
}

test_an_empty_any_of_list_asks_for_nothing if {
	conditions.attested({"attestations_all": [], "attestations_any": []}) with input as fixtures.question
	not conditions.attested({"attestations_all": [], "attestations_any": ["epo_in_force"]}) with input as fixtures.question
}

test_an_unknown_attestation_attests_nothing if {
	given := array.concat(fixtures.question.query.attestations, ["because_i_say_so"])
	conditions.denials == {"ATTESTATION_UNKNOWN"} with input as _query({"attestations": given})
}

test_an_approval_comes_from_a_role_that_may_give_it if {
	wrong := _query({"approvals": [fixtures.approval("manager", "social_worker")]})
	conditions.denials == {"APPROVAL_MISSING"} with input as wrong
}

test_an_approval_is_of_the_kind_asked_for if {
	wrong := _query({"approvals": [fixtures.approval("second_person", "team_manager")]})
	conditions.denials == {"APPROVAL_MISSING"} with input as wrong
}

test_nobody_approves_their_own_question if {
	own := _query({"approvals": [{"role": "team_manager", "kind": "manager", "user_ref": "user"}]})
	conditions.denials == {"APPROVAL_MISSING"} with input as own
}

test_a_manager_needs_no_manager if {
	unapproved := fixtures.changed(fixtures.question, {
		"query": {"approvals": []},
		"requester": {"user": {"role": "team_manager"}},
	})
	count(conditions.denials) == 0 with input as unapproved
	not_a_manager := fixtures.changed(unapproved, {"requester": {"user": {"role": "lcpp"}}})
	conditions.denials == {"APPROVAL_MISSING"} with input as not_a_manager
}

test_the_missing_approvals_are_named if {
	needed := {"kind": "legal", "roles": ["solicitor"], "waived_for_roles": []}
	conditions.missing_approvals({"approvals": [needed]}) == [needed] with input as fixtures.question
	met := _query({"approvals": [fixtures.approval("legal", "solicitor")]})
	conditions.missing_approvals({"approvals": [needed]}) == [] with input as met
}

test_some_purposes_want_the_family_to_know if {
	helping := _query({"purpose": "FAMILY_HELP", "attestations": ["needs_beyond_universal"]})
	count(conditions.denials) == 0 with input as helping
	unsaid := fixtures.changed(helping, {"query": {"family_informed": "no"}})
	conditions.denials == {"FAMILY_NOT_INFORMED"} with input as unsaid
}

test_a_requirement_is_met_in_all_its_parts if {
	requirement := {
		"attestations_all": ["strategy_discussion_held"],
		"attestations_any": [],
		"approvals": [],
		"family_informed": ["yes"],
	}
	conditions.met(requirement) with input as fixtures.question
	not conditions.met(object.union(requirement, {"family_informed": ["unsafe"]})) with input as fixtures.question
	not conditions.met(object.union(requirement, {"attestations_all": ["epo_in_force"]})) with input as fixtures.question
	approval := {"kind": "legal", "roles": ["solicitor"], "waived_for_roles": []}
	not conditions.met(object.union(requirement, {"approvals": [approval]})) with input as fixtures.question
}

test_a_second_person_is_somebody_else if {
	conditions.second_person with input as _query({"approvals": [fixtures.approval("second_person", "lcpp")]})
	own := _query({"approvals": [{"role": "lcpp", "kind": "second_person", "user_ref": "user"}]})
	not conditions.second_person with input as own
	not conditions.second_person with input as fixtures.question
}

test_an_emergency_purpose_is_not_for_routine if {
	routine := fixtures.changed(_emergency, {"query": {"urgency": "routine"}})
	conditions.denials == {"URGENCY_NOT_ALLOWED"} with input as routine
}

test_a_break_glass_purpose_wants_its_code if {
	without := fixtures.changed(_emergency, {"query": {"break_glass": ""}})
	conditions.denials == {"BREAK_GLASS_NEEDED"} with input as without
	other := fixtures.changed(_emergency, {"query": {"break_glass": "shielded_person"}})
	conditions.denials == {"BREAK_GLASS_NEEDED", "BREAK_GLASS_NOT_ACCEPTED"} with input as other
}

test_other_purposes_take_the_codes_they_name_or_none if {
	count(conditions.denials) == 0 with input as _query({"break_glass": "shielded_person"})
	conditions.denials == {"BREAK_GLASS_NOT_ACCEPTED"} with input as _query({"break_glass": "epo_s44"})
	never := _query({
		"purpose": "FAMILY_HELP",
		"attestations": ["needs_beyond_universal"],
		"break_glass": "immediate_danger",
	})
	conditions.denials == {"BREAK_GLASS_NOT_ACCEPTED"} with input as never
}

test_a_code_the_catalogue_does_not_hold_is_not_accepted if {
	conditions.denials == {"BREAK_GLASS_NEEDED", "BREAK_GLASS_NOT_ACCEPTED"} with input as _emergency
		with data.reference.break_glass as {}
}

test_a_purpose_that_never_takes_a_code_takes_none_it_lists if {
	conditions.denials == {"BREAK_GLASS_NOT_ACCEPTED"} with input as _query({"break_glass": "shielded_person"})
		with data.reference.purposes.S47_ENQ.break_glass.use as "never"
}

test_a_query_lives_until_it_expires if {
	count(conditions.denials) == 0 with input as _query({"expires_at": fixtures.now + 1})
	conditions.denials == {"QUERY_NOT_CURRENT"} with input as _query({"expires_at": fixtures.now})
}

test_a_query_may_be_dated_ahead_by_the_clocks_difference_only if {
	count(conditions.denials) == 0 with input as _query({"issued_at": fixtures.now + 30})
	conditions.denials == {"QUERY_NOT_CURRENT"} with input as _query({"issued_at": fixtures.now + 31})
}

test_a_query_expires_after_it_was_issued if {
	conditions.denials == {"QUERY_NOT_CURRENT"} with input as _query({
		"issued_at": fixtures.now + 20,
		"expires_at": fixtures.now + 20,
	})
}

test_a_period_may_be_one_day_and_not_less if {
	one := _query({"period": {"from": fixtures.day(2026, 11, 22), "to": fixtures.day(2026, 11, 22)}})
	count(conditions.denials) == 0 with input as one
	less := _query({"period": {"from": fixtures.day(2026, 11, 22), "to": fixtures.day(2026, 11, 21)}})
	conditions.denials == {"PERIOD_REVERSED"} with input as less
}

test_volume_is_noted_from_the_alert_limit if {
	below := _counting({"user_queries_day": data.reference.limits.user_queries_day.alert - 1})
	count(conditions.notes) == 0 with input as below
	conditions.volume_usual with input as below
	at := _counting({"user_queries_day": data.reference.limits.user_queries_day.alert})
	conditions.notes == {"VOLUME_UNUSUAL"} with input as at
	not conditions.volume_usual with input as at
	count(conditions.denials) == 0 with input as at
}

test_volume_is_refused_from_the_refusal_limit if {
	every counter in ["user_queries_day", "agency_queries_hour"] {
		limit := data.reference.limits[counter].refuse
		count(conditions.denials) == 0 with input as _counting({counter: limit - 1})
		conditions.denials == {"VOLUME_REFUSED"} with input as _counting({counter: limit})
	}
}

test_uses_of_break_glass_count_against_further_uses_only if {
	limit := data.reference.limits.break_glass_day.refuse
	count(conditions.denials) == 0 with input as _counting({"break_glass_day": limit})
	last := fixtures.changed(_emergency, {"counters": {"break_glass_day": limit - 1}})
	count(conditions.denials) == 0 with input as last
	further := fixtures.changed(_emergency, {"counters": {"break_glass_day": limit}})
	conditions.denials == {"VOLUME_REFUSED"} with input as further
}

test_an_unusable_purpose_is_left_to_its_own_reason if {
	count(conditions.denials) == 0 with input as _query({"purpose": "S48_ENQ"})
}

test_a_purpose_has_its_directions if {
	requested := fixtures.question
	not "DIRECTION_NOT_ALLOWED" in conditions.denials with input as requested
	pushed := fixtures.changed(fixtures.question, {"query": {"direction": "proactive"}})
	"DIRECTION_NOT_ALLOWED" in conditions.denials with input as pushed
	conditions.asked_for with input as requested
	not conditions.asked_for with input as pushed
}

test_cause_is_shown_by_any_of_those_named if {
	conditions.cause_shown([]) with input as fixtures.question
	conditions.cause_shown(["epo_in_force", "reasonable_cause_significant_harm"]) with input as fixtures.question
	not conditions.cause_shown(["epo_in_force"]) with input as fixtures.question
}
