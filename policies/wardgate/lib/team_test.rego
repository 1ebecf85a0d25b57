package wardgate.lib.team_test

import data.wardgate.lib.fixtures_test as fixtures
import data.wardgate.lib.team

_row(professions, areas) := {
	"areas": areas,
	"effective_from": "2026-09-01",
	"effective_to": "2026-11-22",
	"professions": professions,
}

_two_rules := {"one": {"rows": [_row(["police"], ["*"])]}, "two": {"rows": [_row(["health"], ["testshire"])]}}

test_a_rule_counts_on_its_days_and_in_its_area if {
	team.ruled("testshire") with input as fixtures.question with data.reference.team_rules as _two_rules
	after := fixtures.changed(fixtures.question, {"time": {"date": fixtures.day(2026, 11, 23)}})
	not team.ruled("testshire") with input as after with data.reference.team_rules as _two_rules
	not team.ruled("testshire") with input as fixtures.question with data.reference.team_rules as {}
}

test_every_rule_in_force_is_met if {
	team.complete(["health", "police"], "testshire") with input as fixtures.question
		with data.reference.team_rules as _two_rules
	not team.complete(["police"], "testshire") with input as fixtures.question
		with data.reference.team_rules as _two_rules
	not team.complete(["health"], "testshire") with input as fixtures.question
		with data.reference.team_rules as _two_rules
	team.complete(["police"], "neighbourshire") with input as fixtures.question
		with data.reference.team_rules as _two_rules
}
