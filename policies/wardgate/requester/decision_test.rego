package wardgate.requester_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.requester

_user(change) := fixtures.changed(fixtures.requester, {"user": change})

_codes(decision) := [reason.code | some reason in decision.reasons]

_obligation(decision, id) := obligation if {
	some obligation in decision.obligations
	obligation.id == id
}

test_a_valid_question_may_be_put if {
	decision := requester.decision with input as fixtures.requester
	decision.effect == "permit"
	_codes(decision) == ["SECOND_PERSON_MAY_BE_WANTED"]
	decision.expires_in_s == 3600
	[obligation.id | some obligation in decision.obligations] == ["record_outcome", "rejustify_after", "statutory_clock"]
}

test_what_will_be_trimmed_is_said if {
	worker := fixtures.changed(fixtures.requester, {
		"requester": {"user": {"role": "social_worker"}},
		"user": {"role": "social_worker"},
	})
	decision := requester.decision with input as worker
	decision.effect == "permit"
	_codes(decision) == ["TIER_ABOVE_ROLE", "SECOND_PERSON_MAY_BE_WANTED"]
}

test_an_incomplete_question_is_malformed if {
	every path in ["/time", "/query", "/query/id", "/requester", "/counters", "/user", "/user/grants"] {
		decision := requester.decision with input as fixtures.without(fixtures.requester, path)
		decision.effect == "deny"
		_codes(decision) == ["INPUT_MALFORMED"]
		decision.obligations == []
		decision.expires_in_s == 0
	}
	requester.well_formed with input as fixtures.requester
	not requester.well_formed with input as {}
}

test_malformed_is_said_as_the_catalogue_says_it if {
	decision := requester.decision with input as {}
	row := data.reference.reasons.INPUT_MALFORMED
	decision.reasons == [{"code": "INPUT_MALFORMED", "audience": row.audience, "severity": row.severity}]
}

test_what_stands_against_the_query_stands_here if {
	unknown := fixtures.changed(fixtures.requester, {"query": {"purpose": "S48_ENQ"}})
	decision := requester.decision with input as unknown
	decision.effect == "deny"
	_codes(decision) == ["PURPOSE_UNKNOWN"]
	decision.expires_in_s == 0
}

test_never_permitted_purposes_are_reported if {
	decision := requester.decision with input as fixtures.changed(fixtures.requester, {"query": {"purpose": "COMMERCIAL"}})
	_codes(decision) == ["PURPOSE_NEVER_PERMITTED"]
	_obligation(decision, "alert_misuse").mandatory
}

test_training_counts_to_its_last_day if {
	requester.denials == set() with input as fixtures.requester
	expired := _user({"training_expires": fixtures.day(2026, 11, 21)})
	requester.denials == {"TRAINING_EXPIRED"} with input as expired
}

test_employment_counts_to_its_last_day if {
	requester.denials == {"EMPLOYMENT_ENDED"} with input as _user({"employment_ends": fixtures.day(2026, 11, 21)})
	requester.denials == set() with input as _user({"employment_ends": null})
}

test_a_conflicted_user_does_not_ask if {
	requester.denials == {"USER_CONFLICTED"} with input as _user({"conflicted": true})
}

test_the_agency_grants_purposes_by_name if {
	requester.denials == {"GRANT_MISSING"} with input as _user({"grants": ["FRONT_DOOR", "S47_EMERG"]})
}

test_a_part_in_the_case_is_needed if {
	requester.denials == {"CASE_ROLE_MISSING"} with input as _user({"case_role": ""})
	requester.denials == set() with input as _user({"case_role": "panel_member"})
}

test_a_supervised_user_asks_for_detail_beside_somebody if {
	requester.denials == {"COSIGNATURE_MISSING"} with input as _user({"supervised": true})
	signed := fixtures.changed(_user({"supervised": true}), {"query": {"approvals": [
		fixtures.approval("manager", "team_manager"),
		fixtures.approval("co_signature", "lcpp"),
	]}})
	requester.denials == set() with input as signed
	decision := requester.decision with input as _user({"supervised": true})
	_obligation(decision, "obtain_approval").params == {"kind": "co_signature", "roles": []}
}

