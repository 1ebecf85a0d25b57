package wardgate.lib.justification_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.justification
import data.wardgate.requester

# A summary under a purpose that wants no justification for it.
_plain := fixtures.changed(fixtures.question, {"query": {
	"purpose": "FRONT_DOOR",
	"categories": [{"name": "cin", "tier": "T1"}],
	"attestations": ["threshold_decision_needed", "partner_most_relevant"],
	"approvals": [],
	"justified": false,
}})

_role(document, role) := fixtures.changed(document, {"requester": {"user": {"role": role}}})

_denials(document) := denials if {
	denials := justification.denials with input as document
}

_missing := {"JUSTIFICATION_MISSING"}

test_a_summary_under_an_ordinary_purpose_wants_none if {
	_denials(_plain) == set()
	_denials(_role(_plain, "mash_practitioner")) == set()
}

test_an_enquiry_always_wants_one if {
	enquiry := fixtures.changed(fixtures.question, {"query": {
		"categories": [{"name": "s47", "tier": "T0"}],
		"attestations": ["strategy_discussion_held"],
		"justified": false,
	}})
	_denials(enquiry) == _missing
	_denials(fixtures.changed(enquiry, {"query": {"justified": true}})) == set()
}

_free(change) := denials if {
	document := fixtures.changed(fixtures.question, {"query": object.union({"attestations": ["strategy_discussion_held"], "justified": false}, change)})
	denials := justification.denials with input as document
		with data.reference.purposes.S47_ENQ.justification as "for_detail"
}

_summary := {"categories": [{"name": "s47", "tier": "T1"}]}

test_detail_wants_one_and_a_summary_does_not if {
	_free({"categories": [{"name": "s47", "tier": "T2"}]}) == _missing
	_free(_summary) == set()
}

test_an_emergency_reason_wants_one if _free(object.union(_summary, {"break_glass": "shielded_person"})) == _missing

test_what_lifts_a_shield_wants_one if {
	_free(object.union(_summary, {"attestations": ["sensitive_consent"]})) == _missing
	_free(object.union(_summary, {"attestations": ["reasonable_cause_significant_harm"]})) == _missing
	second := [{"role": "team_manager", "kind": "second_person", "user_ref": "second"}]
	_free(object.union(_summary, {"approvals": second})) == _missing
	manager := [{"role": "team_manager", "kind": "manager", "user_ref": "second"}]
	_free(object.union(_summary, {"approvals": manager})) == set()
}

test_a_purpose_that_nobody_may_use_is_refused_for_that if {
	unknown := fixtures.changed(fixtures.question, {"query": {"purpose": "INVENTED", "justified": false}})
	_denials(unknown) == set()
}

test_the_question_is_refused_without_one if {
	decision := requester.decision with input as fixtures.changed(fixtures.requester, {"query": {"justified": false}})
	decision.effect == "deny"
	[reason.code | some reason in decision.reasons] == ["JUSTIFICATION_MISSING"]
}
