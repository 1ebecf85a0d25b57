package wardgate.lib.case_grant_test

import data.wardgate.lib.case_grant
import data.wardgate.lib.fixtures_test as fixtures

_under(change) := fixtures.changed(fixtures.question, {"case_grant": object.union(fixtures.case_grant, change)})

_by(agency, role) := fixtures.changed(fixtures.question, {"requester": {
	"agency": agency,
	"user": {"ref": "user", "role": role},
}})

test_whoever_needs_no_grant_asks_without_one if {
	case_grant.denials == set() with input as fixtures.question
}

test_a_grant_that_holds_stands_against_nothing if {
	case_grant.denials == set() with input as _under({})
	member := fixtures.changed(_by(fixtures.police, "macpt_member"), {"case_grant": fixtures.case_grant})
	case_grant.denials == set() with input as member
}

test_a_member_of_a_team_asks_under_a_grant_alone if {
	case_grant.denials == {"CASE_GRANT_MISSING"} with input as _by(fixtures.police, "macpt_member")
	case_grant.denials == set() with input as _by(fixtures.police, "police_officer")
}

test_a_team_that_is_an_agency_asks_under_a_grant_alone if {
	agency := fixtures.agency("testshire-macpt", "macpt", "S11_1")
	case_grant.denials == {"CASE_GRANT_MISSING"} with input as _by(agency, "lcpp")
	case_grant.denials == set() with input as _by(fixtures.csc, "lcpp")
}

test_what_the_bundle_does_not_know_is_not_excused if {
	case_grant.denials == {"CASE_GRANT_MISSING"} with input as _by(fixtures.csc, "unheard_of")
	unknown := fixtures.agency("somebody", "unheard_of", "S11_1")
	case_grant.denials == {"CASE_GRANT_MISSING"} with input as _by(unknown, "lcpp")
}

test_nobody_asks_under_a_grant_of_a_team_they_are_not_in if {
	case_grant.denials == {"CASE_GRANT_NOT_MEMBER"} with input as _under({"member": false})
}

test_a_closed_grant_holds_no_longer if {
	case_grant.denials == {"CASE_GRANT_CLOSED"} with input as _under({"closed": true})
}

test_a_grant_holds_to_its_last_second if {
	case_grant.denials == set() with input as _under({"expires_at": fixtures.now + 1})
	case_grant.denials == {"CASE_GRANT_EXPIRED"} with input as _under({"expires_at": fixtures.now})
}

test_a_grant_holds_in_the_area_of_its_team if {
	case_grant.denials == {"CASE_GRANT_OTHER_AREA"} with input as _under({"area": "neighbourshire"})
}

test_a_grant_holds_only_where_there_is_law_for_teams if {
	elsewhere := fixtures.changed(_under({"area": "neighbourshire"}), {"query": {"area": "neighbourshire"}})
	case_grant.denials == {"TEAMS_NOT_IN_FORCE"} with input as elsewhere
	before := fixtures.changed(_under({}), {"time": {"date": fixtures.day(2026, 8, 31)}})
	case_grant.denials == {"TEAMS_NOT_IN_FORCE"} with input as before
	first := fixtures.changed(_under({}), {"time": {"date": fixtures.day(2026, 9, 1)}})
	case_grant.denials == set() with input as first
}

test_each_profession_of_the_law_is_needed if {
	every missing in ["education", "health", "police", "social_work"] {
		others := [name | some name in fixtures.case_grant.professions; name != missing]
		case_grant.denials == {"CASE_GRANT_TEAM_INCOMPLETE"} with input as _under({"professions": others})
	}
	more := array.concat(fixtures.case_grant.professions, ["housing", "police"])
	case_grant.denials == set() with input as _under({"professions": more})
}