test_a_supervised_user_does_not_sign_beside_themselves if {
	own := fixtures.changed(_user({"supervised": true}), {"query": {"approvals": [
		fixtures.approval("manager", "team_manager"),
		{"role": "lcpp", "kind": "co_signature", "user_ref": "user"},
	]}})
	requester.denials == {"COSIGNATURE_MISSING"} with input as own
}

test_a_supervised_user_asks_for_summary_alone if {
	summary := fixtures.changed(_user({"supervised": true}), {"query": {"categories": [{"name": "s47", "tier": "T1"}]}})
	requester.denials == set() with input as summary
}

test_a_missing_approval_is_named if {
	decision := requester.decision with input as fixtures.changed(fixtures.requester, {"query": {"approvals": []}})
	_codes(decision) == ["APPROVAL_MISSING"]
	_obligation(decision, "obtain_approval").params.kind == "manager"
	"team_manager" in _obligation(decision, "obtain_approval").params.roles
}

test_a_missing_attestation_is_named if {
	decision := requester.decision with input as fixtures.changed(fixtures.requester, {"query": {"attestations": []}})
	_codes(decision) == ["ATTESTATION_MISSING"]
	params := _obligation(decision, "obtain_attestation").params
	params.all_of == ["strategy_discussion_held"]
	"epo_in_force" in params.any_of
}

test_an_unusable_purpose_hides_no_other_fault_of_the_user if {
	unknown := fixtures.changed(_user({"conflicted": true, "grants": []}), {"query": {"purpose": "S48_ENQ"}})
	requester.denials == {"PURPOSE_UNKNOWN", "USER_CONFLICTED"} with input as unknown
}

test_a_permission_names_its_conditions_and_who_may_learn if {
	decision := requester.decision with input as fixtures.requester
	decision.processing == data.reference.purposes.S47_ENQ.processing.by_default
	decision.enquiry.outcome == "delay"
	refused := requester.decision with input as _user({"conflicted": true})
	refused.processing == []
}

test_an_agency_worker_without_an_end_does_not_ask if {
	supplied := {"requester": {"user": {"role": "agency_social_worker"}}, "user": {"role": "agency_social_worker"}}
	worker := fixtures.changed(fixtures.requester, supplied)
	requester.denials == set() with input as worker
	endless := fixtures.changed(worker, {"user": {"employment_ends": null}})
	requester.denials == {"EMPLOYMENT_END_MISSING"} with input as endless
}

test_nothing_is_pushed_by_a_requester if {
	pushed := fixtures.changed(fixtures.requester, {"query": {"direction": "proactive"}})
	requester.denials == {"DIRECTION_NOT_ALLOWED"} with input as pushed
	requester.denials == {"DIRECTION_NOT_ALLOWED"} with input as pushed
		with data.reference.purposes.S47_ENQ.directions as ["request", "proactive"]
	requester.denials == set() with input as fixtures.requester
		with data.reference.purposes.S47_ENQ.directions as ["request", "proactive"]
}

test_nothing_is_to_be_obtained_that_is_not_missing if {
	denied := requester.decision with input as _user({"conflicted": true})
	_codes(denied) == ["USER_CONFLICTED"]
	denied.obligations == []
}

test_no_approval_is_to_be_obtained_under_law_that_is_not_in_force if {
	question := fixtures.changed(fixtures.requester, {"query": {"approvals": []}})
	decision := requester.decision with input as question
		with data.reference.purposes.S47_ENQ.provisions as ["UNHEARD_OF"]
	_codes(decision) == ["PURPOSE_NOT_IN_FORCE"]
	decision.obligations == []
}

test_a_second_person_may_be_wanted_unless_there_is_one if {
	second := {"role": "team_manager", "kind": "second_person", "user_ref": "second"}
	named := fixtures.changed(fixtures.requester, {"query": {"approvals": array.concat(fixtures.requester.query.approvals, [second])}})
	decision := requester.decision with input as named
	decision.effect == "permit"
	_codes(decision) == []
}
