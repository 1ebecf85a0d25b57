package wardgate.team_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.team

_ordered(change) := fixtures.changed(fixtures.team_order, {"order": change})

_by(agency, role) := fixtures.changed(fixtures.team_order, {
	"requester": {"agency": agency, "user": {"ref": "user", "role": role}},
	"user": null,
})

_user(change) := fixtures.changed(fixtures.team_order, {"user": change})

_adding(agency, profession) := _ordered({"action": "add_member", "member": {"agency": agency, "profession": profession}})

_granting(change) := _ordered(object.union(
	{"action": "open_grant", "expires_at": fixtures.now + 3600, "team": {"professions": fixtures.professions}},
	change,
))

_codes(decision) := [reason.code | some reason in decision.reasons]

test_a_lead_opens_a_team if {
	decision := team.decision with input as fixtures.team_order
	decision == {"effect": "permit", "reasons": [], "obligations": [], "expires_in_s": 60}
}

test_the_gateway_decides_without_the_user if {
	team.denials == set() with input as _by(fixtures.csc, "team_manager")
	decision := team.decision with input as _by(fixtures.csc, "team_manager")
	decision.effect == "permit"
}

test_an_incomplete_order_is_malformed if {
	every path in [
		"/time", "/requester", "/requester/agency/agreements", "/user", "/order", "/order/action", "/order/team", "/order/member", "/order/expires_at",
		"/order/team/agency", "/order/team/area", "/order/team/professions", "/order/team/closed", "/user/conflicted",
	] {
		decision := team.decision with input as fixtures.without(fixtures.team_order, path)
		decision.effect == "deny"
		_codes(decision) == ["INPUT_MALFORMED"]
		decision.expires_in_s == 0
	}
	not team.well_formed with input as {}
}

test_malformed_is_said_as_the_catalogue_says_it if {
	decision := team.decision with input as {}
	row := data.reference.reasons.INPUT_MALFORMED
	decision.reasons == [{"code": "INPUT_MALFORMED", "audience": row.audience, "severity": row.severity}]
	decision.obligations == []
}

test_a_refusal_says_why_and_stands_for_no_time if {
	decision := team.decision with input as _by(fixtures.csc, "social_worker")
	decision.effect == "deny"
	_codes(decision) == ["TEAM_LEAD_NOT_ENTITLED"]
	decision.expires_in_s == 0
	decision.obligations == []
}

test_only_leads_of_childrens_services_lead if {
	team.denials == set() with input as _by(fixtures.csc, "lcpp")
	police := fixtures.changed(_by(fixtures.police, "lcpp"), {"order": {"team": {"agency": "testshire-police"}}})
	team.denials == {"TEAM_LEAD_NOT_ENTITLED"} with input as police
	unbound := object.union(fixtures.csc, {"legal_class": "NONE"})
	team.denials == {"TEAM_LEAD_NOT_ENTITLED"} with input as _by(unbound, "lcpp")
}

test_a_team_is_led_by_its_agency if {
	team.denials == {"TEAM_NOT_OWN"} with input as _ordered({"team": {"agency": "neighbour-csc"}})
}

test_an_agency_leads_in_its_area if {
	elsewhere := object.union(fixtures.csc, {"areas": ["neighbourshire"]})
	team.denials == {"TEAM_AREA_NOT_OWN"} with input as _by(elsewhere, "lcpp")
}

test_there_are_teams_only_where_there_is_law_for_them if {
	neighbour := object.union(fixtures.csc, {"areas": ["neighbourshire"]})
	elsewhere := fixtures.changed(_by(neighbour, "lcpp"), {"order": {"team": {"area": "neighbourshire"}}})
	team.denials == {"TEAMS_NOT_IN_FORCE"} with input as elsewhere
}

test_a_closed_team_is_changed_no_more if {
	team.denials == {"TEAM_CLOSED"} with input as _ordered({"team": {"closed": true}})
}

test_a_member_is_nominated_by_an_agency_of_the_right_kind if {
	team.denials == set() with input as _adding(fixtures.police, "police")
	team.denials == {"PROFESSION_NOT_OF_AGENCY"} with input as _adding(fixtures.police, "health")
	team.denials == {"PROFESSION_NOT_OF_AGENCY"} with input as _adding(fixtures.police, "unheard_of")
}

test_a_member_is_of_the_area if {
	elsewhere := object.union(fixtures.police, {"areas": ["neighbourshire"]})
	team.denials == {"TEAM_MEMBER_OUTSIDE_AREA"} with input as _adding(elsewhere, "police")
}

test_whoever_is_added_is_named if {
	team.denials == {"TEAM_MEMBER_MISSING"} with input as _ordered({"action": "add_member"})
	every action in ["open_team", "remove_member", "close_team", "close_grant"] {
		team.denials == set() with input as _ordered({"action": action})
	}
}

test_a_whole_team_is_given_a_case if {
	team.denials == set() with input as _granting({})
	team.denials == {"CASE_GRANT_TEAM_INCOMPLETE"} with input as _granting({"team": {"professions": ["police"]}})
}

test_a_grant_ends_in_time if {
	longest := data.reference.team_rules.multi_agency_child_protection.rows[1].max_grant_s
	team.denials == set() with input as _granting({"expires_at": fixtures.now + longest})
	team.denials == {"CASE_GRANT_TOO_LONG"} with input as _granting({"expires_at": (fixtures.now + longest) + 1})
	team.denials == set() with input as _granting({"expires_at": fixtures.now + 1})
	team.denials == {"CASE_GRANT_TOO_LONG"} with input as _granting({"expires_at": fixtures.now})
}

test_a_lead_is_trained_employed_and_unconflicted if {
	team.denials == {"TRAINING_EXPIRED"} with input as _user({"training_expires": fixtures.day(2026, 11, 21)})
	team.denials == {"EMPLOYMENT_ENDED"} with input as _user({"employment_ends": fixtures.day(2026, 11, 21)})
	team.denials == {"USER_CONFLICTED"} with input as _user({"conflicted": true})
}

test_the_user_is_the_one_who_orders if {
	not team.well_formed with input as _user({"ref": "another"})
}
