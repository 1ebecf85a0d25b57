package wardgate.audit_test

import data.wardgate.audit
import data.wardgate.lib.fixtures_test as fixtures

_look(change) := fixtures.changed(fixtures.audit, {"look": change})

_user(change) := fixtures.changed(fixtures.audit, {"user": change})

_as(role) := fixtures.changed(fixtures.audit, {"requester": {"user": {"role": role}}, "user": {"role": role}})

_codes(decision) := [reason.code | some reason in decision.reasons]

test_an_auditor_may_look_and_the_look_is_recorded if {
	decision := audit.decision with input as fixtures.audit
	decision.effect == "permit"
	decision.reasons == []
	decision.expires_in_s == 3600
	[obligation.id | some obligation in decision.obligations] == ["log_look"]
	every obligation in decision.obligations {
		obligation.mandatory
	}
}

test_each_role_is_shown_its_parts_only if {
	searched := audit.decision with input as fixtures.changed(_as("identifier_steward"), {"look": {"action": "search"}})
	searched.parts == ["header"]
	explained := audit.decision with input as fixtures.audit
	"input" in explained.parts
}

test_an_incomplete_input_is_malformed if {
	every path in [
		"/time", "/requester", "/requester/agency/areas", "/user", "/look", "/look/owner", "/look/approvals",
	] {
		decision := audit.decision with input as fixtures.without(fixtures.audit, path)
		decision.effect == "deny"
		_codes(decision) == ["INPUT_MALFORMED"]
	}
	audit.well_formed with input as fixtures.audit
	not audit.well_formed with input as {}
}

test_malformed_is_said_as_the_catalogue_says_it if {
	decision := audit.decision with input as {}
	row := data.reference.reasons.INPUT_MALFORMED
	decision.reasons == [{"code": "INPUT_MALFORMED", "audience": row.audience, "severity": row.severity}]
}

test_a_refused_look_is_recorded_and_shows_nothing if {
	decision := audit.decision with input as _look({"action": "peek"})
	decision.effect == "deny"
	_codes(decision) == ["LOOK_ACTION_UNKNOWN"]
	[obligation.id | some obligation in decision.obligations] == ["log_look"]
	decision.expires_in_s == 0
	decision.parts == []
}

test_an_action_is_open_for_its_reasons_only if {
	audit.denials == set() with input as _look({"reason": "incident"})
	audit.denials == {"LOOK_REASON_NOT_ACCEPTED"} with input as _look({"reason": "inspection"})
}

test_a_role_takes_its_own_actions_only if {
	audit.denials == {"LOOK_ROLE_NOT_ENTITLED"} with input as _as("identifier_steward")
	audit.denials == {"LOOK_ROLE_NOT_ENTITLED"} with input as _as("team_manager")
	audit.denials == set() with input as _as("caldicott_guardian")
}

test_an_inspector_sees_audit_and_no_case_content if {
	inspectorate := object.union(fixtures.csc, {"kind": "inspectorate"})
	inspecting := fixtures.changed(_as("inspector"), {
		"requester": {"agency": inspectorate},
		"look": {"action": "search", "reason": "inspection"},
	})
	decision := audit.decision with input as inspecting
	decision.effect == "permit"
	not "input" in decision.parts
	audit.denials == {"LOOK_ROLE_NOT_ENTITLED"} with input as fixtures.changed(inspecting, {"requester": {"agency": fixtures.csc}})
}

test_the_own_ledger_only if {
	audit.denials == {"LOOK_NOT_OWN_LEDGER"} with input as _look({"owner": "testshire-police"})
}

test_the_gateways_ledger_with_its_mandate_only if {
	gateway := _look({"ledger": "gateway", "owner": "main"})
	audit.denials == {"LOOK_NOT_OWN_LEDGER"} with input as gateway
	mandated := {"requester": {"agency": {"agreements": ["gateway-audit"]}}}
	audit.denials == set() with input as fixtures.changed(gateway, mandated)
	before := fixtures.changed(gateway, {"time": {"date": fixtures.day(2025, 12, 31)}})
	audit.denials == {"LOOK_NOT_OWN_LEDGER"} with input as fixtures.changed(before, mandated)
	trustee := fixtures.changed(gateway, {"look": {"ledger": "trustee"}})
	audit.denials == {"LOOK_NOT_OWN_LEDGER"} with input as fixtures.changed(trustee, mandated)
}

test_nobody_reviews_themselves if {
	audit.denials == {"LOOK_CONCERNS_VIEWER"} with input as _look({"concerns_viewer": true})
	audit.denials == {"LOOK_CONCERNS_VIEWER"} with input as _user({"conflicted": true})
}

test_the_right_to_look_is_granted_by_name if {
	audit.denials == {"GRANT_MISSING"} with input as _user({"grants": ["S47_ENQ"]})
}

test_training_and_employment_count_to_their_last_day if {
	audit.denials == {"TRAINING_EXPIRED"} with input as _user({"training_expires": fixtures.day(2026, 11, 21)})
	audit.denials == {"EMPLOYMENT_ENDED"} with input as _user({"employment_ends": fixtures.day(2026, 11, 21)})
	audit.denials == set() with input as _user({"employment_ends": null})
}

test_what_reaches_a_child_is_approved_by_somebody_else if {
	account := _look({"action": "account", "reason": "subject_access"})
	audit.denials == {"APPROVAL_MISSING"} with input as account
	approved := fixtures.changed(account, {"look": {"approvals": [fixtures.approval("audit", "dpo")]}})
	audit.denials == set() with input as approved
	every approval in [
		fixtures.approval("manager", "dpo"), fixtures.approval("audit", "team_manager"),
		{"role": "dpo", "kind": "audit", "user_ref": "user"},
	] {
		audit.denials == {"APPROVAL_MISSING"} with input as fixtures.changed(account, {"look": {"approvals": [approval]}})
	}
}

test_looks_are_counted if {
	limit := data.reference.limits.looks_day.refuse
	audit.denials == set() with input as _look({"looks_day": limit - 1})
	audit.denials == {"VOLUME_REFUSED"} with input as _look({"looks_day": limit})
	decision := audit.decision with input as _look({"looks_day": limit})
	[obligation.id | some obligation in decision.obligations] == ["alert_misuse", "log_look"]
}
